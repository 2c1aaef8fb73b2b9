//! Framing. `rumqttd`'s protocol module does the reading and writing; what it does not check is checked here, and what it would panic
//! at never reaches it.

use bytes::{Bytes, BytesMut};
use rumqttd::protocol::{
    self, ConnAck, ConnAckProperties, ConnectReturnCode, Disconnect, DisconnectReasonCode, Packet, PingResp, Protocol, PubAck,
    PubAckReason, QoS, SubAck, SubscribeReasonCode, UnsubAck, UnsubAckReason,
};

use super::packet::{AckCode, Connect, ConnectCode, Goodbye, Incoming, Outgoing, Publish, Version};

/// Unacknowledged publishes a device may have sent, told to devices that speak MQTT 5.
const RECEIVE_MAX: u16 = 256;

/// Reads and writes packets of one connection.
pub trait FrameCodec: Send {
    /// Takes a packet from the front of the buffer. None: it is not complete.
    ///
    /// # Errors
    /// [`FrameError`]: the connection cannot go on.
    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Incoming>, FrameError>;

    /// Appends a packet.
    fn encode(&self, packet: Outgoing, buffer: &mut BytesMut);

    /// The version the device speaks; 3.1.1 until it is known.
    fn version(&self) -> Version;
}

/// Why a connection cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Larger than a packet may be.
    #[error("a packet of {len} bytes is larger than the {max} allowed")]
    TooLarge {
        /// Bytes it has.
        len: usize,
        /// Bytes it may have.
        max: usize,
    },
    /// A version that is not served.
    #[error("protocol level {0} is not served")]
    UnsupportedVersion(u8),
    /// Quality 2.
    #[error("quality of service 2 is not served")]
    QosNotSupported,
    /// Not MQTT, or not at this place.
    #[error("{0}")]
    Protocol(&'static str),
    /// Cannot be read.
    #[error("malformed packet: {0}")]
    Malformed(String),
}

/// [`FrameCodec`] by `rumqttd`.
pub struct RumqttCodec {
    version: Option<Version>,
    packet_bytes_max: usize,
}

/// What the first bytes of a packet say.
struct Header {
    packet_type: u8,
    flags: u8,
    header_len: usize,
    total_len: usize,
}

impl RumqttCodec {
    /// For a new connection: its first packet decides about the version.
    pub fn new(packet_bytes_max: usize) -> Self {
        RumqttCodec {
            version: None,
            packet_bytes_max,
        }
    }

    fn read(&self, buffer: &mut BytesMut) -> Result<Packet, protocol::Error> {
        match self.version() {
            Version::V311 => protocol::v4::V4.read_mut(buffer, self.packet_bytes_max),
            Version::V5 => protocol::v5::V5.read_mut(buffer, self.packet_bytes_max),
        }
    }
}

impl FrameCodec for RumqttCodec {
    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Incoming>, FrameError> {
        let Some(header) = header(buffer)? else { return Ok(None) };
        if header.total_len > self.packet_bytes_max {
            return Err(FrameError::TooLarge {
                len: header.total_len,
                max: self.packet_bytes_max,
            });
        }
        match (header.packet_type, self.version) {
            (1, None) | (3 | 4 | 8 | 10 | 12 | 14, Some(_)) => {}
            (5..=7, Some(_)) => return Err(FrameError::QosNotSupported),
            (_, None) => return Err(FrameError::Protocol("the first packet is not CONNECT")),
            (1, Some(_)) => return Err(FrameError::Protocol("a second CONNECT")),
            _ => return Err(FrameError::Protocol("a packet that only servers send")),
        }
        let flags_fixed = match header.packet_type {
            8 | 10 => 0b0010,
            3 => header.flags,
            _ => 0,
        };
        if header.flags != flags_fixed {
            return Err(FrameError::Malformed("reserved bits are set".to_owned()));
        }
        if buffer.len() < header.total_len {
            buffer.reserve(header.total_len - buffer.len());
            return Ok(None);
        }
        let frame = buffer.split_to(header.total_len);
        if self.version.is_none() {
            self.version = Some(version(&frame[header.header_len..])?);
        }
        self.understand(header, frame).map(Some)
    }

    fn encode(&self, packet: Outgoing, buffer: &mut BytesMut) {
        let version = self.version();
        let Some(packet) = written(packet, version, self.packet_bytes_max) else {
            return;
        };
        let written = match version {
            Version::V311 => protocol::v4::V4.write(packet, buffer),
            Version::V5 => protocol::v5::V5.write(packet, buffer),
        };
        if let Err(error) = written {
            tracing::error!(%error, "a packet could not be written");
        }
    }

    fn version(&self) -> Version {
        self.version.unwrap_or(Version::V311)
    }
}

impl RumqttCodec {
    fn understand(&self, header: Header, mut frame: BytesMut) -> Result<Incoming, FrameError> {
        if header.packet_type == 14 {
            // Whatever it says, the device goes.
            return Ok(Incoming::Disconnect);
        }
        let (qos, pkid) = if header.packet_type == 3 {
            publish_header(&header, &frame)?
        } else {
            (0, 0)
        };
        let packet = self.read(&mut frame).map_err(|error| match error {
            protocol::Error::InvalidProtocolLevel(level) => FrameError::UnsupportedVersion(level),
            other => FrameError::Malformed(other.to_string()),
        })?;
        match packet {
            Packet::Connect(connect, properties, _, _, login) => {
                let (username, has_password) = login.map_or((None, false), |login| (Some(login.username), !login.password.is_empty()));
                Ok(Incoming::Connect(Connect {
                    client_id: connect.client_id,
                    username: username.filter(|name| !name.is_empty()),
                    has_password,
                    keep_alive_s: connect.keep_alive,
                    receive_max: properties.and_then(|properties| properties.receive_maximum).unwrap_or(u16::MAX),
                }))
            }
            Packet::Publish(publish, properties) => {
                if properties.is_some_and(|properties| properties.topic_alias.is_some()) {
                    return Err(FrameError::Protocol("a topic alias, though none are allowed"));
                }
                let topic = topic(publish.topic)?;
                Ok(Incoming::Publish(Publish {
                    qos,
                    pkid,
                    topic,
                    payload: publish.payload,
                }))
            }
            Packet::PubAck(ack, _) => Ok(Incoming::PubAck(ack.pkid)),
            Packet::Subscribe(subscribe, _) => {
                let filters: Vec<_> = subscribe
                    .filters
                    .into_iter()
                    .map(|filter| (filter.path, filter.qos as u8))
                    .collect();
                if filters.is_empty() || subscribe.pkid == 0 {
                    return Err(FrameError::Protocol("a subscription without filter or packet identifier"));
                }
                Ok(Incoming::Subscribe(subscribe.pkid, filters))
            }
            Packet::Unsubscribe(unsubscribe, _) => Ok(Incoming::Unsubscribe(unsubscribe.pkid, unsubscribe.filters)),
            Packet::PingReq(_) => Ok(Incoming::PingReq),
            _ => Err(FrameError::Protocol("a packet that only servers send")),
        }
    }
}

/// Reads the fixed header (MQTT 5, 2.1). None: it is not complete.
fn header(buffer: &[u8]) -> Result<Option<Header>, FrameError> {
    let Some(first) = buffer.first() else { return Ok(None) };
    let mut remaining = 0usize;
    for (position, byte) in buffer.iter().skip(1).take(4).enumerate() {
        remaining |= usize::from(byte & 0x7f) << (7 * position);
        if byte & 0x80 == 0 {
            let header_len = position + 2;
            return Ok(Some(Header {
                packet_type: first >> 4,
                flags: first & 0x0f,
                header_len,
                total_len: header_len + remaining,
            }));
        }
    }
    if buffer.len() >= 5 {
        Err(FrameError::Malformed("the length has more than four bytes".to_owned()))
    } else {
        Ok(None)
    }
}

/// The version that a CONNECT asks for: name and level stand at its beginning.
fn version(body: &[u8]) -> Result<Version, FrameError> {
    let Some((len, rest)) = body.split_first_chunk::<2>() else {
        return Err(FrameError::Malformed("a CONNECT without protocol name".to_owned()));
    };
    let len = usize::from(u16::from_be_bytes(*len));
    match (rest.get(..len), rest.get(len)) {
        (Some(b"MQTT"), Some(4)) => Ok(Version::V311),
        (Some(b"MQTT"), Some(5)) => Ok(Version::V5),
        (Some(b"MQTT" | b"MQIsdp"), Some(level)) => Err(FrameError::UnsupportedVersion(*level)),
        _ => Err(FrameError::Protocol("not MQTT")),
    }
}

/// Quality and packet identifier of a PUBLISH, which the library does not tell.
fn publish_header(header: &Header, frame: &[u8]) -> Result<(u8, u16), FrameError> {
    let qos = (header.flags >> 1) & 0b11;
    match qos {
        0 => Ok((0, 0)),
        1 => {
            let body = frame.get(header.header_len..).unwrap_or_default();
            let topic_len = body.first_chunk::<2>().map(|len| usize::from(u16::from_be_bytes(*len)));
            let pkid = topic_len
                .and_then(|len| body.get(2 + len..))
                .and_then(|rest| rest.first_chunk::<2>())
                .map(|id| u16::from_be_bytes(*id));
            match pkid {
                Some(0) => Err(FrameError::Malformed("packet identifier 0".to_owned())),
                Some(pkid) => Ok((1, pkid)),
                None => Err(FrameError::Malformed("a PUBLISH without packet identifier".to_owned())),
            }
        }
        2 => Err(FrameError::QosNotSupported),
        _ => Err(FrameError::Malformed("quality of service 3".to_owned())),
    }
}

fn topic(bytes: Bytes) -> Result<String, FrameError> {
    let topic = String::from_utf8(bytes.into()).map_err(|_| FrameError::Malformed("a topic that is not UTF-8".to_owned()))?;
    if topic.is_empty() || topic.contains(['+', '#', '\0']) {
        return Err(FrameError::Malformed("a topic that is empty or has wildcards".to_owned()));
    }
    Ok(topic)
}

/// A packet in the library's words. None: this version has no such packet.
fn written(packet: Outgoing, version: Version, packet_bytes_max: usize) -> Option<Packet> {
    Some(match packet {
        Outgoing::ConnAck(code) => {
            let properties = (version == Version::V5 && code == ConnectCode::Accepted).then(|| ConnAckProperties {
                receive_max: Some(RECEIVE_MAX),
                max_qos: Some(1),
                retain_available: Some(0),
                max_packet_size: u32::try_from(packet_bytes_max).ok(),
                wildcard_subscription_available: Some(1),
                subscription_identifiers_available: Some(0),
                shared_subscription_available: Some(0),
                ..ConnAckProperties::default()
            });
            Packet::ConnAck(
                ConnAck {
                    session_present: false,
                    code: connect_code(code, version),
                },
                properties,
            )
        }
        Outgoing::PubAck(pkid, code) => {
            let reason = match (version, code) {
                (Version::V311, _) | (_, AckCode::Success) => PubAckReason::Success,
                (Version::V5, AckCode::TopicNameInvalid) => PubAckReason::TopicNameInvalid,
                (Version::V5, AckCode::PayloadFormatInvalid) => PubAckReason::PayloadFormatInvalid,
            };
            Packet::PubAck(PubAck { pkid, reason }, None)
        }
        Outgoing::SubAck(pkid, granted) => {
            let return_codes = granted.into_iter().map(|quality| match (quality, version) {
                (Some(0), _) => SubscribeReasonCode::Success(QoS::AtMostOnce),
                (Some(_), _) => SubscribeReasonCode::Success(QoS::AtLeastOnce),
                (None, Version::V311) => SubscribeReasonCode::Failure,
                (None, Version::V5) => SubscribeReasonCode::TopicFilterInvalid,
            });
            Packet::SubAck(
                SubAck {
                    pkid,
                    return_codes: return_codes.collect(),
                },
                None,
            )
        }
        Outgoing::UnsubAck(pkid, count) => Packet::UnsubAck(
            UnsubAck {
                pkid,
                reasons: vec![UnsubAckReason::Success; count],
            },
            None,
        ),
        Outgoing::PingResp => Packet::PingResp(PingResp),
        Outgoing::Publish(topic, payload, pkid) => Packet::Publish(publish(&topic, &payload, pkid), None),
        Outgoing::Disconnect(_) if version == Version::V311 => return None,
        Outgoing::Disconnect(reason) => Packet::Disconnect(
            Disconnect {
                reason_code: goodbye_code(reason),
            },
            None,
        ),
    })
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

fn connect_code(code: ConnectCode, version: Version) -> ConnectReturnCode {
    match (code, version) {
        (ConnectCode::Accepted, _) => ConnectReturnCode::Success,
        (ConnectCode::UnsupportedVersion, Version::V311) => ConnectReturnCode::RefusedProtocolVersion,
        (ConnectCode::UnsupportedVersion, Version::V5) => ConnectReturnCode::UnsupportedProtocolVersion,
        (ConnectCode::IdentifierRejected, _) => ConnectReturnCode::ClientIdentifierNotValid,
        (ConnectCode::BadUserNameOrPassword, Version::V5) => ConnectReturnCode::BadUserNamePassword,
        (ConnectCode::BadUserNameOrPassword, Version::V311) | (ConnectCode::NotAuthorized, _) => ConnectReturnCode::NotAuthorized,
        (ConnectCode::Unavailable, Version::V311) => ConnectReturnCode::ServiceUnavailable,
        (ConnectCode::Unavailable, Version::V5) => ConnectReturnCode::ServerUnavailable,
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
        Goodbye::PacketTooLarge => DisconnectReasonCode::PacketTooLarge,
        Goodbye::Administrative => DisconnectReasonCode::AdministrativeAction,
        Goodbye::PayloadFormatInvalid => DisconnectReasonCode::PayloadFormatInvalid,
        Goodbye::QosNotSupported => DisconnectReasonCode::QoSNotSupported,
    }
}
