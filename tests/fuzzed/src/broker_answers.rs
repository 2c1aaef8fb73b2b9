//! What a broker outside says to the platform, which is its client.
//!
//! Input: a byte that says in what pieces the rest arrives; the rest. What is checked: pieces make no difference; nothing is kept of a packet
//! that is larger than any answer; an answer that is understood is what another codec reads, too.

use bytes::BytesMut;
use mqtt::client::{Heard, read};
use rmqtt_codec::v3;
use tokio_util::codec::Decoder as _;

/// See the module.
pub fn run(data: &[u8]) {
    let Some((pieces, bytes)) = data.split_first() else {
        return;
    };
    let whole = heard(bytes.chunks(bytes.len().max(1)));
    let in_pieces = heard(bytes.chunks(1 + usize::from(pieces % 8)));
    assert_eq!(whole, in_pieces, "pieces make a difference: {bytes:02x?}");
    compare(bytes, &whole.0);
}

/// What brokers say.
pub fn seeds() -> Vec<Vec<u8>> {
    [
        &b"\0\x20\x02\0\0\x40\x02\0\x01\x40\x02\0\x02\xd0\0"[..],
        b"\x03\x20\x02\x01\0\xd0\0\x40\x02\xff\xff",
        b"\x01\x20\x02\0\x05",
        b"\x07\x30\x05\0\x01a{}",
    ]
    .map(<[u8]>::to_vec)
    .to_vec()
}

/// What is understood, and whether the conversation ends.
fn heard<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Heard>, bool) {
    let mut buffer = BytesMut::new();
    let mut all = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match read(&mut buffer) {
                Ok(Some(one)) => all.push(one),
                Ok(None) => break,
                Err(_) => return (all, true),
            }
        }
        assert!(buffer.len() < 64 + piece.len(), "{} bytes are kept", buffer.len());
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
            (Heard::Accepted, v3::Packet::ConnectAck(told)) => told.return_code == v3::ConnectAckReason::ConnectionAccepted,
            (Heard::Acknowledged(pkid), v3::Packet::PublishAck { packet_id }) => packet_id.get() == *pkid,
            (Heard::Pong, v3::Packet::PingResponse) => true,
            _ => false,
        };
        assert!(same, "{heard:?} is {packet:?} elsewhere: {bytes:02x?}");
    }
}
