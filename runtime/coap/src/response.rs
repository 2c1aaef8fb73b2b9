//! What the application answers, or tells an observer.

use bytes::Bytes;

use crate::Code;

/// The content format of JSON (RFC 7252, 12.3).
pub const JSON: u16 = 50;

/// An answer, whole: the endpoint cuts it into blocks where it has to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The result.
    pub code: Code,
    /// What the payload is; none for a diagnostic text, or nothing.
    pub format: Option<u16>,
    /// The body.
    pub payload: Bytes,
    /// Seconds after which a refused client may try again.
    pub retry_s: Option<u32>,
    /// For a request that asked to observe: it does from now on.
    pub observing: bool,
}

impl Response {
    /// A result without a body.
    pub fn new(code: Code) -> Self {
        Response {
            code,
            format: None,
            payload: Bytes::new(),
            retry_s: None,
            observing: false,
        }
    }

    /// A result with JSON.
    pub fn json(code: Code, payload: Bytes) -> Self {
        Response {
            format: Some(JSON),
            payload,
            ..Response::new(code)
        }
    }

    /// A refusal with a text for people (RFC 7252, 5.5.2).
    pub fn refusal(code: Code, reason: impl Into<String>) -> Self {
        Response {
            payload: reason.into().into(),
            ..Response::new(code)
        }
    }

    /// 5.03, and when to try again (RFC 7252, 5.9.3.4).
    pub fn busy() -> Self {
        Response {
            retry_s: Some(1),
            ..Response::new(Code::SERVICE_UNAVAILABLE)
        }
    }

    /// 4.29, and when to try again (RFC 8516).
    pub fn too_many(retry_after_s: u64) -> Self {
        Response {
            retry_s: Some(u32::try_from(retry_after_s).unwrap_or(u32::MAX)),
            ..Response::new(Code::TOO_MANY_REQUESTS)
        }
    }

    /// The same, and the client observes from now on.
    pub fn observing(self) -> Self {
        Response { observing: true, ..self }
    }
}
