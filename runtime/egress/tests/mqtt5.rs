//! Payloads for brokers of MQTT 5, and what such a broker may have against them.

#![allow(clippy::unwrap_used, missing_docs, dead_code)]

#[path = "brokers/broker.rs"]
mod broker;
#[path = "egress/world.rs"]
mod world;

use std::collections::VecDeque;
use std::time::Duration;

use broker::{Broker, Manner};
use bytes::BytesMut;
use egress::{Delivery, EgressError, Mqtt, MqttVersion, Proof, Protocol, Publish, Target};
use mqtt::packet::Incoming;
use mqtt::{FrameCodec, RumqttCodec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use world::{Names, World, loopback};

/// A login that is let in, without terms.
const LET_IN: &[u8] = b"\x20\x03\0\0\0";

fn publish(url: &str, version: MqttVersion) -> Publish {
    Publish {
        target: Target::broker(url).unwrap(),
        credentials: None,
        topic: "t".to_owned(),
        payload: "{}".into(),
        protocol: Protocol::Mqtt(Mqtt {
            client_id: String::new(),
            client_id_suffix: false,
            clean_session: true,
            version,
            retain: false,
            proof: Proof::Password,
        }),
        connect_timeout: Duration::from_secs(30),
        timeout: Duration::from_secs(30),
        tls: None,
        proxy: None,
    }
}

fn retained(publish: Publish) -> Publish {
    let Protocol::Mqtt(mqtt) = publish.protocol else { panic!() };
    Publish {
        protocol: Protocol::Mqtt(Mqtt { retain: true, ..mqtt }),
        ..publish
    }
}

async fn world(broker: &Broker) -> (World, String) {
    let url = broker.url("broker.test");
    let world = World::new(loopback(), Names::of([("broker.test", &["127.0.0.1"])]), &[&url]).await;
    (world, url)
}

async fn tell(world: &World, publish: Publish) -> Result<Delivery, EgressError> {
    world.egress.publish(world.tenant(), publish).await
}

#[tokio::test]
async fn every_version_is_a_login_of_its_own() {
    let broker = Broker::start().await.acknowledges();
    let (world, url) = world(&broker).await;
    for _ in 0..3 {
        for version in [MqttVersion::V31, MqttVersion::V311, MqttVersion::V5] {
            tell(&world, publish(&url, version)).await.unwrap();
        }
    }
    assert_eq!((broker.connected(), broker.published().len()), (3, 9));
    assert!(broker.published().iter().all(|(topic, payload)| topic == "t" && payload == "{}"));
}

#[tokio::test]
async fn what_a_broker_says_is_told() {
    for (terms, answer, says) in [
        (
            &b"\x20\x0b\0\x87\x08\x1f\0\x05not U"[..],
            &b""[..],
            "refused the login: the client is not authorised (it says: not U)",
        ),
        (b"\x20\x02\0\x01", b"", "refused the login: it does not speak this version of MQTT"),
        (b"\x20\x05\0\0\x02\x24\0", b"", "quality 0 only"),
        (b"\x20\x05\0\0\x02\x24\x02", b"", "did not answer the login"),
        (b"\xe0\x01\x89", b"", "it ends the conversation: it is busy"),
        (b"\xf0\x02\x18\0", b"", "which is not offered"),
        (LET_IN, b"\x97", "did not acknowledge it: a quota is used up"),
        (
            LET_IN,
            b"\x87\x06\x1f\0\x03no!",
            "did not acknowledge it: the client is not authorised (it says: no!)",
        ),
        (LET_IN, b"\x87\x06\x1f\0\x04no!", "malformed"),
        (
            LET_IN,
            b"\xe0\x01\x98",
            "did not acknowledge it: it ends the conversation: somebody has ended it by hand",
        ),
    ] {
        let broker = Broker::that(Manner::Says(terms, answer)).await.acknowledges();
        let (world, url) = world(&broker).await;
        let told = tell(&world, publish(&url, MqttVersion::V5)).await.unwrap_err().to_string();
        assert!(told.contains(says), "{says}: {told}");
    }
    // Nobody has subscribed: the broker has it all the same.
    let broker = Broker::that(Manner::Says(LET_IN, b"\x10")).await.acknowledges();
    let (world, url) = world(&broker).await;
    tell(&world, publish(&url, MqttVersion::V5)).await.unwrap();
}

#[tokio::test]
async fn what_a_broker_does_not_take_is_not_sent() {
    // 64 bytes at most, and nothing is kept.
    let broker = Broker::that(Manner::Says(b"\x20\x0a\0\0\x07\x25\0\x27\0\0\0\x40", b""))
        .await
        .acknowledges();
    let (world, url) = world(&broker).await;
    let good = || publish(&url, MqttVersion::V5);
    let large = Publish {
        payload: vec![b'x'; 64].into(),
        ..good()
    };
    for (wrong, says) in [(large, "it takes 64 bytes at most"), (retained(good()), "it keeps no messages")] {
        let told = tell(&world, wrong).await;
        assert!(
            matches!(&told, Err(EgressError::Refused(text)) if text.contains(says) && text.starts_with(&url)),
            "{told:?}"
        );
        tell(&world, good()).await.unwrap();
    }
    assert_eq!(
        (broker.connected(), broker.published().len()),
        (1, 2),
        "nobody else's publish is touched"
    );
}

#[tokio::test]
async fn no_more_is_on_its_way_than_a_broker_takes() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("mqtt://broker.test:{}", listener.local_addr().unwrap().port());
    let world = World::new(loopback(), Names::of([("broker.test", &["127.0.0.1"])]), &[&url]).await;
    let serving = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut codec, mut heard) = (RumqttCodec::new(1_000), BytesMut::new());
        let (mut waiting, mut most, mut answered) = (VecDeque::new(), 0, 0);
        while answered < 10 {
            // One is answered when nothing more comes.
            let patience = Duration::from_millis(if waiting.is_empty() { 60_000 } else { 20 });
            let read = tokio::time::timeout(patience, stream.read_buf(&mut heard)).await;
            if let Ok(read) = &read {
                assert!(read.as_ref().is_ok_and(|bytes| *bytes > 0), "it stays until the end");
            }
            while let Some(packet) = codec.decode(&mut heard).unwrap() {
                match packet {
                    Incoming::Connect(_) => stream.write_all(b"\x20\x06\0\0\x03\x21\0\x02").await.unwrap(),
                    Incoming::Publish(publish) => waiting.push_back(publish.pkid),
                    other => panic!("{other:?}"),
                }
            }
            most = most.max(waiting.len());
            if let Some(pkid) = read.err().and_then(|_| waiting.pop_front()) {
                let [high, low] = pkid.to_be_bytes();
                stream.write_all(&[0x40, 2, high, low]).await.unwrap();
                answered += 1;
            }
        }
        most
    };
    let all = futures::future::join_all((0..10).map(|_| tell(&world, publish(&url, MqttVersion::V5))));
    let (most, told) = futures::join!(serving, all);
    assert!(told.iter().all(Result::is_ok), "{told:?}");
    assert_eq!(most, 2);
}

#[tokio::test]
async fn a_broker_says_how_long_a_client_may_be_silent() {
    let broker = Broker::that(Manner::Says(b"\x20\x06\0\0\x03\x13\0\x08", b"")).await.acknowledges();
    let (world, url) = world(&broker).await;
    tell(&world, publish(&url, MqttVersion::V5)).await.unwrap();
    assert_eq!(broker.pings(), 0);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(5)).await;
    let asked = async {
        while broker.pings() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asked).await.unwrap();
}
