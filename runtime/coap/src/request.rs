//! What a client asks, read from a message's options. Must not know resources.

use bytes::Bytes;

use crate::block::Block;
use crate::option::{self, read_uint};
use crate::{Code, Message};

/// Bytes of path and query together at most; more are answered 4.02.
const URI_BYTES_MAX: usize = 2_048;
/// Parts of path and query together at most; more are answered 4.02.
const URI_PARTS_MAX: usize = 64;

/// What a client asks about observing (RFC 7641, 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observe {
    /// Wants to be told of changes.
    Register,
    /// Wants to be told no more. The observation has ended already.
    Deregister,
}

/// A request, with its body complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What to do.
    pub method: Code,
    /// Parts of the path.
    pub path: Vec<String>,
    /// Keys and values; the value of `?key` is empty.
    pub query: Vec<(String, String)>,
    /// Whether the client asks to observe, or not to.
    pub observe: Option<Observe>,
    /// The only content format the client takes.
    pub accept: Option<u16>,
    /// The body.
    pub payload: Bytes,
}

/// The parts of a request that the endpoint itself deals with.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Transfer {
    pub(crate) block1: Option<Block>,
    pub(crate) block2: Option<Block>,
}

impl Request {
    /// Reads the options of a request.
    ///
    /// # Errors
    /// The code to answer with.
    pub(crate) fn read(message: &Message) -> Result<(Self, Transfer), Code> {
        let mut request = Request {
            method: message.code,
            path: Vec::new(),
            query: Vec::new(),
            observe: None,
            accept: None,
            payload: message.payload.clone(),
        };
        let mut transfer = Transfer::default();
        let (mut bytes, mut before) = (0, None);
        for (number, value) in &message.options {
            // An option that may not be repeated counts as unknown the second time (RFC 7252, 5.4.5).
            let repeated = before == Some(*number) && !matches!(*number, option::URI_PATH | option::URI_QUERY);
            before = Some(*number);
            if repeated {
                if option::is_critical(*number) {
                    return Err(Code::BAD_OPTION);
                }
                continue;
            }
            match *number {
                option::URI_PATH => {
                    bytes += value.len();
                    request.path.push(text(value)?);
                }
                option::URI_QUERY => {
                    bytes += value.len();
                    let part = text(value)?;
                    let (key, value) = part.split_once('=').unwrap_or((&part, ""));
                    request.query.push((key.to_owned(), value.to_owned()));
                }
                option::OBSERVE if message.code == Code::GET => {
                    request.observe = match read_uint(value, 3) {
                        Some(0) => Some(Observe::Register),
                        Some(1) => Some(Observe::Deregister),
                        // Elective: what is not understood is not there (RFC 7641, 2).
                        _ => None,
                    };
                }
                option::ACCEPT => {
                    let format = read_uint(value, 2).and_then(|format| u16::try_from(format).ok());
                    request.accept = Some(format.ok_or(Code::BAD_OPTION)?);
                }
                // The reserved size is answered 4.00 (RFC 7959, 2.2).
                option::BLOCK1 => transfer.block1 = Some(Block::read(value).ok_or(Code::BAD_REQUEST)?),
                option::BLOCK2 => transfer.block2 = Some(Block::read(value).ok_or(Code::BAD_REQUEST)?),
                option::PROXY_URI | option::PROXY_SCHEME => return Err(Code::PROXYING_NOT_SUPPORTED),
                // This server is one host; whatever it is called.
                option::URI_HOST | option::URI_PORT => {}
                unknown if option::is_critical(unknown) => return Err(Code::BAD_OPTION),
                _ => {}
            }
        }
        if bytes > URI_BYTES_MAX || request.path.len() + request.query.len() > URI_PARTS_MAX {
            return Err(Code::BAD_OPTION);
        }
        if message.code.method().is_none() {
            return Err(Code::METHOD_NOT_ALLOWED);
        }
        Ok((request, transfer))
    }
}

/// What makes two requests of a client parts of one transfer: method, path and query (RFC 7959, 2.3), and the tag by which a client tells
/// its transfers apart (RFC 9175, 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TransferKey(Box<[u8]>);

impl TransferKey {
    pub(crate) fn of(message: &Message, tagged: bool) -> Self {
        let mut key = vec![message.code.0];
        for (number, value) in &message.options {
            let counts = matches!(*number, option::URI_PATH | option::URI_QUERY) || (tagged && *number == option::REQUEST_TAG);
            if counts {
                key.extend(number.to_be_bytes());
                key.extend((value.len() as u32).to_be_bytes());
                key.extend(value);
            }
        }
        TransferKey(key.into())
    }
}

fn text(value: &[u8]) -> Result<String, Code> {
    std::str::from_utf8(value).map(str::to_owned).map_err(|_| Code::BAD_OPTION)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{Kind, Token};

    fn message(code: Code, options: &[(u16, &[u8])]) -> Message {
        let mut message = Message::new(Kind::Confirmable, code, 1, Token::default());
        message.options = options.iter().map(|(number, value)| (*number, value.to_vec())).collect();
        message
    }

    #[test]
    fn options_become_a_request() {
        let options: &[(u16, &[u8])] = &[
            (option::URI_HOST, b"host"),
            (option::OBSERVE, b""),
            (option::URI_PATH, b"api"),
            (option::URI_PATH, b"v1"),
            (option::URI_QUERY, b"keys=a,b"),
            (option::URI_QUERY, b"flag"),
            (option::ACCEPT, &[50]),
            (option::BLOCK2, &[0x05]),
            // An elective option nobody knows.
            (2_000, b"x"),
        ];
        let (request, transfer) = Request::read(&message(Code::GET, options)).unwrap();
        assert_eq!(request.path, ["api", "v1"]);
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(request.query, [pair("keys", "a,b"), pair("flag", "")]);
        assert_eq!((request.observe, request.accept), (Some(Observe::Register), Some(50)));
        assert_eq!(transfer.block2.map(Block::size), Some(512));
    }

    #[test]
    fn what_cannot_be_done_is_told_by_a_code() {
        let long = vec![b'x'; 255];
        let many: Vec<(u16, &[u8])> = vec![(option::URI_PATH, &long); 9];
        let parts: Vec<(u16, &[u8])> = vec![(option::URI_PATH, b""); 65];
        for (code, options, answer) in [
            (Code::GET, &[(9, &b"x"[..])][..], Code::BAD_OPTION),
            (Code::GET, &[(option::ACCEPT, b"1"), (option::ACCEPT, b"2")], Code::BAD_OPTION),
            (Code::GET, &[(option::ACCEPT, b"123")], Code::BAD_OPTION),
            (Code::GET, &[(option::URI_PATH, &[0xff])], Code::BAD_OPTION),
            (Code::GET, &[(option::BLOCK2, &[7])], Code::BAD_REQUEST),
            (Code::POST, &[(option::BLOCK1, &[0, 0, 0, 0])], Code::BAD_REQUEST),
            (Code::GET, &[(option::PROXY_URI, b"coap://x")], Code::PROXYING_NOT_SUPPORTED),
            (Code::GET, &many, Code::BAD_OPTION),
            (Code::GET, &parts, Code::BAD_OPTION),
            (Code(5), &[], Code::METHOD_NOT_ALLOWED),
        ] {
            assert_eq!(Request::read(&message(code, options)).map(drop), Err(answer), "{code} {options:?}");
        }
    }

    #[test]
    fn only_a_get_observes_and_only_by_0_and_1() {
        let observe = |code, value: &[u8]| Request::read(&message(code, &[(option::OBSERVE, value)])).unwrap().0.observe;
        assert_eq!(observe(Code::GET, &[0]), Some(Observe::Register));
        assert_eq!(observe(Code::GET, &[1]), Some(Observe::Deregister));
        assert_eq!(observe(Code::GET, &[2]), None);
        assert_eq!(observe(Code::GET, &[0, 0, 0, 0]), None);
        assert_eq!(observe(Code::POST, &[0]), None);
    }

    #[test]
    fn transfers_are_told_apart() {
        let key = |code, options: &[(u16, &[u8])], tagged| TransferKey::of(&message(code, options), tagged);
        let path: &[(u16, &[u8])] = &[(option::URI_PATH, b"ab")];
        let parts: &[(u16, &[u8])] = &[(option::URI_PATH, b"a"), (option::URI_PATH, b"b")];
        let tag: &[(u16, &[u8])] = &[(option::URI_PATH, b"ab"), (option::REQUEST_TAG, b"1")];
        assert_ne!(key(Code::POST, path, true), key(Code::POST, parts, true));
        assert_ne!(key(Code::POST, path, true), key(Code::GET, path, true));
        assert_ne!(key(Code::POST, path, true), key(Code::POST, tag, true));
        assert_eq!(key(Code::POST, path, false), key(Code::POST, tag, false));
    }
}
