//! The other side of MQTT: what a client writes to somebody's broker, and what it hears. 3.1.1 and 3.1, quality 1, no subscriptions. Pure.
//!
//! A broker is a stranger: what it says has a size, and what does not belong to a conversation without subscriptions ends it.

use bytes::BytesMut;

use crate::codec::FrameError;
use crate::codec::frame;
use crate::packet::{Secret, Version};

/// Bytes of a text at most: the protocol writes its length with two bytes.
pub const TEXT_BYTES_MAX: usize = u16::MAX as usize;
/// Bytes of a packet of a broker at most. Without subscriptions the largest one has four.
const HEARD_BYTES_MAX: usize = 64;

/// Who logs in, and how. Texts have [`TEXT_BYTES_MAX`] at most; what is longer is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// 3.1.1 or 3.1: another version is written as 3.1.1.
    pub version: Version,
    /// May be empty only for a clean session.
    pub client_id: String,
    /// Who.
    pub username: Option<Secret>,
    /// Goes with the user name.
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
    Accepted,
    /// CONNACK: not let in; why, in words.
    Refused(String),
    /// PUBACK: the publish with this packet identifier is the broker's now.
    Acknowledged(u16),
    /// PINGRESP
    Pong,
}

impl Login {
    /// CONNECT
    pub fn write(&self, out: &mut BytesMut) {
        let flag = |given: bool, bit: u8| if given { 1 << bit } else { 0 };
        // A password goes with a user name only (3.1.2.9).
        let password = self.password.as_ref().filter(|_| self.username.is_some());
        let flags = flag(self.username.is_some(), 7) | flag(password.is_some(), 6) | flag(self.clean_session, 1);
        let mut body = Vec::new();
        match self.version {
            Version::V31 => {
                text(&mut body, b"MQIsdp");
                body.push(3);
            }
            Version::V311 | Version::V5 => {
                text(&mut body, b"MQTT");
                body.push(4);
            }
        }
        body.push(flags);
        body.extend(self.keep_alive_s.to_be_bytes());
        text(&mut body, self.client_id.as_bytes());
        for Secret(part) in [self.username.as_ref(), password].into_iter().flatten() {
            text(&mut body, part.as_bytes());
        }
        packet(out, 0x10, &[&body]);
    }
}

/// PUBLISH with quality 1.
pub fn publish(out: &mut BytesMut, pkid: u16, topic: &str, payload: &[u8], retain: bool) {
    let mut head = Vec::with_capacity(topic.len() + 4);
    text(&mut head, topic.as_bytes());
    head.extend(pkid.to_be_bytes());
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

/// Takes a packet of a broker from the front of the buffer. None: it is not complete.
///
/// # Errors
/// [`FrameError`]: the conversation cannot go on.
pub fn read(buffer: &mut BytesMut) -> Result<Option<Heard>, FrameError> {
    let Some(header) = frame::header(buffer)? else {
        return Ok(None);
    };
    if header.total_len > HEARD_BYTES_MAX {
        return Err(FrameError::TooLarge {
            len: header.total_len,
            max: HEARD_BYTES_MAX,
        });
    }
    if buffer.len() < header.total_len {
        return Ok(None);
    }
    let packet = buffer.split_to(header.total_len);
    let heard = match (header.packet_type, header.flags, &packet[header.header_len..]) {
        (2, 0, [0 | 1, 0]) => Heard::Accepted,
        (2, 0, [_, code]) => Heard::Refused(refusal(*code)),
        (4, 0, [high, low]) if (*high, *low) != (0, 0) => Heard::Acknowledged(u16::from_be_bytes([*high, *low])),
        (13, 0, []) => Heard::Pong,
        (2 | 4 | 13, ..) => return Err(FrameError::Malformed("an answer of another form".to_owned())),
        _ => return Err(FrameError::Protocol("a packet that nobody asked the broker for")),
    };
    Ok(Some(heard))
}

/// Why a broker lets nobody in (3.2.2.3).
fn refusal(code: u8) -> String {
    match code {
        1 => "it does not speak this version of MQTT".to_owned(),
        2 => "it does not take the client id".to_owned(),
        3 => "it is not available".to_owned(),
        4 => "user name or password are wrong".to_owned(),
        5 => "the client is not authorised".to_owned(),
        code => format!("return code {code}"),
    }
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
    let mut remaining: usize = parts.iter().map(|part| part.len()).sum();
    out.reserve(remaining + 5);
    out.extend_from_slice(&[first]);
    loop {
        let byte = u8::try_from(remaining & 0x7f).unwrap_or_default();
        remaining >>= 7;
        out.extend_from_slice(&[if remaining > 0 { byte | 0x80 } else { byte }]);
        if remaining == 0 {
            break;
        }
    }
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{FrameCodec, RumqttCodec};
    use crate::packet::Incoming;

    fn login() -> Login {
        Login {
            version: Version::V311,
            client_id: "c".to_owned(),
            username: Some(Secret("u".to_owned())),
            password: Some(Secret("p".to_owned())),
            clean_session: true,
            keep_alive_s: 60,
        }
    }

    /// What this side writes, the other side reads.
    fn read_back(written: &mut BytesMut) -> Vec<Incoming> {
        let mut codec = RumqttCodec::new(1 << 20);
        let mut all = Vec::new();
        while let Some(packet) = codec.decode(written).expect("well-formed") {
            all.push(packet);
        }
        assert!(written.is_empty());
        all
    }

    #[test]
    fn a_server_reads_what_a_client_writes() {
        for version in [Version::V311, Version::V31] {
            let mut out = BytesMut::new();
            Login { version, ..login() }.write(&mut out);
            publish(&mut out, 7, "a/b", b"{}", false);
            publish(&mut out, u16::MAX, "long", &[b'x'; 20_000], true);
            ping(&mut out);
            disconnect(&mut out);
            let all = read_back(&mut out);
            assert!(
                matches!(&all[0], Incoming::Connect(connect) if connect.client_id == "c" && connect.username.as_deref() == Some("u")
                    && connect.password == Some(Secret("p".to_owned())) && connect.clean_start && connect.keep_alive_s == 60),
                "{all:?}"
            );
            assert!(
                matches!(&all[1], Incoming::Publish(one) if (one.qos, one.pkid, one.topic.as_str(), &one.payload[..]) == (1, 7, "a/b", b"{}"))
            );
            assert!(matches!(&all[2], Incoming::Publish(one) if one.pkid == u16::MAX && one.payload.len() == 20_000));
            assert_eq!(all[3..], [Incoming::PingReq, Incoming::Disconnect]);
        }
    }

    #[test]
    fn a_password_needs_a_user_name() {
        let mut out = BytesMut::new();
        Login { username: None, ..login() }.write(&mut out);
        assert_eq!(&out[..], b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01c");
        assert!(!format!("{:?}", login()).contains("\"p\""));
    }

    #[test]
    fn answers_are_understood_and_nothing_else() {
        let acknowledged = |pkid| Ok(Some(Heard::Acknowledged(pkid)));
        let refused = |text: &str| Ok(Some(Heard::Refused(text.to_owned())));
        type Row = (&'static [u8], Result<Option<Heard>, ()>);
        let cases: [Row; 21] = [
            (b"", Ok(None)),
            (b"\x20", Ok(None)),
            (b"\x20\x02\0", Ok(None)),
            (b"\x20\x02\0\0", Ok(Some(Heard::Accepted))),
            (b"\x20\x02\x01\0", Ok(Some(Heard::Accepted))),
            (b"\x20\x02\0\x05", refused("the client is not authorised")),
            (b"\x20\x02\0\x04", refused("user name or password are wrong")),
            (b"\x20\x02\0\x77", refused("return code 119")),
            (b"\x20\x02\x02\0", refused("return code 0")),
            (b"\x20\x03\0\0\0", Err(())),
            (b"\x21\x02\0\0", Err(())),
            (b"\x40\x02\x01\x02", acknowledged(0x102)),
            (b"\x40\x02\0\0", Err(())),
            (b"\x40\x03\x01\x02\0", Err(())),
            (b"\x40\x00", Err(())),
            (b"\xd0\0", Ok(Some(Heard::Pong))),
            (b"\xd0\x01\0", Err(())),
            (b"\x32\x05\0\x01a\0\x01", Err(())),
            (b"\x50\x02\0\x01", Err(())),
            (b"\x20\xff\xff\xff\xff", Err(())),
            (b"\x20\xff\x01", Err(())),
        ];
        for (bytes, expected) in cases {
            let mut buffer = BytesMut::from(bytes);
            assert_eq!(read(&mut buffer).map_err(drop), expected, "{bytes:02x?}");
        }
        let mut two = BytesMut::from(&b"\x40\x02\0\x01\xd0\0\x40"[..]);
        assert_eq!(read(&mut two), Ok(Some(Heard::Acknowledged(1))));
        assert_eq!(read(&mut two), Ok(Some(Heard::Pong)));
        assert_eq!((read(&mut two), two.len()), (Ok(None), 1));
    }

    #[test]
    fn a_topic_is_one_place() {
        for (topic, fine) in [
            ("a", true),
            ("/a b/ö", true),
            ("", false),
            ("a/+", false),
            ("#", false),
            ("a\0", false),
        ] {
            assert_eq!(is_topic(topic), fine, "{topic:?}");
        }
        assert!(!is_topic(&"x".repeat(TEXT_BYTES_MAX + 1)));
    }
}
