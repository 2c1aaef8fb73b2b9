//! Posts of telemetry to the device API over HTTP/1.1. Answers come in the order of the requests (RFC 9112, 9.3.2).

use bytes::BytesMut;

use super::Incoming;
use crate::error::SimError;
use crate::http::put_path_segment;
use crate::http::response::{Framing, parse_head};
use crate::payload::put_number;

/// Appends a request with a JSON body.
pub fn put_post(out: &mut BytesMut, token: &str, payload: &[u8]) {
    out.extend_from_slice(b"POST /api/v1/");
    put_path_segment(out, token);
    out.extend_from_slice(b"/telemetry HTTP/1.1\r\nHost: device-api\r\nContent-Type: application/json\r\nContent-Length: ");
    let mut length = Vec::with_capacity(8);
    put_number(&mut length, payload.len() as u64);
    out.extend_from_slice(&length);
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(payload);
}

/// Reads the answer at the front of `bytes`. Its body is skipped.
///
/// # Errors
/// [`SimError::Malformed`] for any status but 2xx, and for what is no answer with a length.
pub fn decode(bytes: &[u8]) -> Result<Option<(Incoming, usize)>, SimError> {
    let Some(head) = parse_head(bytes)? else { return Ok(None) };
    if !(200..300).contains(&head.status) {
        return Err(SimError::Malformed(format!("status {}", head.status)));
    }
    let Framing::Length(length) = head.framing else {
        return Err(SimError::Malformed("an answer without length".into()));
    };
    let total = head.length + length;
    Ok((bytes.len() >= total).then_some((Incoming::TakenInOrder, total)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_token_and_length() {
        let mut out = BytesMut::new();
        put_post(&mut out, "t k", b"{\"a\":1}");
        let text = String::from_utf8(out.to_vec()).expect("text");
        assert!(text.starts_with("POST /api/v1/t%20k/telemetry HTTP/1.1\r\n"), "{text}");
        assert!(text.ends_with("Content-Length: 7\r\n\r\n{\"a\":1}"), "{text}");
    }

    #[test]
    fn answers_are_taken_one_by_one() {
        let two = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        let (first, length) = decode(two).expect("good").expect("whole");
        assert_eq!((first, &two[length - 2..length]), (Incoming::TakenInOrder, &b"{}"[..]));
        assert_eq!(
            decode(&two[length..]).expect("good"),
            Some((Incoming::TakenInOrder, two.len() - length))
        );
        assert_eq!(decode(&two[..length - 1]).expect("cut"), None);
        for refused in ["HTTP/1.1 401 X\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"] {
            assert!(decode(refused.as_bytes()).is_err(), "{refused}");
        }
    }
}
