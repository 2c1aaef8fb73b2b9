//! The few MQTT 3.1.1 packets a device needs, as pure functions from and to bytes.
//!
//! Written packets are appended to a buffer that already holds earlier ones, so that many publishes leave in one write. Read packets
//! are taken from the front of a buffer that may hold many acknowledgements. Knows no socket, no clock and no payload format.

use bytes::BytesMut;

use super::Incoming;
use crate::error::SimError;

/// The longest packet accepted from a broker, in bytes. A publisher without subscriptions gets packets of 2 to 4 bytes.
pub const INCOMING_MAX: usize = 64 * 1024;
/// The longest remaining length MQTT can express, in bytes.
pub const REMAINING_MAX: usize = 268_435_455;

/// What a CONNECT says.
#[derive(Debug, Clone, Copy)]
pub struct Connect<'a> {
    /// Must differ between devices of one broker.
    pub client_id: &'a str,
    /// The device's token. No password is sent.
    pub user_name: &'a str,
    /// False asks the broker to keep the session for a reconnection.
    pub clean_session: bool,
    /// Seconds; 0 turns the broker's check off.
    pub keep_alive: u16,
}

/// A PUBLISH that came from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published<'a> {
    /// Where it stands.
    pub topic: &'a str,
    /// Its identifier, if it is to be acknowledged.
    pub id: Option<u16>,
    /// What it says.
    pub payload: &'a [u8],
}

/// Appends a CONNECT. Client identifier and user name have at most 65535 bytes, which the options check before a run.
pub fn put_connect(out: &mut BytesMut, connect: &Connect<'_>) {
    let remaining = 10 + 2 + connect.client_id.len() + 2 + connect.user_name.len();
    put_header(out, 0x10, remaining);
    put_string(out, "MQTT");
    let flags = 0x80 | if connect.clean_session { 0x02 } else { 0 };
    out.extend_from_slice(&[4, flags]);
    out.extend_from_slice(&connect.keep_alive.to_be_bytes());
    put_string(out, connect.client_id);
    put_string(out, connect.user_name);
}

/// Appends a PUBLISH. `packet_id` is present for QoS 1 and absent for QoS 0; `duplicate` marks a repetition and is ignored for QoS 0.
pub fn put_publish(out: &mut BytesMut, topic: &str, packet_id: Option<u16>, duplicate: bool, payload: &[u8]) {
    let first = match packet_id {
        Some(_) => 0x32 | if duplicate { 0x08 } else { 0 },
        None => 0x30,
    };
    put_header(
        out,
        first,
        2 + topic.len() + if packet_id.is_some() { 2 } else { 0 } + payload.len(),
    );
    put_string(out, topic);
    if let Some(packet_id) = packet_id {
        out.extend_from_slice(&packet_id.to_be_bytes());
    }
    out.extend_from_slice(payload);
}

/// Appends a SUBSCRIBE to one filter, with QoS 1.
pub fn put_subscribe(out: &mut BytesMut, id: u16, filter: &str) {
    put_header(out, 0x82, 2 + 2 + filter.len() + 1);
    out.extend_from_slice(&id.to_be_bytes());
    put_string(out, filter);
    out.extend_from_slice(&[1]);
}

/// Appends a PUBACK.
pub fn put_puback(out: &mut BytesMut, id: u16) {
    put_header(out, 0x40, 2);
    out.extend_from_slice(&id.to_be_bytes());
}

/// Reads a whole packet as a PUBLISH; `None` if it is another one.
pub fn published(packet: &[u8]) -> Option<Published<'_>> {
    let (_, header) = decode_length(packet).ok()??;
    let (first, body) = (packet.first()?, packet.get(header..)?);
    if first >> 4 != 3 {
        return None;
    }
    let (length, rest) = body.split_first_chunk::<2>()?;
    let (topic, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let (id, payload) = match first & 0x06 {
        0 => (None, rest),
        _ => {
            let (id, payload) = rest.split_first_chunk::<2>()?;
            (Some(u16::from_be_bytes(*id)), payload)
        }
    };
    let topic = std::str::from_utf8(topic).ok()?;
    Some(Published { topic, id, payload })
}

/// Appends a PINGREQ.
pub fn put_ping(out: &mut BytesMut) {
    out.extend_from_slice(&[0xC0, 0]);
}

/// Appends a DISCONNECT.
pub fn put_disconnect(out: &mut BytesMut) {
    out.extend_from_slice(&[0xE0, 0]);
}

fn put_header(out: &mut BytesMut, first: u8, remaining: usize) {
    debug_assert!(remaining <= REMAINING_MAX);
    let mut bytes = [first, 0, 0, 0, 0];
    let mut used = 1;
    let mut rest = remaining;
    loop {
        let more = rest >= 128;
        bytes[used] = (rest % 128) as u8 | if more { 0x80 } else { 0 };
        used += 1;
        rest /= 128;
        if !more || used == bytes.len() {
            break;
        }
    }
    out.extend_from_slice(&bytes[..used]);
}

fn put_string(out: &mut BytesMut, text: &str) {
    debug_assert!(text.len() <= usize::from(u16::MAX));
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Reads the packet at the front of `bytes` and says how many bytes it takes; `None` when it is not complete yet.
///
/// # Errors
/// [`SimError::Malformed`] for a packet that is not MQTT or longer than [`INCOMING_MAX`].
pub fn decode(bytes: &[u8]) -> Result<Option<(Incoming, usize)>, SimError> {
    let Some((remaining, header)) = decode_length(bytes)? else {
        return Ok(None);
    };
    let total = header + remaining;
    if bytes.len() < total {
        return Ok(None);
    }
    let body = &bytes[header..total];
    let packet = match (bytes[0] >> 4, body) {
        (2, [_, code]) => Incoming::Connack { code: *code },
        (4, [high, low]) => Incoming::Taken {
            id: u16::from_be_bytes([*high, *low]),
        },
        (13, []) => Incoming::Pingresp,
        (kind @ (0 | 2 | 4 | 13), _) => return Err(SimError::Malformed(format!("MQTT packet of type {kind} with {remaining} bytes"))),
        (kind, _) => Incoming::Other { kind },
    };
    Ok(Some((packet, total)))
}

/// The remaining length and the length of the fixed header.
fn decode_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, SimError> {
    let mut remaining = 0;
    for place in 0..4 {
        let Some(byte) = bytes.get(1 + place) else { return Ok(None) };
        remaining |= usize::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            if remaining > INCOMING_MAX {
                return Err(SimError::Malformed(format!("MQTT packet of {remaining} bytes")));
            }
            return Ok(Some((remaining, place + 2)));
        }
    }
    Err(SimError::Malformed("MQTT length of more than four bytes".into()))
}

/// A CONNACK return code in words.
pub fn connack_reason(code: u8) -> &'static str {
    match code {
        0 => "accepted",
        1 => "unacceptable protocol version",
        2 => "client identifier rejected",
        3 => "server unavailable",
        4 => "bad user name (token) or password",
        5 => "not authorized",
        _ => "unknown reason",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(put: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
        let mut out = BytesMut::new();
        put(&mut out);
        out.to_vec()
    }

    #[test]
    fn connect_carries_the_token_as_user_name() {
        let connect = Connect {
            client_id: "c1",
            user_name: "tok",
            clean_session: true,
            keep_alive: 60,
        };
        let bytes = written(|out| put_connect(out, &connect));
        assert_eq!(bytes, b"\x10\x13\x00\x04MQTT\x04\x82\x00\x3c\x00\x02c1\x00\x03tok");
        let kept = written(|out| {
            put_connect(
                out,
                &Connect {
                    clean_session: false,
                    ..connect
                },
            )
        });
        assert_eq!(kept[9], 0x80);
    }

    #[test]
    fn publish_differs_by_quality_and_repetition() {
        let table: [(Option<u16>, bool, &[u8]); 4] = [
            (None, false, b"\x30\x05\x00\x01tHI"),
            (None, true, b"\x30\x05\x00\x01tHI"),
            (Some(0x0102), false, b"\x32\x07\x00\x01t\x01\x02HI"),
            (Some(0x0102), true, b"\x3a\x07\x00\x01t\x01\x02HI"),
        ];
        for (packet_id, duplicate, expected) in table {
            assert_eq!(
                written(|out| put_publish(out, "t", packet_id, duplicate, b"HI")),
                expected,
                "{packet_id:?} {duplicate}"
            );
        }
    }

    #[test]
    fn lengths_take_one_to_four_bytes() {
        let table: [(usize, &[u8]); 6] = [
            (0, &[0]),
            (127, &[127]),
            (128, &[0x80, 1]),
            (16_383, &[0xFF, 0x7F]),
            (16_384, &[0x80, 0x80, 1]),
            (REMAINING_MAX, &[0xFF, 0xFF, 0xFF, 0x7F]),
        ];
        for (length, expected) in table {
            assert_eq!(&written(|out| put_header(out, 0x30, length))[1..], expected, "{length}");
        }
    }

    #[test]
    fn reads_packets_one_after_the_other() {
        let bytes = [0x20, 2, 0, 5, 0x40, 2, 1, 2, 0xD0, 0, 0x30, 3, 0, 1, b't', 0x40, 2, 9];
        let mut seen = Vec::new();
        let mut at = 0;
        while let Some((packet, taken)) = decode(&bytes[at..]).expect("well formed") {
            seen.push(packet);
            at += taken;
        }
        let expected = [
            Incoming::Connack { code: 5 },
            Incoming::Taken { id: 0x0102 },
            Incoming::Pingresp,
            Incoming::Other { kind: 3 },
        ];
        assert_eq!(seen, expected);
        assert_eq!(at, bytes.len() - 3, "the cut packet stays");
    }

    #[test]
    fn refuses_what_is_not_mqtt() {
        let table: [&[u8]; 5] = [
            b"HTTP/1.1 400",
            &[0x40, 1, 0],
            &[0x20, 3, 0, 0, 0],
            &[0x30, 0xFF, 0xFF, 0xFF, 0x7F],
            &[0x30, 0xFF, 0xFF, 0xFF, 0xFF],
        ];
        for bytes in table.iter().skip(1) {
            assert!(decode(bytes).is_err(), "{bytes:?}");
        }
        // An HTTP answer looks like an incomplete PUBACK of 84 bytes; with its body it is refused.
        assert!(decode(table[0]).expect("cut").is_none());
        assert!(decode(&[b'H'; 200]).is_err());
    }

    #[test]
    fn what_the_server_publishes_is_read() {
        let published = |put: &dyn Fn(&mut BytesMut)| written(|out| put(out));
        let packet = published(&|out| put_publish(out, "a/b", Some(7), false, b"{}"));
        let expected = Published {
            topic: "a/b",
            id: Some(7),
            payload: b"{}",
        };
        assert_eq!(super::published(&packet), Some(expected));
        let packet = published(&|out| put_publish(out, "a/b", None, false, b"{}"));
        assert_eq!(super::published(&packet), Some(Published { id: None, ..expected }));
        assert_eq!(super::published(&packet[..4]), None);
        let others = [published(&put_ping), published(&|out| put_puback(out, 7))];
        assert!(others.iter().all(|packet| super::published(packet).is_none()));
        assert_eq!(published(&|out| put_subscribe(out, 9, "r/+")), b"\x82\x08\x00\x09\x00\x03r/+\x01");
    }

    #[test]
    fn every_code_has_words() {
        assert_eq!((0..=6).map(connack_reason).collect::<std::collections::HashSet<_>>().len(), 7);
    }
}
