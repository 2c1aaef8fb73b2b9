//! PDUs of SMPP (3.4, section 3.2): a head of four numbers, and a body. Of what is heard, the head says everything that matters here. Pure.

use bytes::{Buf, BufMut, BytesMut};

/// Bytes of a head.
pub(super) const HEAD_BYTES: usize = 16;
/// Bytes of a PDU at most.
pub(super) const PDU_BYTES_MAX: usize = 64 * 1024;
/// The highest number that a PDU may have; after it comes 1.
pub(super) const SEQUENCE_MAX: u32 = 0x7fff_ffff;

/// Commands (section 5.1.2.1).
pub(super) const BIND_TRANSMITTER: u32 = 0x02;
pub(super) const SUBMIT_SM: u32 = 0x04;
pub(super) const DELIVER_SM: u32 = 0x05;
pub(super) const UNBIND: u32 = 0x06;
pub(super) const BIND_TRANSCEIVER: u32 = 0x09;
pub(super) const ENQUIRE_LINK: u32 = 0x15;
pub(super) const ALERT_NOTIFICATION: u32 = 0x102;
pub(super) const DATA_SM: u32 = 0x103;
pub(super) const GENERIC_NACK: u32 = 0x8000_0000;
/// What the answer to a command has beyond its number.
pub(super) const ANSWER: u32 = 0x8000_0000;
pub(super) const SUBMIT_SM_RESP: u32 = SUBMIT_SM | ANSWER;
pub(super) const ENQUIRE_LINK_RESP: u32 = ENQUIRE_LINK | ANSWER;

/// What a PDU begins with, behind its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) command: u32,
    pub(super) status: u32,
    pub(super) sequence: u32,
}

impl Head {
    /// The head of what is well: a question, or an answer to one.
    pub(super) fn of(command: u32, sequence: u32) -> Self {
        Head {
            command,
            status: 0,
            sequence,
        }
    }
}

/// Takes a PDU from the front of the buffer. None: it is not complete.
pub(super) fn read(heard: &mut BytesMut) -> Result<Option<Head>, String> {
    let Some(len) = heard.first_chunk::<4>() else {
        return Ok(None);
    };
    let len = u32::from_be_bytes(*len) as usize;
    // Whoever speaks something else is not waited for: its first letters are too high a number.
    if !(HEAD_BYTES..=PDU_BYTES_MAX).contains(&len) {
        return Err("what it says is no SMPP, or too long".to_owned());
    }
    if heard.len() < len {
        return Ok(None);
    }
    heard.advance(4);
    let head = Head {
        command: heard.get_u32(),
        status: heard.get_u32(),
        sequence: heard.get_u32(),
    };
    heard.advance(len - HEAD_BYTES);
    Ok(Some(head))
}

/// Writes a PDU.
pub(super) fn write(out: &mut BytesMut, head: Head, body: &[u8]) {
    out.put_u32(u32::try_from(HEAD_BYTES + body.len()).unwrap_or(u32::MAX));
    out.put_u32(head.command);
    out.put_u32(head.status);
    out.put_u32(head.sequence);
    out.extend_from_slice(body);
}

/// A text that ends with a zero, and has none before it.
pub(super) fn put_text(out: &mut BytesMut, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.put_u8(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The specification's own example of a PDU.
    const BIND: &[u8] = b"\x00\x00\x00\x2f\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x01SMPP3TEST\0secret08\0SUBMIT1\0\x00\x01\x01\0";

    #[test]
    fn the_specifications_example_is_written_and_read() {
        let mut body = BytesMut::new();
        for part in ["SMPP3TEST", "secret08", "SUBMIT1"] {
            put_text(&mut body, part);
        }
        body.extend_from_slice(&[0, 1, 1]);
        put_text(&mut body, "");
        let head = Head::of(BIND_TRANSMITTER, 1);
        let mut out = BytesMut::new();
        write(&mut out, head, &body);
        assert_eq!(&out[..], BIND);
        out.extend_from_slice(b"\0\0");
        assert_eq!((read(&mut out), &out[..]), (Ok(Some(head)), &b"\0\0"[..]), "what follows stays");
    }

    #[test]
    fn half_of_a_pdu_is_waited_for() {
        for len in 0..BIND.len() {
            let mut heard = BytesMut::from(&BIND[..len]);
            assert_eq!((read(&mut heard), heard.len()), (Ok(None), len));
        }
    }

    #[test]
    fn a_length_that_none_has_ends_it_at_once() {
        for said in [
            &b"\x00\x00\x00\x00"[..],
            b"\x00\x00\x00\x0f\x00\x00\x00\x15\x00\x00\x00\x00\x00\x00\x00\x01",
            b"\x00\x01\x00\x01",
            b"\xff\xff\xff\xff\x00\x00\x00\x15",
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"SSH-2.0-x\r\n",
            b"220 mail.test ESMTP\r\n",
        ] {
            assert!(read(&mut said.into()).is_err(), "{said:?}");
        }
        let mut longest = BytesMut::from(&b"\x00\x01\x00\x00\x80\x00\x00\x04\x00\x00\x00\x0b\x00\x00\x00\x07"[..]);
        longest.resize(PDU_BYTES_MAX, b'x');
        let head = Head {
            command: SUBMIT_SM_RESP,
            status: 11,
            sequence: 7,
        };
        assert_eq!((read(&mut longest), longest.len()), (Ok(Some(head)), 0));
    }
}
