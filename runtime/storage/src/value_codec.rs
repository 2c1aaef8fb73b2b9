//! The bytes that readings and attributes are stored as, in every back end. Readings are most of what a platform stores, so they are
//! binary and short; rare things are JSON. Every form here is on disk: changing one needs a new format number.
//!
//! ```text
//! reading   = tag [expiry: i64 ms] [time: i64 ms] payload      the expiry stands there when the tag has bit 0x80, the time when it
//!                                                               has bit 0x40: then it is not the time of the key
//! attribute = time: i64 ms, tag payload
//! payload   = 1 byte (bool) | 8 bytes (long, double) | UTF-8 (text, JSON)
//! ```
//!
//! Knows no database and no keys.

use model::{Reading, Value};

use crate::StorageError;

const BOOL: u8 = 1;
const LONG: u8 = 2;
const DOUBLE: u8 = 3;
const TEXT: u8 = 4;
const JSON: u8 = 5;
const EXPIRES: u8 = 0x80;
const DATED: u8 = 0x40;

/// A stored reading; its time is in its key. The expiry is in milliseconds since 1970-01-01 UTC; none, where the database itself removes
/// what has expired.
pub fn encode_point(value: &Value, expiry_ms: Option<i64>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(17 + value.heap_len());
    match expiry_ms {
        Some(expiry) => {
            bytes.push(tag(value) | EXPIRES);
            bytes.extend_from_slice(&expiry.to_be_bytes());
        }
        None => bytes.push(tag(value)),
    }
    put_payload(&mut bytes, value);
    bytes
}

/// A stored reading that says its time itself.
pub fn encode_dated(ts_ms: i64, value: &Value, expiry_ms: Option<i64>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(17 + value.heap_len());
    let expires = if expiry_ms.is_some() { EXPIRES } else { 0 };
    bytes.push(tag(value) | DATED | expires);
    bytes.extend(expiry_ms.iter().flat_map(|expiry| expiry.to_be_bytes()));
    bytes.extend_from_slice(&ts_ms.to_be_bytes());
    put_payload(&mut bytes, value);
    bytes
}

/// A stored reading under a key with this time, or none when it has expired.
///
/// # Errors
/// [`StorageError::Corrupt`]
pub fn decode_point(key_ms: i64, bytes: &[u8], now_ms: i64) -> Result<Option<Reading>, StorageError> {
    if has_expired(bytes, now_ms) {
        return Ok(None);
    }
    let (tag, mut rest) = bytes.split_first().ok_or_else(empty)?;
    if tag & EXPIRES != 0 {
        rest = rest.get(8..).ok_or_else(empty)?;
    }
    let mut ts_ms = key_ms;
    if tag & DATED != 0 {
        let (time, payload) = rest.split_first_chunk::<8>().ok_or_else(empty)?;
        (ts_ms, rest) = (i64::from_be_bytes(*time), payload);
    }
    let value = payload_of(tag & !(EXPIRES | DATED), rest)?;
    Ok(Some(Reading { ts_ms, value }))
}

/// Whether a stored reading has an expiry that has come. Unreadable bytes have not expired: nobody must lose them silently.
pub fn has_expired(bytes: &[u8], now_ms: i64) -> bool {
    match bytes.split_first_chunk::<9>() {
        Some((&[tag, ref expiry @ ..], _)) => tag & EXPIRES != 0 && i64::from_be_bytes(*expiry) <= now_ms,
        None => false,
    }
}

/// A stored attribute.
pub fn encode_attribute(ts_ms: i64, value: &Value) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(17 + value.heap_len());
    bytes.extend_from_slice(&ts_ms.to_be_bytes());
    bytes.push(tag(value));
    put_payload(&mut bytes, value);
    bytes
}

/// An attribute of its stored form.
///
/// # Errors
/// [`StorageError::Corrupt`]
pub fn decode_attribute(bytes: &[u8]) -> Result<Reading, StorageError> {
    let (ts, rest) = bytes.split_first_chunk::<8>().ok_or_else(empty)?;
    let (tag, payload) = rest.split_first().ok_or_else(empty)?;
    Ok(Reading {
        ts_ms: i64::from_be_bytes(*ts),
        value: payload_of(*tag, payload)?,
    })
}

fn tag(value: &Value) -> u8 {
    match value {
        Value::Bool(_) => BOOL,
        Value::Long(_) => LONG,
        Value::Double(_) => DOUBLE,
        Value::Text(_) => TEXT,
        Value::Json(_) => JSON,
    }
}

fn put_payload(bytes: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Bool(b) => bytes.push(u8::from(*b)),
        Value::Long(long) => bytes.extend_from_slice(&long.to_be_bytes()),
        Value::Double(double) => bytes.extend_from_slice(&double.to_bits().to_be_bytes()),
        Value::Text(text) | Value::Json(text) => bytes.extend_from_slice(text.as_bytes()),
    }
}

fn payload_of(tag: u8, bytes: &[u8]) -> Result<Value, StorageError> {
    let text = || {
        std::str::from_utf8(bytes)
            .map(Box::from)
            .map_err(|_| StorageError::Corrupt("a stored text is not UTF-8".into()))
    };
    let eight = || {
        bytes
            .try_into()
            .map_err(|_| StorageError::Corrupt(format!("a stored number has {} bytes", bytes.len())))
    };
    match (tag, bytes) {
        (BOOL, [b @ 0..=1]) => Ok(Value::Bool(*b == 1)),
        (LONG, _) => Ok(Value::Long(i64::from_be_bytes(eight()?))),
        (DOUBLE, _) => Ok(Value::Double(f64::from_bits(u64::from_be_bytes(eight()?)))),
        (TEXT, _) => Ok(Value::Text(text()?)),
        (JSON, _) => Ok(Value::Json(text()?)),
        _ => Err(StorageError::Corrupt(format!(
            "a stored value has the unknown form {tag} of {} bytes",
            bytes.len()
        ))),
    }
}

fn empty() -> StorageError {
    StorageError::Corrupt("a stored value is too short".into())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Bytes as people read them.
    pub(crate) fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    fn values() -> [(Value, &'static str); 7] {
        [
            (Value::Bool(true), "0101"),
            (Value::Bool(false), "0100"),
            (Value::Long(-2), "02fffffffffffffffe"),
            (Value::Double(1.5), "033ff8000000000000"),
            (Value::Text("ö".into()), "04c3b6"),
            (Value::Text("".into()), "04"),
            (Value::Json("[1]".into()), "055b315d"),
        ]
    }

    #[test]
    fn stored_values_keep_their_bytes() {
        for (value, expected) in values() {
            assert_eq!(hex(&encode_point(&value, None)), expected);
            let (tag, payload) = expected.split_at(2);
            let tag = u8::from_str_radix(tag, 16).expect("hex");
            assert_eq!(
                hex(&encode_point(&value, Some(258))),
                format!("{:02x}0000000000000102{payload}", tag | 0x80)
            );
            let dated = format!("{:02x}fffffffffffffffe{payload}", tag | 0x40);
            assert_eq!(hex(&encode_dated(-2, &value, None)), dated);
            let dated = format!("{:02x}0000000000000102fffffffffffffffe{payload}", tag | 0xc0);
            assert_eq!(hex(&encode_dated(-2, &value, Some(258))), dated);
            assert_eq!(hex(&encode_attribute(-1, &value)), format!("ffffffffffffffff{expected}"));
        }
    }

    #[test]
    fn values_come_back_until_they_expire() {
        for (value, _) in values() {
            let reading = |ts_ms| {
                let value = value.clone();
                Some(Reading { ts_ms, value })
            };
            let decoded = |bytes: &[u8], now_ms| decode_point(7, bytes, now_ms).expect("readable");
            assert_eq!(decoded(&encode_point(&value, None), i64::MAX), reading(7));
            assert_eq!(decoded(&encode_dated(5, &value, None), i64::MAX), reading(5));
            for (expiring, ts_ms) in [(encode_point(&value, Some(1000)), 7), (encode_dated(5, &value, Some(1000)), 5)] {
                assert_eq!(decoded(&expiring, 999), reading(ts_ms));
                assert_eq!(decoded(&expiring, 1000), None);
            }
            assert_eq!(
                decode_attribute(&encode_attribute(5, &value)).expect("readable"),
                Reading { ts_ms: 5, value }
            );
        }
    }

    #[test]
    fn broken_bytes_are_named_corrupt() {
        let broken: [&[u8]; 10] = [
            b"",
            b"\x00",
            b"\x06abc",
            b"\x01\x02",
            b"\x01",
            b"\x02\x00",
            b"\x04\xff",
            b"\x81\x00\x00",
            b"\x44abcdefg",
            b"\x42\x00\x00\x00\x00\x00\x00\x00\x00",
        ];
        for bytes in broken {
            assert!(
                matches!(decode_point(0, bytes, i64::MAX), Err(StorageError::Corrupt(_))),
                "{bytes:?}"
            );
        }
        for bytes in [&b""[..], &[0; 8], &[0; 9]] {
            assert!(matches!(decode_attribute(bytes), Err(StorageError::Corrupt(_))), "{bytes:?}");
        }
    }
}
