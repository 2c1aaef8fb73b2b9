//! The packets of MQTT that a device API needs, for all versions. Reason codes are those of MQTT 5 (section 2.4); a codec for 3.1 and
//! 3.1.1 writes what those versions have for them.

use std::fmt;

use bytes::Bytes;

/// Version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 3.1, which calls itself `MQIsdp`.
    V31,
    /// 3.1.1
    V311,
    /// 5
    V5,
}

/// From a device.
#[derive(Debug, PartialEq)]
pub enum Incoming {
    /// CONNECT
    Connect(Connect),
    /// PUBLISH
    Publish(Publish),
    /// PUBACK
    PubAck(u16),
    /// SUBSCRIBE
    Subscribe(Subscribe),
    /// UNSUBSCRIBE: packet identifier; filters.
    Unsubscribe(u16, Vec<String>),
    /// PINGREQ
    PingReq,
    /// DISCONNECT
    Disconnect,
}

/// CONNECT. Wills are left out: they are not offered, and a device that leaves one is served without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// May be empty.
    pub client_id: String,
    /// The access token, or the name that goes with the password.
    pub username: Option<String>,
    /// Goes with the user name.
    pub password: Option<Secret>,
    /// Whether the device begins anew. It always does: nothing of a connection is kept.
    pub clean_start: bool,
    /// Seconds; 0: none.
    pub keep_alive_s: u16,
    /// Unacknowledged publishes the device takes.
    pub receive_max: u16,
    /// Whether the device wants to be told why something was refused, in words.
    pub problem_information: bool,
    /// Whether the device wants a conversation about who it is (MQTT 5, 4.12), which is not offered.
    pub authentication_method: bool,
}

/// A text that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// PUBLISH. A wish to retain it is not listened to: retained messages are not offered.
#[derive(Debug, PartialEq)]
pub struct Publish {
    /// 0 or 1.
    pub qos: u8,
    /// 0 for quality 0.
    pub pkid: u16,
    /// Where to.
    pub topic: String,
    /// What.
    pub payload: Bytes,
}

/// SUBSCRIBE
#[derive(Debug, PartialEq)]
pub struct Subscribe {
    /// Packet identifier.
    pub pkid: u16,
    /// Filters with the quality wanted.
    pub filters: Vec<(String, u8)>,
    /// Whether the device gave the subscription a number, which is not offered.
    pub identified: bool,
}

/// To a device.
#[derive(Clone, Debug, PartialEq)]
pub enum Outgoing {
    /// CONNACK with success.
    Accepted(Accepted),
    /// CONNACK with anything else.
    Refused(ConnectCode),
    /// PUBACK; with a reason in words for devices that want one.
    PubAck(u16, AckCode, Option<Box<str>>),
    /// SUBACK: an answer for each filter.
    SubAck(u16, Vec<Granted>),
    /// UNSUBACK: whether there was a subscription, for each filter.
    UnsubAck(u16, Vec<bool>),
    /// PINGRESP
    PingResp,
    /// PUBLISH: topic, payload, packet identifier for quality 1.
    Publish(String, Bytes, Option<u16>),
    /// DISCONNECT; 3.1 and 3.1.1 have none from the server.
    Disconnect(Goodbye),
}

/// What a device learns when it is let in. 3.1 and 3.1.1 have no words for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The keep-alive the server goes by, when it is not the device's own.
    pub keep_alive_s: Option<u16>,
    /// The client id of a device that gave none.
    pub client_id: Option<String>,
}

/// Why a CONNECT is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectCode {
    /// 3.1.1: 1, 5: 0x84
    UnsupportedVersion,
    /// 3.1.1: 2, 5: 0x85
    IdentifierRejected,
    /// 3.1.1: 5, 5: 0x86
    BadUserNameOrPassword,
    /// 3.1.1: 5, 5: 0x87
    NotAuthorized,
    /// 3.1.1: 3, 5: 0x88
    Unavailable,
    /// 3.1.1: 5, 5: 0x8C
    BadAuthenticationMethod,
    /// 3.1.1: 3, 5: 0x9F
    RateExceeded,
}

/// Result of PUBLISH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckCode {
    /// 0
    Success,
    /// 0x90
    TopicNameInvalid,
    /// 0x97
    QuotaExceeded,
    /// 0x99
    PayloadFormatInvalid,
}

/// Result of a subscription to one filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    /// With this quality.
    Quality(u8),
    /// 0x8F
    TopicFilterInvalid,
    /// 0x97
    QuotaExceeded,
    /// 0x9E
    SharedNotSupported,
    /// 0xA1
    IdentifiersNotSupported,
}

/// Why the server ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goodbye {
    /// 0x81
    Malformed,
    /// 0x82
    ProtocolError,
    /// 0x83
    ImplementationSpecific,
    /// 0x8B
    ShuttingDown,
    /// 0x8D
    KeepAliveTimeout,
    /// 0x8E
    TakenOver,
    /// 0x90
    TopicNameInvalid,
    /// 0x93
    ReceiveMaximumExceeded,
    /// 0x94
    TopicAliasInvalid,
    /// 0x95
    PacketTooLarge,
    /// 0x97
    QuotaExceeded,
    /// 0x98
    Administrative,
    /// 0x99
    PayloadFormatInvalid,
    /// 0x9B
    QosNotSupported,
    /// 0xA0
    MaximumConnectTime,
}
