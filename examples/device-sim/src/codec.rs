//! What a device says and hears, in three protocols, as pure functions from and to bytes.
//!
//! 1. [`mqtt`] – packets in a stream,
//! 2. [`http`] – requests in a stream, answered in their order,
//! 3. [`coap`] – datagrams, which stand one after the other in a buffer, each behind its length.
//!
//! Knows no socket, no clock and no payload format.

pub mod coap;
pub mod http;
pub mod mqtt;

use bytes::BytesMut;

use crate::error::SimError;

/// How the devices of a run speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// MQTT 3.1.1.
    #[default]
    Mqtt,
    /// The device API over HTTP/1.1, the connection kept.
    Http,
    /// The device API over CoAP, with confirmable messages.
    Coap,
}

/// One message, before it is bytes.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The device's token: where there is no CONNECT, every message carries it.
    pub token: &'a str,
    /// MQTT's topic.
    pub topic: &'a str,
    /// Identifier; `None`: nothing is acknowledged (MQTT's QoS 0).
    pub id: Option<u16>,
    /// A repetition.
    pub duplicate: bool,
    /// JSON.
    pub payload: &'a [u8],
}

/// What a server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incoming {
    /// MQTT's answer to CONNECT; code 0 is success.
    Connack {
        /// The return code.
        code: u8,
    },
    /// A message has been taken over by the server.
    Taken {
        /// Its identifier.
        id: u16,
    },
    /// The oldest message has been taken over: answers come in order.
    TakenInOrder,
    /// A message has been taken over, and whoever says so wants to know that it was heard (RFC 7252, 5.2.2).
    TakenLate {
        /// The message's identifier.
        id: u16,
        /// The identifier to acknowledge.
        acknowledge: u16,
    },
    /// MQTT's answer to PINGREQ.
    Pingresp,
    /// The answer will come later.
    Later,
    /// Anything else, skipped.
    Other {
        /// MQTT's packet type, 1 to 15.
        kind: u8,
    },
}

impl Protocol {
    /// Appends a message.
    pub fn put_message(self, out: &mut BytesMut, message: &Message<'_>) {
        match self {
            Protocol::Mqtt => mqtt::put_publish(out, message.topic, message.id, message.duplicate, message.payload),
            Protocol::Http => http::put_post(out, message.token, message.payload),
            Protocol::Coap => coap::put_post(out, message.token, message.id.unwrap_or(0), message.payload),
        }
    }

    /// Reads what stands at the front of `bytes` and says how many bytes it takes; `None` when it is not complete yet.
    ///
    /// # Errors
    /// [`SimError::Malformed`] for what is not of the protocol, or is a refusal.
    pub fn decode(self, bytes: &[u8]) -> Result<Option<(Incoming, usize)>, SimError> {
        match self {
            Protocol::Mqtt => mqtt::decode(bytes),
            Protocol::Http => http::decode(bytes),
            Protocol::Coap => coap::decode(bytes),
        }
    }
}
