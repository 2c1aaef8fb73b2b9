//! Payloads for brokers on this machine; and every way in which a component's author may try to reach what is not outside.

#![allow(clippy::unwrap_used, missing_docs, dead_code)]

#[path = "brokers/broker.rs"]
mod broker;
#[path = "egress/world.rs"]
mod world;

use std::time::{Duration, Instant};

use broker::{Broker, Manner};
use egress::{
    Addresses, Amqp, Compression, Credentials, EgressError, Kafka, Mechanism, Mqtt, MqttVersion, Proof, Protocol, Publish, Scheme, Secret,
    Target, Trust,
};
use model::TenantId;
use world::{Names, World, loopback, until};

fn publish(url: &str, topic: &str) -> Publish {
    let target = Target::broker(url).unwrap();
    Publish {
        credentials: None,
        topic: topic.to_owned(),
        payload: "{}".into(),
        protocol: match target.scheme {
            Scheme::Kafka | Scheme::Kafkas => kafka(Vec::new()),
            Scheme::Amqp | Scheme::Amqps => Protocol::Amqp(Amqp::default()),
            _ => named("", false),
        },
        target,
        connect_timeout: Duration::from_secs(30),
        timeout: Duration::from_secs(30),
        tls: None,
        proxy: None,
    }
}

/// MQTT under a name.
fn named(client_id: &str, retain: bool) -> Protocol {
    Protocol::Mqtt(Mqtt {
        client_id: client_id.to_owned(),
        client_id_suffix: false,
        clean_session: true,
        version: MqttVersion::V311,
        retain,
        proof: Proof::Password,
    })
}

/// Kafka, with more brokers to ask.
fn kafka(more: Vec<Target>) -> Protocol {
    Protocol::Kafka(Kafka {
        more,
        client_id: String::new(),
        key: None,
        spread: 0,
        headers: Vec::new(),
        all_replicas: true,
        compression: Compression::None,
        mechanism: Mechanism::Plain,
    })
}

fn login(user: &str, password: &str) -> Option<Credentials> {
    Some(Credentials {
        username: Secret(user.to_owned()),
        password: Some(Secret(password.to_owned())),
    })
}

fn names() -> Names {
    Names::of([("broker.test", &["127.0.0.1"])])
}

#[tokio::test]
async fn a_publish_is_answered_when_the_broker_has_acknowledged_it() {
    let broker = Broker::start().await;
    let url = broker.url("broker.test");
    let world = World::new(loopback(), names(), &[&url]).await;
    let mut told = Box::pin(world.tell(Publish {
        credentials: login("user", "word"),
        payload: "hello".into(),
        protocol: named("me", true),
        ..publish(&url, "a/b")
    }));
    while broker.published().is_empty() {
        assert!(futures::poll!(&mut told).is_pending());
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        assert!(futures::poll!(&mut told).is_pending(), "it is not acknowledged yet");
        tokio::task::yield_now().await;
    }
    broker.may_acknowledge.add_permits(1);
    assert_eq!(told.await.unwrap().broker, url);
    assert_eq!(broker.published(), [("a/b".to_owned(), "hello".into())]);
    let logins = broker.logins();
    let [one] = &logins[..] else { panic!("{logins:?}") };
    assert_eq!(
        (
            one.client_id.as_str(),
            one.username.as_deref(),
            one.password.as_ref(),
            one.clean_start
        ),
        ("me", Some("user"), Some(&Secret("word".to_owned())), true)
    );
}

#[tokio::test]
async fn a_connection_is_kept_for_one_tenant_and_login() {
    let broker = Broker::start().await.acknowledges();
    let url = broker.url("broker.test");
    let world = World::new(loopback(), names(), &[&url]).await;
    for number in 0..20 {
        world.tell(publish(&url, &format!("t/{number}"))).await.unwrap();
    }
    assert_eq!(broker.connected(), 1);
    let topics: Vec<String> = broker.published().into_iter().map(|(topic, _)| topic).collect();
    assert_eq!(topics, (0..20).map(|number| format!("t/{number}")).collect::<Vec<_>>());
    // Another password is another login, as is another tenant.
    for password in ["one", "two", "one", "two"] {
        let with = Publish {
            credentials: login("user", password),
            ..publish(&url, "t")
        };
        world.tell(with).await.unwrap();
    }
    assert_eq!(broker.connected(), 3);
    let other = TenantId::generate();
    assert!(matches!(
        world.tell_for(other, publish(&url, "t")).await,
        Err(EgressError::Refused(_))
    ));
    world.allow_for(other, &[&url]).await;
    world.tell_for(other, publish(&url, "t")).await.unwrap();
    assert_eq!(broker.connected(), 4, "what one tenant has opened is not another's");
    let ids: Vec<String> = broker.logins().into_iter().map(|login| login.client_id).collect();
    assert!(ids.iter().all(|id| id.starts_with("pacificsoft-")), "{ids:?}");
    let mut different = ids.clone();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), 4, "nameless connections put nobody out: {ids:?}");
}

#[tokio::test]
async fn many_at_once_share_a_connection_and_all_are_answered() {
    let broker = Broker::start().await.acknowledges();
    let url = broker.url("broker.test");
    let world = World::new(loopback(), names(), &[&url]).await;
    let large = bytes::Bytes::from(vec![b'x'; 100_000]);
    let all = (0..500).map(|number| {
        let payload = if number % 10 == 0 { large.clone() } else { "{}".into() };
        world.tell(Publish {
            payload,
            ..publish(&url, &number.to_string())
        })
    });
    let told = futures::future::join_all(all).await;
    assert!(told.iter().all(Result::is_ok), "{:?}", told.iter().find(|one| one.is_err()));
    assert_eq!((broker.connected(), broker.published().len()), (1, 500));
}

#[tokio::test]
async fn a_broker_is_believed_by_its_certificate() {
    let broker = Broker::with(Manner::Good, Some("broker.test"), "127.0.0.1").await.acknowledges();
    let url = |name: &str| format!("mqtts://{name}:{}", broker.port);
    let names = Names::of([("broker.test", &["127.0.0.1"]), ("other.test", &["127.0.0.1"])]);
    let rules = [url("broker.test"), url("other.test"), broker.url("broker.test")];
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let trust = Trust::system(Some(broker.authority.as_ref().unwrap().path())).unwrap();
    let world = World::trusting(loopback(), names.clone(), &rules, trust).await;
    world.tell(publish(&url("broker.test"), "t")).await.unwrap();
    let told = world.tell(publish(&url("other.test"), "t")).await.unwrap_err();
    assert!(
        matches!(&told, EgressError::Unreachable { reason, .. } if reason.contains("certificate")),
        "{told}"
    );
    let strangers = World::new(loopback(), names, &rules).await;
    assert!(matches!(
        strangers.tell(publish(&url("broker.test"), "t")).await,
        Err(EgressError::Unreachable { .. })
    ));
    assert!(world.tell(publish(&broker.url("broker.test"), "t")).await.is_err(), "in the clear");
    assert_eq!(broker.published().len(), 1);
}

#[tokio::test]
async fn only_what_is_on_the_tenants_list_is_reached() {
    let broker = Broker::start().await.acknowledges();
    let url = broker.url("broker.test");
    let world = World::new(loopback(), names(), &[&url]).await;
    world.tell(publish(&url, "t")).await.unwrap();
    for elsewhere in [
        broker.url("127.0.0.1"),
        "mqtt://broker.test".to_owned(),
        format!("mqtts://broker.test:{}", broker.port),
    ] {
        let told = world.tell(publish(&elsewhere, "t")).await;
        assert!(matches!(told, Err(EgressError::Refused(_))), "{elsewhere}: {told:?}");
    }
    // A rule for web servers at the same place is none for a broker.
    world.allow(&[&url.replace("mqtt:", "http:"), "https://*"]).await;
    let told = world.tell(publish(&url, "t")).await;
    assert!(
        matches!(&told, Err(EgressError::Refused(text)) if text.contains("mqtt://broker.test")),
        "a list counts at once, also for a connection that is open: {told:?}"
    );
    assert_eq!(broker.published().len(), 1);
}

/// Everything is on the list, and still nothing inside is reached: by address, by a name that leads there, by either way of several.
#[tokio::test]
async fn nothing_inside_is_reached_whatever_the_list_says() {
    let broker = Broker::start().await.acknowledges();
    let port = broker.port;
    let names = Names::of([
        ("loop.test", &["127.0.0.1"]),
        ("six.test", &["::1"]),
        ("mapped.test", &["::ffff:127.0.0.1"]),
        ("several.test", &["127.0.0.1", "::1", "10.0.0.1"]),
        ("cloud.test", &["169.254.169.254"]),
        ("zero.test", &["0.0.0.0"]),
        ("home.test", &["192.168.1.1"]),
        ("none.test", &[]),
    ]);
    let schemes = ["mqtt", "mqtts", "kafka", "kafkas", "amqp", "amqps"];
    let rules = schemes.map(|scheme| format!("{scheme}://*:{port}"));
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let world = World::new(Addresses::default(), names, &rules).await;
    for scheme in schemes {
        for host in [
            "127.0.0.1",
            "127.8.8.8",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "0.0.0.0",
            "[::]",
            "169.254.169.254",
            "169.254.1.1",
            "[fe80::1]",
            "10.0.0.1",
            "192.168.0.1",
            "100.64.0.1",
            "[fd00:ec2::254]",
            "224.0.0.1",
            "loop.test",
            "six.test",
            "mapped.test",
            "several.test",
            "cloud.test",
            "zero.test",
            "home.test",
            "LOOP.test",
        ] {
            let told = world.tell(publish(&format!("{scheme}://{host}:{port}"), "t")).await;
            assert!(
                matches!(&told, Err(EgressError::Refused(text)) if text.contains("no component reaches")),
                "{scheme} {host}: {told:?}"
            );
        }
    }
    for name in ["none", "unknown"] {
        let told = world.tell(publish(&format!("mqtt://{name}.test:{port}"), "t")).await;
        assert!(matches!(told, Err(EgressError::Unreachable { .. })), "{name}: {told:?}");
    }
    assert_eq!(broker.connected(), 0);
}

/// A connection that is refused may be over before anything was handed to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_is_refused_hears_why_however_fast() {
    let world = World::new(Addresses::default(), names(), &["mqtt://*"]).await;
    for _ in 0..5_000 {
        let told = world.tell(publish("mqtt://127.0.0.1", "t")).await;
        assert!(matches!(told, Err(EgressError::Refused(_))), "{told:?}");
    }
}

/// A name that leads outside when it is checked and inside when it is connected to: it is asked once for a connection, and what was checked
/// is connected to.
#[tokio::test]
async fn a_name_that_changes_its_mind_gains_nothing() {
    let outside = Broker::with(Manner::Good, None, "127.0.0.2").await.acknowledges();
    let inside = Broker::start().await.acknowledges();
    let names = Names::in_turn("rebind.test", &[&["127.0.0.2"], &["127.0.0.1"]]);
    // 127.0.0.2 plays a public address here.
    let public = Addresses::except(vec!["127.0.0.2/32".parse().unwrap()]);
    let rules = [outside.url("rebind.test"), inside.url("rebind.test")];
    let world = World::new(public, names.clone(), &[&rules[0], &rules[1]]).await;
    for _ in 0..3 {
        world.tell(publish(&rules[0], "t")).await.unwrap();
    }
    assert_eq!(names.asked(), 1, "a connection that is kept asks for no name");
    let second = world.tell(publish(&rules[1], "t")).await;
    assert!(matches!(second, Err(EgressError::Refused(_))), "{second:?}");
    assert_eq!((names.asked(), outside.published().len(), inside.connected()), (2, 3, 0));
}

#[tokio::test]
async fn a_broker_that_misbehaves_fails_its_publish_only() {
    let silent = Broker::that(Manner::Silent).await;
    let slow = Broker::start().await;
    let brokers = [
        (
            Broker::that(Manner::Refuses).await,
            "refused the login: the client is not authorised",
        ),
        (Broker::that(Manner::Strange).await, "did not answer the login"),
        (Broker::that(Manner::Closes).await, "the broker closed the connection"),
        (Broker::that(Manner::Chatty).await, "nobody asked"),
    ];
    let good = Broker::start().await.acknowledges();
    let all = brokers.iter().map(|(broker, _)| broker).chain([&silent, &slow, &good]);
    let rules: Vec<String> = all.map(|broker| broker.url("broker.test")).collect();
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let world = World::new(loopback(), names(), &rules).await;
    for (broker, says) in &brokers {
        let told = world.tell(publish(&broker.url("broker.test"), "t")).await.unwrap_err().to_string();
        assert!(told.contains(says), "{says}: {told}");
        until("the connection ends", || broker.open() == 0).await;
    }
    let started = Instant::now();
    let short = |broker: &Broker| Publish {
        timeout: Duration::from_millis(300),
        ..publish(&broker.url("broker.test"), "t")
    };
    for broker in [&silent, &slow] {
        let told = world.tell(short(broker)).await;
        assert!(matches!(told, Err(EgressError::Timeout { timeout_ms: 300, .. })), "{told:?}");
    }
    let login_late = Publish {
        connect_timeout: Duration::from_millis(300),
        ..publish(&silent.url("broker.test"), "u")
    };
    // The connection that never let anybody in ends by its own time, not by that of who came later.
    let told = world
        .tell(Publish {
            protocol: named("late", false),
            ..login_late
        })
        .await;
    assert!(matches!(told, Err(EgressError::Timeout { timeout_ms: 300, .. })), "{told:?}");
    assert!(started.elapsed() < Duration::from_secs(20));
    world.tell(publish(&good.url("broker.test"), "t")).await.unwrap();
}

#[tokio::test]
async fn a_broker_that_comes_back_is_found_again() {
    let broker = Broker::that(Manner::Closes).await;
    let url = broker.url("broker.test");
    let world = World::new(loopback(), names(), &[&url]).await;
    for round in 1..4 {
        let told = world.tell(publish(&url, "t")).await;
        assert!(matches!(told, Err(EgressError::Unacknowledged { .. })), "{told:?}");
        assert_eq!(broker.published().len(), round, "what was sent is not sent again");
    }
}

#[tokio::test]
async fn connections_of_a_tenant_are_few_and_an_unused_one_gives_way() {
    let broker = Broker::start().await;
    let url = broker.url("broker.test");
    let world = World::new(loopback(), names(), &[&url]).await;
    let as_client = |name: usize| Publish {
        protocol: named(&format!("c{name}"), false),
        ..publish(&url, "t")
    };
    let mut waiting: Vec<_> = (0..16).map(|name| Box::pin(world.tell(as_client(name)))).collect();
    while broker.published().len() < 16 {
        for one in &mut waiting {
            assert!(futures::poll!(one).is_pending());
        }
        tokio::task::yield_now().await;
    }
    let told = world.tell(as_client(16)).await;
    assert!(matches!(told, Err(EgressError::Crowded { max: 16 })), "{told:?}");
    let other = TenantId::generate();
    world.allow_for(other, &[&url]).await;
    broker.may_acknowledge.add_permits(1_000);
    world.tell_for(other, as_client(0)).await.unwrap();
    for told in futures::future::join_all(waiting).await {
        told.unwrap();
    }
    assert_eq!(broker.open(), 17);
    world.tell(as_client(16)).await.unwrap();
    until("the one unused longest says goodbye", || {
        broker.open() == 17 && broker.goodbyes() == 1
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_nobody_uses_says_goodbye() {
    let broker = Broker::start().await.acknowledges();
    let url = broker.url("broker.test");
    let world = World::new(loopback(), names(), &[&url]).await;
    world.tell(publish(&url, "t")).await.unwrap();
    assert_eq!((broker.open(), broker.goodbyes()), (1, 0));
    tokio::time::pause();
    // Time goes on by hand: by itself it would not wait for the sockets.
    tokio::time::advance(Duration::from_secs(31)).await;
    until("it asks whether the broker is there", || broker.pings() == 1).await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    tokio::time::advance(Duration::from_secs(31)).await;
    until("it says goodbye", || broker.goodbyes() == 1).await;
    tokio::time::resume();
    until("it is closed", || broker.open() == 0).await;
    world.tell(publish(&url, "t")).await.unwrap();
    assert_eq!(broker.connected(), 2, "and a new one is opened when it is needed");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_anybody_is_asked() {
    let broker = Broker::start().await;
    let url = broker.url("broker.test");
    let world = World::new(loopback(), names(), &[&url]).await;
    let good = || publish(&url, "t");
    for wrong in [
        publish(&url, ""),
        publish(&url, "a/#"),
        publish(&url, "+/a"),
        publish(&url, "a\0b"),
        publish(&url, &"x".repeat(65_536)),
        Publish {
            payload: vec![0; (1 << 20) + 1].into(),
            ..good()
        },
        Publish {
            protocol: named(&"x".repeat(65_536), false),
            ..good()
        },
        Publish {
            credentials: login("u\0", "p"),
            ..good()
        },
        // Said in another protocol than the broker's.
        Publish {
            protocol: kafka(Vec::new()),
            ..good()
        },
        Publish {
            protocol: Protocol::Amqp(Amqp::default()),
            ..good()
        },
        publish("kafka://broker.test", "a/b"),
        publish("kafka://broker.test", ".."),
        publish("kafka://broker.test", &"x".repeat(250)),
        publish("amqp://broker.test", &"x".repeat(256)),
    ] {
        assert!(matches!(world.tell(wrong).await, Err(EgressError::Invalid(_))));
    }
    assert_eq!(broker.connected(), 0);
}

#[tokio::test]
async fn nothing_secret_is_shown() {
    let world = World::new(loopback(), names(), &["mqtt://broker.test:81"]).await;
    let hidden = |port: u16| Publish {
        credentials: login("hidden", "hidden"),
        payload: "hidden".into(),
        protocol: named("hidden", false),
        ..publish(&format!("mqtt://broker.test:{port}"), "hidden")
    };
    assert_eq!(format!("{:?}", hidden(81)), "PUBLISH mqtt://broker.test:81");
    for port in [81, 82] {
        let error = world.tell(hidden(port)).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hidden"), "{error:?}");
    }
    assert!(!format!("{:?}", hidden(81).credentials).contains("hidden"));
}
