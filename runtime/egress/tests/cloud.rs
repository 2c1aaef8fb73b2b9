//! Tokens of services in clouds, as they are used by connections and requests.

#![allow(clippy::unwrap_used, missing_docs, dead_code)]

#[path = "brokers/broker.rs"]
mod broker;
#[path = "egress/world.rs"]
mod world;

use std::time::Duration;

use broker::{Broker, Manner};
use egress::{Credentials, EgressError, Mqtt, MqttVersion, Proof, Protocol, PubSub, Publish, Secret, Target, Trust};
use world::{Names, World, loopback, until};

/// `a key of 32 bytes, for the tests`
const KEY: &str = "YSBrZXkgb2YgMzIgYnl0ZXMsIGZvciB0aGUgdGVzdHM=";

fn publish(target: Target, protocol: Protocol, password: &str) -> Publish {
    Publish {
        target,
        credentials: Some(Credentials {
            username: Secret("hub.test/dev/?api-version=2018-06-30".to_owned()),
            password: Some(Secret(password.to_owned())),
        }),
        topic: "devices/dev/messages/events/".to_owned(),
        payload: "{}".into(),
        protocol,
        connect_timeout: Duration::from_secs(30),
        timeout: Duration::from_secs(30),
        tls: None,
        proxy: None,
    }
}

fn device() -> Protocol {
    Protocol::Mqtt(Mqtt {
        client_id: "dev".to_owned(),
        client_id_suffix: false,
        clean_session: true,
        version: MqttVersion::V311,
        retain: false,
        proof: Proof::AzureSas,
    })
}

/// A hub, and who may reach it.
async fn hub() -> (Broker, World, String) {
    let hub = Broker::with(Manner::Good, Some("hub.test"), "127.0.0.1").await;
    let url = format!("mqtts://hub.test:{}", hub.port);
    let trust = Trust::system(Some(hub.authority.as_ref().unwrap().path())).unwrap();
    let names = Names::of([("hub.test", &["127.0.0.1"])]);
    let world = World::trusting(loopback(), names, &[&url], trust).await;
    (hub, world, url)
}

/// Time goes on while nothing else does.
async fn later(by: Duration) {
    tokio::time::pause();
    tokio::time::advance(by).await;
    tokio::time::resume();
}

/// Everybody has done what there was to do.
async fn settled() {
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_connection_that_is_in_use_gets_another_token_before_its_own_ends() {
    let (hub, world, url) = hub().await;
    let hub = hub.acknowledges();
    let tell = || {
        world
            .egress
            .publish(world.tenant(), publish(Target::broker(&url).unwrap(), device(), KEY))
    };
    // It is never idle for a minute, and always answered.
    for _ in 0..59 {
        tell().await.unwrap();
        later(Duration::from_secs(50)).await;
    }
    tell().await.unwrap();
    assert_eq!((hub.connected(), hub.goodbyes()), (1, 0), "49 minutes");
    later(Duration::from_secs(50)).await;
    until("it says goodbye", || hub.goodbyes() == 1).await;
    tell().await.unwrap();
    assert_eq!(
        (hub.connected(), hub.published().len()),
        (2, 61),
        "50 minutes: nothing is lost, nothing sent twice"
    );
    let logins = hub.logins();
    for login in &logins {
        let Some(Secret(token)) = &login.password else {
            panic!("{login:?}")
        };
        assert!(
            token.starts_with("SharedAccessSignature sr=hub.test%2Fdevices%2Fdev&sig="),
            "{token}"
        );
        assert!(!token.contains(KEY));
        assert_eq!(
            (login.client_id.as_str(), login.username.as_deref()),
            ("dev", Some("hub.test/dev/?api-version=2018-06-30"))
        );
    }
}

#[tokio::test]
async fn what_is_on_its_way_is_waited_for_before_the_token_is_renewed() {
    let (hub, world, url) = hub().await;
    let tell = || {
        Box::pin(world.egress.publish(
            world.tenant(),
            Publish {
                timeout: Duration::from_secs(300),
                ..publish(Target::broker(&url).unwrap(), device(), KEY)
            },
        ))
    };
    hub.may_acknowledge.add_permits(75);
    for n in 1..60 {
        tell().await.unwrap();
        later(Duration::from_secs(50)).await;
        until("it asks whether the hub is there", || hub.pings() == n).await;
    }
    settled().await;
    hub.may_acknowledge.forget_permits(75);
    let mut waits = tell();
    while hub.published().len() < 60 {
        assert!(futures::poll!(&mut waits).is_pending());
        tokio::task::yield_now().await;
    }
    // From here on the hub answers no ping: it may take twenty seconds.
    later(Duration::from_secs(60)).await;
    settled().await;
    let mut next = tell();
    for _ in 0..1_000 {
        assert!(futures::poll!(&mut waits).is_pending() && futures::poll!(&mut next).is_pending());
        tokio::task::yield_now().await;
    }
    assert_eq!(
        (hub.published().len(), hub.connected()),
        (60, 1),
        "no more is sent, and nobody is put out"
    );
    hub.may_acknowledge.add_permits(2);
    waits.await.unwrap();
    next.await.unwrap();
    assert_eq!((hub.published().len(), hub.connected(), hub.goodbyes()), (61, 2, 1));
}

#[tokio::test]
async fn who_may_not_be_reached_is_shown_no_token() {
    let (hub, world, _) = hub().await;
    let elsewhere = Target::parse("https://pubsub.test").unwrap();
    let pubsub = Protocol::PubSub(PubSub {
        project: "p".to_owned(),
        attributes: Vec::new(),
    });
    let one = Publish {
        topic: "t".to_owned(),
        ..publish(elsewhere, pubsub, "hidden")
    };
    let told = world.egress.publish(world.tenant(), one.clone()).await;
    assert!(
        matches!(&told, Err(EgressError::Refused(text)) if text.contains("https://pubsub.test is not among")),
        "the list is asked before the key is looked at: {told:?}"
    );
    world.allow(&["https://pubsub.test"]).await;
    let told = world.egress.publish(world.tenant(), one).await;
    assert!(
        matches!(&told, Err(EgressError::Invalid(text)) if !text.contains("hidden")),
        "{told:?}"
    );
    let clear = Target::broker(&format!("mqtt://hub.test:{}", hub.port)).unwrap();
    let told = world.egress.publish(world.tenant(), publish(clear, device(), KEY)).await;
    assert!(matches!(told, Err(EgressError::Invalid(_))), "{told:?}");
    assert_eq!(hub.connected(), 0);
}
