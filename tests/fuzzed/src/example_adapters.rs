//! The adapters of the examples: a payload adapter for datagrams of a few bytes, a stream adapter whose bytes come in any pieces.
//!
//! Input: a byte that says which, a byte of detail, then what is sent.

use compact_sensor::CompactSensor;
use gps_tracker::frame::Frame;
use gps_tracker::{Tracker, words};
use pacificsoft_sdk::Adapter;
use pacificsoft_sdk::adapter::Refusal;
use pacificsoft_sdk::stream::testing::TestPeer;
use pacificsoft_sdk::testing::TestInbound;

/// See the module.
pub fn run(data: &[u8]) {
    let Some(([which, detail], sent)) = data.split_first_chunk::<2>() else {
        return;
    };
    match which % 5 {
        0 => readings("r", sent),
        1 => readings("a", sent),
        2 => tracker(TestPeer::tcp(), sent.chunks(1 + usize::from(*detail))),
        3 => tracker(TestPeer::udp(), sent.chunks(usize::from(*detail).max(16))),
        // With the right length and checksum, which nobody guesses.
        _ => tracker(TestPeer::tcp(), frames(sent).iter().map(Vec::as_slice)),
    }
}

/// Readings, an answer, frames of a tracker.
pub fn seeds() -> Vec<Vec<u8>> {
    let login = [&[words::LOGIN, 6, 1][..], b"token"].concat();
    let position = [&[words::POSITION, 20][..], &[1; 20]].concat();
    let status = [&[words::STATUS, 5, 1, 99][..], b"1.0"].concat();
    let reply = [words::REPLY, 2, 1, 0];
    let all = [&login[..], &position, &status, &reply, &[words::HEARTBEAT, 1, 1]].concat();
    let bytes = frames(&all).concat();
    vec![
        vec![0, 0, 1, 0, 1, 8, 0, 2, 90, 3, 12, 0],
        vec![1, 0, 1, 7, 0],
        [&[2, 6][..], &bytes].concat(),
        [&[3, 40][..], &bytes].concat(),
        [&[4, 0][..], &all].concat(),
    ]
}

/// Pieces of a kind, a length and a body, each as a frame.
fn frames(mut pieces: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let Some(([kind, length], rest)) = pieces.split_first_chunk::<2>() {
        let (body, after) = rest.split_at(usize::from(*length).min(rest.len()));
        pieces = after;
        let frame = Frame {
            kind: *kind,
            number: u16::try_from(frames.len()).unwrap_or(0),
            body: body.to_vec(),
        };
        frames.push(frame.bytes());
    }
    frames
}

fn readings(address: &str, sent: &[u8]) {
    let mut test = TestInbound::new("mqtt", address, "");
    test.payload = sent.to_vec();
    match CompactSensor::decode(&test.inbound()) {
        Ok(uplinks) => assert!(uplinks.len() <= sent.len(), "{sent:02x?}"),
        Err(Refusal::Malformed(reason)) => assert!(!reason.is_empty()),
        Err(Refusal::UnknownAddress) => unreachable!("the address is known"),
    }
}

fn tracker<'a>(mut peer: TestPeer<Tracker>, pieces: impl Iterator<Item = &'a [u8]>) {
    for (number, piece) in (1..).zip(pieces) {
        let Ok(actions) = peer.received(piece) else { return };
        // A frame that is answered has six bytes at least.
        assert!(actions.len() <= 64 + piece.len(), "{piece:02x?}");
        if peer.settled(number, number % 3 != 0).is_err() || peer.accepted(number % 4).is_err() {
            return;
        }
    }
    peer.closed();
}
