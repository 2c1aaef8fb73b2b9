//! What no honest device sends: documented answers, no panic, no session left behind.

#![allow(clippy::unwrap_used, missing_docs)]

use tests::clients::mosquitto_pub;
use tests::rest::exchange;
use tests::server::{Options, Server};
use tests::wire::{Wire, connect, frame, publish, subscribe};

const TOKEN: &str = "A1_TEST_TOKEN";
const TOPIC: &str = "v1/devices/me/telemetry";

/// A small generator of numbers that are the same in every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}

fn still_serves(server: &mut Server) {
    assert!(server.is_running());
    assert!(!server.log().contains("panicked"), "{}", server.log());
    let output = mosquitto_pub(server.mqtt_port, TOKEN, TOPIC, r#"{"still": "here"}"#, &[]);
    assert!(output.status.success(), "{output:?}");
    tests::until("no session is left", || {
        // The scrape is what lets the manager look.
        server.metric("session_connections") == 0.0
    });
}

#[test]
fn thousands_of_mutated_packets_harm_nobody() {
    let mut server = Server::start(Options::demo());
    let mut numbers = Numbers(0x5eed);
    for level in [4, 5] {
        let honest = [
            connect(TOKEN, level),
            publish(1, TOPIC, br#"{"fuzz": 1}"#, level),
            subscribe(2, "v1/devices/me/attributes"),
            frame(0xA2, &[0, 3, 0, 1, b'a']),
            frame(0x40, &[0, 1]),
            frame(0xC0, &[]),
            frame(0xE0, &[]),
            frame(0x20, &[0, 0]),
            frame(0xB0, &[0, 1]),
            frame(0x62, &[0, 1]),
        ];
        for _ in 0..2_000 {
            let mut wire = Wire::open(server.mqtt_port);
            let mut bytes = Vec::new();
            if numbers.below(4) > 0 {
                bytes.extend(&honest[0]);
            }
            for _ in 0..=numbers.below(3) {
                let mut packet = honest[numbers.below(honest.len())].clone();
                for _ in 0..numbers.below(4) {
                    let at = numbers.below(packet.len());
                    packet[at] = u8::try_from(numbers.below(256)).unwrap();
                }
                packet.truncate(packet.len() - numbers.below(packet.len()).min(numbers.below(3)));
                bytes.extend(packet);
            }
            wire.send(&bytes);
            wire.finish();
            assert!(wire.rest().is_some(), "the server closes: level {level}, {bytes:?}");
        }
    }
    still_serves(&mut server);
}

#[test]
fn wrong_tokens_are_refused_in_the_words_of_each_version() {
    let mut server = Server::start(Options::demo());
    let mut old = Wire::open(server.mqtt_port);
    old.send(&connect("WRONG", 4));
    // CONNACK, return code 5: not authorised.
    assert_eq!(old.packet().unwrap(), [0x20, 2, 0, 5]);
    assert_eq!(old.rest(), Some(vec![]));
    let mut new = Wire::open(server.mqtt_port);
    new.send(&connect("WRONG", 5));
    // CONNACK, reason 0x86: bad user name or password.
    assert_eq!(new.packet().unwrap()[3], 0x86);
    let mut ancient = Wire::open(server.mqtt_port);
    ancient.send(&connect(TOKEN, 3));
    // CONNACK, return code 1: unacceptable protocol version.
    assert_eq!(ancient.packet().unwrap(), [0x20, 2, 0, 1]);
    assert_eq!(
        exchange(&["-d", "{}", &format!("{}/api/v1/WRONG/telemetry", server.http)]),
        (401, String::new())
    );
    still_serves(&mut server);
}

#[test]
fn oversized_payloads_are_refused() {
    let mut server = Server::start(Options::demo());
    let mut wire = Wire::connect(server.mqtt_port, TOKEN, 5);
    wire.send(&publish(1, TOPIC, &vec![b'x'; 70_000], 5));
    // DISCONNECT, reason 0x95: packet too large.
    assert_eq!(wire.packet().unwrap()[..3], [0xE0, 1, 0x95]);
    let body = server.folder().join("large");
    std::fs::write(&body, vec![b'x'; 2 << 20]).unwrap();
    let (status, _) = exchange(&[
        "--data-binary",
        &format!("@{}", body.display()),
        &format!("{}/api/v1/{TOKEN}/telemetry", server.http),
    ]);
    assert_eq!(status, 413);
    still_serves(&mut server);
}

#[test]
fn bad_json_is_answered_as_the_protocol_can() {
    let mut server = Server::start(Options::demo());
    // MQTT 5, quality 1: PUBACK with reason 0x99, and the connection stays.
    let mut new = Wire::connect(server.mqtt_port, TOKEN, 5);
    new.send(&publish(1, TOPIC, b"{oops", 5));
    assert_eq!(new.packet().unwrap(), [0x40, 4, 0, 1, 0x99, 0]);
    // An unknown topic: reason 0x90, and the connection stays.
    new.send(&publish(2, "v1/devices/me/nonsense", b"{}", 5));
    assert_eq!(new.packet().unwrap(), [0x40, 4, 0, 2, 0x90, 0]);
    new.send(&publish(3, TOPIC, b"{}", 5));
    assert_eq!(new.packet().unwrap()[2..4], [0, 3]);
    // A subscription that brings nothing: 0x8F.
    new.send(&[0x82, 7, 0, 4, 0, 0, 1, b'#', 1]);
    assert_eq!(new.packet().unwrap(), [0x90, 4, 0, 4, 0, 0x8F]);
    drop(new);
    // MQTT 3.1.1 has no word for it: the connection is closed.
    let mut old = Wire::connect(server.mqtt_port, TOKEN, 4);
    old.send(&publish(1, TOPIC, b"{oops", 4));
    assert_eq!(old.rest(), Some(vec![]));
    let (status, reason) = exchange(&["-d", "{oops", &format!("{}/api/v1/{TOKEN}/telemetry", server.http)]);
    assert_eq!(status, 400, "{reason}");
    still_serves(&mut server);
}

#[test]
fn a_second_connection_takes_over_the_first() {
    let mut server = Server::start(Options::demo());
    let mut first = Wire::connect(server.mqtt_port, TOKEN, 5);
    let mut second = Wire::connect(server.mqtt_port, TOKEN, 5);
    // DISCONNECT, reason 0x8E: session taken over.
    assert_eq!(first.packet().unwrap()[..3], [0xE0, 1, 0x8E]);
    second.send(&frame(0xC0, &[]));
    assert_eq!(second.packet().unwrap(), [0xD0, 0]);
    drop((first, second));
    still_serves(&mut server);
}

#[test]
fn a_device_that_is_deleted_is_cut_off() {
    let mut server = Server::start(Options::demo());
    let tenant = server.tenant();
    let id = tenant.create_device("Short-lived", "SHORT_LIVED");
    let mut wire = Wire::connect(server.mqtt_port, "SHORT_LIVED", 5);
    assert_eq!(tenant.delete(&format!("/api/device/{id}")).0, 200);
    // DISCONNECT, reason 0x98: administrative action.
    assert_eq!(wire.packet().unwrap()[..3], [0xE0, 1, 0x98]);
    let mut again = Wire::open(server.mqtt_port);
    again.send(&connect("SHORT_LIVED", 5));
    assert_eq!(again.packet().unwrap()[3], 0x86);
    drop((wire, again));
    still_serves(&mut server);
}
