//! What a sensor says.
//!
//! `version (1) | group…`. A group begins with `FF` and its time (seconds since 1970-01-01 UTC, 4 bytes), or with `FE`: now. Readings
//! follow, a tag and a value each; big-endian.

use pacificsoft_sdk::Content;
use pacificsoft_sdk::adapter::{Refusal, Telemetry, Uplink};
use serde_json::{Map, Value as Json};

/// The only version there is.
const VERSION: u8 = 1;
/// A group with a time.
const AT: u8 = 0xFF;
/// A group without.
const NOW: u8 = 0xFE;
/// Groups of a message at most.
const GROUPS_MAX: usize = 256;

/// A kind of reading: name, bytes of its value, and what the value is divided by.
struct Quantity {
    tag: u8,
    name: &'static str,
    bytes: usize,
    signed: bool,
    divisor: f64,
}

const QUANTITIES: [Quantity; 5] = [
    quantity(1, "temperature", 2, true, 100.0),
    quantity(2, "humidity", 1, false, 2.0),
    quantity(3, "battery", 2, false, 1000.0),
    quantity(4, "pressure", 2, false, 10.0),
    quantity(5, "count", 4, false, 1.0),
];

const fn quantity(tag: u8, name: &'static str, bytes: usize, signed: bool, divisor: f64) -> Quantity {
    Quantity {
        tag,
        name,
        bytes,
        signed,
        divisor,
    }
}

/// Understands a message of readings.
///
/// # Errors
/// [`Refusal::Malformed`], saying where.
pub fn read(payload: &[u8]) -> Result<Vec<Uplink>, Refusal> {
    let mut rest = match payload.split_first() {
        Some((&VERSION, rest)) => rest,
        Some((version, _)) => return Err(malformed(format!("there is no version {version}"))),
        None => return Err(malformed("the message is empty".to_owned())),
    };
    let mut uplinks = Vec::new();
    while let Some((mark, after)) = rest.split_first() {
        let timestamp = match *mark {
            NOW => {
                rest = after;
                None
            }
            AT => {
                let (time, after) = number(after, 4, false)?;
                rest = after;
                Some(time * 1000)
            }
            other => return Err(malformed(format!("a group begins with {other:02x}, not with ff or fe"))),
        };
        let mut values = Map::new();
        while let Some((tag, after)) = rest.split_first().filter(|(tag, _)| **tag < NOW) {
            let known = QUANTITIES.iter().find(|quantity| quantity.tag == *tag);
            let known = known.ok_or_else(|| malformed(format!("there is no reading {tag}")))?;
            let (value, after) = number(after, known.bytes, known.signed)?;
            values.insert(known.name.to_owned(), json(value, known.divisor));
            rest = after;
        }
        if uplinks.len() == GROUPS_MAX {
            return Err(malformed(format!("more than {GROUPS_MAX} groups")));
        }
        uplinks.push(Uplink::Telemetry(Telemetry {
            timestamp,
            values: Content::Json(Json::Object(values).to_string()),
        }));
    }
    Ok(uplinks)
}

fn number(bytes: &[u8], len: usize, signed: bool) -> Result<(i64, &[u8]), Refusal> {
    let (own, rest) = bytes
        .split_at_checked(len)
        .ok_or_else(|| malformed("the message ends inside a value".to_owned()))?;
    let start = if signed && own[0] & 0x80 != 0 { -1 } else { 0 };
    Ok((own.iter().fold(start, |value, byte| value << 8 | i64::from(*byte)), rest))
}

/// Whole numbers stay whole.
fn json(value: i64, divisor: f64) -> Json {
    if divisor == 1.0 {
        return Json::from(value);
    }
    // At most 32 bits: exact in a double.
    #[allow(clippy::cast_precision_loss, reason = "at most 32 bits")]
    Json::from(value as f64 / divisor)
}

fn malformed(reason: String) -> Refusal {
    Refusal::Malformed(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(payload: &[u8]) -> Vec<(Option<i64>, String)> {
        let uplinks = read(payload).expect("well-formed");
        let group = |uplink| match uplink {
            Uplink::Telemetry(Telemetry {
                timestamp,
                values: Content::Json(json),
            }) => (timestamp, json),
            other => panic!("{other:?}"),
        };
        uplinks.into_iter().map(group).collect()
    }

    #[test]
    fn readings_in_groups() {
        let now = [1, NOW, 1, 0xFF, 0x9C, 2, 101, 3, 0x0C, 0xE4, 4, 0x27, 0x95, 5, 0, 1, 0, 0];
        let expected = r#"{"battery":3.3,"count":65536,"humidity":50.5,"pressure":1013.3,"temperature":-1.0}"#;
        assert_eq!(groups(&now), [(None, expected.to_owned())]);
        let two = [1, AT, 0x65, 0x53, 0xF1, 0, 2, 2, AT, 0x65, 0x53, 0xF1, 1, 2, 4];
        assert_eq!(
            groups(&two),
            [
                (Some(1_700_000_000_000), r#"{"humidity":1.0}"#.to_owned()),
                (Some(1_700_000_001_000), r#"{"humidity":2.0}"#.to_owned()),
            ]
        );
        assert!(groups(&[1]).is_empty());
    }

    #[test]
    fn what_makes_no_sense_is_refused_saying_where() {
        let many: Vec<u8> = std::iter::once(1).chain([NOW; 257]).collect();
        for (payload, says) in [
            (&[][..], "empty"),
            (&[2], "version 2"),
            (&[1, 7], "begins with 07"),
            (&[1, NOW, 9], "reading 9"),
            (&[1, NOW, 1, 0], "inside a value"),
            (&[1, AT, 0, 0], "inside a value"),
            (&many, "256 groups"),
        ] {
            let Err(Refusal::Malformed(reason)) = read(payload) else {
                panic!("{payload:?} is taken")
            };
            assert!(reason.contains(says), "{reason}");
        }
    }

    #[test]
    fn no_bytes_are_too_much() {
        let good = [1, NOW, 1, 0xFF, 0x9C, 2, 101, AT, 0x65, 0x53, 0xF1, 0, 5, 0, 1, 0, 0];
        for at in 0..good.len() {
            let _ = read(&good[..at]);
            for value in 0..=255 {
                let mut bytes = good;
                bytes[at] = value;
                let _ = read(&bytes);
            }
        }
    }
}
