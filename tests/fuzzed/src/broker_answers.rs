//! What a broker outside says to the platform, which is its client.
//!
//! Input: a byte that says in what pieces the rest arrives, and by its highest bit whether it is MQTT 5; the rest. What is checked: pieces make no
//! difference; nothing is kept of a packet that is larger than any answer; an answer that is understood is what another codec reads, too (3.1.1).

use bytes::BytesMut;
use mqtt::client::{Heard, Terms, read};
use mqtt::packet::Version;
use rmqtt_codec::v3;
use tokio_util::codec::Decoder as _;

/// The bit for MQTT 5.
const FIVE: u8 = 0x80;

/// See the module.
pub fn run(data: &[u8]) {
    let Some((pieces, bytes)) = data.split_first() else {
        return;
    };
    let version = if pieces & FIVE == 0 { Version::V311 } else { Version::V5 };
    let whole = heard(version, bytes.chunks(bytes.len().max(1)));
    let in_pieces = heard(version, bytes.chunks(1 + usize::from(pieces % 8)));
    assert_eq!(whole, in_pieces, "pieces make a difference: {bytes:02x?}");
    if version == Version::V311 {
        compare(bytes, &whole.0);
    }
}

/// What brokers say.
pub fn seeds() -> Vec<Vec<u8>> {
    [
        &b"\0\x20\x02\0\0\x40\x02\0\x01\x40\x02\0\x02\xd0\0"[..],
        b"\x03\x20\x02\x01\0\xd0\0\x40\x02\xff\xff",
        b"\x01\x20\x02\0\x05",
        b"\x07\x30\x05\0\x01a{}",
        b"\x80\x20\x10\0\0\x0d\x21\0\x05\x27\0\0\x01\0\x25\0\x13\0\x0a\x40\x03\0\x01\x10\xd0\0",
        b"\x83\x20\x09\0\x88\x06\x1f\0\x03a b\x40\x02\0\x01",
        b"\x81\x40\x10\0\x01\x87\x0c\x1f\0\x02no\x26\0\x01k\0\x01v\xe0\x02\x98\0",
    ]
    .map(<[u8]>::to_vec)
    .to_vec()
}

/// What is understood, and whether the conversation ends.
fn heard<'a>(version: Version, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Heard>, bool) {
    let bytes_max = if version == Version::V5 { 4_096 } else { 64 };
    let mut buffer = BytesMut::new();
    let mut all = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match read(version, &mut buffer) {
                Ok(Some(one)) => all.push(one),
                Ok(None) => break,
                Err(_) => return (all, true),
            }
        }
        assert!(buffer.len() < bytes_max + piece.len(), "{} bytes are kept", buffer.len());
    }
    (all, false)
}

/// Everything that is understood here has its meaning there.
fn compare(bytes: &[u8], understood: &[Heard]) {
    let mut buffer = BytesMut::from(bytes);
    let mut codec = v3::Codec::new(1 << 16);
    for heard in understood {
        // The other codec knows fewer reasons to refuse.
        if matches!(heard, Heard::Refused(_)) {
            return;
        }
        let (packet, _) = match codec.decode(&mut buffer) {
            Ok(Some(packet)) => packet,
            other => panic!("{heard:?} is {other:?} elsewhere: {bytes:02x?}"),
        };
        let same = match (heard, &packet) {
            (Heard::Accepted(terms), v3::Packet::ConnectAck(told)) => {
                *terms == Terms::default() && told.return_code == v3::ConnectAckReason::ConnectionAccepted
            }
            (Heard::Acknowledged(pkid), v3::Packet::PublishAck { packet_id }) => packet_id.get() == *pkid,
            (Heard::Pong, v3::Packet::PingResponse) => true,
            _ => false,
        };
        assert!(same, "{heard:?} is {packet:?} elsewhere: {bytes:02x?}");
    }
}
