//! From our packets to the library's, for each version: what a version has no word for is left out, or said in the nearest one.

use bytes::Bytes;
use rumqttd::protocol::{
    self, ConnAck, ConnAckProperties, ConnectReturnCode, Disconnect, DisconnectReasonCode, Packet, PingResp, PubAck, PubAckProperties,
    PubAckReason, QoS, SubAck, SubscribeReasonCode, UnsubAck, UnsubAckReason,
};

use super::alias::ALIASES_MAX;
use crate::packet::{Accepted, AckCode, ConnectCode, Goodbye, Granted, Outgoing, Version};
use crate::state::RECEIVE_MAX;

/// A packet in the library's words. None: this version has no such packet.
pub(super) fn packet(packet: Outgoing, version: Version, packet_bytes_max: usize) -> Option<Packet> {
    let five = version == Version::V5;
    Some(match packet {
        Outgoing::Accepted(accepted) => Packet::ConnAck(
            ConnAck {
                session_present: false,
                code: ConnectReturnCode::Success,
            },
            five.then(|| told(accepted, packet_bytes_max)),
        ),
        Outgoing::Refused(code) => Packet::ConnAck(
            ConnAck {
                session_present: false,
                code: connect_code(code, five),
            },
            None,
        ),
        Outgoing::PubAck(pkid, code, reason) => {
            let ack = PubAck {
                pkid,
                reason: if five { ack_code(code) } else { PubAckReason::Success },
            };
            let properties = reason.filter(|_| five).map(|reason| PubAckProperties {
                reason_string: Some(reason.into()),
                user_properties: Vec::new(),
            });
            Packet::PubAck(ack, properties)
        }
        Outgoing::SubAck(pkid, granted) => Packet::SubAck(
            SubAck {
                pkid,
                return_codes: granted.into_iter().map(|granted| grant_code(granted, five)).collect(),
            },
            None,
        ),
        Outgoing::UnsubAck(pkid, existed) => {
            let reason = |existed: bool| {
                if existed {
                    UnsubAckReason::Success
                } else {
                    UnsubAckReason::NoSubscriptionExisted
                }
            };
            Packet::UnsubAck(
                UnsubAck {
                    pkid,
                    reasons: existed.into_iter().map(reason).collect(),
                },
                None,
            )
        }
        Outgoing::PingResp => Packet::PingResp(PingResp),
        Outgoing::Publish(topic, payload, pkid) => Packet::Publish(publish(&topic, &payload, pkid), None),
        Outgoing::Disconnect(_) if !five => return None,
        Outgoing::Disconnect(reason) => Packet::Disconnect(
            Disconnect {
                reason_code: goodbye_code(reason),
            },
            None,
        ),
    })
}

/// What a device that speaks MQTT 5 learns when it is let in.
fn told(accepted: Accepted, packet_bytes_max: usize) -> ConnAckProperties {
    ConnAckProperties {
        receive_max: Some(RECEIVE_MAX),
        max_qos: Some(1),
        retain_available: Some(0),
        max_packet_size: u32::try_from(packet_bytes_max).ok(),
        assigned_client_identifier: accepted.client_id,
        topic_alias_max: Some(ALIASES_MAX),
        wildcard_subscription_available: Some(1),
        subscription_identifiers_available: Some(0),
        shared_subscription_available: Some(0),
        server_keep_alive: accepted.keep_alive_s,
        ..ConnAckProperties::default()
    }
}

/// The library lets others make a PUBLISH with a packet identifier only from its own serialised form.
fn publish(topic: &str, payload: &[u8], pkid: Option<u16>) -> protocol::Publish {
    let Some(pkid) = pkid else {
        return protocol::Publish::new(Bytes::copy_from_slice(topic.as_bytes()), Bytes::copy_from_slice(payload), false);
    };
    let mut serialised = Vec::with_capacity(5 + topic.len() + payload.len());
    serialised.push(0b0011_0010);
    serialised.extend_from_slice(&pkid.to_be_bytes());
    serialised.extend_from_slice(&u16::try_from(topic.len()).unwrap_or(u16::MAX).to_be_bytes());
    serialised.extend_from_slice(topic.as_bytes());
    serialised.extend_from_slice(payload);
    protocol::Publish::deserialize(serialised.into())
}

fn connect_code(code: ConnectCode, five: bool) -> ConnectReturnCode {
    match (code, five) {
        (ConnectCode::UnsupportedVersion, false) => ConnectReturnCode::RefusedProtocolVersion,
        (ConnectCode::UnsupportedVersion, true) => ConnectReturnCode::UnsupportedProtocolVersion,
        (ConnectCode::IdentifierRejected, _) => ConnectReturnCode::ClientIdentifierNotValid,
        (ConnectCode::BadUserNameOrPassword, true) => ConnectReturnCode::BadUserNamePassword,
        (ConnectCode::BadAuthenticationMethod, true) => ConnectReturnCode::BadAuthenticationMethod,
        (ConnectCode::BadUserNameOrPassword | ConnectCode::BadAuthenticationMethod, false) | (ConnectCode::NotAuthorized, _) => {
            ConnectReturnCode::NotAuthorized
        }
        (ConnectCode::Unavailable, true) => ConnectReturnCode::ServerUnavailable,
        (ConnectCode::RateExceeded, true) => ConnectReturnCode::ConnectionRateExceeded,
        (ConnectCode::Unavailable | ConnectCode::RateExceeded, false) => ConnectReturnCode::ServiceUnavailable,
    }
}

fn ack_code(code: AckCode) -> PubAckReason {
    match code {
        AckCode::Success => PubAckReason::Success,
        AckCode::TopicNameInvalid => PubAckReason::TopicNameInvalid,
        AckCode::QuotaExceeded => PubAckReason::QuotaExceeded,
        AckCode::PayloadFormatInvalid => PubAckReason::PayloadFormatInvalid,
    }
}

fn grant_code(granted: Granted, five: bool) -> SubscribeReasonCode {
    match granted {
        Granted::Quality(0) => SubscribeReasonCode::Success(QoS::AtMostOnce),
        Granted::Quality(_) => SubscribeReasonCode::Success(QoS::AtLeastOnce),
        _ if !five => SubscribeReasonCode::Failure,
        Granted::TopicFilterInvalid => SubscribeReasonCode::TopicFilterInvalid,
        Granted::QuotaExceeded => SubscribeReasonCode::QuotaExceeded,
        Granted::SharedNotSupported => SubscribeReasonCode::SharedSubscriptionsNotSupported,
        Granted::IdentifiersNotSupported => SubscribeReasonCode::SubscriptionIdNotSupported,
    }
}

fn goodbye_code(reason: Goodbye) -> DisconnectReasonCode {
    match reason {
        Goodbye::Malformed => DisconnectReasonCode::MalformedPacket,
        Goodbye::ProtocolError => DisconnectReasonCode::ProtocolError,
        Goodbye::ImplementationSpecific => DisconnectReasonCode::ImplementationSpecificError,
        Goodbye::ShuttingDown => DisconnectReasonCode::ServerShuttingDown,
        Goodbye::KeepAliveTimeout => DisconnectReasonCode::KeepAliveTimeout,
        Goodbye::TakenOver => DisconnectReasonCode::SessionTakenOver,
        Goodbye::TopicNameInvalid => DisconnectReasonCode::TopicNameInvalid,
        Goodbye::ReceiveMaximumExceeded => DisconnectReasonCode::ReceiveMaximumExceeded,
        Goodbye::TopicAliasInvalid => DisconnectReasonCode::TopicAliasInvalid,
        Goodbye::PacketTooLarge => DisconnectReasonCode::PacketTooLarge,
        Goodbye::QuotaExceeded => DisconnectReasonCode::QuotaExceeded,
        Goodbye::Administrative => DisconnectReasonCode::AdministrativeAction,
        Goodbye::PayloadFormatInvalid => DisconnectReasonCode::PayloadFormatInvalid,
        Goodbye::QosNotSupported => DisconnectReasonCode::QoSNotSupported,
        Goodbye::MaximumConnectTime => DisconnectReasonCode::MaximumConnectTime,
    }
}
