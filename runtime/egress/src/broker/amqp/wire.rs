//! Frames of AMQP 0-9-1 (specification, sections 4.2 and 4.3) and what stands in them. Pure.

use bytes::{Buf, BufMut, BytesMut};

/// What a frame begins and ends with, beside what it carries.
pub(super) const FRAME_EXTRA: usize = 8;
/// The last byte of a frame.
const FRAME_END: u8 = 0xce;

/// Kinds of frames.
pub(super) const METHOD: u8 = 1;
pub(super) const HEADER: u8 = 2;
pub(super) const BODY: u8 = 3;
pub(super) const HEARTBEAT: u8 = 8;

/// A frame.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) body: BytesMut,
}

/// Takes a frame from the front of the buffer. None: it is not complete.
pub(super) fn frame(heard: &mut BytesMut, bytes_max: usize) -> Result<Option<Frame>, String> {
    if heard.starts_with(b"AMQP") {
        return Err("it speaks another version of AMQP".to_owned());
    }
    let Some([kind, _, _, len @ ..]) = heard.first_chunk::<7>() else {
        // Whoever speaks something else is not waited for.
        return match heard.first() {
            None | Some(&(METHOD | HEADER | BODY | HEARTBEAT | b'A')) => Ok(None),
            Some(_) => Err("what it says is no frame".to_owned()),
        };
    };
    let (kind, len) = (*kind, u32::from_be_bytes(*len) as usize);
    if ![METHOD, HEADER, BODY, HEARTBEAT].contains(&kind) || len + FRAME_EXTRA > bytes_max {
        return Err("what it says is no frame".to_owned());
    }
    if heard.len() < len + FRAME_EXTRA {
        return Ok(None);
    }
    heard.advance(7);
    let body = heard.split_to(len);
    match heard.get_u8() {
        FRAME_END => Ok(Some(Frame { kind, body })),
        _ => Err("a frame has no end".to_owned()),
    }
}

/// Writes a frame.
pub(super) fn write(out: &mut BytesMut, kind: u8, channel: u16, body: impl FnOnce(&mut BytesMut)) {
    out.put_u8(kind);
    out.put_u16(channel);
    let start = out.len();
    out.put_u32(0);
    body(out);
    let len = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&len.to_be_bytes());
    out.put_u8(FRAME_END);
}

/// A text of at most 255 bytes.
pub(super) fn short(out: &mut BytesMut, text: &str) {
    let bytes = &text.as_bytes()[..text.len().min(usize::from(u8::MAX))];
    out.put_u8(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(bytes);
}

/// Bytes with a long length.
pub(super) fn long(out: &mut BytesMut, bytes: &[u8]) {
    out.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.extend_from_slice(bytes);
}

/// What stands in a table.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Flag(bool),
    Table(&'a [(&'a str, Value<'a>)]),
}

/// A table.
pub(super) fn table<'a>(out: &mut BytesMut, members: impl IntoIterator<Item = (&'a str, Value<'a>)>) {
    let start = out.len();
    out.put_u32(0);
    for (name, value) in members {
        short(out, name);
        match value {
            Value::Text(text) => {
                out.put_u8(b'S');
                long(out, text.as_bytes());
            }
            Value::Flag(flag) => {
                out.put_u8(b't');
                out.put_u8(flag.into());
            }
            Value::Table(members) => {
                out.put_u8(b'F');
                table(out, members.iter().copied());
            }
        }
    }
    let len = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&len.to_be_bytes());
}

/// What is read from the front of some bytes. None: there is no such thing there.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    /// A text of at most 255 bytes.
    pub(super) fn short(&mut self) -> Option<&'a str> {
        let len = self.u8()?;
        std::str::from_utf8(self.bytes(len.into())?).ok()
    }

    /// Bytes with a long length, such as a text or a table.
    pub(super) fn long(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()?;
        self.bytes(usize::try_from(len).ok()?)
    }
}
