//! The telemetry a device sends: a time, a number that counts the device's messages, and filler keys.
//!
//! A payload is a pure function of device, number and time. So an unacknowledged message needs no copy: it is written again when it
//! has to be sent again. Knows no MQTT.

use std::time::{SystemTime, UNIX_EPOCH};

/// Appends `{"ts":<ms>,"values":{"temperature":21.3,"seq":7,"key3":..}}` with `keys` values: the first is always `seq`, the second
/// `temperature`, any more are `key3`, `key4`, …
pub fn put_payload(out: &mut Vec<u8>, device: usize, seq: u64, ts: u64, keys: usize) {
    out.extend_from_slice(b"{\"ts\":");
    put_number(out, ts);
    out.extend_from_slice(b",\"values\":{");
    if keys > 1 {
        out.extend_from_slice(b"\"temperature\":");
        put_tenths(out, 200 + wave(device, seq, 2));
        out.push(b',');
    }
    out.extend_from_slice(b"\"seq\":");
    put_number(out, seq);
    for key in 3..=keys as u64 {
        out.extend_from_slice(b",\"key");
        put_number(out, key);
        out.extend_from_slice(b"\":");
        put_tenths(out, wave(device, seq, key));
    }
    out.extend_from_slice(b"}}");
}

/// A value from 0 to 99 that changes from message to message.
fn wave(device: usize, seq: u64, key: u64) -> u64 {
    (device as u64)
        .wrapping_mul(31)
        .wrapping_add(seq.wrapping_mul(7))
        .wrapping_add(key.wrapping_mul(13))
        % 100
}

fn put_tenths(out: &mut Vec<u8>, tenths: u64) {
    put_number(out, tenths / 10);
    out.push(b'.');
    out.push(b'0' + (tenths % 10) as u8);
}

/// Appends `number` in decimal. Formatting through `fmt` would be the most expensive part of a message.
pub fn put_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// Milliseconds since 1970.
pub fn wall_clock_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(seq: u64, keys: usize) -> serde_json::Value {
        let mut out = Vec::new();
        put_payload(&mut out, 3, seq, 1_700_000_000_123, keys);
        serde_json::from_slice(&out).expect("payload is JSON")
    }

    #[test]
    fn payload_has_time_number_and_as_many_keys_as_asked() {
        for keys in [1, 2, 3, 20] {
            let value = payload(42, keys);
            assert_eq!(value["ts"], 1_700_000_000_123_u64);
            assert_eq!(value["values"]["seq"], 42);
            assert_eq!(value["values"].as_object().expect("object").len(), keys);
        }
        assert!(payload(42, 2)["values"]["temperature"].is_f64());
    }

    #[test]
    fn values_change_from_message_to_message() {
        assert_ne!(payload(1, 2)["values"]["temperature"], payload(2, 2)["values"]["temperature"]);
    }

    #[test]
    fn numbers_are_decimal() {
        for number in [0, 9, 10, 4_294_967_296, u64::MAX] {
            let mut out = Vec::new();
            put_number(&mut out, number);
            assert_eq!(String::from_utf8(out).expect("digits"), number.to_string());
        }
    }
}
