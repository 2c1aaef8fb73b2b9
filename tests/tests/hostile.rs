//! What no honest device sends: documented answers, no panic, no session left behind.

#![allow(clippy::unwrap_used, missing_docs)]

use coap::Code;
use serde_json::{Value as Json, json};
use tests::Numbers;
use tests::clients::mosquitto_pub;
use tests::coap::{CoapWire, request};
use tests::rest::exchange;
use tests::server::{Options, Server};
use tests::wire::{Wire, connect, connect_with, frame, publish, subscribe, subscribe_in};

const TOKEN: &str = "A1_TEST_TOKEN";
const TOPIC: &str = "v1/devices/me/telemetry";

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
    for level in [3, 4, 5] {
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
fn packets_cut_anywhere_are_answered_or_closed() {
    let mut server = Server::start(Options::demo());
    for level in [3, 4, 5] {
        for whole in [
            connect(TOKEN, level),
            publish(1, TOPIC, br#"{"cut": 1}"#, level),
            subscribe_in(2, "v1/devices/me/attributes", level),
            frame(0xA2, &[0, 3, 0, 1, b'a']),
            frame(0x40, &[0, 1]),
        ] {
            for len in 0..whole.len() - 2 {
                // Cut, and the length says so: the packet is whole, what is in it is not.
                let mut wire = Wire::open(server.mqtt_port);
                let first = whole[0] >> 4 == 1;
                if !first {
                    wire.send(&connect(TOKEN, level));
                }
                wire.send(&frame(whole[0], &whole[2..2 + len]));
                wire.finish();
                assert!(wire.rest().is_some(), "level {level}, {len} of {whole:?}");
            }
        }
    }
    still_serves(&mut server);
}

#[test]
fn what_claims_to_be_large_costs_nothing() {
    let mut server = Server::start(Options::demo());
    let before = server.memory_mb();
    // 268 435 455 bytes are promised, five are sent.
    for _ in 0..500 {
        let mut wire = Wire::open(server.mqtt_port);
        wire.send(&[0x10, 0xff, 0xff, 0xff, 0x7f, 0]);
        assert_eq!(wire.rest(), Some(vec![]));
    }
    let mut wire = Wire::connect(server.mqtt_port, TOKEN, 5);
    // Sixty thousand levels, in a topic and in a filter.
    let deep = "/".repeat(60_000);
    wire.send(&publish(1, &deep, b"{}", 5));
    assert_eq!(wire.packet().unwrap()[..5], [0x40, 4, 0, 1, 0x90]);
    wire.send(&subscribe_in(2, &deep, 5));
    assert_eq!(wire.packet().unwrap()[..6], [0x90, 4, 0, 2, 0, 0x8F]);
    // Ten thousand filters in one packet, of which none brings anything.
    let mut many = vec![0, 3, 0];
    (0..10_000).for_each(|_| many.extend([0, 1, b'x', 1]));
    wire.send(&frame(0x82, &many));
    let answer = wire.packet().unwrap();
    assert!(answer.len() > 10_000 && answer[6..].iter().all(|code| *code == 0x8F));
    drop(wire);
    assert!(server.memory_mb() - before < 50.0, "{before} MB became {}", server.memory_mb());
    still_serves(&mut server);
}

#[test]
fn malformed_packets_leave_nothing_behind() {
    let mut server = Server::start(Options::demo());
    let attack = |count: usize| {
        for number in 0..count {
            let mut wire = Wire::open(server.mqtt_port);
            let mut bytes = connect(TOKEN, if number % 2 == 0 { 5 } else { 4 });
            bytes.extend(frame(0x30, &[0, 2, 0xC3, 0x28, 0]));
            wire.send(&bytes);
            assert!(wire.rest().is_some());
        }
    };
    attack(1_000);
    let before = server.memory_mb();
    attack(3_000);
    assert!(server.memory_mb() - before < 20.0, "{before} MB became {}", server.memory_mb());
    still_serves(&mut server);
}

#[test]
fn a_user_name_without_its_password_opens_nothing() {
    let mut server = Server::start(Options::demo());
    let tenant = server.tenant();
    let device = tenant.create_device("Named", "REPLACED");
    let mut credentials = tenant.get(&format!("/api/device/{device}/credentials"));
    credentials["credentialsType"] = "MQTT_BASIC".into();
    credentials["credentialsValue"] = r#"{"clientId": "c", "userName": "name", "password": "right"}"#.into();
    tenant.post("/api/device/credentials", &credentials);
    for level in [3, 4, 5] {
        let code = |client_id: &str, name: Option<&str>, password: Option<&str>| {
            let mut wire = Wire::open(server.mqtt_port);
            wire.send(&connect_with(client_id, name, password, level, &[]));
            wire.packet().unwrap()[3]
        };
        assert_eq!(code("c", Some("name"), Some("right")), 0, "level {level}");
        for (client_id, name, password) in [
            ("c", Some("name"), None),
            ("c", Some("name"), Some("")),
            ("c", Some("name"), Some("wrong")),
            ("x", Some("name"), Some("right")),
            ("c", None, None),
            ("c", Some("REPLACED"), None),
        ] {
            assert_ne!(
                code(client_id, name, password),
                0,
                "level {level}, {client_id} {name:?} {password:?}"
            );
        }
    }
    still_serves(&mut server);
}

#[test]
fn whoever_guesses_is_kept_out() {
    let server = Server::start(Options::demo());
    let guess = |token: &str| {
        let mut wire = Wire::open(server.mqtt_port);
        wire.send(&connect(token, 5));
        wire.packet().unwrap()[3]
    };
    for number in 0..100 {
        assert_eq!(guess(&format!("guess {number}")), 0x86);
    }
    // CONNACK, reason 0x9F: connection rate exceeded, even for the right one; 429 over HTTP.
    assert_eq!(guess(TOKEN), 0x9F);
    let (status, _) = exchange(&["-d", "{}", &format!("{}/api/v1/{TOKEN}/telemetry", server.http)]);
    assert_eq!(status, 429);
    assert!(server.metric("session_credentials_refused_total") >= 101.0);
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
    let mut strange = Wire::open(server.mqtt_port);
    strange.send(&connect(TOKEN, 6));
    // CONNACK, return code 1: unacceptable protocol version.
    assert_eq!(strange.packet().unwrap(), [0x20, 2, 0, 1]);
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
    // Whoever asks first sends nothing; whoever sends at once learns why it is cut off, too.
    for more in [
        &["--header", "Expect: 100-continue", "--expect100-timeout", "30"][..],
        &["--header", "Expect:"],
    ] {
        let (data, url) = (format!("@{}", body.display()), format!("{}/api/v1/{TOKEN}/telemetry", server.http));
        let (status, _) = exchange(&[more, &["--data-binary", &data, &url]].concat());
        assert_eq!(status, 413, "{more:?}");
    }
    assert_eq!(server.metric("http_device_refusals_total"), 2.0, "each refusal is counted");
    still_serves(&mut server);
}

#[test]
fn bad_json_is_answered_as_the_protocol_can() {
    let mut server = Server::start(Options::demo());
    // MQTT 5, quality 1: PUBACK with reason 0x99, and the connection stays.
    let mut new = Wire::connect(server.mqtt_port, TOKEN, 5);
    new.send(&publish(1, TOPIC, b"{oops", 5));
    let told = new.packet().unwrap();
    assert_eq!(
        (&told[2..5], &told[6..7]),
        (&[0, 1, 0x99][..], &[0x1F][..]),
        "with a reason string: {told:?}"
    );
    assert!(String::from_utf8_lossy(&told[9..]).contains("not JSON"), "{told:?}");
    // An unknown topic: reason 0x90, and the connection stays.
    new.send(&publish(2, "v1/devices/me/nonsense", b"{}", 5));
    assert_eq!(new.packet().unwrap(), [0x40, 4, 0, 2, 0x90, 0]);
    new.send(&publish(3, TOPIC, b"{}", 5));
    assert_eq!(new.packet().unwrap()[2..4], [0, 3]);
    // A subscription that brings nothing: 0x8F.
    new.send(&[0x82, 7, 0, 4, 0, 0, 1, b'#', 1]);
    assert_eq!(new.packet().unwrap(), [0x90, 4, 0, 4, 0, 0x8F]);
    drop(new);
    // MQTT 3.1.1 has no word for it: an unknown topic is acknowledged, for bad JSON the connection is closed.
    let mut old = Wire::connect(server.mqtt_port, TOKEN, 4);
    old.send(&publish(7, "v1/devices/me/nonsense", b"{}", 4));
    assert_eq!(old.packet().unwrap(), [0x40, 2, 0, 7]);
    old.send(&publish(1, TOPIC, b"{oops", 4));
    assert_eq!(old.rest(), Some(vec![]));
    // Unless the device's profile wants it acknowledged.
    let tenant = server.tenant();
    let patient = json!({"name": "patient", "profileData": {"transportConfiguration": {"sendAckOnValidationException": true}}});
    let profile = tenant.post("/api/deviceProfile", &patient)["id"].clone();
    let device = json!({"name": "Patient", "deviceProfileId": profile});
    tenant.post("/api/device?accessToken=PATIENT_TOKEN", &device);
    let mut old = Wire::connect(server.mqtt_port, "PATIENT_TOKEN", 4);
    for (pkid, payload) in [(1, &b"{oops"[..]), (2, b"{\"a\":1}")] {
        old.send(&publish(pkid, TOPIC, payload, 4));
        assert_eq!(old.packet().unwrap(), [0x40, 2, 0, u8::try_from(pkid).unwrap()]);
    }
    drop(old);
    let (status, reason) = exchange(&["-d", "{oops", &format!("{}/api/v1/{TOKEN}/telemetry", server.http)]);
    assert_eq!(status, 400, "{reason}");
    still_serves(&mut server);
}

#[test]
fn whoever_says_more_than_it_may_is_told_so_over_every_protocol() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.toml");
    std::fs::write(&file, "[rate-limits.device]\ntelemetry-messages = \"2:3600\"\n").unwrap();
    let mut server = Server::start(Options::demo().with(&["--config", file.to_str().unwrap()]));
    let mut wire = Wire::connect(server.mqtt_port, TOKEN, 5);
    // A question is no telemetry. What may be said is said as clients of ThingsBoard read it.
    let limits = br#"{"method": "getSessionLimits", "params": {}}"#;
    wire.send(&publish(9, "v1/devices/me/rpc/request/1", limits, 5));
    let told = [wire.packet().unwrap(), wire.packet().unwrap()];
    let answer = told.iter().find(|packet| packet[0] >> 4 == 3).unwrap();
    let start = answer.iter().position(|byte| *byte == b'{').unwrap();
    let answer: Json = serde_json::from_slice(&answer[start..]).unwrap();
    assert_eq!(
        answer["rateLimits"],
        json!({"messages": "", "telemetryMessages": "2:3600", "telemetryDataPoints": ""})
    );
    assert_eq!(answer["maxPayloadSize"], 65_536);
    for pkid in 1..=2 {
        wire.send(&publish(pkid, TOPIC, br#"{"a": 1}"#, 5));
        assert_eq!(wire.packet().unwrap()[2..4], pkid.to_be_bytes());
    }
    wire.send(&publish(3, TOPIC, br#"{"a": 1}"#, 5));
    // DISCONNECT, reason 0x83, and no acknowledgement: the device sends it again.
    assert_eq!(wire.packet().unwrap()[..3], [0xE0, 1, 0x83]);
    let (status, _) = exchange(&["-d", "{\"a\": 1}", &format!("{}/api/v1/{TOKEN}/telemetry", server.http)]);
    assert_eq!(status, 429);
    let coap = CoapWire::open(server.coap_port);
    let told = coap.exchange(&request(Code::POST, 1, &format!("api/v1/{TOKEN}/telemetry"), b"{\"a\": 1}"));
    assert_eq!(told.code, Code::TOO_MANY_REQUESTS);
    assert_eq!(server.metric("session_publishes_refused_total"), 3.0, "each refusal is counted");
    assert!(server.is_running());
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
