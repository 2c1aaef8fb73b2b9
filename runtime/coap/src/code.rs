//! Codes of messages (RFC 7252, 3 and 12.1). Knows no message.

use std::fmt;
use std::str::FromStr;

/// Class and detail of a message: `0.02` is POST, `2.05` is Content.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub u8);

#[allow(missing_docs)]
impl Code {
    pub const EMPTY: Code = Code::of(0, 0);
    pub const GET: Code = Code::of(0, 1);
    pub const POST: Code = Code::of(0, 2);
    pub const PUT: Code = Code::of(0, 3);
    pub const DELETE: Code = Code::of(0, 4);
    pub const CREATED: Code = Code::of(2, 1);
    pub const DELETED: Code = Code::of(2, 2);
    pub const VALID: Code = Code::of(2, 3);
    pub const CHANGED: Code = Code::of(2, 4);
    pub const CONTENT: Code = Code::of(2, 5);
    pub const CONTINUE: Code = Code::of(2, 31);
    pub const BAD_REQUEST: Code = Code::of(4, 0);
    pub const UNAUTHORIZED: Code = Code::of(4, 1);
    pub const BAD_OPTION: Code = Code::of(4, 2);
    pub const NOT_FOUND: Code = Code::of(4, 4);
    pub const METHOD_NOT_ALLOWED: Code = Code::of(4, 5);
    pub const NOT_ACCEPTABLE: Code = Code::of(4, 6);
    pub const REQUEST_ENTITY_INCOMPLETE: Code = Code::of(4, 8);
    pub const REQUEST_ENTITY_TOO_LARGE: Code = Code::of(4, 13);
    pub const TOO_MANY_REQUESTS: Code = Code::of(4, 29);
    pub const INTERNAL_SERVER_ERROR: Code = Code::of(5, 0);
    pub const SERVICE_UNAVAILABLE: Code = Code::of(5, 3);
    pub const GATEWAY_TIMEOUT: Code = Code::of(5, 4);
    pub const PROXYING_NOT_SUPPORTED: Code = Code::of(5, 5);
}

impl Code {
    const fn of(class: u8, detail: u8) -> Self {
        Code(class << 5 | detail)
    }

    /// 0 requests, 2 success, 4 the client's fault, 5 the server's fault; the rest is reserved.
    pub const fn class(self) -> u8 {
        self.0 >> 5
    }

    /// Whether it is a method.
    pub const fn is_request(self) -> bool {
        self.class() == 0 && self.0 != 0
    }

    /// Whether it answers well.
    pub const fn is_success(self) -> bool {
        self.class() == 2
    }

    /// The method's name, as in HTTP. None: a method this endpoint does not know.
    pub const fn method(self) -> Option<&'static str> {
        match self {
            Code::GET => Some("GET"),
            Code::POST => Some("POST"),
            Code::PUT => Some("PUT"),
            Code::DELETE => Some("DELETE"),
            _ => None,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.class(), self.0 & 0x1f)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no code of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a response code")]
pub struct NoCode;

impl FromStr for Code {
    type Err = NoCode;

    fn from_str(text: &str) -> Result<Self, NoCode> {
        let (class, detail) = text.split_once('.').ok_or(NoCode)?;
        let (class, detail) = (class.parse().map_err(|_| NoCode)?, detail.parse().map_err(|_| NoCode)?);
        match (class, detail) {
            (2 | 4 | 5, 0..=31) => Ok(Code::of(class, detail)),
            _ => Err(NoCode),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn codes_are_written_as_in_the_standard() {
        for (code, text) in [
            (Code::POST, "0.02"),
            (Code::CONTENT, "2.05"),
            (Code::REQUEST_ENTITY_TOO_LARGE, "4.13"),
        ] {
            assert_eq!(code.to_string(), text);
        }
        assert_eq!("4.04".parse(), Ok(Code::NOT_FOUND));
        for bad in ["", "4", "4.", "0.02", "3.01", "2.32", "x.y", "4.0.4"] {
            assert_eq!(bad.parse::<Code>(), Err(NoCode), "{bad}");
        }
    }
}
