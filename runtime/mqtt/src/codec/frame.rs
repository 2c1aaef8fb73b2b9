//! The outer form of packets, looked at before the library sees them. Pure; must not know what packets mean.

use bytes::BytesMut;

use super::FrameError;
use crate::packet::Version;

/// What the first bytes of a packet say (MQTT 5, 2.1).
pub(crate) struct Header {
    pub(crate) packet_type: u8,
    pub(crate) flags: u8,
    pub(crate) header_len: usize,
    pub(crate) total_len: usize,
}

/// Reads the fixed header. None: it is not complete.
pub(crate) fn header(buffer: &[u8]) -> Result<Option<Header>, FrameError> {
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

/// The version that a CONNECT asks for, from its body: name, level and flags stand at its beginning.
pub(super) fn version(body: &[u8]) -> Result<Version, FrameError> {
    let Some((len, rest)) = body.split_first_chunk::<2>() else {
        return Err(FrameError::Malformed("a CONNECT without protocol name".to_owned()));
    };
    let len = usize::from(u16::from_be_bytes(*len));
    let version = match (rest.get(..len), rest.get(len)) {
        (Some(b"MQTT"), Some(4)) => Version::V311,
        (Some(b"MQTT"), Some(5)) => Version::V5,
        (Some(b"MQIsdp"), Some(3)) => Version::V31,
        (Some(b"MQTT" | b"MQIsdp"), Some(level)) => return Err(FrameError::UnsupportedVersion(*level)),
        _ => return Err(FrameError::Protocol("not MQTT")),
    };
    let flags = rest.get(len + 1).copied().unwrap_or_default();
    let (name, password) = (flags & 0x80 != 0, flags & 0x40 != 0);
    match version {
        // 3.1 leaves the lowest bit to whatever clients make of it.
        Version::V31 => {}
        _ if flags & 1 != 0 => return Err(FrameError::Malformed("reserved bits are set".to_owned())),
        Version::V311 if password && !name => return Err(FrameError::Malformed("a password without a user name".to_owned())),
        Version::V311 | Version::V5 => {}
    }
    Ok(version)
}

/// A CONNECT of 3.1 as 3.1.1 would have written it: they differ in name and level only. `frame` has been read by [`version`].
pub(super) fn as_v311(frame: &[u8], header_len: usize) -> BytesMut {
    const OLD: usize = 2 + "MQIsdp".len() + 1;
    let rest = frame.get(header_len + OLD..).unwrap_or_default();
    let mut remaining = 2 + "MQTT".len() + 1 + rest.len();
    let mut written = BytesMut::with_capacity(5 + remaining);
    written.extend_from_slice(&[0x10]);
    loop {
        let byte = u8::try_from(remaining & 0x7f).unwrap_or_default();
        remaining >>= 7;
        written.extend_from_slice(&[if remaining > 0 { byte | 0x80 } else { byte }]);
        if remaining == 0 {
            break;
        }
    }
    written.extend_from_slice(b"\0\x04MQTT\x04");
    written.extend_from_slice(rest);
    written
}

/// Quality and packet identifier of a PUBLISH, which the library does not tell.
pub(super) fn publish_header(header: &Header, frame: &[u8]) -> Result<(u8, u16), FrameError> {
    let qos = (header.flags >> 1) & 0b11;
    match qos {
        0 if header.flags & 0b1000 != 0 => Err(FrameError::Malformed("quality 0 sent again".to_owned())),
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

/// Looks at the options of each filter of a SUBSCRIBE, whose upper bits are reserved (MQTT 3.1.1, 3.8.3; MQTT 5, 3.8.3.1). What is cut
/// short is left to the library.
pub(super) fn subscription_options(header: &Header, frame: &[u8], version: Version) -> Result<(), FrameError> {
    let reserved: u8 = if version == Version::V5 { 0b1100_0000 } else { 0b1111_1100 };
    let mut rest = frame.get(header.header_len + 2..).unwrap_or_default();
    if version == Version::V5 {
        let Some((length, after)) = variable_length(rest) else {
            return Ok(());
        };
        rest = after.get(length..).unwrap_or_default();
    }
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let after = after.get(usize::from(u16::from_be_bytes(*length))..).unwrap_or_default();
        let Some((options, after)) = after.split_first() else {
            return Ok(());
        };
        if options & reserved != 0 {
            return Err(FrameError::Malformed("reserved bits are set".to_owned()));
        }
        rest = after;
    }
    Ok(())
}

/// A number of up to four bytes, and what follows it.
fn variable_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let end = bytes.iter().take(4).position(|byte| byte & 0x80 == 0)?;
    let (number, rest) = bytes.split_at_checked(end + 1)?;
    let parts = number.iter().zip([0, 7, 14, 21]);
    Some((parts.map(|(byte, shift)| usize::from(byte & 0x7f) << shift).sum(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_has_four_bytes_at_most() {
        for (bytes, total) in [
            (&[0x10, 0][..], Some(2)),
            (&[0x10, 0x7f], Some(2 + 127)),
            (&[0x10, 0xff, 0xff, 0xff, 0x7f], Some(5 + 268_435_455)),
            (&[0x10, 0xff], None),
            (&[], None),
        ] {
            let found = header(bytes).ok().flatten();
            assert_eq!(found.map(|header| header.total_len), total, "{bytes:?}");
        }
        assert!(header(&[0x10, 0xff, 0xff, 0xff, 0xff]).is_err());
    }

    #[test]
    fn name_level_and_flags_decide_about_the_version() {
        let flags = |name: &[u8], level, flags| [&[0, u8::try_from(name.len()).unwrap_or(0)], name, &[level, flags]].concat();
        for (body, expected) in [
            (flags(b"MQTT", 4, 0b1000_0010), Ok(Version::V311)),
            (flags(b"MQTT", 5, 0b0100_0010), Ok(Version::V5)),
            (flags(b"MQIsdp", 3, 0b0000_0001), Ok(Version::V31)),
            (flags(b"MQTT", 3, 0), Err(FrameError::UnsupportedVersion(3))),
            (flags(b"MQTT", 6, 0), Err(FrameError::UnsupportedVersion(6))),
            (flags(b"MQIsdp", 4, 0), Err(FrameError::UnsupportedVersion(4))),
            (flags(b"HTTP", 4, 0), Err(FrameError::Protocol("not MQTT"))),
            (flags(b"MQTT", 4, 1), Err(FrameError::Malformed("reserved bits are set".to_owned()))),
            (flags(b"MQTT", 5, 1), Err(FrameError::Malformed("reserved bits are set".to_owned()))),
            (
                flags(b"MQTT", 4, 0b0100_0000),
                Err(FrameError::Malformed("a password without a user name".to_owned())),
            ),
        ] {
            assert_eq!(version(&body), expected, "{body:?}");
        }
    }

    #[test]
    fn a_connect_of_3_1_becomes_one_of_3_1_1() {
        let old = b"\x10\x11\0\x06MQIsdp\x03\x02\0\x3c\0\x03abc";
        assert_eq!(&as_v311(old, 2)[..], b"\x10\x0f\0\x04MQTT\x04\x02\0\x3c\0\x03abc");
        // At the border where the length takes one byte less.
        let mut long = b"\x10\x81\x01\0\x06MQIsdp\x03\x02\0\x3c\0\x73".to_vec();
        long.extend([b'x'; 0x73]);
        let new = as_v311(&long, 3);
        assert_eq!((new[1], new.len()), (127, 129));
    }
}
