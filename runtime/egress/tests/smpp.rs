//! Texts for a center on this machine, which speaks SMPP.

#![allow(clippy::unwrap_used, missing_docs, dead_code)]

#[path = "smpp/center.rs"]
mod center;
#[path = "egress/world.rs"]
mod world;

use std::time::Duration;

use center::{Center, Manner};
use egress::{
    Addresses, Alphabet, Credentials, EgressError, Numbering, Protocol, Publish, Secret, Smpp, SmppBind, SmppVersion, Target, Trust,
};
use model::TenantId;
use world::{Names, World, loopback, until};

/// What the administrator's center is called.
const CALLED: &str = "the server's center";

/// Commands.
const BIND_TRANSMITTER: u32 = 0x02;
const SUBMIT: u32 = 0x04;
const UNBIND: u32 = 0x06;
const BIND_TRANSCEIVER: u32 = 0x09;
const ENQUIRE_LINK: u32 = 0x15;
const ANSWER: u32 = 0x8000_0000;

fn publish(url: &str, number: &str, text: &str) -> Publish {
    Publish {
        target: Target::broker(url).unwrap(),
        credentials: login("user", "hunter2"),
        topic: number.to_owned(),
        payload: text.to_owned().into(),
        protocol: Protocol::Smpp(Smpp::default()),
        connect_timeout: Duration::from_secs(30),
        timeout: Duration::from_secs(30),
        tls: None,
        proxy: None,
    }
}

fn login(user: &str, password: &str) -> Option<Credentials> {
    Some(Credentials {
        username: Secret(user.to_owned()),
        password: Some(Secret(password.to_owned())),
    })
}

fn names() -> Names {
    Names::of([("center.test", &["127.0.0.1"])])
}

/// A world in which one center is on the list.
async fn with(center: &Center) -> (World, String) {
    let url = center.url("center.test");
    (World::new(loopback(), names(), &[&url]).await, url)
}

#[tokio::test]
async fn texts_go_over_one_connection_and_are_acknowledged() {
    let center = Center::start().await;
    let (world, url) = with(&center).await;
    for number in 0..20 {
        let told = world.tell(publish(&url, "+12025550100", &format!("text {number}"))).await.unwrap();
        assert_eq!((told.broker.as_str(), told.place.len(), told.answer), (url.as_str(), 0, None));
    }
    assert_eq!(center.connected(), 1);
    let logins = center.heard(BIND_TRANSMITTER);
    assert_eq!(logins, [(BIND_TRANSMITTER, 0, 1, b"user\0hunter2\0\0\x34\0\0\0".to_vec())]);
    let texts = center.heard(SUBMIT);
    for (number, (_, status, sequence, body)) in (0..20).zip(&texts) {
        let text = format!("text {number}");
        assert_eq!((*status, *sequence), (0, number + 2));
        assert!(body.starts_with(b"\0\0\0\0\0\x0012025550100\0"), "{body:?}");
        assert!(body.ends_with(text.as_bytes()), "{body:?}");
    }
    assert_eq!(texts.len(), 20);
    // Another password is another login.
    let other = Publish {
        credentials: login("user", "hunter3"),
        ..publish(&url, "1", "x")
    };
    world.tell(other).await.unwrap();
    assert_eq!((center.connected(), center.heard(BIND_TRANSMITTER).len()), (2, 2));
}

#[tokio::test]
async fn many_at_once_share_a_connection_and_all_are_answered() {
    let center = Center::start().await;
    let (world, url) = with(&center).await;
    let all = (0..300).map(|number| world.tell(publish(&url, "1", &number.to_string())));
    let told = futures::future::join_all(all).await;
    assert!(told.iter().all(Result::is_ok), "{:?}", told.iter().find(|one| one.is_err()));
    assert_eq!((center.connected(), center.heard(SUBMIT).len()), (1, 300));
}

#[tokio::test]
async fn everything_that_a_center_wants_is_said() {
    let center = Center::that(Manner::Curious, None).await;
    let (world, url) = with(&center).await;
    let smpp = Smpp {
        version: SmppVersion::V33,
        bind: SmppBind::Transceiver,
        system_type: "VMS".to_owned(),
        address_range: "5".to_owned(),
        service_type: "CMT".to_owned(),
        source: "House".to_owned(),
        source_numbering: Numbering { ton: 5, npi: 0 },
        destination_numbering: Numbering { ton: 1, npi: 1 },
        alphabet: Alphabet::Ucs2,
    };
    let text = |text: &str| Publish {
        protocol: Protocol::Smpp(smpp.clone()),
        ..publish(&url, "+112", text)
    };
    world.tell(text("°ж")).await.unwrap();
    assert_eq!(center.heard(BIND_TRANSCEIVER)[0].3, b"user\0hunter2\0VMS\0\x33\x01\x015\0");
    let expected = b"CMT\0\x05\0House\0\x01\x01112\0\0\0\0\0\0\0\0\x08\0\x04\0\xb0\x04\x36";
    assert_eq!(center.heard(SUBMIT)[0].3, expected);
    // What it asked meanwhile was answered, and what a telephone sent was taken.
    until("its questions are answered", || !center.heard(0x05 | ANSWER).is_empty()).await;
    assert_eq!(center.heard(ENQUIRE_LINK | ANSWER), [(ENQUIRE_LINK | ANSWER, 0, 70, Vec::new())]);
    assert_eq!(center.heard(0x05 | ANSWER), [(0x05 | ANSWER, 0, 71, vec![0])]);
    let long = world.tell(text(&"ж".repeat(128))).await.unwrap_err();
    assert!(matches!(&long, EgressError::Invalid(text) if text.contains("256 octets")), "{long}");
    let long = Publish {
        protocol: Protocol::Smpp(Smpp::default()),
        ..text(&"x".repeat(1_000))
    };
    world.tell(long).await.unwrap();
    let body = center.heard(SUBMIT).pop().unwrap().3;
    assert!(body.ends_with(&[&b"\0\x04\x24\x03\xe8"[..], &[b'x'; 1_000]].concat()), "{body:?}");
}

#[tokio::test]
async fn a_refused_login_says_why_and_not_the_password() {
    for (status, says) in [
        (0x0e, "0x0000000E (Invalid Password)"),
        (0x05, "0x00000005 (ESME Already in Bound State)"),
    ] {
        let center = Center::that(Manner::Refuses(status), None).await;
        let (world, url) = with(&center).await;
        let told = world.tell(publish(&url, "1", "hidden")).await.unwrap_err();
        let EgressError::Unreachable { origin, reason } = &told else {
            panic!("{told:?}")
        };
        assert_eq!((origin, reason.as_str()), (&url, format!("it refused the login: {says}").as_str()));
        assert!(!format!("{told} {told:?}").contains("hunter2"), "{told:?}");
        assert!(center.heard(SUBMIT).is_empty());
        until("the connection ends", || center.open() == 0).await;
    }
}

#[tokio::test]
async fn a_refused_text_fails_alone() {
    let center = Center::that(Manner::Picky(0x0b), None).await;
    let (world, url) = with(&center).await;
    for _ in 0..3 {
        let told = world.tell(publish(&url, "404", "x")).await.unwrap_err();
        assert!(
            matches!(&told, EgressError::Unacknowledged { reason, .. } if reason == "0x0000000B (Invalid Dest Addr)"),
            "{told:?}"
        );
        world.tell(publish(&url, "+112", "x")).await.unwrap();
    }
    assert_eq!((center.connected(), center.heard(SUBMIT).len()), (1, 6));
}

#[tokio::test]
async fn a_center_that_misbehaves_fails_its_text_only() {
    for (manner, says) in [
        (Manner::Strange, "did not answer the login: what it says is no SMPP"),
        (Manner::Closes, "closed the connection"),
        (Manner::Ends, "it ended the conversation"),
    ] {
        let center = Center::that(manner, None).await;
        let (world, url) = with(&center).await;
        let told = world.tell(publish(&url, "1", "x")).await.unwrap_err().to_string();
        assert!(told.contains(says), "{says}: {told}");
        until("the connection ends", || center.open() == 0).await;
        let goodbye = center.heard(UNBIND | ANSWER);
        let expected = if manner == Manner::Ends {
            vec![(UNBIND | ANSWER, 0, 77, Vec::new())]
        } else {
            Vec::new()
        };
        assert_eq!(goodbye, expected);
        // What was sent is not sent again; what comes later has a connection of its own.
        let sent = center.heard(SUBMIT).len();
        world.tell(publish(&url, "1", "x")).await.unwrap_err();
        assert_eq!((center.connected(), center.heard(SUBMIT).len()), (2, 2 * sent));
    }
    let silent = Center::that(Manner::Silent, None).await;
    let (world, url) = with(&silent).await;
    let short = Publish {
        connect_timeout: Duration::from_millis(300),
        ..publish(&url, "1", "x")
    };
    let told = world.tell(short).await;
    assert!(matches!(told, Err(EgressError::Timeout { timeout_ms: 300, .. })), "{told:?}");
}

#[tokio::test]
async fn a_center_is_believed_by_its_certificate() {
    let center = Center::that(Manner::Good, Some("center.test")).await;
    let url = center.url("center.test");
    let (clear, elsewhere) = (url.replace("smpps:", "smpp:"), url.replace("center.", "other."));
    let names = Names::of([("center.test", &["127.0.0.1"]), ("other.test", &["127.0.0.1"])]);
    let rules = [url.as_str(), &clear, &elsewhere];
    let trust = Trust::system(Some(center.authority.as_ref().unwrap().path())).unwrap();
    let world = World::trusting(loopback(), names.clone(), &rules, trust).await;
    world.tell(publish(&url, "1", "x")).await.unwrap();
    let told = world.tell(publish(&elsewhere, "1", "x")).await.unwrap_err();
    assert!(
        matches!(&told, EgressError::Unreachable { reason, .. } if reason.contains("certificate")),
        "{told}"
    );
    let strangers = World::new(loopback(), names, &rules).await;
    assert!(strangers.tell(publish(&url, "1", "x")).await.is_err());
    assert!(world.tell(publish(&clear, "1", "x")).await.is_err(), "in the clear");
    assert_eq!(center.heard(SUBMIT).len(), 1);
}

#[tokio::test]
async fn only_what_is_on_the_list_is_reached_and_nothing_inside() {
    let center = Center::start().await;
    let (world, url) = with(&center).await;
    for elsewhere in [
        center.url("127.0.0.1"),
        url.replace("smpp:", "smpps:"),
        "smpp://center.test".to_owned(),
    ] {
        let told = world.tell(publish(&elsewhere, "1", "x")).await;
        assert!(matches!(told, Err(EgressError::Refused(_))), "{elsewhere}: {told:?}");
    }
    world.allow(&[&url.replace("smpp:", "smtp:")]).await;
    let told = world.tell(publish(&url, "1", "x")).await;
    assert!(
        matches!(told, Err(EgressError::Refused(_))),
        "a rule for another way to speak: {told:?}"
    );
    let port = center.port;
    let rules = [format!("smpp://*:{port}"), format!("smpps://*:{port}")];
    let names = Names::of([("loop.test", &["127.0.0.1"]), ("cloud.test", &["169.254.169.254"])]);
    let world = World::new(Addresses::default(), names, &[&rules[0], &rules[1]]).await;
    for scheme in ["smpp", "smpps"] {
        for host in ["127.0.0.1", "[::1]", "10.0.0.1", "169.254.169.254", "loop.test", "cloud.test"] {
            let told = world.tell(publish(&format!("{scheme}://{host}:{port}"), "1", "x")).await;
            assert!(
                matches!(&told, Err(EgressError::Refused(text)) if text.contains("no component reaches")),
                "{scheme} {host}: {told:?}"
            );
        }
    }
    assert_eq!(center.connected(), 0);
}

#[tokio::test]
async fn a_connection_that_nobody_uses_says_goodbye() {
    let center = Center::start().await;
    let (world, url) = with(&center).await;
    world.tell(publish(&url, "1", "x")).await.unwrap();
    assert_eq!((center.open(), center.heard(UNBIND).len()), (1, 0));
    tokio::time::pause();
    // Time goes on by hand: by itself it would not wait for the sockets.
    tokio::time::advance(Duration::from_secs(31)).await;
    until("it asks whether the center is there", || center.heard(ENQUIRE_LINK).len() == 1).await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    tokio::time::advance(Duration::from_secs(31)).await;
    until("it says goodbye", || center.heard(UNBIND).len() == 1).await;
    tokio::time::resume();
    until("it is closed", || center.open() == 0).await;
    world.tell(publish(&url, "1", "x")).await.unwrap();
    assert_eq!(center.connected(), 2, "and a new one is opened when it is needed");
}

/// Whoever is not told where a server is shares no connection with those who are: its errors would name it.
#[tokio::test]
async fn a_center_of_the_administrators_is_named_to_nobody_else() {
    let center = Center::that(Manner::Picky(0x0b), None).await;
    let url = center.url("center.test");
    let world = World::new(Addresses::default(), names(), &[]).await;
    let tell = async |called: Option<&'static str>, number: &str| {
        let mut publish = publish(&url, number, "x");
        publish.target = publish.target.of_administrator(called);
        world.egress.publish(TenantId::SYSTEM, publish).await
    };
    assert_eq!(tell(None, "1").await.unwrap().broker, url);
    assert_eq!(tell(Some(CALLED), "1").await.unwrap().broker, CALLED);
    assert_eq!(center.connected(), 2);
    let told = tell(Some(CALLED), "404").await.unwrap_err().to_string();
    assert_eq!(told, format!("{CALLED} did not acknowledge it: 0x0000000B (Invalid Dest Addr)"));
    let told = tell(None, "404").await.unwrap_err().to_string();
    assert!(told.starts_with(&url), "{told}");
    assert_eq!(center.connected(), 2, "each has its own");
}

/// They wait for themselves, each, and not for one another.
#[tokio::test]
async fn tenants_who_share_a_center_leave_each_other_room() {
    let center = Center::that(Manner::Slow, None).await;
    let world = World::new(Addresses::default(), names(), &[]).await;
    let url = center.url("center.test");
    let tell = |tenant: TenantId, text: String| {
        let mut publish = publish(&url, "1", &text);
        publish.target = publish.target.of_administrator(Some(CALLED));
        let egress = world.egress.clone();
        actor::spawn("a text", async move { egress.publish_shared(tenant, publish).await })
    };
    let (many, few) = (TenantId::generate(), TenantId::generate());
    // More than the center takes without an answer.
    let waiting: Vec<_> = (0..50).map(|number| tell(many, format!("many {number}"))).collect();
    until("one tenant's texts are there", || !center.heard(SUBMIT).is_empty()).await;
    let heard = |of: &str| {
        center
            .heard(SUBMIT)
            .iter()
            .filter(|(.., body)| body.windows(of.len()).any(|part| part == of.as_bytes()))
            .count()
    };
    let other = tell(few, "few".to_owned());
    until("the other's gets there, too", || heard("few") == 1).await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!((heard("many"), center.connected()), (2, 1));
    for task in waiting.into_iter().chain([other]) {
        task.abort();
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_anybody_is_asked() {
    let center = Center::start().await;
    let (world, url) = with(&center).await;
    let good = || publish(&url, "1", "x");
    let smpp = |change: fn(&mut Smpp)| {
        let mut smpp = Smpp::default();
        change(&mut smpp);
        Publish {
            protocol: Protocol::Smpp(smpp),
            ..good()
        }
    };
    for (wrong, says) in [
        (publish(&url, "", "x"), "no number"),
        (publish(&url, "+1;2", "x"), "no number"),
        (publish(&url, "1", "21 ж"), "'ж'"),
        (
            Publish {
                credentials: login("user", "hunter2hunter2"),
                ..good()
            },
            "password",
        ),
        (smpp(|smpp| smpp.source = "x".repeat(21)), "source address"),
        (smpp(|smpp| smpp.system_type = "a\0b".to_owned()), "system type"),
        (
            Publish {
                payload: vec![b'x'; (1 << 20) + 1].into(),
                ..good()
            },
            "payload",
        ),
        (
            Publish {
                target: Target::broker("amqp://center.test").unwrap(),
                ..good()
            },
            "another way",
        ),
    ] {
        let told = world.tell(wrong).await.unwrap_err();
        let EgressError::Invalid(text) = &told else { panic!("{told:?}") };
        assert!(text.contains(says) && !text.contains("hunter2"), "{says}: {text}");
    }
    assert_eq!(center.connected(), 0);
}
