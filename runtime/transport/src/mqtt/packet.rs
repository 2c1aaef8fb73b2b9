//! The packets of MQTT that a device API needs, for both versions. Reason codes are those of MQTT 5 (section 2.4); a codec for 3.1.1
//! writes what that version has for them.

use bytes::Bytes;

/// Version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
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
    /// SUBSCRIBE: packet identifier; filters with the quality wanted.
    Subscribe(u16, Vec<(String, u8)>),
    /// UNSUBSCRIBE: packet identifier; filters.
    Unsubscribe(u16, Vec<String>),
    /// PINGREQ
    PingReq,
    /// DISCONNECT
    Disconnect,
}

/// CONNECT
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// May be empty.
    pub client_id: String,
    /// The access token.
    pub username: Option<String>,
    /// Whether a password was given.
    pub has_password: bool,
    /// Seconds; 0: none.
    pub keep_alive_s: u16,
    /// Unacknowledged publishes the device takes.
    pub receive_max: u16,
}

/// PUBLISH
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

/// To a device.
#[derive(Clone, Debug, PartialEq)]
pub enum Outgoing {
    /// CONNACK
    ConnAck(ConnectCode),
    /// PUBACK
    PubAck(u16, AckCode),
    /// SUBACK: for each filter the quality granted, or none.
    SubAck(u16, Vec<Option<u8>>),
    /// UNSUBACK: how many filters there were.
    UnsubAck(u16, usize),
    /// PINGRESP
    PingResp,
    /// PUBLISH: topic, payload, packet identifier for quality 1.
    Publish(String, Bytes, Option<u16>),
    /// DISCONNECT; 3.1.1 has none from the server.
    Disconnect(Goodbye),
}

/// Result of CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectCode {
    /// 0
    Accepted,
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
}

/// Result of PUBLISH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckCode {
    /// 0
    Success,
    /// 0x90
    TopicNameInvalid,
    /// 0x99
    PayloadFormatInvalid,
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
    /// 0x95
    PacketTooLarge,
    /// 0x98
    Administrative,
    /// 0x99
    PayloadFormatInvalid,
    /// 0x9B
    QosNotSupported,
}
