//! A small HTTP/1.1 client: one connection, kept alive, one request at a time, JSON bodies.
//!
//! Enough for creating devices and reading points back; no TLS, no redirects, no compression. Knows no path of the REST API.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::error::SimError;

pub(crate) mod response;

use response::{Body, parse_head};

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Where a server is: `http://host[:port][/base]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// `host:port`.
    pub address: String,
    /// What stands before every path; empty or beginning with a slash.
    pub base: String,
}

impl Url {
    /// Reads an address.
    ///
    /// # Errors
    /// [`SimError::Options`] for anything but plain HTTP.
    pub fn parse(text: &str) -> Result<Url, SimError> {
        let wrong = || SimError::Options(format!("{text}: expected http://host[:port][/base]"));
        let rest = text.strip_prefix("http://").ok_or_else(wrong)?;
        let (authority, base) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let usable = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'@'))
        };
        if authority.is_empty() || !usable(authority) || !usable(base) {
            return Err(wrong());
        }
        // The colons of an IPv6 address stand inside brackets.
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let address = if has_port {
            authority.to_owned()
        } else {
            format!("{authority}:80")
        };
        Ok(Url {
            address,
            base: base.trim_end_matches('/').to_owned(),
        })
    }
}

/// Appends `text` for use in a query, with everything but letters, digits and `-._~` escaped.
pub fn put_escaped(out: &mut String, text: &str) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

/// Appends `text` as a part of a path, escaped.
pub fn put_path_segment(out: &mut BytesMut, text: &str) {
    let mut escaped = String::with_capacity(text.len());
    put_escaped(&mut escaped, text);
    out.extend_from_slice(escaped.as_bytes());
}

/// A complete answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// A client with at most one open connection.
#[derive(Debug)]
pub struct Client {
    url: Url,
    stream: Option<TcpStream>,
    input: BytesMut,
}

/// Why an exchange failed, and whether the server can have seen the request.
enum Failure {
    /// A kept connection turned out to be closed before any answer: a fresh one may do.
    Stale,
    Broken(SimError),
}

impl From<SimError> for Failure {
    fn from(error: SimError) -> Failure {
        Failure::Broken(error)
    }
}

impl Client {
    /// A client that connects on its first request.
    pub fn new(url: Url) -> Client {
        Client {
            url,
            stream: None,
            input: BytesMut::new(),
        }
    }

    /// The server's address.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Sends one request and waits for the complete answer, at most 60 seconds. `path` begins with a slash and is escaped already. A
    /// request on a kept connection which the server has closed meanwhile is sent once more.
    ///
    /// # Errors
    /// [`SimError::Connect`], [`SimError::Malformed`], [`SimError::Rest`] when the connection breaks or the time is over. Any status is
    /// an answer, not an error.
    pub async fn request(&mut self, method: &str, path: &str, bearer: Option<&str>, body: Option<&[u8]>) -> Result<Response, SimError> {
        let what = || format!("{method} {}", path.split('?').next().unwrap_or(path));
        let bytes = self.compose(method, path, bearer, body);
        let kept = self.stream.is_some();
        let exchange = async {
            match self.exchange(&bytes, kept, &what).await {
                Err(Failure::Stale) => self.exchange(&bytes, false, &what).await,
                result => result,
            }
        };
        let result = tokio::time::timeout(REQUEST_TIMEOUT, exchange).await;
        match result {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(failure)) => {
                self.stream = None;
                Err(match failure {
                    Failure::Broken(error) => error,
                    Failure::Stale => SimError::Rest {
                        what: what(),
                        detail: "the server hung up without an answer".into(),
                    },
                })
            }
            Err(_) => {
                self.stream = None;
                Err(SimError::Rest {
                    what: what(),
                    detail: "no answer within 60 seconds".into(),
                })
            }
        }
    }

    fn compose(&self, method: &str, path: &str, bearer: Option<&str>, body: Option<&[u8]>) -> Vec<u8> {
        let mut head = format!(
            "{method} {}{path} HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\n",
            self.url.base, self.url.address
        );
        if let Some(bearer) = bearer {
            head.push_str("X-Authorization: Bearer ");
            head.push_str(bearer);
            head.push_str("\r\n");
        }
        if let Some(body) = body {
            head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body.unwrap_or_default());
        bytes
    }

    async fn exchange(&mut self, request: &[u8], kept: bool, what: &impl Fn() -> String) -> Result<Response, Failure> {
        let mut stream = match self.stream.take() {
            Some(stream) if kept => stream,
            _ => {
                let address = self.url.address.clone();
                let stream = TcpStream::connect(&address)
                    .await
                    .map_err(|source| SimError::Connect { address, source })?;
                self.input.clear();
                stream
            }
        };
        let broken = |error: std::io::Error| match kept {
            true => Failure::Stale,
            false => Failure::Broken(SimError::Rest {
                what: what(),
                detail: error.to_string(),
            }),
        };
        stream.write_all(request).await.map_err(broken)?;
        let head = loop {
            if let Some(head) = parse_head(&self.input)? {
                if head.status >= 200 {
                    break head;
                }
                self.input.advance(head.length);
                continue;
            }
            let read = stream.read_buf(&mut self.input).await.map_err(broken)?;
            if read == 0 {
                return Err(broken(std::io::ErrorKind::UnexpectedEof.into()));
            }
        };
        self.input.advance(head.length);
        let mut body = Body::new(&head);
        while !body.take(&mut self.input)? {
            let read = stream.read_buf(&mut self.input).await;
            if read.map_err(|error| SimError::Rest {
                what: what(),
                detail: error.to_string(),
            })? == 0
            {
                body.end()?;
                break;
            }
        }
        if head.keep {
            self.stream = Some(stream);
        }
        Ok(Response {
            status: head.status,
            body: body.bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_plain_http() {
        let table = [
            ("http://localhost:8080", "localhost:8080", ""),
            ("http://localhost:8080/", "localhost:8080", ""),
            ("http://example.org/tb/", "example.org:80", "/tb"),
            ("http://[::1]:9", "[::1]:9", ""),
            ("http://[::1]", "[::1]:80", ""),
        ];
        for (text, address, base) in table {
            assert_eq!(
                Url::parse(text).expect(text),
                Url {
                    address: address.into(),
                    base: base.into()
                }
            );
        }
        for text in [
            "https://localhost",
            "localhost:8080",
            "http://",
            "http:///a",
            "http://a b",
            "http://a/?q",
            "http://user@host",
        ] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn queries_are_escaped() {
        let mut out = String::new();
        put_escaped(&mut out, "sim-1 &ä/%");
        assert_eq!(out, "sim-1%20%26%C3%A4%2F%25");
    }

    #[test]
    fn requests_carry_host_token_and_length() {
        let client = Client::new(Url::parse("http://h:1/base").expect("url"));
        let text = String::from_utf8(client.compose("POST", "/p?q=1", Some("jwt"), Some(b"{}"))).expect("text");
        assert!(text.starts_with("POST /base/p?q=1 HTTP/1.1\r\nHost: h:1\r\n"), "{text}");
        assert!(
            text.contains("\r\nX-Authorization: Bearer jwt\r\n") && text.contains("\r\nContent-Length: 2\r\n"),
            "{text}"
        );
        assert!(text.ends_with("\r\n\r\n{}"), "{text}");
        assert!(
            !String::from_utf8(client.compose("GET", "/", None, None))
                .expect("text")
                .contains("Content")
        );
    }
}
