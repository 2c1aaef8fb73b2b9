//! What a broker says to a client that publishes. Pure.

use bytes::BytesMut;

use super::reason::{self, words};
use super::{HEARD_BYTES_MAX, Heard, Terms};
use crate::codec::properties::{self, Place};
use crate::codec::{FrameError, frame};
use crate::packet::Version;

/// Bytes of a packet of a broker before MQTT 5 at most. Without subscriptions the largest one has four.
const SHORT_BYTES_MAX: usize = 64;

/// Takes a packet of a broker from the front of the buffer. None: it is not complete.
///
/// # Errors
/// [`FrameError`]: the conversation cannot go on.
pub fn read(version: Version, buffer: &mut BytesMut) -> Result<Option<Heard>, FrameError> {
    let Some(header) = frame::header(buffer)? else {
        return Ok(None);
    };
    let max = match version {
        Version::V31 | Version::V311 => SHORT_BYTES_MAX,
        Version::V5 => HEARD_BYTES_MAX.into(),
    };
    if header.total_len > max {
        return Err(FrameError::TooLarge {
            len: header.total_len,
            max,
        });
    }
    if buffer.len() < header.total_len {
        return Ok(None);
    }
    let packet = buffer.split_to(header.total_len);
    let body = packet.get(header.header_len..).unwrap_or_default();
    let heard = match (header.packet_type, header.flags, body) {
        (13, 0, []) => Heard::Pong,
        (4, 0, [high, low, rest @ ..]) if (*high, *low) != (0, 0) => {
            let pkid = u16::from_be_bytes([*high, *low]);
            match (version, rest) {
                (_, []) => Heard::Acknowledged(pkid),
                (Version::V5, rest) => acknowledgement(pkid, rest)?,
                _ => return Err(strange()),
            }
        }
        // One that knows no MQTT 5 says so in its own words.
        (2, 0, [_, code]) if version != Version::V5 || *code == 1 => old_login(body[0], *code),
        (2, 0, [0 | 1, code, rest @ ..]) if version == Version::V5 => login(*code, rest)?,
        (14, 0, body) if version == Version::V5 => Heard::Ended(goodbye(body)?),
        (15, ..) if version == Version::V5 => {
            return Err(FrameError::Protocol("a conversation about who the client is, which is not offered"));
        }
        (2 | 4 | 13, ..) => return Err(strange()),
        (14, ..) if version == Version::V5 => return Err(strange()),
        _ => return Err(FrameError::Protocol("a packet that nobody asked the broker for")),
    };
    Ok(Some(heard))
}

fn strange() -> FrameError {
    FrameError::Malformed("an answer of another form".to_owned())
}

/// CONNACK of 3.1 and 3.1.1.
fn old_login(flags: u8, code: u8) -> Heard {
    match (flags, code) {
        (0 | 1, 0) => Heard::Accepted(Terms::default()),
        (_, code) => Heard::Refused(reason::old(code)),
    }
}

/// CONNACK of MQTT 5 (3.2), behind its reason code.
fn login(code: u8, rest: &[u8]) -> Result<Heard, FrameError> {
    let mut terms = Terms::default();
    let (mut said, mut acknowledges) = (None, true);
    if !(rest.is_empty() && is_failure(code)) {
        properties::read(rest, Place::ConnAck, |id, value| match (id, value) {
            (0x13, [high, low]) => terms.keep_alive_s = Some(u16::from_be_bytes([*high, *low])),
            (0x1F, value) => said = Some(value),
            (0x21, [high, low]) => terms.in_flight_max = u16::from_be_bytes([*high, *low]),
            (0x24, [quality]) => acknowledges = *quality > 0,
            (0x25, [retains]) => terms.retains = *retains == 1,
            (0x27, [a, b, c, d]) => terms.packet_bytes_max = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap_or(usize::MAX),
            _ => {}
        })?;
    }
    if terms.in_flight_max == 0 || terms.packet_bytes_max == 0 {
        return Err(FrameError::Protocol("a maximum of 0"));
    }
    match code {
        0 if acknowledges => Ok(Heard::Accepted(terms)),
        0 => Ok(Heard::Refused(
            "it takes messages of quality 0 only, which nobody acknowledges: have it take quality 1".to_owned(),
        )),
        code if is_failure(code) => Ok(Heard::Refused(words(code, said))),
        _ => Err(strange()),
    }
}

/// PUBACK of MQTT 5 (3.4), behind its packet identifier.
fn acknowledgement(pkid: u16, rest: &[u8]) -> Result<Heard, FrameError> {
    let (code, said) = told(rest, Place::PubAck)?;
    match code {
        // The second one: nobody has subscribed to it.
        0 | 0x10 => Ok(Heard::Acknowledged(pkid)),
        code if is_failure(code) => Ok(Heard::Untaken(pkid, words(code, said))),
        _ => Err(strange()),
    }
}

/// DISCONNECT of MQTT 5 (3.14).
fn goodbye(body: &[u8]) -> Result<String, FrameError> {
    let (code, said) = told(body, Place::Disconnect)?;
    Ok(words(code, said))
}

/// A reason code, and what was said of it; none is success, and what was said may be left out.
fn told(bytes: &[u8], place: Place) -> Result<(u8, Option<&[u8]>), FrameError> {
    let mut said = None;
    let Some((code, rest)) = bytes.split_first() else {
        return Ok((0, None));
    };
    if !rest.is_empty() {
        properties::read(rest, place, |id, value| {
            if id == 0x1F {
                said = Some(value);
            }
        })?;
    }
    Ok((*code, said))
}

fn is_failure(code: u8) -> bool {
    code >= 0x80
}
