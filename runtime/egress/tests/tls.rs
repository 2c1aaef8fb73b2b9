//! TLS of one's own: servers that want a certificate, authorities that this machine does not know, and who shares a connection.

#![allow(clippy::unwrap_used, missing_docs, dead_code)]

#[path = "tls/authority.rs"]
mod authority;
#[path = "brokers/broker.rs"]
mod broker;
#[path = "kafka/cluster.rs"]
mod cluster;
#[path = "egress/world.rs"]
mod world;

use std::time::Duration;

use authority::Authority;
use broker::{Broker, Manner};
use cluster::Says;
use egress::{
    Amqp, Compression, Credentials, EgressError, Identity, Kafka, Lambda, Mechanism, Mqtt, MqttVersion, Proof, Protocol, PubSub, Publish,
    Request, Secret, Service, Smtp, Target, Tls, Trust,
};
use model::TenantId;
use rcgen::KeyPair;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use world::{Names, Server, World, loopback, request};

const FINE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

fn names() -> Names {
    Names::of([("api.test", &["127.0.0.1"]), ("second.test", &["127.0.0.1"])])
}

fn over(url: &str, tls: Option<Tls>) -> Request {
    Request { tls, ..request(url) }
}

fn publish(url: &str, protocol: Protocol, tls: Option<Tls>) -> Publish {
    Publish {
        target: Target::broker(url).unwrap(),
        credentials: None,
        topic: match protocol {
            Protocol::Smtp(_) => "one@api.test",
            _ => "t",
        }
        .to_owned(),
        payload: "{}".into(),
        protocol,
        connect_timeout: Duration::from_secs(30),
        timeout: Duration::from_secs(30),
        tls,
        proxy: None,
    }
}

async fn tell(world: &World, publish: Publish) -> Result<(), EgressError> {
    world.tell(publish).await.map(drop)
}

fn mqtt(version: MqttVersion) -> Protocol {
    Protocol::Mqtt(Mqtt {
        client_id: "device".to_owned(),
        client_id_suffix: false,
        clean_session: true,
        version,
        retain: false,
        proof: Proof::Password,
    })
}

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

/// Whether a text has a line of what nobody is to see.
fn shows(text: &str, tls: &Tls) -> bool {
    let identity = tls.identity.iter();
    let identity = identity.flat_map(|one| [&one.certificates, &one.key].into_iter().chain(&one.password));
    let mut all = tls.authorities.iter().chain(identity);
    all.any(|Secret(secret)| secret.lines().any(|line| line.len() > 8 && text.contains(line)))
}

#[tokio::test]
async fn a_server_sees_who_asks() {
    let (servers, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let server = Server::start_over(servers.server("api.test", Some(&clients)), FINE).await;
    let url = format!("https://api.test:{}", server.port);
    let world = World::new(loopback(), names(), &[&url]).await;
    let known = servers.believed(Some(&clients.client("a")));
    assert_eq!(world.send(over(&url, known)).await.unwrap().status, 200);
    // With the one that stands between them.
    let between = clients.below();
    let Identity {
        certificates,
        key,
        password,
    } = between.client("b");
    let chain = Identity {
        certificates: Secret(format!("{}{}", certificates.0, between.pem)),
        key,
        password,
    };
    assert_eq!(world.send(over(&url, servers.believed(Some(&chain)))).await.unwrap().status, 200);
    let short = Identity { certificates, ..chain };
    for tls in [
        servers.believed(None),
        servers.believed(Some(&strangers.client("a"))),
        servers.believed(Some(&short)),
    ] {
        let error = world.send(over(&url, tls.clone())).await.unwrap_err();
        assert!(
            matches!(&error, EgressError::Broken { .. } | EgressError::Unreachable { .. }),
            "{error}"
        );
        assert!(!shows(&format!("{error} {error:?} {tls:?}"), &tls.unwrap()), "{error:?}");
    }
    assert_eq!(server.heard().iter().filter(|heard| !heard.is_empty()).count(), 2);
}

/// A key as openssl writes it, in one of its forms.
fn form(name: &str) -> &'static str {
    let mut all = include_str!("../src/tls/key/forms.pem").split("# ");
    all.find(|form| form.starts_with(&format!("{name}:"))).unwrap()
}

#[tokio::test]
async fn a_key_is_opened_by_its_password() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let server = Server::start_over(servers.server("api.test", Some(&clients)), FINE).await;
    let url = format!("https://api.test:{}", server.port);
    let world = World::new(loopback(), names(), &[&url]).await;
    let client = clients.client_with("a", &KeyPair::from_pem(form("plain")).unwrap());
    let locked = |name: &str, password: Option<&str>| {
        let identity = Identity {
            key: Secret(form(name).to_owned()),
            password: password.map(|text| Secret(text.to_owned())),
            ..client.clone()
        };
        over(&url, servers.believed(Some(&identity)))
    };
    for name in ["usual", "sha512", "most"] {
        assert_eq!(world.send(locked(name, Some("a word"))).await.unwrap().status, 200, "{name}");
    }
    // All of a tenant's at one time: they are opened one after the other.
    let many = (0..16).map(|_| world.send(locked("sha512", Some("a word"))));
    assert!(futures::future::join_all(many).await.iter().all(Result::is_ok));
    for (name, password, says) in [
        ("usual", Some("another word"), "not opened by its password"),
        ("usual", None, "give its password"),
        ("many", Some("a word"), "rounds"),
        ("old", Some("a word"), "openssl pkcs8"),
    ] {
        let asked = locked(name, password);
        let error = world.send(asked.clone()).await.unwrap_err();
        assert!(matches!(&error, EgressError::Invalid(text) if text.contains(says)), "{error}");
        assert!(!shows(&format!("{error} {error:?} {asked:?}"), &asked.tls.unwrap()), "{error:?}");
    }
    assert_eq!(server.connected(), 19, "nobody is asked with a key that is not open");
}

/// Opening keys takes part in a request's time, and who has given up still waits for what it began: one key of a tenant at a time.
#[tokio::test]
async fn opening_keys_has_a_time() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let server = Server::start_over(servers.server("api.test", None), FINE).await;
    let url = format!("https://api.test:{}", server.port);
    let world = World::new(loopback(), names(), &[&url]).await;
    let other = TenantId::generate();
    world.allow_for(other, &[&url]).await;
    let identity = Identity {
        key: Secret(form("most").to_owned()),
        password: Some(Secret("a word".to_owned())),
        ..clients.client_with("a", &KeyPair::from_pem(form("plain")).unwrap())
    };
    let mut asked = over(&url, servers.believed(Some(&identity)));
    asked.timeout = Duration::from_millis(5);
    for _ in 0..20 {
        let told = world.send(asked.clone()).await;
        assert!(matches!(told, Err(EgressError::Timeout { timeout_ms: 5, .. })), "{told:?}");
    }
    assert_eq!(server.connected(), 0);
    // Twenty keys would take far longer than the one that was begun.
    let plain = over(&url, servers.believed(None));
    assert_eq!(
        world.send(plain.clone()).await.unwrap().status,
        200,
        "who has no such key does not wait"
    );
    assert_eq!(world.egress.send(other, plain).await.unwrap().status, 200);
}

#[tokio::test]
async fn who_names_authorities_believes_nobody_else() {
    let own = Authority::new();
    let (usual, unusual) = (Server::start_tls("api.test", FINE).await, own.server("api.test", None));
    let unusual = Server::start_over(unusual, FINE).await;
    let url = |server: &Server| format!("https://api.test:{}", server.port);
    let trust = Trust::system(Some(usual.authority.as_ref().unwrap().path())).unwrap();
    let world = World::trusting(loopback(), names(), &[&url(&usual), &url(&unusual)], trust).await;
    let as_usual = Some(Tls {
        identity: Some(own.client("a")),
        ..Tls::default()
    });
    for (server, tls, fine) in [
        (&usual, None, true),
        (&usual, Some(Tls::default()), true),
        (&usual, as_usual.clone(), true),
        (&usual, own.believed(None), false),
        (&unusual, None, false),
        (&unusual, as_usual, false),
        (&unusual, own.believed(None), true),
        (&unusual, Authority::new().believed(None), false),
        (&unusual, None, false),
    ] {
        let told = world.send(over(&url(server), tls.clone())).await;
        assert_eq!(told.is_ok(), fine, "{told:?}");
        if let Err(error) = told {
            assert!(
                matches!(&error, EgressError::Unreachable { reason, .. } if reason.contains("certificate")),
                "{error}"
            );
            assert!(!shows(&format!("{error} {error:?}"), &tls.unwrap_or_default()));
        }
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_anybody_is_asked() {
    let own = Authority::new();
    let server = Server::start_over(own.server("api.test", None), FINE).await;
    let at = |scheme: &str| format!("{scheme}://api.test:{}", server.port);
    let schemes = [
        "https", "http", "mqtts", "mqtt", "kafkas", "kafka", "amqps", "amqp", "smtps", "smtp",
    ];
    let rules = schemes.map(at);
    let world = World::new(loopback(), names(), &rules.each_ref().map(String::as_str)).await;
    let (one, two) = (own.client("a"), own.client("b"));
    let mixed = Identity {
        key: two.key,
        ..one.clone()
    };
    let encrypted = Identity {
        key: Secret(one.key.0.replace("PRIVATE", "ENCRYPTED PRIVATE")),
        ..one
    };
    let large = Tls {
        authorities: Some(Secret(own.pem.repeat(1_000))),
        identity: None,
    };
    for (tls, says) in [
        (own.believed(Some(&mixed)), "not that of its certificate"),
        (own.believed(Some(&encrypted)), "is encrypted"),
        (Some(large), "more than the 65536 allowed"),
    ] {
        let told = [
            world.send(over(&at("https"), tls.clone())).await.map(drop),
            tell(&world, publish(&at("mqtts"), mqtt(MqttVersion::V311), tls.clone())).await,
            tell(&world, publish(&at("kafkas"), kafka(Vec::new()), tls.clone())).await,
            tell(&world, publish(&at("amqps"), Protocol::Amqp(Amqp::default()), tls.clone())).await,
            tell(&world, publish(&at("smtps"), mail(false), tls.clone())).await,
            tell(&world, publish(&at("smtp"), mail(true), tls.clone())).await,
        ];
        for told in told {
            let error = told.unwrap_err();
            assert!(
                matches!(&error, EgressError::Invalid(text) if text.contains(says)),
                "{says}: {error}"
            );
            assert!(!shows(&format!("{error} {error:?}"), tls.as_ref().unwrap()), "{error:?}");
        }
    }
    let with = || own.believed(None);
    let clear = [
        world.send(over(&at("http"), with())).await.map(drop),
        tell(&world, publish(&at("mqtt"), mqtt(MqttVersion::V5), with())).await,
        tell(&world, publish(&at("kafka"), kafka(Vec::new()), with())).await,
        tell(
            &world,
            publish(&at("kafkas"), kafka(vec![Target::broker(&at("kafka")).unwrap()]), with()),
        )
        .await,
        tell(&world, publish(&at("amqp"), Protocol::Amqp(Amqp::default()), with())).await,
        tell(&world, publish(&at("smtp"), mail(false), with())).await,
    ];
    for told in clear {
        assert!(
            matches!(&told, Err(EgressError::Invalid(text)) if text.contains("in the clear")),
            "{told:?}"
        );
    }
    let lambda = Protocol::Aws(egress::Aws {
        region: "eu-west-1".to_owned(),
        service: Service::Lambda(Lambda::default()),
    });
    let pubsub = Protocol::PubSub(PubSub {
        project: "a-project".to_owned(),
        attributes: Vec::new(),
    });
    for protocol in [lambda, pubsub] {
        let to = Publish {
            target: Target::parse(&at("https")).unwrap(),
            topic: "topic".to_owned(),
            ..publish(&at("mqtts"), protocol, with())
        };
        let told = tell(&world, to).await;
        assert!(
            matches!(&told, Err(EgressError::Invalid(text)) if text.contains("over HTTP")),
            "{told:?}"
        );
    }
    assert_eq!(server.connected(), 0);
}

#[tokio::test]
async fn a_connection_is_that_of_its_certificate() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let acceptor = servers.server("api.test", Some(&clients));
    let broker = Broker::over(Some(acceptor), Manner::Good, "127.0.0.1").await.acknowledges();
    let url = broker.url("api.test").replace("mqtt:", "mqtts:");
    let world = World::new(loopback(), names(), &[&url]).await;
    let (one, two) = (clients.client("one"), clients.client("two"));
    let to = |version, identity: Option<&Identity>| publish(&url, mqtt(version), servers.believed(identity));
    for _ in 0..3 {
        for identity in [&one, &two] {
            // As devices of a hub's log in that have a certificate: a name, and no password.
            let named = Publish {
                credentials: Some(Credentials {
                    username: Secret("hub/device".to_owned()),
                    password: None,
                }),
                ..to(MqttVersion::V311, Some(identity))
            };
            tell(&world, named).await.unwrap();
        }
    }
    assert_eq!((broker.connected(), broker.published().len()), (2, 6), "each has its own");
    let logins = broker.logins();
    assert!(
        logins
            .iter()
            .all(|login| login.username.as_deref() == Some("hub/device") && login.password.is_none()),
        "{logins:?}"
    );
    tell(&world, to(MqttVersion::V5, Some(&one))).await.unwrap();
    assert_eq!(broker.connected(), 3);
    for identity in [None, Some(&servers.client("one"))] {
        let tls = servers.believed(identity).unwrap();
        let error = tell(&world, to(MqttVersion::V311, identity)).await.unwrap_err();
        assert!(matches!(error, EgressError::Unreachable { .. }), "{error}");
        assert!(!shows(&format!("{error} {error:?}"), &tls));
    }
    let error = tell(&world, publish(&url, mqtt(MqttVersion::V311), None)).await.unwrap_err();
    assert!(
        matches!(&error, EgressError::Unreachable { reason, .. } if reason.contains("certificate")),
        "{error}"
    );
    assert_eq!(broker.published().len(), 7);
}

#[tokio::test]
async fn a_key_is_opened_once_for_a_connection_to_a_broker() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let acceptor = servers.server("api.test", Some(&clients));
    let broker = Broker::over(Some(acceptor), Manner::Good, "127.0.0.1").await.acknowledges();
    let url = broker.url("api.test").replace("mqtt:", "mqtts:");
    let world = World::new(loopback(), names(), &[&url]).await;
    let client = clients.client_with("a", &KeyPair::from_pem(form("plain")).unwrap());
    let to = |password: &str| {
        let identity = Identity {
            key: Secret(form("usual").to_owned()),
            password: Some(Secret(password.to_owned())),
            ..client.clone()
        };
        publish(&url, mqtt(MqttVersion::V5), servers.believed(Some(&identity)))
    };
    for _ in 0..3 {
        tell(&world, to("a word")).await.unwrap();
    }
    assert_eq!((broker.connected(), broker.published().len()), (1, 3));
    let error = tell(&world, to("another word")).await.unwrap_err();
    assert!(
        matches!(&error, EgressError::Invalid(text) if text.contains("not opened by its password")),
        "{error}"
    );
    assert_eq!((broker.connected(), broker.published().len()), (1, 3));
}

#[tokio::test]
async fn a_broker_that_another_names_is_shown_the_same() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let first = cluster::Broker::over(Some(servers.server("api.test", Some(&clients))), "127.0.0.1").await;
    let second = cluster::Broker::over(Some(servers.server("second.test", Some(&clients))), "127.0.0.1").await;
    first.says(Says::Leaders(vec![("second.test", second.port)]));
    let url = |broker: &cluster::Broker, name| broker.url(name).replace("kafka:", "kafkas:");
    let rules = [url(&first, "api.test"), url(&second, "second.test")];
    let world = World::new(loopback(), names(), &rules.each_ref().map(String::as_str)).await;
    let tls = servers.believed(Some(&clients.client("a")));
    let told = tell(&world, publish(&rules[0], kafka(Vec::new()), tls)).await;
    assert!(told.is_ok(), "{told:?}");
    assert_eq!((first.taken(), second.taken()), (0, 1));
}

#[tokio::test]
async fn a_mail_server_sees_who_sends() {
    let (servers, clients) = (Authority::new(), Authority::new());
    for start_tls in [false, true] {
        let port = post_office(servers.server("api.test", Some(&clients)), start_tls).await;
        let url = format!("{}://api.test:{port}", if start_tls { "smtp" } else { "smtps" });
        let world = World::new(loopback(), names(), &[&url]).await;
        let to = |tls| publish(&url, mail(start_tls), tls);
        let told = tell(&world, to(servers.believed(Some(&clients.client("a"))))).await;
        assert!(told.is_ok(), "{told:?}");
        for tls in [servers.believed(None), None] {
            let told = tell(&world, to(tls)).await;
            assert!(matches!(told, Err(EgressError::Unreachable { .. })), "{told:?}");
        }
    }
}

fn mail(start_tls: bool) -> Protocol {
    Protocol::Smtp(Smtp {
        from: "platform@api.test".to_owned(),
        subject: "news".to_owned(),
        start_tls,
        ..Smtp::default()
    })
}

/// A mail server that takes everything from whom it knows.
async fn post_office(acceptor: TlsAcceptor, start_tls: bool) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    actor::spawn("post office", async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            actor::spawn("counter", async move {
                if start_tls {
                    take(&mut stream, true, true).await;
                }
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    take(&mut stream, !start_tls, false).await;
                }
            });
        }
    });
    port
}

/// Goes on to the end, or until the conversation is to be secret.
async fn take(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), greets: bool, start_tls: bool) {
    let mut stream = BufReader::new(stream);
    let mut answer = if greets { "220 api.test\r\n" } else { "" };
    let mut in_text = false;
    loop {
        if stream.write_all(answer.as_bytes()).await.is_err() || stream.flush().await.is_err() || answer.starts_with("220 go") {
            return;
        }
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        answer = match line.get(..4).unwrap_or_default() {
            _ if in_text && line != ".\r\n" => "",
            "EHLO" if start_tls => "250-api.test\r\n250 STARTTLS\r\n",
            "STAR" => "220 go\r\n",
            "DATA" => "354 go on\r\n",
            _ => "250 fine\r\n",
        };
        in_text = (in_text && line != ".\r\n") || line.starts_with("DATA");
    }
}
