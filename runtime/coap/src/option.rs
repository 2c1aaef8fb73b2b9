//! Numbers of the options this endpoint knows (RFC 7252, 5.10; RFC 7641, 2; RFC 7959, 2.1; RFC 9175, 3), and unsigned values.

#![allow(missing_docs)]

pub const URI_HOST: u16 = 3;
pub const ETAG: u16 = 4;
pub const OBSERVE: u16 = 6;
pub const URI_PORT: u16 = 7;
pub const URI_PATH: u16 = 11;
pub const CONTENT_FORMAT: u16 = 12;
pub const MAX_AGE: u16 = 14;
pub const URI_QUERY: u16 = 15;
pub const ACCEPT: u16 = 17;
pub const BLOCK2: u16 = 23;
pub const BLOCK1: u16 = 27;
pub const SIZE2: u16 = 28;
pub const PROXY_URI: u16 = 35;
pub const PROXY_SCHEME: u16 = 39;
pub const SIZE1: u16 = 60;
pub const REQUEST_TAG: u16 = 292;

/// An unsigned value of at most so many bytes, most significant first; empty is 0.
pub(crate) fn read_uint(value: &[u8], bytes_max: usize) -> Option<u32> {
    (value.len() <= bytes_max.min(4)).then(|| value.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}

/// Without leading zeros.
pub(crate) fn write_uint(number: u32) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes[zeros..].to_vec()
}

/// Whether a message with it must be refused by who does not know it (RFC 7252, 5.4.1).
pub(crate) fn is_critical(number: u16) -> bool {
    number & 1 == 1
}
