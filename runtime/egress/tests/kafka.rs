//! Records for a cluster whose brokers name each other, and may name whom they like.

#![allow(clippy::unwrap_used, missing_docs, dead_code)]

#[path = "kafka/cluster.rs"]
mod cluster;
#[path = "egress/world.rs"]
mod world;

use std::time::Duration;

use cluster::{Broker, Says};
use egress::{Addresses, Compression, Delivery, EgressError, Kafka, Mechanism, Protocol, Publish, Target};
use model::TenantId;
use world::{Names, World, loopback};

fn record(brokers: &str, topic: &str) -> Publish {
    let (target, more) = Target::brokers(brokers).unwrap();
    Publish {
        target,
        credentials: None,
        topic: topic.to_owned(),
        payload: "{}".into(),
        protocol: Protocol::Kafka(Kafka {
            more,
            client_id: String::new(),
            key: None,
            spread: 0,
            headers: Vec::new(),
            all_replicas: true,
            compression: Compression::None,
            mechanism: Mechanism::Plain,
        }),
        connect_timeout: Duration::from_secs(30),
        timeout: Duration::from_secs(30),
        tls: None,
        proxy: None,
    }
}

fn keyed(publish: Publish, key: &str) -> Publish {
    let Protocol::Kafka(kafka) = publish.protocol.clone() else {
        panic!()
    };
    let key = Some(key.to_owned());
    Publish {
        protocol: Protocol::Kafka(Kafka { key, ..kafka }),
        ..publish
    }
}

fn compressed(publish: Publish, compression: Compression) -> Publish {
    let Protocol::Kafka(kafka) = publish.protocol.clone() else {
        panic!()
    };
    Publish {
        protocol: Protocol::Kafka(Kafka { compression, ..kafka }),
        ..publish
    }
}

fn place<'a>(delivery: &'a Delivery, name: &str) -> &'a str {
    &delivery.place.iter().find(|(known, _)| *known == name).unwrap().1
}

async fn tell(world: &World, publish: Publish) -> Result<Delivery, EgressError> {
    world.egress.publish(world.tenant(), publish).await
}

#[tokio::test]
async fn a_record_goes_to_who_has_its_partition() {
    let (one, two) = (Broker::start("127.0.0.1").await, Broker::start("127.0.0.1").await);
    let names = Names::of([("one.test", &["127.0.0.1"]), ("two.test", &["127.0.0.1"])]);
    let leaders = [("one.test", one.port), ("two.test", two.port)];
    one.says(Says::Leaders(leaders.to_vec()));
    let (first, second) = (one.url("one.test"), two.url("two.test"));
    let world = World::new(loopback(), names, &[&first, &second]).await;
    for round in 0..3 {
        for (key, leader, partition) in [("abc", &second, "1"), ("foobar", &first, "0")] {
            let told = tell(&world, keyed(record(&first, "t"), key)).await.unwrap();
            assert_eq!(
                (&told.broker, place(&told, "partition"), place(&told, "topic")),
                (leader, partition, "t")
            );
            assert_eq!(place(&told, "offset"), round.to_string());
        }
    }
    assert_eq!((one.connected(), two.connected()), (1, 1), "connections are kept");
    assert_eq!((one.asked(), two.asked()), (1, 0), "who has a partition is asked once");
    assert_eq!((one.taken(), two.taken()), (3, 3));
}

/// The list allows every broker, and the one that is asked first is outside: those that it names are not.
#[tokio::test]
async fn a_broker_leads_nobody_inside() {
    let outside = Broker::start("127.0.0.2").await;
    let inside = Broker::start("127.0.0.1").await;
    let names = Names::of([
        ("outside.test", &["127.0.0.2"]),
        ("inside.test", &["127.0.0.1"]),
        ("both.test", &["127.0.0.1", "10.0.0.1"]),
    ]);
    // 127.0.0.2 plays a public address here.
    let public = || Addresses::except(vec!["127.0.0.2/32".parse().unwrap()]);
    let url = outside.url("outside.test");
    let rules = [url.clone(), format!("kafka://*:{}", inside.port), "kafka://*".to_owned()];
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    for (host, port) in [
        ("127.0.0.1", inside.port),
        ("::1", inside.port),
        ("::ffff:127.0.0.1", inside.port),
        ("inside.test", inside.port),
        ("both.test", inside.port),
        ("0.0.0.0", inside.port),
        ("169.254.169.254", 9092),
        ("10.0.0.1", 9092),
    ] {
        let world = World::new(public(), names.clone(), &rules).await;
        outside.says(Says::Leaders(vec![(host, port)]));
        let told = tell(&world, record(&url, "t")).await;
        assert!(
            matches!(&told, Err(EgressError::Refused(text)) if text.contains("no component reaches")),
            "{host}: {told:?}"
        );
    }
    // What other programs take for an address, and ports of other services.
    for (host, port, says) in [
        ("2130706433", inside.port, "neither the name"),
        ("127.1", inside.port, "neither the name"),
        ("inside.test@outside.test", inside.port, "neither the name"),
        ("outside.test", 25, "port 25"),
    ] {
        let world = World::new(public(), names.clone(), &rules).await;
        outside.says(Says::Leaders(vec![(host, port)]));
        let told = tell(&world, record(&url, "t")).await;
        assert!(
            matches!(&told, Err(EgressError::Refused(text)) if text.contains(says)),
            "{host}: {told:?}"
        );
    }
    assert_eq!(inside.connected(), 0);
}

/// A name that leads outside at first: for a broker that is named it is asked anew, and what was checked is connected to.
#[tokio::test]
async fn a_named_broker_whose_name_changes_its_mind_gains_nothing() {
    let outside = Broker::start("127.0.0.2").await;
    let inside = Broker::start("127.0.0.1").await;
    let names = Names::in_turn("rebind.test", &[&["127.0.0.2"], &["127.0.0.1"]]);
    outside.says(Says::Leaders(vec![("rebind.test", inside.port)]));
    let public = Addresses::except(vec!["127.0.0.2/32".parse().unwrap()]);
    let world = World::new(public, names.clone(), &[&outside.url("rebind.test"), &inside.url("rebind.test")]).await;
    let told = tell(&world, record(&outside.url("rebind.test"), "t")).await;
    assert!(matches!(told, Err(EgressError::Refused(_))), "{told:?}");
    assert_eq!((names.asked(), inside.connected()), (2, 0));
}

#[tokio::test]
async fn every_broker_has_to_be_on_the_list() {
    let (one, two) = (Broker::start("127.0.0.1").await, Broker::start("127.0.0.1").await);
    let names = Names::of([("one.test", &["127.0.0.1"]), ("two.test", &["127.0.0.1"])]);
    one.says(Says::Leaders(vec![("two.test", two.port)]));
    let (first, second) = (one.url("one.test"), two.url("two.test"));
    let world = World::new(loopback(), names, &[&first]).await;
    let refused = |told: Result<Delivery, EgressError>, says: &str| {
        assert!(
            matches!(&told, Err(EgressError::Refused(text)) if text.contains(says)),
            "{says}: {told:?}"
        );
    };
    refused(tell(&world, record(&first, "t")).await, &format!("{second} is not among"));
    refused(tell(&world, record(&first, "t")).await, &format!("({first} names it)"));
    let both = format!("{first},two.test:{}", two.port);
    refused(tell(&world, record(&both, "t")).await, &format!("{second} is not among"));
    assert_eq!(two.connected(), 0);
    world.allow(&[&first, &second]).await;
    tell(&world, record(&both, "t")).await.unwrap();
    // A list counts at once, also for what is remembered and for connections that are open.
    world.allow(&[&first]).await;
    refused(tell(&world, record(&first, "t")).await, "is not among");
    assert_eq!(two.taken(), 1);
}

#[tokio::test]
async fn a_partition_that_moves_is_found_again() {
    let (one, two) = (Broker::start("127.0.0.1").await, Broker::start("127.0.0.1").await);
    let names = Names::of([("one.test", &["127.0.0.1"]), ("two.test", &["127.0.0.1"])]);
    let (first, second) = (one.url("one.test"), two.url("two.test"));
    let world = World::new(loopback(), names, &[&first, &second]).await;
    one.says(Says::Leaders(vec![("one.test", one.port)]));
    tell(&world, record(&first, "t")).await.unwrap();
    // It says so when it is asked to take a record, and names the other one when it is asked.
    one.refuses(6);
    one.says(Says::Leaders(vec![("two.test", two.port)]));
    let told = tell(&world, record(&first, "t")).await.unwrap();
    assert_eq!((told.broker, one.taken(), two.taken()), (second, 1, 1));
    // A topic that is made when it is asked for has no leader at first.
    let asked = one.asked();
    one.says(Says::Error(5));
    let later = async {
        while one.asked() < asked + 2 {
            tokio::task::yield_now().await;
        }
        one.says(Says::Leaders(vec![("two.test", two.port)]));
    };
    let (told, ()) = tokio::join!(tell(&world, record(&first, "fresh")), later);
    told.unwrap();
    assert_eq!(two.taken(), 2);
}

#[tokio::test]
async fn what_no_broker_takes_fails_saying_why() {
    let one = Broker::start("127.0.0.1").await;
    let names = Names::of([("one.test", &["127.0.0.1"]), ("gone.test", &["127.0.0.1"])]);
    let url = one.url("one.test");
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let world = World::new(loopback(), names, &[&url, &format!("kafka://gone.test:{gone}")]).await;
    one.says(Says::Error(29));
    let told = tell(&world, record(&url, "t")).await.unwrap_err().to_string();
    assert!(told.contains("may not write"), "{told}");
    one.says(Says::Error(3));
    let told = tell(&world, record(&url, "t")).await.unwrap_err().to_string();
    assert!(told.contains("no such topic"), "{told}");
    one.says(Says::Leaders(vec![("one.test", one.port)]));
    one.refuses(10);
    let told = tell(&world, record(&url, "t")).await.unwrap_err().to_string();
    assert!(told.contains("larger"), "{told}");
    assert_eq!(one.taken(), 0);
    one.refuses(0);
    // The first that is named is not there; the second one is.
    let told = tell(&world, record(&format!("kafka://gone.test:{gone},one.test:{}", one.port), "t")).await;
    assert!(told.is_ok(), "{told:?}");
    one.says(Says::Nothing);
    let late = Publish {
        timeout: Duration::from_millis(300),
        ..record(&url, "other")
    };
    assert!(matches!(
        tell(&world, late).await,
        Err(EgressError::Timeout { timeout_ms: 300, .. })
    ));
}

#[tokio::test]
async fn what_a_cluster_told_one_tenant_is_not_anothers() {
    let one = Broker::start("127.0.0.1").await;
    let names = Names::of([("one.test", &["127.0.0.1"])]);
    let url = one.url("one.test");
    one.says(Says::Leaders(vec![("one.test", one.port)]));
    let world = World::new(loopback(), names, &[&url]).await;
    tell(&world, record(&url, "t")).await.unwrap();
    let other = TenantId::generate();
    assert!(matches!(
        world.egress.publish(other, record(&url, "t")).await,
        Err(EgressError::Refused(_))
    ));
    world.allow_for(other, &[&url]).await;
    world.egress.publish(other, record(&url, "t")).await.unwrap();
    assert_eq!((one.connected(), one.asked(), one.taken()), (2, 2, 2));
}

#[tokio::test]
async fn records_are_compressed_as_was_asked() {
    let one = Broker::start("127.0.0.1").await;
    let names = Names::of([("one.test", &["127.0.0.1"])]);
    let url = one.url("one.test");
    one.says(Says::Leaders(vec![("one.test", one.port)]));
    let world = World::new(loopback(), names, &[&url]).await;
    let all = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];
    for codec in all {
        for payload in ["{}".to_owned(), "large".repeat(100_000)] {
            let publish = Publish {
                payload: payload.into(),
                ..record(&url, "t")
            };
            tell(&world, compressed(publish, codec)).await.unwrap();
        }
    }
    assert_eq!(one.codecs(), [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);

    // Before Kafka 2.1 there is no Zstandard.
    let old = Broker::start("127.0.0.1").await;
    let url = old.url("one.test");
    old.speaks(6);
    old.says(Says::Leaders(vec![("one.test", old.port)]));
    world.allow(&[&url]).await;
    let told = tell(&world, compressed(record(&url, "t"), Compression::Zstd)).await;
    assert!(
        matches!(&told, Err(EgressError::Refused(text)) if text.contains("2.1") && text.contains(&url)),
        "{told:?}"
    );
    tell(&world, compressed(record(&url, "t"), Compression::Lz4)).await.unwrap();
    assert_eq!(old.codecs(), [3]);
}
