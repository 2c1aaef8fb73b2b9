//! Reading an HTTP/1.1 response from bytes that arrive in pieces.
//!
//! Pure. Knows no socket.

use bytes::{Buf, BytesMut};

use crate::error::SimError;

/// The longest response head, in bytes.
const HEAD_MAX: usize = 64 * 1024;
/// The longest response body, in bytes.
const BODY_MAX: usize = 256 * 1024 * 1024;
/// The longest line between chunks, in bytes.
const CHUNK_LINE_MAX: usize = 4096;

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

/// The beginning of a response.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    pub status: u16,
    pub framing: Framing,
    /// The connection can be used again.
    pub keep: bool,
    /// Bytes of the head itself.
    pub length: usize,
}

fn malformed(what: &str) -> SimError {
    SimError::Malformed(format!("{what} in an HTTP response"))
}

/// Reads the head at the front of `bytes`; `None` when it is not complete yet.
pub fn parse_head(bytes: &[u8]) -> Result<Option<Head>, SimError> {
    let Some(end) = bytes.windows(4).take(HEAD_MAX).position(|four| four == b"\r\n\r\n") else {
        return if bytes.len() > HEAD_MAX {
            Err(malformed("a head of more than 64 KiB"))
        } else {
            Ok(None)
        };
    };
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| malformed("foreign characters"))?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1."));
    let status = status
        .and_then(|rest| rest.split(' ').nth(1))
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| malformed("no status"))?;
    let mut head = Head {
        status,
        framing: Framing::UntilClose,
        keep: true,
        length: end + 4,
    };
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| malformed("a header without colon"))?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") && head.framing != Framing::Chunked {
            let length = value.parse().ok().filter(|length| *length <= BODY_MAX);
            head.framing = Framing::Length(length.ok_or_else(|| malformed("an impossible length"))?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") && value.eq_ignore_ascii_case("chunked") {
            head.framing = Framing::Chunked;
        } else if name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close") {
            head.keep = false;
        }
    }
    if status < 200 || matches!(status, 204 | 304) {
        head.framing = Framing::Length(0);
    }
    head.keep &= head.framing != Framing::UntilClose;
    Ok(Some(head))
}

/// Where a chunked body stands.
#[derive(Debug, Clone, Copy)]
enum Chunk {
    Size,
    Content(usize),
    LineEnd,
    Trailer,
}

/// A body as far as it has arrived.
#[derive(Debug)]
pub struct Body {
    framing: Framing,
    chunk: Chunk,
    pub bytes: Vec<u8>,
}

impl Body {
    pub fn new(head: &Head) -> Body {
        Body {
            framing: head.framing,
            chunk: Chunk::Size,
            bytes: Vec::new(),
        }
    }

    /// Takes what has arrived; true when the body is complete.
    pub fn take(&mut self, input: &mut BytesMut) -> Result<bool, SimError> {
        match self.framing {
            Framing::Length(length) => {
                self.move_from(input, length - self.bytes.len())?;
                Ok(self.bytes.len() == length)
            }
            Framing::UntilClose => self.move_from(input, usize::MAX).map(|_| false),
            Framing::Chunked => self.take_chunks(input),
        }
    }

    /// The server has hung up before the body was complete: fine only if hanging up is how the body ends.
    pub fn end(&self) -> Result<(), SimError> {
        if self.framing == Framing::UntilClose {
            Ok(())
        } else {
            Err(malformed("a body cut off"))
        }
    }

    fn take_chunks(&mut self, input: &mut BytesMut) -> Result<bool, SimError> {
        loop {
            match self.chunk {
                Chunk::Content(0) => self.chunk = Chunk::LineEnd,
                Chunk::Content(_) if input.is_empty() => return Ok(false),
                Chunk::Content(left) => self.chunk = Chunk::Content(left - self.move_from(input, left)?),
                Chunk::LineEnd if input.len() < 2 => return Ok(false),
                Chunk::LineEnd => {
                    input.advance(2);
                    self.chunk = Chunk::Size;
                }
                Chunk::Size | Chunk::Trailer => {
                    let Some(end) = input.windows(2).take(CHUNK_LINE_MAX).position(|two| two == b"\r\n") else {
                        return if input.len() > CHUNK_LINE_MAX {
                            Err(malformed("a long chunk line"))
                        } else {
                            Ok(false)
                        };
                    };
                    let line = input.split_to(end + 2);
                    match self.chunk {
                        Chunk::Trailer if end == 0 => return Ok(true),
                        Chunk::Trailer => {}
                        _ => self.chunk = parse_size(&line[..end])?,
                    }
                }
            }
        }
    }

    /// Moves at most `limit` bytes over and says how many.
    fn move_from(&mut self, input: &mut BytesMut, limit: usize) -> Result<usize, SimError> {
        let count = input.len().min(limit);
        if self.bytes.len() + count > BODY_MAX {
            return Err(malformed("a body of more than 256 MiB"));
        }
        self.bytes.extend_from_slice(&input[..count]);
        input.advance(count);
        Ok(count)
    }
}

fn parse_size(line: &[u8]) -> Result<Chunk, SimError> {
    let digits = line
        .split(|byte| *byte == b';')
        .next()
        .and_then(|digits| std::str::from_utf8(digits).ok());
    let size = digits
        .and_then(|digits| usize::from_str_radix(digits.trim(), 16).ok())
        .filter(|size| *size <= BODY_MAX);
    match size {
        Some(0) => Ok(Chunk::Trailer),
        Some(size) => Ok(Chunk::Content(size)),
        None => Err(malformed("an impossible chunk")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = (u16, Vec<u8>, bool, usize);

    /// Feeds a response in pieces of `step` bytes: status, body, whether the connection can be kept, bytes left over.
    fn read(response: &[u8], step: usize) -> Result<Option<Read>, SimError> {
        let mut input = BytesMut::new();
        let mut state: Option<(Head, Body)> = None;
        for piece in response.chunks(step) {
            input.extend_from_slice(piece);
            if state.is_none()
                && let Some(head) = parse_head(&input)?
            {
                input.advance(head.length);
                let body = Body::new(&head);
                state = Some((head, body));
            }
            if let Some((head, body)) = &mut state
                && body.take(&mut input)?
            {
                return Ok(Some((head.status, std::mem::take(&mut body.bytes), head.keep, input.len())));
            }
        }
        let Some((head, body)) = state else { return Ok(None) };
        body.end()?;
        Ok(Some((head.status, body.bytes, head.keep, 0)))
    }

    #[test]
    fn bodies_end_by_length_chunk_or_close_however_they_arrive() {
        type Case<'a> = (&'a [u8], u16, &'a [u8], bool);
        let table: [Case<'_>; 6] = [
            (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello", true),
            (
                b"HTTP/1.1 400 Bad\r\ncontent-length:0\r\nConnection: close\r\n\r\n",
                400,
                b"",
                false,
            ),
            (b"HTTP/1.1 204 No\r\n\r\n", 204, b"", true),
            (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, b"until the end", false),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n",
                200,
                b"abc0123456789",
                true,
            ),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nTrailer: 1\r\n\r\n",
                200,
                b"a",
                true,
            ),
        ];
        for (response, status, body, keep) in table {
            for step in [1, 2, 3, 7, 1000] {
                let expected = Some((status, body.to_vec(), keep, 0));
                assert_eq!(
                    read(response, step).expect("well formed"),
                    expected,
                    "{} by {step}",
                    String::from_utf8_lossy(response)
                );
            }
        }
    }

    #[test]
    fn the_next_response_stays_in_the_buffer() {
        let both = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP";
        assert_eq!(read(both, 1000).expect("well formed"), Some((200, b"a".to_vec(), true, 4)));
    }

    #[test]
    fn impossible_responses_are_refused() {
        let table: [&[u8]; 6] = [
            b"\x20\x02\x00\x05\r\n\r\n",
            b"HTTP/1.1 abc\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
        ];
        for response in table {
            assert!(read(response, 1000).is_err(), "{}", String::from_utf8_lossy(response));
        }
        assert!(read(&vec![b'x'; HEAD_MAX + 10], 10_000).is_err());
    }
}
