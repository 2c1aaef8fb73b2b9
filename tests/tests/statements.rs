//! Rules of the protocols that no honest client breaks, and what a device must not do to others. `tests/STATEMENTS.md` has the list of all.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::HashMap;

use coap::{Code, option};
use serde_json::{Value as Json, json};
use tests::coap::{CoapWire, request};
use tests::rest::exchange;
use tests::server::{Options, Server};
use tests::wire::{Wire, connect, connect_with, frame, publish, subscribe, subscribe_in};

const TOKEN: &str = "A1_TEST_TOKEN";
const TOPIC: &str = "v1/devices/me/telemetry";

#[test]
fn packets_that_break_a_rule_end_the_connection() {
    let server = Server::start(Options::demo());
    // For 3.1.1 and for 5, which has properties.
    let rules: [(&str, Vec<u8>, Vec<u8>); 9] = [
        (
            "subscribe, identifier 0",
            frame(0x82, &[0, 0, 0, 1, b'a', 1]),
            frame(0x82, &[0, 0, 0, 0, 1, b'a', 1]),
        ),
        ("subscribe without filter", frame(0x82, &[0, 1]), frame(0x82, &[0, 1, 0])),
        (
            "subscribe, quality 3",
            frame(0x82, &[0, 1, 0, 1, b'a', 3]),
            frame(0x82, &[0, 1, 0, 0, 1, b'a', 3]),
        ),
        (
            "subscribe, reserved bits",
            frame(0x82, &[0, 1, 0, 1, b'a', 0x41]),
            frame(0x82, &[0, 1, 0, 0, 1, b'a', 0x41]),
        ),
        (
            "unsubscribe, identifier 0",
            frame(0xA2, &[0, 0, 0, 1, b'a']),
            frame(0xA2, &[0, 0, 0, 0, 1, b'a']),
        ),
        ("unsubscribe without filter", frame(0xA2, &[0, 1]), frame(0xA2, &[0, 1, 0])),
        (
            "unsubscribe, reserved bits",
            frame(0xA0, &[0, 1, 0, 1, b'a']),
            frame(0xA0, &[0, 1, 0, 0, 1, b'a']),
        ),
        ("ping, reserved bits", frame(0xC1, &[]), frame(0xC1, &[])),
        ("good-bye, reserved bits", frame(0xE1, &[]), frame(0xE1, &[])),
    ];
    for (name, old, new) in rules {
        let mut wire = Wire::connect(server.mqtt_port, TOKEN, 4);
        wire.send(&old);
        assert_eq!(wire.rest(), Some(vec![]), "{name}: closed without a word");
        let mut wire = Wire::connect(server.mqtt_port, TOKEN, 5);
        wire.send(&new);
        let told = wire.packet().unwrap_or_else(|| panic!("{name}: nothing was said"));
        // Malformed, or against the protocol.
        assert!(told[0] == 0xE0 && matches!(told[2], 0x81 | 0x82), "{name}: {told:?}");
        assert_eq!(wire.rest(), Some(vec![]), "{name}: nothing after DISCONNECT");
    }
    // A publish with a subscription identifier, which only servers send (MQTT-3.3.4-6).
    let mut wire = Wire::connect(server.mqtt_port, TOKEN, 5);
    wire.send(&frame(0x30, &[&[0, 1, b'a', 2, 0x0B, 1][..], b"{}"].concat()));
    assert_eq!(wire.packet().unwrap()[..3], [0xE0, 1, 0x82]);
}

#[test]
fn a_ping_is_answered_and_a_good_bye_is_heard() {
    let server = Server::start(Options::demo());
    for level in [3, 4, 5] {
        let mut wire = Wire::connect(server.mqtt_port, TOKEN, level);
        for _ in 0..3 {
            wire.send(&frame(0xC0, &[]));
            assert_eq!(wire.packet().unwrap(), [0xD0, 0], "level {level}");
        }
        // Nothing behind a good-bye is listened to (MQTT-3.14.4-2), and the server closes.
        wire.send(&[frame(0xE0, &[]), frame(0xC0, &[])].concat());
        assert_eq!(wire.rest(), Some(vec![]), "level {level}");
    }
}

#[test]
fn a_connection_hears_nothing_but_one_refusal() {
    let server = Server::start(Options::demo());
    // What follows a CONNECT that is refused is not processed (MQTT-3.1.4-5).
    let mut wire = Wire::open(server.mqtt_port);
    wire.send(&[connect("WRONG", 4), publish(1, TOPIC, br#"{"forged": 1}"#, 4)].concat());
    assert_eq!(wire.packet().unwrap(), [0x20, 2, 0, 5]);
    assert_eq!(wire.rest(), Some(vec![]));
    // What follows one that is accepted may be sent before the answer (3.1.4).
    let mut wire = Wire::open(server.mqtt_port);
    wire.send(&[connect(TOKEN, 4), publish(1, TOPIC, br#"{"hasty": 1}"#, 4)].concat());
    assert_eq!(wire.packet().unwrap(), [0x20, 2, 0, 0]);
    assert_eq!(wire.packet().unwrap(), [0x40, 2, 0, 1]);
}

/// The topic and the properties of a PUBLISH of MQTT 5 (3.3.2).
fn topic_and_properties(packet: &[u8]) -> (String, Vec<u8>) {
    assert_eq!(packet[0] & 0xF0, 0x30, "{packet:?}");
    let body = &packet[1 + packet[1..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1..];
    let (topic, rest) = body[2..].split_at(usize::from(u16::from_be_bytes([body[0], body[1]])));
    // With quality 1 an identifier stands between them.
    let rest = if packet[0] & 0b110 == 0 { rest } else { &rest[2..] };
    (String::from_utf8(topic.to_vec()).unwrap(), rest[1..=usize::from(rest[0])].to_vec())
}

#[test]
fn downlinks_name_their_topics_whatever_numbers_a_device_would_take() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let path = format!("/api/plugins/telemetry/DEVICE/{}/SHARED_SCOPE", tenant.device("Demo device"));
    // A topic alias maximum of 0 is as good as none, and 10 allows what the server makes no use of (MQTT-3.2.2-17, -18 of 5).
    for (number, properties) in (0..).zip([&[][..], &[0x22, 0, 0], &[0x22, 0, 10]]) {
        let mut wire = Wire::open(server.mqtt_port);
        wire.send(&connect_with("", Some(TOKEN), None, 5, properties));
        assert_eq!(wire.packet().unwrap()[3], 0);
        wire.send(&subscribe_in(1, "v1/devices/me/attributes", 5));
        assert_eq!(wire.packet().unwrap()[0], 0x90);
        for change in 0..3 {
            assert_eq!(tenant.try_post(&path, &json!({ "told": 3 * number + change })).0, 200);
            let (topic, properties) = topic_and_properties(&wire.packet().unwrap());
            assert_eq!((&*topic, &*properties), ("v1/devices/me/attributes", &[][..]));
        }
    }
}

#[test]
fn what_is_not_acceptable_is_told_by_4_06_and_does_nothing() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let device = tenant.device("Demo device");
    let path = format!("/api/plugins/telemetry/DEVICE/{device}/SHARED_SCOPE");
    assert_eq!(tenant.try_post(&path, &json!({"limit": 5})).0, 200);
    let wire = CoapWire::open(server.coap_port);
    let asks = |id: u16, code: Code, place: &str, accept: &[u8]| {
        let message = request(code, id, &format!("api/v1/{TOKEN}/{place}"), br#"{"unacceptable": 1}"#);
        wire.exchange(&message.with(option::ACCEPT, accept.to_vec())).code
    };
    // JSON is 50. Text, which is 0 and written without a byte; XML, CBOR, and a number of two bytes (RFC 7252, 5.5.4 and 12.3).
    for (id, accept) in (1..).step_by(3).zip([&[][..], &[41], &[60], &[0x2D, 0x16]]) {
        assert_eq!(asks(id, Code::GET, "attributes", accept), Code::NOT_ACCEPTABLE, "{accept:?}");
        assert_eq!(asks(id + 1, Code::POST, "telemetry", accept), Code::NOT_ACCEPTABLE, "{accept:?}");
        assert_eq!(asks(id + 2, Code::POST, "attributes", accept), Code::NOT_ACCEPTABLE, "{accept:?}");
    }
    let message = request(Code::GET, 100, &format!("api/v1/{TOKEN}/attributes"), b"");
    let told = wire.exchange(&message.with(option::ACCEPT, vec![50]));
    assert_eq!((told.code, &*told.payload), (Code::CONTENT, &br#"{"shared":{"limit":5}}"#[..]));
    let format = told.options.iter().find(|(number, _)| *number == option::CONTENT_FORMAT);
    assert_eq!(format.map(|(_, value)| &**value), Some(&[50][..]), "and says so");
    assert_eq!(tenant.latest(&device, "unacceptable")["unacceptable"][0]["value"], Json::Null);
    assert_eq!(tenant.attributes(&device, "CLIENT_SCOPE"), json!([]));
}

/// A WebSocket, whose messages a test writes by itself.
fn websocket(server: &Server, protocol: &str) -> (Wire, Vec<u8>) {
    let port = server.http.rsplit(':').next().unwrap().parse().unwrap();
    let mut wire = Wire::open(port);
    let request = format!(
        "GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n"
    );
    wire.send(request.as_bytes());
    let head = wire.until(b"\r\n\r\n");
    (wire, head)
}

/// A masked message (RFC 6455, 5.2) with a mask of zeros.
fn message(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = 0x80 | u8::try_from(payload.len()).unwrap();
    [&[0x80 | opcode, length, 0, 0, 0, 0][..], payload].concat()
}

#[test]
fn websocket_messages_are_binary_and_need_not_be_packets() {
    let server = Server::start(Options::demo());
    let (_, head) = websocket(&server, "chat");
    assert!(head.starts_with(b"HTTP/1.1 400"), "another subprotocol (MQTT-6.0.0-3)");
    // A packet in two messages, and two packets in one (MQTT-6.0.0-2).
    let (mut wire, head) = websocket(&server, "mqtt");
    let head = String::from_utf8_lossy(&head).to_lowercase();
    assert!(
        head.starts_with("http/1.1 101") && head.contains("sec-websocket-protocol: mqtt"),
        "{head}"
    );
    let hello = connect(TOKEN, 4);
    wire.send(&message(2, &hello[..5]));
    wire.send(&message(2, &[&hello[5..], &frame(0xC0, &[])].concat()));
    // The server may put both answers into one message.
    let mut told = Vec::new();
    while told.len() < 6 {
        let head = wire.exactly(2);
        assert_eq!(head[0], 0x82, "a whole binary message");
        told.extend(wire.exactly(usize::from(head[1])));
    }
    assert_eq!(told, [0x20, 2, 0, 0, 0xD0, 0]);
    // Text ends it (MQTT-6.0.0-1).
    wire.send(&message(1, b"text"));
    assert!(wire.rest().is_some(), "the server closes");
}

#[test]
fn a_reply_counts_for_the_device_that_was_asked_alone() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let device = tenant.device("Demo device");
    tenant.create_device("Other", "OTHER");
    let mut asked = Wire::connect(server.mqtt_port, TOKEN, 4);
    asked.send(&subscribe(1, "v1/devices/me/rpc/request/+"));
    assert_eq!(asked.packet().unwrap()[0], 0x90);
    let rest = server.tenant();
    let answer = std::thread::spawn(move || {
        rest.try_post(
            &format!("/api/rpc/twoway/{device}"),
            &json!({"method": "who", "params": {}, "timeout": 20_000}),
        )
    });
    let request = asked.packet().unwrap();
    let topic = String::from_utf8_lossy(&request).into_owned();
    let number: String = topic
        .split("request/")
        .nth(1)
        .unwrap()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let reply = |wire: &mut Wire, text: &str| {
        wire.send(&publish(9, &format!("v1/devices/me/rpc/response/{number}"), text.as_bytes(), 4));
        while wire.packet().expect("PUBACK")[0] != 0x40 {}
    };
    // The same number, from a device that was not asked: over MQTT, and over HTTP.
    reply(&mut Wire::connect(server.mqtt_port, "OTHER", 4), r#"{"I": "forged"}"#);
    let url = format!("{}/api/v1/OTHER/rpc/{number}", server.http);
    assert_eq!(exchange(&["-d", r#"{"I": "forged"}"#, &url]).0, 200);
    reply(&mut asked, r#"{"I": "was asked"}"#);
    assert_eq!(answer.join().unwrap(), (200, r#"{"I":"was asked"}"#.to_owned()));
}

#[test]
fn a_device_writes_its_own_client_attributes_alone() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let (device, other) = (tenant.device("Demo device"), tenant.create_device("Other", "OTHER"));
    let body = format!(r#"{{"mine": 1, "scope": "SERVER_SCOPE", "deviceId": "{other}", "inactivityTimeout": 1}}"#);
    let url = format!("{}/api/v1/{TOKEN}/attributes", server.http);
    assert_eq!(exchange(&["-d", &body, &url]).0, 200);
    let mut wire = Wire::connect(server.mqtt_port, TOKEN, 4);
    wire.send(&publish(1, "v1/devices/me/attributes", body.as_bytes(), 4));
    assert_eq!(wire.packet().unwrap(), [0x40, 2, 0, 1]);
    let keys = |device: &str, scope: &str| -> HashMap<String, Json> {
        let all = tenant.attributes(device, scope);
        let all = all.as_array().unwrap().iter();
        all.map(|one| (one["key"].as_str().unwrap().to_owned(), one["value"].clone()))
            .collect()
    };
    assert_eq!(keys(&device, "CLIENT_SCOPE")["mine"], 1);
    for (device, scope) in [
        (&device, "SERVER_SCOPE"),
        (&device, "SHARED_SCOPE"),
        (&other, "CLIENT_SCOPE"),
        (&other, "SERVER_SCOPE"),
    ] {
        let found = keys(device, scope);
        assert!(
            ["mine", "scope", "deviceId", "inactivityTimeout"]
                .iter()
                .all(|key| !found.contains_key(*key)),
            "{scope}: {found:?}"
        );
    }
}
