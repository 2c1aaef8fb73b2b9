//! What a sensor is told, and what it answers.
//!
//! Command: `01 | request (4) | length (1) | name | parameters as JSON`. Settings: `02`, then a tag and two bytes each; `01` is the
//! interval of measuring in seconds, `02` the threshold in hundredths of a degree. Answer to a command: `request (4) | result (1) | text`.

use pacificsoft_sdk::Content;
use pacificsoft_sdk::adapter::{Refusal, RpcReply, RpcRequest, Uplink};
use serde_json::{Value as Json, json};

const COMMAND: u8 = 1;
const SETTINGS: u8 = 2;
const INTERVAL: u8 = 1;
const THRESHOLD: u8 = 2;

/// Writes a command.
///
/// # Errors
/// When its name is too long.
pub fn command(request: &RpcRequest) -> Result<Vec<u8>, String> {
    let length = u8::try_from(request.method.len()).map_err(|_| "the name of a command has more than 255 bytes")?;
    let mut bytes = vec![COMMAND];
    bytes.extend(request.id.to_be_bytes());
    bytes.push(length);
    bytes.extend(request.method.bytes());
    bytes.extend(request.params.bytes());
    Ok(bytes)
}

/// Writes the settings among changed attributes. None: there are none.
///
/// # Errors
/// When a setting is out of its range.
pub fn settings(attributes: &str) -> Result<Option<Vec<u8>>, String> {
    let attributes: Json = serde_json::from_str(attributes).map_err(|error| error.to_string())?;
    let mut bytes = vec![SETTINGS];
    if let Some(interval) = attributes.get("interval") {
        let seconds = interval.as_u64().and_then(|seconds| u16::try_from(seconds).ok());
        let seconds = seconds.ok_or("interval is no number of seconds between 0 and 65535")?;
        bytes.push(INTERVAL);
        bytes.extend(seconds.to_be_bytes());
    }
    if let Some(threshold) = attributes.get("threshold") {
        let degrees = threshold.as_f64().filter(|degrees| degrees.abs() < 327.0);
        let degrees = degrees.ok_or("threshold is no number of degrees between -327 and 327")?;
        bytes.push(THRESHOLD);
        #[allow(clippy::cast_possible_truncation, reason = "between -32700 and 32700")]
        bytes.extend(((degrees * 100.0).round() as i16).to_be_bytes());
    }
    Ok((bytes.len() > 1).then_some(bytes))
}

/// Understands an answer to a command.
///
/// # Errors
/// [`Refusal::Malformed`].
pub fn read_answer(payload: &[u8]) -> Result<Vec<Uplink>, Refusal> {
    let Some(([a, b, c, d, result], text)) = payload.split_first_chunk::<5>() else {
        return Err(Refusal::Malformed("an answer has at least 5 bytes".to_owned()));
    };
    let answer = json!({ "ok": *result == 0, "text": String::from_utf8_lossy(text) });
    Ok(vec![Uplink::RpcReply(RpcReply {
        id: u32::from_be_bytes([*a, *b, *c, *d]),
        payload: Content::Json(answer.to_string()),
    })])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str) -> RpcRequest {
        RpcRequest {
            id: 258,
            method: method.to_owned(),
            params: "[1]".to_owned(),
        }
    }

    #[test]
    fn commands() {
        assert_eq!(command(&request("go")), Ok(b"\x01\x00\x00\x01\x02\x02go[1]".to_vec()));
        assert!(command(&request(&"x".repeat(256))).is_err());
    }

    #[test]
    fn settings_in_their_ranges() {
        assert_eq!(settings(r#"{"interval": 300, "other": 1}"#), Ok(Some(vec![2, 1, 1, 44])));
        assert_eq!(settings(r#"{"threshold": -1.5}"#), Ok(Some(vec![2, 2, 0xFF, 0x6A])));
        assert_eq!(settings("{}"), Ok(None));
        for bad in [r#"{"interval": 70000}"#, r#"{"interval": "x"}"#, r#"{"threshold": 400}"#, "{"] {
            assert!(settings(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn answers() {
        let answer = read_answer(b"\x00\x00\x01\x02\x00done").expect("well-formed");
        let expected = Content::Json(r#"{"ok":true,"text":"done"}"#.to_owned());
        assert_eq!(
            answer,
            [Uplink::RpcReply(RpcReply {
                id: 258,
                payload: expected
            })]
        );
        assert!(read_answer(b"\x00\x00\x01\x02").is_err());
    }
}
