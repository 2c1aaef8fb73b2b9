//! What MQTT says a server does, byte by byte, in all three versions; and the traps that devices made for the reference rely on.

#![allow(clippy::unwrap_used, missing_docs)]

use std::net::TcpStream;

use serde_json::json;
use tests::clients::{mosquitto_pub, python};
use tests::server::{Options, Server};
use tests::wire::{Wire, connect, connect_with, frame, publish, subscribe_in};

const TOKEN: &str = "A1_TEST_TOKEN";
const TOPIC: &str = "v1/devices/me/telemetry";

/// A PUBLISH of MQTT 5 with quality 1 and properties.
fn publish_with(pkid: u16, topic: &str, properties: &[u8]) -> Vec<u8> {
    let mut body = u16::try_from(topic.len()).unwrap().to_be_bytes().to_vec();
    body.extend(topic.as_bytes());
    body.extend(pkid.to_be_bytes());
    body.push(u8::try_from(properties.len()).unwrap());
    body.extend(properties);
    body.extend(b"{\"n\":1}");
    frame(0x32, &body)
}

/// The value of a property of one or two bytes in a CONNACK.
fn property(connack: &[u8], id: u8) -> Option<u64> {
    // Type, length, flags, code, length of the properties.
    let mut rest = &connack[5..];
    while let [found, tail @ ..] = rest {
        let (len, value) = match found {
            0x11 | 0x27 => (4, u64::from(u32::from_be_bytes(tail[..4].try_into().unwrap()))),
            0x21 | 0x22 | 0x13 => (2, u64::from(u16::from_be_bytes(tail[..2].try_into().unwrap()))),
            0x12 | 0x1F => (2 + usize::from(u16::from_be_bytes(tail[..2].try_into().unwrap())), 1),
            _ => (1, u64::from(tail[0])),
        };
        if *found == id {
            return Some(value);
        }
        rest = &tail[len..];
    }
    None
}

#[test]
fn the_first_version_is_served_too() {
    let server = Server::start(Options::demo());
    let mut old = Wire::connect(server.mqtt_port, TOKEN, 3);
    old.send(&publish(7, TOPIC, br#"{"ancient": 1}"#, 3));
    assert_eq!(old.packet().unwrap(), [0x40, 2, 0, 7]);
    old.send(&subscribe_in(8, "v1/devices/me/attributes", 3));
    assert_eq!(old.packet().unwrap(), [0x90, 3, 0, 8, 1]);
    // A mark for packets that are sent again: 3.1 has it in SUBSCRIBE and UNSUBSCRIBE.
    old.send(&frame(0xAA, &[0, 9, 0, 1, b'x']));
    assert_eq!(old.packet().unwrap(), [0xB0, 2, 0, 9]);
    let output = mosquitto_pub(server.mqtt_port, TOKEN, TOPIC, r#"{"ancient": 2}"#, &["-V", "mqttv31"]);
    assert!(output.status.success(), "{output:?}");
    let tenant = server.tenant();
    let device = tenant.device("Demo device");
    assert_eq!(tenant.latest(&device, "ancient")["ancient"][0]["value"], 2);
}

#[test]
fn a_device_learns_what_it_may_do() {
    let server = Server::start(Options::demo());
    let mut wire = Wire::open(server.mqtt_port);
    // Keep-alive 60, no client id.
    wire.send(&connect(TOKEN, 5));
    let connack = wire.packet().unwrap();
    assert_eq!(connack[2..4], [0, 0], "no session is kept, success");
    for (id, value) in [
        (0x21, Some(256)),
        (0x24, Some(1)),
        (0x25, Some(0)),
        (0x27, Some(65_536)),
        (0x22, Some(16)),
        (0x12, Some(1)),
        (0x28, Some(1)),
        (0x29, Some(0)),
        (0x2A, Some(0)),
        (0x13, None),
    ] {
        assert_eq!(property(&connack, id), value, "property {id:#x} of {connack:?}");
    }
    // No keep-alive: the server has one.
    let mut restless = connect_with("c", Some(TOKEN), None, 5, &[]);
    let at = restless.windows(2).position(|pair| pair == [0, 60]).unwrap();
    restless[at + 1] = 0;
    let mut wire = Wire::open(server.mqtt_port);
    wire.send(&restless);
    assert_eq!(property(&wire.packet().unwrap(), 0x13), Some(400));
}

#[test]
fn refusals_say_what_is_wrong() {
    let server = Server::start(Options::demo());
    let code = |packet: Vec<u8>| {
        let mut wire = Wire::open(server.mqtt_port);
        wire.send(&packet);
        let code = wire.packet().unwrap()[3];
        assert_eq!(wire.rest(), Some(vec![]), "closed after {code:#x}");
        code
    };
    for (client_id, name, password, old, new) in [
        ("c", Some("x"), Some("p"), 5, 0x86),
        ("c", Some("x"), None, 5, 0x86),
        ("", Some("x"), Some("p"), 5, 0x87),
        ("c", None, None, 2, 0x85),
        ("", None, None, 5, 0x87),
    ] {
        assert_eq!(
            code(connect_with(client_id, name, password, 4, &[])),
            old,
            "{client_id} {name:?} {password:?}"
        );
        assert_eq!(
            code(connect_with(client_id, name, password, 3, &[])),
            old,
            "{client_id} {name:?} {password:?}"
        );
        assert_eq!(
            code(connect_with(client_id, name, password, 5, &[])),
            new,
            "{client_id} {name:?} {password:?}"
        );
    }
    // No client id, but a session to be kept: MQTT-3.1.3-8.
    let mut kept = connect(TOKEN, 4);
    kept[9] &= !0b10;
    assert_eq!(code(kept), 2);
    // A conversation about who it is: 0x8C.
    assert_eq!(code(connect_with("c", Some(TOKEN), None, 5, &[0x15, 0, 1, b'm'])), 0x8C);
    // No answer at all to what is no CONNECT: reserved flag, password without name, U+0000, receive maximum 0, another protocol.
    let mut reserved = connect(TOKEN, 4);
    reserved[9] |= 1;
    for packet in [
        reserved,
        connect_with("c", None, Some("p"), 4, &[]),
        connect_with("c\0", Some(TOKEN), None, 4, &[]),
        connect_with("c", Some(TOKEN), None, 5, &[0x21, 0, 0]),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        publish(1, TOPIC, b"{}", 4),
    ] {
        let mut wire = Wire::open(server.mqtt_port);
        wire.send(&packet);
        assert_eq!(wire.rest(), Some(vec![]), "{packet:?}");
    }
}

#[test]
fn topics_may_have_numbers() {
    let server = Server::start(Options::demo());
    let alias = |number: u16| [&[0x23][..], &number.to_be_bytes()].concat();
    let mut wire = Wire::connect(server.mqtt_port, TOKEN, 5);
    wire.send(&publish_with(1, TOPIC, &alias(3)));
    wire.send(&publish_with(2, "", &alias(3)));
    wire.send(&publish_with(3, "v1/devices/me/nonsense", &alias(3)));
    wire.send(&publish_with(4, "", &alias(3)));
    assert_eq!(wire.packet().unwrap(), [0x40, 2, 0, 1]);
    assert_eq!(wire.packet().unwrap(), [0x40, 2, 0, 2]);
    assert_eq!(wire.packet().unwrap()[2..5], [0, 3, 0x90]);
    assert_eq!(wire.packet().unwrap()[2..5], [0, 4, 0x90]);
    for (packet, reason) in [
        (publish_with(5, "", &alias(7)), 0x82),
        (publish_with(5, "", &[]), 0x82),
        (publish_with(5, TOPIC, &alias(0)), 0x94),
        (publish_with(5, TOPIC, &alias(17)), 0x94),
    ] {
        let mut wire = Wire::connect(server.mqtt_port, TOKEN, 5);
        wire.send(&packet);
        assert_eq!(wire.packet().unwrap()[..3], [0xE0, 1, reason], "{packet:?}");
    }
}

#[test]
fn subscriptions_are_answered_filter_by_filter() {
    let server = Server::start(Options::demo());
    let mut wire = Wire::connect(server.mqtt_port, TOKEN, 5);
    for (filter, code) in [
        ("v1/devices/me/attributes", 1),
        ("v1/devices/me/rpc/request/+", 1),
        ("$share/group/v1/devices/me/attributes", 0x9E),
        ("v1/devices/me/#", 0x8F),
        ("#", 0x8F),
        ("v2/fw/response/+", 0x8F),
    ] {
        wire.send(&subscribe_in(1, filter, 5));
        assert_eq!(wire.packet().unwrap(), [0x90, 4, 0, 1, 0, code], "{filter}");
    }
    // A number for the subscription.
    wire.send(&frame(0x82, &[0, 2, 2, 0x0B, 1, 0, 1, b'a', 1]));
    assert_eq!(wire.packet().unwrap(), [0x90, 4, 0, 2, 0, 0xA1]);
    // UNSUBACK for what was there, and for what was not: 0x11.
    let mut body = vec![0, 3, 0];
    for filter in ["v1/devices/me/attributes", "nothing"] {
        body.extend(u16::try_from(filter.len()).unwrap().to_be_bytes());
        body.extend(filter.as_bytes());
    }
    wire.send(&frame(0xA2, &body));
    assert_eq!(wire.packet().unwrap(), [0xB0, 5, 0, 3, 0, 0, 0x11]);
    // The old version has one word for all refusals, and answers every UNSUBSCRIBE.
    let mut old = Wire::connect(server.mqtt_port, TOKEN, 4);
    old.send(&subscribe_in(4, "#", 4));
    assert_eq!(old.packet().unwrap(), [0x90, 3, 0, 4, 0x80]);
    old.send(&frame(0xA2, &[0, 5, 0, 1, b'x']));
    assert_eq!(old.packet().unwrap(), [0xB0, 2, 0, 5]);
}

#[test]
fn what_is_not_offered_is_ignored_or_refused_in_words() {
    let server = Server::start(Options::demo());
    // A will and a retained message are served as if they had not been asked for.
    let output = mosquitto_pub(
        server.mqtt_port,
        TOKEN,
        TOPIC,
        r#"{"retained": 1}"#,
        &[
            "-r",
            "--will-topic",
            "gone",
            "--will-payload",
            "x",
            "--will-retain",
            "--will-qos",
            "2",
            "-V",
            "5",
        ],
    );
    assert!(output.status.success(), "{output:?}");
    for (level, answer) in [(4, vec![]), (5, vec![0xE0, 1, 0x9B])] {
        let mut wire = Wire::connect(server.mqtt_port, TOKEN, level);
        let mut twice = publish(1, TOPIC, b"{}", level);
        twice[0] = 0x34;
        wire.send(&twice);
        assert_eq!(
            wire.rest().map(|rest| rest[..rest.len().min(3)].to_vec()),
            Some(answer),
            "level {level}"
        );
    }
    for (packet, reason) in [
        (frame(0xF0, &[]), 0x82),
        (connect(TOKEN, 5), 0x82),
        (frame(0x20, &[0, 0]), 0x82),
        (frame(0x36, &[0, 1, b'a', 0, 1, 0]), 0x81),
        (publish(0, TOPIC, b"{}", 5), 0x81),
        (frame(0x80, &[0, 1, 0, 0, 1, b'a', 1]), 0x81),
        (frame(0x30, &[0, 2, 0xC3, 0x28, 0]), 0x81),
        (frame(0x30, &[0, 1, b'+', 0]), 0x81),
    ] {
        let mut wire = Wire::connect(server.mqtt_port, TOKEN, 5);
        wire.send(&packet);
        assert_eq!(wire.packet().unwrap()[..3], [0xE0, 1, reason], "{packet:?}");
    }
}

#[test]
fn a_device_that_sends_more_than_it_may_is_told_so() {
    let server = Server::start(Options::demo());
    let mut wire = Wire::connect(server.mqtt_port, TOKEN, 5);
    let burst: Vec<u8> = (1..=2_000).flat_map(|pkid| publish(pkid, TOPIC, br#"{"n": 1}"#, 5)).collect();
    wire.send(&burst);
    let mut last = Vec::new();
    while let Some(packet) = wire.packet() {
        last = packet;
    }
    // DISCONNECT, reason 0x93; a device of the old version is only held back.
    assert_eq!(last[..3], [0xE0, 1, 0x93], "{last:?}");
    let mut old = Wire::connect(server.mqtt_port, TOKEN, 4);
    let burst: Vec<u8> = (1..=2_000).flat_map(|pkid| publish(pkid, TOPIC, br#"{"n": 1}"#, 4)).collect();
    old.send(&burst);
    for pkid in 1..=2_000_u16 {
        assert_eq!(old.packet().unwrap()[2..], pkid.to_be_bytes());
    }
}

#[test]
fn nothing_larger_than_the_device_takes_is_sent() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let device = tenant.device("Demo device");
    let mut wire = Wire::open(server.mqtt_port);
    // Maximum packet size 100.
    wire.send(&connect_with("c", Some(TOKEN), None, 5, &[0x27, 0, 0, 0, 100]));
    assert_eq!(wire.packet().unwrap()[3], 0);
    wire.send(&subscribe_in(1, "v1/devices/me/attributes", 5));
    assert_eq!(wire.packet().unwrap()[5], 1);
    let set = |value: &str| {
        let path = format!("/api/plugins/telemetry/DEVICE/{device}/SHARED_SCOPE");
        assert_eq!(tenant.try_post(&path, &json!({ "a": value })).0, 200);
    };
    set(&"x".repeat(200));
    set("y");
    let packet = wire.packet().unwrap();
    assert!(packet.ends_with(br#"{"a":"y"}"#), "{packet:?}");
    // The words of a refusal are left out first.
    wire.send(&publish(2, TOPIC, b"{oops", 5));
    let packet = wire.packet().unwrap();
    assert_eq!((packet[0], packet[4]), (0x40, 0x99));
    assert!(packet.len() <= 100);
    let mut terse = Wire::open(server.mqtt_port);
    // Request problem information 0.
    terse.send(&connect_with("c", Some(TOKEN), None, 5, &[0x17, 0]));
    assert_eq!(terse.packet().unwrap()[3], 0);
    terse.send(&publish(2, TOPIC, b"{oops", 5));
    assert_eq!(terse.packet().unwrap(), [0x40, 4, 0, 2, 0x99, 0]);
}

#[test]
fn silence_is_borne_one_and_a_half_times() {
    let server = Server::start(Options::demo());
    let mut short = connect_with("c", Some(TOKEN), None, 5, &[]);
    let at = short.windows(2).position(|pair| pair == [0, 60]).unwrap();
    short[at + 1] = 1;
    let started = std::time::Instant::now();
    let mut wire = Wire::open(server.mqtt_port);
    wire.send(&short);
    assert_eq!(wire.packet().unwrap()[3], 0);
    // DISCONNECT, reason 0x8D: keep alive timeout.
    assert_eq!(wire.packet().unwrap()[..3], [0xE0, 1, 0x8D]);
    assert!(started.elapsed().as_millis() >= 1_500);
    // Whoever says nothing at all is cut off before it has cost anything.
    let silent = TcpStream::connect(("127.0.0.1", server.mqtt_port)).unwrap();
    tests::until("the silent one is cut off", || server.metric("mqtt_connections_ended_total") >= 2.0);
    drop(silent);
}

#[test]
fn paho_speaks_the_first_version() {
    let server = Server::start(Options::demo());
    let said = python(PAHO_31, &[&server.mqtt_port.to_string(), TOKEN]);
    assert!(said.contains("done"), "{said}");
}

const PAHO_31: &str = r#"
import sys, threading
import paho.mqtt.client as mqtt
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="old", protocol=mqtt.MQTTv31)
client.username_pw_set(sys.argv[2])
connected = threading.Event()
client.on_connect = lambda c, u, f, reason, p: (not reason.is_failure) and connected.set()
client.connect("127.0.0.1", int(sys.argv[1]))
client.loop_start()
assert connected.wait(10)
sent = client.publish("v1/devices/me/telemetry", '{"old": 1}', qos=1)
sent.wait_for_publish(10)
assert sent.is_published()
print("done")
"#;
