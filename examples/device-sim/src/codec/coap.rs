//! Posts of telemetry to the device API over CoAP (RFC 7252): one datagram each, confirmable. In a buffer, a datagram stands behind its
//! length (two bytes).
//!
//! The token of a message is its identifier, so that an answer that comes late names its message, too.

use bytes::BytesMut;

use super::Incoming;
use crate::error::SimError;

/// Bytes before a datagram in a buffer.
pub const LENGTH_BYTES: usize = 2;
/// The longest datagram that is put into a buffer or taken from the network, in bytes.
pub const DATAGRAM_MAX: usize = 2048;

/// Uri-Path (RFC 7252, 5.10).
const URI_PATH: usize = 11;
const POST: u8 = 0x02;

/// Appends a confirmable POST to `/api/v1/{token}/telemetry` with `id` as identifier and token.
pub fn put_post(out: &mut BytesMut, token: &str, id: u16, payload: &[u8]) {
    let start = begin(out);
    let [high, low] = id.to_be_bytes();
    // Version 1, confirmable, a token of two bytes.
    out.extend_from_slice(&[0x42, POST, high, low, high, low]);
    let mut before = 0;
    for segment in ["api", "v1", token, "telemetry"] {
        put_option(out, URI_PATH - before, segment.as_bytes());
        before = URI_PATH;
    }
    out.extend_from_slice(&[0xff]);
    out.extend_from_slice(payload);
    end(out, start);
}

/// Appends an empty acknowledgement.
pub fn put_acknowledgement(out: &mut BytesMut, id: u16) {
    let start = begin(out);
    let [high, low] = id.to_be_bytes();
    out.extend_from_slice(&[0x60, 0, high, low]);
    end(out, start);
}

/// Reads the datagram at the front of `bytes`, which stands behind its length.
///
/// # Errors
/// [`SimError::Malformed`] for what is no answer, and for answers that refuse.
pub fn decode(bytes: &[u8]) -> Result<Option<(Incoming, usize)>, SimError> {
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes(*length));
    let Some(datagram) = rest.get(..length) else { return Ok(None) };
    let malformed = |what: String| SimError::Malformed(what);
    let [first, code, high, low, token @ ..] = datagram else {
        return Err(malformed(format!("a datagram of {length} bytes")));
    };
    let id = u16::from_be_bytes([*high, *low]);
    let kind = (first >> 4) & 3;
    let incoming = match (first >> 6, kind, code) {
        (1, 2, 0) => Incoming::Later,
        (1, 2, 0x40..=0x5f) => Incoming::Taken { id },
        (1, 0 | 1, 0x40..=0x5f) if first & 0xf == 2 && token.len() >= 2 => {
            let named = u16::from_be_bytes([token[0], token[1]]);
            match kind {
                0 => Incoming::TakenLate {
                    id: named,
                    acknowledge: id,
                },
                _ => Incoming::Taken { id: named },
            }
        }
        (1, 3, _) => return Err(malformed("a reset".into())),
        (1, _, code) => return Err(malformed(format!("CoAP answer {}.{:02}", code >> 5, code & 0x1f))),
        _ => return Err(malformed("another version of CoAP".into())),
    };
    Ok(Some((incoming, LENGTH_BYTES + length)))
}

fn begin(out: &mut BytesMut) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    start
}

fn end(out: &mut BytesMut, start: usize) {
    let length = out.len() - start - LENGTH_BYTES;
    debug_assert!(length <= DATAGRAM_MAX);
    out[start..start + LENGTH_BYTES].copy_from_slice(&(length as u16).to_be_bytes());
}

/// Appends an option whose number is `delta`, 12 at most, above the one before (RFC 7252, 3.1).
fn put_option(out: &mut BytesMut, delta: usize, value: &[u8]) {
    debug_assert!(delta < 13 && value.len() < 269);
    let delta = (delta as u8) << 4;
    match value.len() {
        short @ 0..=12 => out.extend_from_slice(&[delta | short as u8]),
        long => out.extend_from_slice(&[delta | 13, (long - 13) as u8]),
    }
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use coap_lite::{CoapOption, MessageType, Packet, RequestType};

    #[test]
    fn a_library_reads_what_is_written() {
        for token in ["t", "a-token-of-more-than-thirteen-bytes"] {
            let mut out = BytesMut::new();
            put_post(&mut out, token, 0x1234, b"{\"a\":1}");
            let packet = Packet::from_bytes(&out[LENGTH_BYTES..]).expect("a message");
            assert_eq!(packet.header.get_type(), MessageType::Confirmable);
            assert_eq!(packet.header.code, coap_lite::MessageClass::Request(RequestType::Post));
            assert_eq!((packet.header.message_id, packet.get_token()), (0x1234, &[0x12, 0x34][..]));
            let path = packet.get_option(CoapOption::UriPath).expect("a path");
            let path: Vec<&[u8]> = path.iter().map(Vec::as_slice).collect();
            assert_eq!(path, [&b"api"[..], b"v1", token.as_bytes(), b"telemetry"]);
            assert_eq!(packet.payload, b"{\"a\":1}");
            assert_eq!(usize::from(u16::from_be_bytes([out[0], out[1]])), out.len() - LENGTH_BYTES);
        }
    }

    #[test]
    fn answers_come_with_the_acknowledgement_or_late() {
        let framed = |datagram: &[u8]| [&(datagram.len() as u16).to_be_bytes()[..], datagram].concat();
        let read = |datagram: &[u8]| decode(&framed(datagram)).map(|read| read.map(|(incoming, _)| incoming));
        assert_eq!(read(&[0x62, 0x41, 0, 7, 0, 7]).expect("2.01"), Some(Incoming::Taken { id: 7 }));
        assert_eq!(read(&[0x60, 0, 0, 7]).expect("empty"), Some(Incoming::Later));
        let late = Incoming::TakenLate { id: 7, acknowledge: 99 };
        assert_eq!(read(&[0x42, 0x41, 0, 99, 0, 7]).expect("late"), Some(late));
        for refused in [&[0x62, 0x81, 0, 7, 0, 7][..], &[0x70, 0, 0, 7], &[0x82, 0x41, 0, 7, 0, 7], &[0x60]] {
            assert!(read(refused).is_err(), "{refused:?}");
        }
        assert_eq!(decode(&framed(&[0x60, 0, 0, 7])[..5]).expect("cut"), None);
        let mut out = BytesMut::new();
        put_acknowledgement(&mut out, 99);
        assert_eq!(&out[..], framed(&[0x60, 0, 0, 99]));
    }
}
