//! Uploads that are cut off, changed or bombs, at a whole server: refused in words, and devices go on.

#![allow(clippy::unwrap_used, missing_docs)]

use handmade::bombs::Bomb;
use handmade::{Guest, World};
use serde_json::Value as Json;
use tests::Numbers;
use tests::rest::{Rest, exchange};
use tests::server::{Options, Server};
use tests::traffic::{Traffic, all_stored};

/// Uploads; answers whether it was taken. A refusal has words, and is never the server's own failure.
fn taken(rest: &Rest, what: &str, bytes: &[u8]) -> bool {
    let (status, body) = rest.upload("evil", bytes);
    let json: Json = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{what}: {body}"));
    match status {
        200 => true,
        400 => {
            assert!(json["message"].as_str().unwrap().len() > 20, "{what}: {body}");
            false
        }
        _ => panic!("{what}: {status}: {body}"),
    }
}

#[test]
fn bad_uploads_are_refused_and_devices_go_on() {
    let server = Server::start(Options::demo().with(&["--compile-seconds", "2"]));
    let rest = server.tenant();
    let device = rest.device("Demo device");
    let traffic = Traffic::start(&server, &["A1_TEST_TOKEN"]);

    let whole = std::fs::read(tests::root().join("target/components/test/plugin-guest.wasm")).unwrap();
    for part in 0..20 {
        let len = whole.len() * part / 20;
        assert!(len == 0 || !taken(&rest, &format!("cut at {len}"), &whole[..len]));
    }
    traffic.flows(20);
    let mut numbers = Numbers(20_261_125);
    let small = Guest::new(World::Nodes).build();
    for round in 0..15 {
        let mut bytes = small.clone();
        for _ in 0..=round % 3 {
            let at = numbers.below(bytes.len());
            bytes[at] ^= 1 << numbers.below(8);
        }
        taken(&rest, &format!("changed, round {round}"), &bytes);
    }
    traffic.flows(20);
    for bomb in Bomb::ALL {
        let bytes = bomb.build(20 << 20);
        assert!(bytes.len() < 40 << 20, "{bomb:?} has {} bytes", bytes.len());
        assert!(!taken(&rest, &format!("{bomb:?}"), &bytes));
        traffic.flows(20);
    }
    // What is good is taken after all of that.
    let (status, body) = rest.upload("good", &whole);
    assert_eq!(status, 200, "{body}");
    assert_eq!(exchange(&[&format!("{}/health/ready", server.http)]).0, 200);
    let sent = traffic.stop();
    all_stored(&rest, &device, sent[0], &["n"]);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}
