//! How Kafka writes what it says: numbers, texts and lists, one after the other (protocol guide, “protocol primitive types”). Pure.

use bytes::{Buf, BufMut, BytesMut};

/// Bytes of a broker's answer at most: the largest one names the partitions of a topic.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// What is read from the front of some bytes. None: there is no such thing there.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn i8(&mut self) -> Option<i8> {
        self.take().map(i8::from_be_bytes)
    }

    pub(super) fn i16(&mut self) -> Option<i16> {
        self.take().map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        self.take().map(i32::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_be_bytes)
    }

    fn bytes_of(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    /// A text; one that is null is empty.
    pub(super) fn text(&mut self) -> Option<&'a str> {
        let len = self.i16()?;
        let bytes = self.bytes_of(usize::try_from(len).unwrap_or(0))?;
        std::str::from_utf8(bytes).ok()
    }

    /// Bytes; such that are null are empty.
    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.i32()?;
        self.bytes_of(usize::try_from(len).unwrap_or(0))
    }

    /// The members of a list, each read by the function.
    pub(super) fn list<T>(&mut self, mut member: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.i32()?;
        // Memory comes with the members, not with what somebody says of their number.
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(member(self)?);
        }
        Some(all)
    }
}

/// Takes an answer from the front of the buffer: the number of the request, and the rest. None: it is not complete.
pub(super) fn answer(heard: &mut BytesMut) -> Result<Option<(i32, BytesMut)>, String> {
    let Some(len) = heard.first_chunk().map(|bytes| i32::from_be_bytes(*bytes)) else {
        return Ok(None);
    };
    let len = usize::try_from(len).ok().filter(|len| (4..=ANSWER_BYTES_MAX).contains(len));
    let len = len.ok_or_else(|| format!("an answer has no length between 4 and {ANSWER_BYTES_MAX} bytes"))?;
    if heard.len() < 4 + len {
        return Ok(None);
    }
    heard.advance(4);
    let mut body = heard.split_to(len);
    let number = body.get_i32();
    Ok(Some((number, body)))
}

/// Writes a request; `body` its rest.
pub(super) fn request(out: &mut BytesMut, (api, version): (i16, i16), number: i32, client_id: &str, body: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_i32(0);
    out.put_i16(api);
    out.put_i16(version);
    out.put_i32(number);
    text(out, client_id);
    body(out);
    let len = i32::try_from(out.len() - start - 4).unwrap_or(i32::MAX);
    out[start..start + 4].copy_from_slice(&len.to_be_bytes());
}

/// A text of at most 32 767 bytes.
pub(super) fn text(out: &mut BytesMut, text: &str) {
    let bytes = &text.as_bytes()[..text.len().min(i16::MAX as usize)];
    out.put_i16(i16::try_from(bytes.len()).unwrap_or(i16::MAX));
    out.extend_from_slice(bytes);
}

/// Bytes with their length before them.
pub(super) fn bytes(out: &mut BytesMut, bytes: &[u8]) {
    out.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
    out.extend_from_slice(bytes);
}
