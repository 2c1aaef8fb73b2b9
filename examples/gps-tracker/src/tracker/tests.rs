//! A tracker's life, with the test as host.

#![allow(clippy::unwrap_used)]

use pacificsoft_sdk::adapter::RpcRequest;
use pacificsoft_sdk::stream::testing::TestPeer;
use pacificsoft_sdk::stream::{Action, Credentials};
use serde_json::{Value as Json, json};

use super::*;

fn frame(kind: u8, number: u16, body: &[u8]) -> Vec<u8> {
    let body = body.to_vec();
    Frame { kind, number, body }.bytes()
}

fn login(unit: u8, token: &str) -> Vec<u8> {
    frame(words::LOGIN, 1, &[&[unit], token.as_bytes()].concat())
}

fn position(unit: u8, number: u16) -> Vec<u8> {
    let body = [
        unit, 0x65, 0x53, 0xF1, 0x00, 0x1F, 0x4A, 0xD1, 0x80, 0x07, 0xFB, 0x69, 0x80, 0x01, 0xF9, 0x00, 0x5A, 0x01,
    ];
    frame(words::POSITION, number, &body)
}

/// A peer with a unit that is logged in.
fn known(unit: u8) -> TestPeer<Tracker> {
    let mut peer = TestPeer::tcp();
    peer.received(&login(unit, "TOKEN")).unwrap();
    peer.accepted(u32::from(unit)).unwrap();
    peer
}

fn sent(actions: &[Action]) -> Vec<(u8, u16, Vec<u8>)> {
    let mut reader = Reader::default();
    let frames = actions.iter().flat_map(|action| match action {
        Action::Send(bytes) => reader.read(bytes),
        other => panic!("{other:?}"),
    });
    frames.map(|frame| (frame.kind, frame.number, frame.body)).collect()
}

fn content(uplink: &Uplink) -> Json {
    let (Uplink::Telemetry(Telemetry {
        values: Content::Json(text),
        ..
    })
    | Uplink::Attributes(Content::Json(text))
    | Uplink::RpcReply(RpcReply {
        payload: Content::Json(text),
        ..
    })) = uplink
    else {
        panic!("{uplink:?}")
    };
    serde_json::from_str(text).unwrap()
}

#[test]
fn positions_wait_for_the_login_and_are_acknowledged_when_durable() {
    let mut peer = TestPeer::<Tracker>::tcp();
    let asked = peer.received(&[login(3, "TOKEN"), position(3, 7)].concat()).unwrap();
    let [Action::Authenticate(login)] = &*asked else {
        panic!("{asked:?}")
    };
    assert_eq!(
        (login.device, &login.credentials),
        (3, &Credentials::AccessToken("TOKEN".to_owned()))
    );
    let answers = peer.accepted(3).unwrap();
    assert_eq!(sent(&answers[..1]), [(words::LOGIN_ANSWER, 1, vec![3, 0])]);
    let Action::Uplinks(report) = &answers[1] else {
        panic!("{answers:?}")
    };
    assert_eq!((report.device, report.uplinks.len()), (3, 1));
    assert_eq!(content(&report.uplinks[0])["speed"], 50.5);
    let ticket = report.ticket;
    assert_eq!(
        sent(&peer.settled(ticket, true).unwrap()),
        [(words::ACKNOWLEDGEMENT, 7, vec![3, 0])]
    );
    assert_eq!(
        sent(&peer.settled(ticket, false).unwrap()),
        [(words::ACKNOWLEDGEMENT, 7, vec![3, 1])]
    );
}

#[test]
fn who_is_not_known_reports_nothing() {
    let mut peer = TestPeer::<Tracker>::udp();
    assert_eq!(
        sent(&peer.received(&position(1, 5)).unwrap()),
        [(words::ACKNOWLEDGEMENT, 5, vec![1, 2])]
    );
    peer.received(&login(1, "WRONG")).unwrap();
    assert_eq!(
        sent(&peer.denied(1, Denial::Unknown).unwrap()),
        [(words::LOGIN_ANSWER, 1, vec![1, 3])]
    );
    assert_eq!(
        sent(&peer.received(&position(1, 6)).unwrap()),
        [(words::ACKNOWLEDGEMENT, 6, vec![1, 2])]
    );
}

#[test]
fn a_command_is_repeated_until_there_is_a_reply_and_answered_once() {
    let mut peer = known(2);
    let request = Downlink::RpcRequest(RpcRequest {
        id: 40,
        method: "lock".to_owned(),
        params: "true".to_owned(),
    });
    let actions = peer.downlink(2, request).unwrap();
    let command = (words::COMMAND, 1, b"\x02\x04locktrue".to_vec());
    assert_eq!(sent(&actions[..1]), std::slice::from_ref(&command));
    assert!(matches!(actions[1], Action::SetTimer(_)));
    assert_eq!(sent(&peer.timer(REPEAT_TIMER).unwrap()[..1]), [command]);
    let reply = frame(words::REPLY, 1, b"\x02\x00locked");
    let answered = peer.received(&reply).unwrap();
    let [Action::Uplinks(report)] = &*answered else {
        panic!("{answered:?}")
    };
    assert!(matches!(report.uplinks[0], Uplink::RpcReply(RpcReply { id: 40, .. })));
    assert_eq!(content(&report.uplinks[0]), json!({"ok": true, "text": "locked"}));
    assert_eq!(peer.settled(report.ticket, true), Ok(vec![]), "replies are not acknowledged");
    assert_eq!(peer.received(&reply), Ok(vec![]));
    assert_eq!(peer.timer(REPEAT_TIMER), Ok(vec![]), "nothing is left to repeat");
}

#[test]
fn a_command_without_a_reply_is_given_up() {
    let mut peer = known(2);
    let request = |params: String| {
        Downlink::RpcRequest(RpcRequest {
            id: 1,
            method: "m".to_owned(),
            params,
        })
    };
    peer.downlink(2, request("1".to_owned())).unwrap();
    let repeats = (0..20).filter(|_| !peer.timer(REPEAT_TIMER).unwrap().is_empty()).count();
    assert_eq!(repeats, usize::from(REPEATS_MAX));
    let refused = peer.downlink(2, request("x".repeat(600))).unwrap();
    let [Action::Uplinks(report)] = &*refused else {
        panic!("{refused:?}")
    };
    assert!(content(&report.uplinks[0])["error"].as_str().unwrap().contains("too long"));
}

#[test]
fn status_settings_and_heartbeats() {
    let mut peer = known(1);
    let reported = peer.received(&frame(words::STATUS, 9, b"\x01\x501.2")).unwrap();
    let [Action::Uplinks(report)] = &*reported else {
        panic!("{reported:?}")
    };
    assert_eq!(content(&report.uplinks[0]), json!({"battery": 80}));
    assert_eq!(content(&report.uplinks[1]), json!({"firmware": "1.2"}));
    let settings = peer.downlink(1, Downlink::AttributesChanged("{\"every\":5}".to_owned())).unwrap();
    assert_eq!(sent(&settings), [(words::SETTINGS, 0, b"\x01{\"every\":5}".to_vec())]);
    let alive = peer.received(&frame(words::HEARTBEAT, 4, &[1])).unwrap();
    assert_eq!(sent(&alive), [(words::HEARTBEAT_ANSWER, 4, vec![1, 0])]);
    assert_eq!(
        sent(&peer.received(&frame(words::STATUS, 9, &[1, 101])).unwrap()),
        [(words::ACKNOWLEDGEMENT, 9, vec![1, 4])]
    );
}

#[test]
fn a_unit_that_is_detached_must_log_in_again() {
    let mut peer = known(1);
    assert_eq!(
        sent(&peer.detached(1, Ending::TakenOver).unwrap()),
        [(words::LOGIN_ANSWER, 0, vec![1, 2])]
    );
    assert_eq!(
        sent(&peer.received(&position(1, 5)).unwrap()),
        [(words::ACKNOWLEDGEMENT, 5, vec![1, 2])]
    );
}

#[test]
fn mutated_bytes_are_survived() {
    let good = [login(1, "TOKEN"), position(1, 5), frame(words::REPLY, 1, b"\x01\x00ok")].concat();
    for at in 0..good.len() {
        for value in [0, 1, 0x50, 0x54, 0x7F, 0x80, 0xFF] {
            let mut bytes = good.clone();
            bytes[at] = value;
            let mut peer = TestPeer::<Tracker>::tcp();
            for chunk in bytes.chunks(1 + at % 7) {
                peer.received(chunk).unwrap();
            }
            let _ = peer.accepted(1);
        }
    }
    let mut peer = TestPeer::<Tracker>::tcp();
    let given_up = (0..100).find_map(|_| peer.received(&[0x55; 100]).err()).unwrap();
    assert!(given_up.contains("belonged to no frame"));
}
