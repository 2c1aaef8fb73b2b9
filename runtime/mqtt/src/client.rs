//! The other side of MQTT: what a client writes to somebody's broker, and what it hears. Quality 1, no subscriptions. Pure.
//!
//! 1. here: what a client writes,
//! 2. [`hear`] – what a broker says,
//! 3. [`reason`] – the reason codes of MQTT 5 in words.
//!
//! A broker is a stranger: what it says has a size, and what does not belong to a conversation without subscriptions ends it.

mod hear;
mod reason;
#[cfg(test)]
mod tests;

use bytes::BytesMut;

use crate::packet::{Secret, Version};

pub use hear::read;

/// Bytes of a text at most: the protocol writes its length with two bytes.
pub const TEXT_BYTES_MAX: usize = u16::MAX as usize;
/// Bytes of a packet of a broker of MQTT 5 at most, which it is told: its words about a reason find place there.
const HEARD_BYTES_MAX: u16 = 4096;
/// A session of MQTT 5 that does not end, as those of 3.1.1 do not (3.1.2.11.2).
const WITHOUT_END: u32 = u32::MAX;

/// Who logs in, and how. Texts have [`TEXT_BYTES_MAX`] at most; what is longer is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// How it speaks from then on, too.
    pub version: Version,
    /// May be empty only for a clean session.
    pub client_id: String,
    /// Who.
    pub username: Option<Secret>,
    /// Goes with the user name; before MQTT 5 there is none without.
    pub password: Option<Secret>,
    /// Whether the broker forgets what it knows of the client.
    pub clean_session: bool,
    /// Seconds after which the broker gives a silent client up; 0: never.
    pub keep_alive_s: u16,
}

/// What a broker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// CONNACK: let in.
    Accepted(Terms),
    /// CONNACK: not let in; why, in words.
    Refused(String),
    /// PUBACK: the publish with this packet identifier is the broker's now.
    Acknowledged(u16),
    /// PUBACK: it is not; why, in words.
    Untaken(u16, String),
    /// PINGRESP
    Pong,
    /// DISCONNECT: the broker ends the conversation; why, in words.
    Ended(String),
}

/// What a broker takes. One of 3.1 or 3.1.1 does not say: it takes what comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Publishes that may be on their way.
    pub in_flight_max: u16,
    /// Bytes of a packet.
    pub packet_bytes_max: usize,
    /// Whether it keeps messages for those who come later.
    pub retains: bool,
    /// Seconds after which it gives a silent client up, where they are not the client's; 0: never.
    pub keep_alive_s: Option<u16>,
}

impl Default for Terms {
    fn default() -> Self {
        Terms {
            in_flight_max: u16::MAX,
            packet_bytes_max: usize::MAX,
            retains: true,
            keep_alive_s: None,
        }
    }
}

impl Terms {
    /// Why a broker does not take a message, in words; none: it does.
    pub fn refusal(&self, version: Version, topic: &str, payload: &[u8], retain: bool) -> Option<String> {
        let properties = usize::from(version == Version::V5);
        let body = 2 + topic.len() + 2 + properties + payload.len();
        let bytes = 1 + length(body).count() + body;
        if bytes > self.packet_bytes_max {
            let max = self.packet_bytes_max;
            return Some(format!(
                "it takes {max} bytes at most, and the message has {bytes}: publish less at once"
            ));
        }
        (retain && !self.retains).then(|| "it keeps no messages: publish without asking it to retain them".to_owned())
    }
}

impl Login {
    /// CONNECT
    pub fn write(&self, out: &mut BytesMut) {
        let flag = |given: bool, bit: u8| if given { 1 << bit } else { 0 };
        // Before MQTT 5 a password goes with a user name only (3.1.1, 3.1.2.9).
        let alone = self.version == Version::V5 || self.username.is_some();
        let password = self.password.as_ref().filter(|_| alone);
        let flags = flag(self.username.is_some(), 7) | flag(password.is_some(), 6) | flag(self.clean_session, 1);
        let mut body = Vec::new();
        match self.version {
            Version::V31 => {
                text(&mut body, b"MQIsdp");
                body.push(3);
            }
            Version::V311 => {
                text(&mut body, b"MQTT");
                body.push(4);
            }
            Version::V5 => {
                text(&mut body, b"MQTT");
                body.push(5);
            }
        }
        body.push(flags);
        body.extend(self.keep_alive_s.to_be_bytes());
        if self.version == Version::V5 {
            let expiry_s = if self.clean_session { 0 } else { WITHOUT_END };
            // Session Expiry Interval and Maximum Packet Size, with their length.
            body.extend([10, 0x11]);
            body.extend(expiry_s.to_be_bytes());
            body.push(0x27);
            body.extend(u32::from(HEARD_BYTES_MAX).to_be_bytes());
        }
        text(&mut body, self.client_id.as_bytes());
        for Secret(part) in [self.username.as_ref(), password].into_iter().flatten() {
            text(&mut body, part.as_bytes());
        }
        packet(out, 0x10, &[&body]);
    }
}

/// PUBLISH with quality 1.
pub fn publish(out: &mut BytesMut, version: Version, pkid: u16, topic: &str, payload: &[u8], retain: bool) {
    let mut head = Vec::with_capacity(topic.len() + 5);
    text(&mut head, topic.as_bytes());
    head.extend(pkid.to_be_bytes());
    if version == Version::V5 {
        // No properties.
        head.push(0);
    }
    packet(out, 0x32 | u8::from(retain), &[&head, payload]);
}

/// PINGREQ
pub fn ping(out: &mut BytesMut) {
    out.extend_from_slice(&[0xc0, 0]);
}

/// DISCONNECT
pub fn disconnect(out: &mut BytesMut) {
    out.extend_from_slice(&[0xe0, 0]);
}

/// Whether a message can be published under a topic: not empty, without wildcards, and short enough.
pub fn is_topic(topic: &str) -> bool {
    !topic.is_empty() && topic.len() <= TEXT_BYTES_MAX && !topic.contains(['+', '#', '\0'])
}

fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(TEXT_BYTES_MAX)];
    out.extend(u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(bytes);
}

fn packet(out: &mut BytesMut, first: u8, parts: &[&[u8]]) {
    let remaining: usize = parts.iter().map(|part| part.len()).sum();
    out.reserve(remaining + 5);
    out.extend_from_slice(&[first]);
    out.extend(length(remaining));
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// A length as the protocol writes it.
fn length(remaining: usize) -> impl Iterator<Item = u8> {
    let parts = std::iter::successors(Some(remaining), |rest| Some(rest >> 7).filter(|rest| *rest > 0));
    parts.map(|rest| {
        let byte = u8::try_from(rest & 0x7f).unwrap_or_default();
        if rest > 0x7f { byte | 0x80 } else { byte }
    })
}
