//! Headers of a request: what a component may say, and what is the client's own. Pure.

use hyper::header::{HeaderName, HeaderValue};

use crate::EgressError;

/// Headers of a request at most.
pub const HEADERS_MAX: usize = 64;
/// Bytes of a header's value at most.
const VALUE_BYTES_MAX: usize = 8 * 1024;

/// Where a message begins and ends, and what happens to the connection, is the client's to say: two readings of it are how requests are
/// smuggled.
const OWN: [&str; 15] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "proxy-authenticate",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "http2-settings",
    "forwarded",
    "via",
];

/// A header as a component gives it.
///
/// # Errors
/// [`EgressError::Invalid`], naming the header and never quoting its value.
pub fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), EgressError> {
    let about = |what: &str| EgressError::Invalid(format!("the header {:?} {what}", name.chars().take(100).collect::<String>()));
    let known = HeaderName::from_bytes(name.as_bytes()).map_err(|_| about("has no name that a header may have"))?;
    if OWN.contains(&known.as_str()) || known.as_str().starts_with("x-forwarded-") {
        return Err(about("is not a component's to set"));
    }
    if value.len() > VALUE_BYTES_MAX {
        return Err(about("is too long"));
    }
    if value.chars().any(char::is_control) {
        return Err(about("has control characters"));
    }
    let mut value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| about("has characters that no header has"))?;
    // It may hold a secret.
    value.set_sensitive(true);
    Ok((known, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_smuggled() {
        let cases = [
            ("Accept", "text/plain", true),
            ("X-Api-Key", "äöü", true),
            ("X-Empty", "", true),
            ("Host", "127.0.0.1", false),
            ("HOST", "127.0.0.1", false),
            ("Content-Length", "0", false),
            ("Transfer-Encoding", "chunked", false),
            ("Connection", "upgrade", false),
            ("Upgrade", "h2c", false),
            ("X-Forwarded-For", "127.0.0.1", false),
            ("X-A", "b\r\nHost: evil", false),
            ("X-A", "b\nc", false),
            ("X-A", "b\rc", false),
            ("X-A", "b\0c", false),
            ("X-A", "b\u{85}c", false),
            ("X-A\r\nX-B", "c", false),
            ("X-A: b", "c", false),
            ("X A", "c", false),
            ("", "c", false),
            ("X-ä", "c", false),
        ];
        for (name, value, fine) in cases {
            assert_eq!(header(name, value).is_ok(), fine, "{name}: {value:?}");
        }
        let told = header("X-Key", "hidden\n").expect_err("refused").to_string();
        assert!(told.contains("X-Key") && !told.contains("hidden"), "{told}");
        let (_, value) = header("X-Key", "hidden").expect("a header");
        assert!(!format!("{value:?}").contains("hidden"));
        assert!(header("X-A", &"x".repeat(VALUE_BYTES_MAX + 1)).is_err());
    }
}
