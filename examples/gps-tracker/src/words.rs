//! What stands in a frame. The first byte of each body is the unit: one connection may speak for several.

use crate::frame::Frame;

/// Login: the rest is the access token.
pub const LOGIN: u8 = 0x01;
/// Position: see [`Position`].
pub const POSITION: u8 = 0x02;
/// Status: battery in percent (1), firmware as text.
pub const STATUS: u8 = 0x03;
/// Reply to a command, whose number is the frame's: result (1), text.
pub const REPLY: u8 = 0x04;
/// I am still there.
pub const HEARTBEAT: u8 = 0x05;
/// Answer to a login: a [code](Code).
pub const LOGIN_ANSWER: u8 = 0x81;
/// Answer to a position or status: a [code](Code).
pub const ACKNOWLEDGEMENT: u8 = 0x82;
/// Command: length of its name (1), name, parameters as JSON. Repeated until there is a reply.
pub const COMMAND: u8 = 0x84;
/// Answer to a heartbeat.
pub const HEARTBEAT_ANSWER: u8 = 0x85;
/// Changed settings (shared attributes) as JSON.
pub const SETTINGS: u8 = 0x86;

/// How a question of the tracker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// Accepted; for what is reported: it is on disk.
    Done = 0,
    /// Send it again later.
    Again = 1,
    /// The unit is not logged in.
    NotLoggedIn = 2,
    /// The token is unknown.
    Denied = 3,
    /// The frame's body makes no sense.
    Malformed = 4,
}

/// Where a unit was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Seconds since 1970-01-01 UTC.
    pub time_s: u32,
    /// Ten-millionths of a degree.
    pub latitude: i32,
    /// Ten-millionths of a degree.
    pub longitude: i32,
    /// Tenths of a kilometre in an hour.
    pub speed: u16,
    /// Degrees.
    pub heading: u16,
    /// Bit 0: the ignition is on.
    pub flags: u8,
}

impl Position {
    /// Reads the rest of a body.
    pub fn read(rest: &[u8]) -> Option<Self> {
        let rest: &[u8; 17] = rest.try_into().ok()?;
        let four = |at: usize| [rest[at], rest[at + 1], rest[at + 2], rest[at + 3]];
        let two = |at: usize| u16::from_be_bytes([rest[at], rest[at + 1]]);
        let position = Position {
            time_s: u32::from_be_bytes(four(0)),
            latitude: i32::from_be_bytes(four(4)),
            longitude: i32::from_be_bytes(four(8)),
            speed: two(12),
            heading: two(14),
            flags: rest[16],
        };
        let on_earth = position.latitude.unsigned_abs() <= 900_000_000 && position.longitude.unsigned_abs() <= 1_800_000_000;
        on_earth.then_some(position)
    }

    /// As telemetry.
    pub fn json(&self) -> String {
        serde_json::json!({
            "latitude": f64::from(self.latitude) / 1e7,
            "longitude": f64::from(self.longitude) / 1e7,
            "speed": f64::from(self.speed) / 10.0,
            "heading": self.heading,
            "ignition": self.flags & 1 == 1,
        })
        .to_string()
    }
}

/// An answer to a frame of a unit.
pub fn answer(kind: u8, number: u16, unit: u8, code: Code) -> Vec<u8> {
    let body = vec![unit, code as u8];
    Frame { kind, number, body }.bytes()
}

/// A command for a unit.
pub fn command(number: u16, unit: u8, name: &str, parameters: &str) -> Option<Vec<u8>> {
    let mut body = vec![unit, u8::try_from(name.len()).ok()?];
    body.extend(name.bytes());
    body.extend(parameters.bytes());
    fits(Frame {
        kind: COMMAND,
        number,
        body,
    })
}

/// Changed settings of a unit.
pub fn settings(unit: u8, json: &str) -> Option<Vec<u8>> {
    let mut body = vec![unit];
    body.extend(json.bytes());
    fits(Frame {
        kind: SETTINGS,
        number: 0,
        body,
    })
}

/// None: longer than a frame.
fn fits(frame: Frame) -> Option<Vec<u8>> {
    (frame.body.len() <= crate::frame::LENGTH_MAX - 3).then(|| frame.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_becomes_telemetry() {
        let bytes = [
            0x65, 0x53, 0xF1, 0x00, 0x1F, 0x4A, 0xD1, 0x80, 0x07, 0xFB, 0x69, 0x80, 0x01, 0xF9, 0x00, 0x5A, 0x01,
        ];
        let position = Position::read(&bytes).expect("complete");
        assert_eq!(position.time_s, 1_700_000_000);
        let json: serde_json::Value = serde_json::from_str(&position.json()).expect("JSON");
        assert_eq!(json["speed"], 50.5);
        assert_eq!((&json["heading"], &json["ignition"]), (&90.into(), &true.into()));
        assert!((json["latitude"].as_f64().unwrap_or(0.0) - 52.5).abs() < 0.01);
        for len in 0..17 {
            assert_eq!(Position::read(&bytes[..len]), None);
        }
        let mut off = bytes;
        off[4] = 0x7F;
        assert_eq!(Position::read(&off), None, "not on Earth");
    }

    #[test]
    fn what_is_too_long_for_a_frame_is_not_sent() {
        assert!(command(1, 1, &"x".repeat(256), "{}").is_none());
        assert!(command(1, 1, "x", &"x".repeat(600)).is_none());
        assert!(settings(1, &"x".repeat(509)).is_none());
        assert!(settings(1, &"x".repeat(508)).is_some());
    }
}
