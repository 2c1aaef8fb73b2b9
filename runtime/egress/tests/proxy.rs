//! Requests by way of a proxy: that they arrive, and that a proxy opens no way to where none leads without it.

#![allow(clippy::unwrap_used, missing_docs, dead_code)]

#[path = "tls/authority.rs"]
mod authority;
#[path = "brokers/broker.rs"]
mod broker;
#[path = "proxy/relay.rs"]
mod relay;
#[path = "egress/world.rs"]
mod world;

use std::time::{Duration, Instant};

use authority::Authority;
use broker::Broker;
use egress::{Addresses, EgressError, Mqtt, MqttVersion, Proof, Protocol, Proxy, Publish, Request, Target, Tls};
use hyper::Method;
use hyper::header::HeaderValue;
use relay::{Manner, Relay};
use world::{Names, Server, World, loopback, request};

const FINE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

/// The names that are known here: that of a proxy is, those of servers are not.
fn names() -> Names {
    Names::of([("proxy.test", &["127.0.0.1"])])
}

fn by(proxy: &str, url: &str) -> Request {
    Request {
        proxy: Some(Proxy {
            target: Target::proxy(proxy).unwrap(),
            authorization: None,
        }),
        ..request(url)
    }
}

fn known(mut request: Request, who: &'static str) -> Request {
    if let Some(proxy) = &mut request.proxy {
        proxy.authorization = Some(HeaderValue::from_static(who));
    }
    request
}

fn over(request: Request, tls: Option<Tls>) -> Request {
    Request { tls, ..request }
}

#[tokio::test]
async fn a_request_in_the_clear_is_handed_to_the_proxy() {
    let (server, relay) = (Server::start(FINE).await, Relay::start(Manner::Knows("Basic secret")).await);
    let (proxy, names) = (relay.url("proxy.test"), names());
    let world = World::new(loopback(), names.clone(), &[&proxy, &server.rule("api.test")]).await;
    let mut asked = known(by(&proxy, &format!("http://api.test:{}//v1?q=1", server.port)), "Basic secret");
    asked.method = Method::POST;
    asked.body = "hello".into();
    assert!(!format!("{asked:?} {:?}", asked.proxy).contains("secret"));
    assert_eq!(world.send(asked).await.unwrap().status, 200);
    let (told, heard) = (relay.heard(), server.heard());
    let whole = format!("POST http://api.test:{0}//v1?q=1 HTTP/1.1\r\n", server.port);
    let host = format!("\r\nhost: api.test:{}\r\n", server.port);
    assert!(told[0].starts_with(&whole) && told[0].contains(&host), "{told:?}");
    assert!(
        heard[0].starts_with("POST //v1?q=1 HTTP/1.1\r\n") && heard[0].ends_with("\r\n\r\nhello"),
        "{heard:?}"
    );
    assert_eq!((told.len(), heard.len()), (1, 1));
    assert_eq!(names.asked(), 1, "the proxy looks the server's name up");
}

#[tokio::test]
async fn a_request_over_tls_goes_through_a_tunnel() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let server = Server::start_over(servers.server("api.test", Some(&clients)), FINE).await;
    let relay = Relay::start(Manner::Knows("Basic secret")).await;
    let (proxy, names) = (relay.url("proxy.test"), names());
    let url = |name: &str| format!("https://{name}:{}", server.port);
    let rules = [&*proxy, &url("api.test"), &url("other.test")].map(str::to_owned);
    let world = World::new(loopback(), names.clone(), &rules.each_ref().map(String::as_str)).await;
    let tls = || servers.believed(Some(&clients.client("a")));
    let asked = |name: &str, tls| over(known(by(&proxy, &format!("{}/v1?hidden", url(name))), "Basic secret"), tls);
    assert_eq!(world.send(asked("api.test", tls())).await.unwrap().status, 200);
    let (told, heard) = (relay.heard(), server.heard());
    let whole = format!("CONNECT api.test:{} HTTP/1.1\r\n", server.port);
    assert!(told[0].starts_with(&whole) && !told[0].contains("hidden"), "{told:?}");
    assert!(heard[0].starts_with("GET /v1?hidden HTTP/1.1\r\n"), "{heard:?}");
    assert!(!heard[0].contains("proxy-authorization"), "{heard:?}");
    assert_eq!(names.asked(), 1, "the proxy looks the server's name up");
    // The server's certificate counts, whoever passes it on; and it wants to see the client's.
    for (name, tls, says) in [
        ("other.test", tls(), "certificate"),
        ("api.test", None, "certificate"),
        ("api.test", Authority::new().believed(None), "certificate"),
        ("api.test", servers.believed(None), ""),
    ] {
        let error = world.send(asked(name, tls)).await.unwrap_err();
        let from = format!("https://{name}:");
        let fits = match &error {
            EgressError::Unreachable { origin, reason } | EgressError::Broken { origin, reason } => {
                origin.starts_with(&from) && reason.contains(says)
            }
            _ => false,
        };
        assert!(fits, "{name}: {error}");
    }
    assert_eq!(server.heard().iter().filter(|heard| !heard.is_empty()).count(), 1);
}

#[tokio::test]
async fn proxy_and_target_both_have_to_be_on_the_list() {
    let (server, relay) = (Server::start(FINE).await, Relay::start(Manner::Good).await);
    let (proxy, rule) = (relay.url("proxy.test"), server.rule("api.test"));
    let world = World::new(loopback(), names(), &[]).await;
    let secure = rule.replace("http:", "https:");
    for (rules, url, missing) in [
        (vec![], &rule, "api.test"),
        (vec![&proxy], &rule, "api.test"),
        (vec![&proxy], &secure, "api.test"),
        (vec![&proxy, &rule], &secure, "api.test"),
        (vec![&rule], &rule, "proxy.test"),
        (vec![&secure], &secure, "proxy.test"),
    ] {
        world.allow(&rules.iter().map(|rule| rule.as_str()).collect::<Vec<_>>()).await;
        let told = world.send(by(&proxy, url)).await;
        let from = format!("{missing}:");
        assert!(
            matches!(&told, Err(EgressError::Refused(text)) if text.contains(&from)),
            "{url} {missing}: {told:?}"
        );
    }
    assert!(relay.heard().is_empty());
    world.allow(&[&proxy, &rule]).await;
    assert_eq!(world.send(by(&proxy, &rule)).await.unwrap().status, 200);
}

/// 127.0.0.2 plays a public address here. Everything is on the list.
#[tokio::test]
async fn nothing_inside_is_reached_by_way_of_a_proxy() {
    let public = Addresses::except(vec!["127.0.0.2/32".parse().unwrap()]);
    let (inside, outside) = (Relay::start(Manner::Good).await, Relay::start_on("127.0.0.2", Manner::Good).await);
    let server = Server::start(FINE).await;
    let names = Names::of([
        ("loop.test", &["127.0.0.1"]),
        ("six.test", &["::1"]),
        ("home.test", &["192.168.1.1"]),
        ("cloud.test", &["169.254.169.254"]),
        ("proxy.test", &["127.0.0.2"]),
        ("mixed.test", &["127.0.0.1", "127.0.0.2"]),
    ]);
    let port = server.port;
    let rules = [inside.port, outside.port, port].map(|port| [format!("http://*:{port}"), format!("https://*:{port}")]);
    let rules: Vec<&str> = rules.as_flattened().iter().map(String::as_str).collect();
    let world = World::new(public, names, &rules).await;
    let refused = |told: &Result<_, EgressError>| matches!(told, Err(EgressError::Refused(text)) if text.contains("no component reaches"));
    for host in [
        "loop.test",
        "six.test",
        "home.test",
        "cloud.test",
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.2]",
    ] {
        for scheme in ["http", "https"] {
            let told = world.send(by(&inside.url(host), &format!("{scheme}://api.test:{port}/"))).await;
            assert!(refused(&told), "a proxy at {host}: {told:?}");
        }
    }
    for host in [
        "127.0.0.1",
        "10.0.0.1",
        "[::1]",
        "[fe80::1]",
        "169.254.169.254",
        "[64:ff9b::7f00:1]",
    ] {
        for scheme in ["http", "https"] {
            let told = world
                .send(by(&outside.url("proxy.test"), &format!("{scheme}://{host}:{port}/")))
                .await;
            assert!(refused(&told), "{scheme}://{host}: {told:?}");
        }
    }
    assert!(inside.heard().is_empty() && outside.heard().is_empty() && server.heard().is_empty());
    for host in ["proxy.test", "mixed.test"] {
        let told = world.send(by(&outside.url(host), &format!("http://api.test:{port}/"))).await;
        assert!(told.is_ok(), "{told:?}");
    }
    assert_eq!((inside.heard().len(), outside.heard().len()), (0, 2));
}

/// A payload for a broker of MQTT, by way of a proxy.
fn publish(proxy: &str, broker: &str) -> Publish {
    Publish {
        target: Target::broker(broker).unwrap(),
        credentials: None,
        topic: "a/b".to_owned(),
        payload: "{}".into(),
        protocol: Protocol::Mqtt(Mqtt {
            client_id: String::new(),
            client_id_suffix: false,
            clean_session: true,
            version: MqttVersion::V311,
            retain: false,
            proof: Proof::Password,
        }),
        connect_timeout: Duration::from_secs(20),
        timeout: Duration::from_secs(20),
        tls: None,
        proxy: Some(Proxy {
            target: Target::proxy(proxy).unwrap(),
            authorization: Some(HeaderValue::from_static("Basic secret")),
        }),
    }
}

#[tokio::test]
async fn a_broker_is_spoken_to_through_a_tunnel() {
    let (broker, relay) = (
        Broker::start().await.acknowledges(),
        Relay::start(Manner::Knows("Basic secret")).await,
    );
    let (proxy, names, url) = (relay.url("proxy.test"), names(), broker.url("broker.test"));
    let world = World::new(loopback(), names.clone(), &[&url]).await;
    let tell = |publish: Publish| world.egress.publish(world.tenant(), publish);
    let refused = tell(publish(&proxy, &url)).await;
    assert!(
        matches!(&refused, Err(EgressError::Refused(text)) if text.contains("proxy.test")),
        "{refused:?}"
    );
    world.allow(&[&proxy, &url, "mqtt://10.0.0.1"]).await;
    for _ in 0..2 {
        assert_eq!(tell(publish(&proxy, &url)).await.unwrap().broker, url);
    }
    let told = relay.heard();
    assert!(
        told[0].starts_with(&format!("CONNECT {} HTTP/1.1\r\n", &url["mqtt://".len()..])),
        "{told:?}"
    );
    assert_eq!(
        (told.len(), names.asked()),
        (1, 1),
        "one connection, and the proxy looks the broker's name up"
    );
    // Another login at the proxy is another connection.
    let mut another = publish(&proxy, &url);
    another.proxy.as_mut().unwrap().authorization = Some(HeaderValue::from_static("Basic another"));
    let refused = tell(another).await;
    assert!(
        matches!(&refused, Err(EgressError::Unreachable { origin, reason }) if *origin == url && reason.contains("wants a user name")),
        "{refused:?}"
    );
    let inside = tell(publish(&proxy, "mqtt://10.0.0.1")).await;
    assert!(
        matches!(&inside, Err(EgressError::Refused(text)) if text.contains("no component reaches")),
        "{inside:?}"
    );
    assert_eq!(relay.heard().len(), 2);
}

#[tokio::test]
async fn a_proxy_may_be_spoken_to_over_tls() {
    let authority = Authority::new();
    let server = Server::start(FINE).await;
    // It passes nothing on: what it is asked is enough.
    let proxy = Server::start_over(authority.server("proxy.test", None), FINE).await;
    let address = format!("https://proxy.test:{}", proxy.port);
    let world = World::new(loopback(), names(), &[&address, &server.rule("api.test")]).await;
    let told = world.send(by(&address, &server.rule("api.test"))).await;
    let fits = matches!(&told, Err(EgressError::Unreachable { origin, reason }) if *origin == address && reason.contains("certificate"));
    assert!(fits, "nobody believes its certificate: {told:?}");
    // What a conversation believes of its target does not count for the proxy.
    let tls = authority.believed(None);
    let told = world.send(over(by(&address, "https://api.test"), tls)).await;
    assert!(told.is_err(), "{told:?}");
    assert!(proxy.heard().iter().all(String::is_empty) && server.heard().is_empty());
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named() {
    let server = Server::start(FINE).await;
    let rules = [server.rule("api.test"), server.rule("api.test").replace("http:", "https:")];
    let [clear, secure] = &rules;
    let world = World::new(loopback(), names(), &[]).await;
    let answer = |status: &str| Manner::Says(format!("HTTP/1.1 {status}\r\nContent-Length: 6\r\n\r\nhidden"));
    for (manner, url, says) in [
        (Manner::Knows("Basic secret"), clear, "wants a user name and a password"),
        (Manner::Knows("Basic secret"), secure, "wants a user name and a password"),
        (answer("403 Forbidden"), secure, "answered 403 Forbidden"),
        (answer("502 Bad Gateway"), secure, "answered 502 Bad Gateway"),
        (answer("302 Found"), secure, "answered 302 Found"),
        (answer("101 Switching Protocols"), secure, "answered 101 Switching Protocols"),
    ] {
        let relay = Relay::start(manner).await;
        let proxy = relay.url("proxy.test");
        world.allow(&[&proxy, clear, secure]).await;
        for asked in [by(&proxy, url), known(by(&proxy, url), "Basic another")] {
            let error = world.send(asked).await.unwrap_err();
            let fits = match &error {
                EgressError::Unreachable { origin, reason } => origin == url && reason.starts_with(&format!("the proxy {proxy} {says}")),
                _ => false,
            };
            assert!(fits, "{says}: {error}");
            let text = format!("{error} {error:?}");
            assert!(!text.contains("Basic") && !text.contains("hidden"), "{text}");
        }
    }
    // What a request in the clear is answered is an answer, whoever gave it.
    let relay = Relay::start(answer("403 Forbidden")).await;
    let proxy = relay.url("proxy.test");
    world.allow(&[&proxy, clear]).await;
    assert_eq!(world.send(by(&proxy, clear)).await.unwrap().status, 403);
    assert!(server.heard().is_empty());
}

#[tokio::test]
async fn a_proxys_answer_has_a_time_and_a_size() {
    let head = format!("HTTP/1.1 200 OK\r\nX-A: {}\r\n\r\n", "x".repeat(200_000));
    let headers = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-A: b\r\n".repeat(101));
    let world = World::new(loopback(), names(), &[]).await;
    for (manner, late) in [
        (Manner::Silent, true),
        (Manner::Drips("HTTP/1.1 200 OK\r\nX-A: "), true),
        (Manner::Drips("HTTP/1.1 407 No\r\nX-A: "), true),
        (Manner::Says(head), false),
        (Manner::Says(headers), false),
        (Manner::Says("no HTTP at all\r\n\r\n".to_owned()), false),
        (Manner::Says(String::new()), false),
    ] {
        let relay = Relay::start(manner).await;
        let proxy = relay.url("proxy.test");
        world.allow(&[&proxy, "https://api.test"]).await;
        let mut asked = by(&proxy, "https://api.test/");
        if late {
            asked.timeout = Duration::from_millis(300);
        }
        let started = Instant::now();
        let told = world.send(asked).await;
        let fits = match &told {
            Err(EgressError::Timeout { timeout_ms: 300, .. }) => late,
            Err(EgressError::Broken { origin, .. }) => !late && *origin == proxy,
            _ => false,
        };
        assert!(fits && started.elapsed() < Duration::from_secs(20), "{told:?}");
    }
    // Behind its answer comes what is no TLS.
    let relay = Relay::start(Manner::Says("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n".to_owned())).await;
    let proxy = relay.url("proxy.test");
    world.allow(&[&proxy, "https://api.test"]).await;
    let told = world.send(by(&proxy, "https://api.test/")).await;
    assert!(
        matches!(&told, Err(EgressError::Unreachable { origin, .. }) if origin == "https://api.test"),
        "{told:?}"
    );
    // Nobody is there.
    let gone = Relay::start(Manner::Good).await.url("nobody.test");
    world.allow(&[&gone, "https://api.test"]).await;
    let told = world.send(by(&gone, "https://api.test/")).await;
    assert!(
        matches!(&told, Err(EgressError::Unreachable { origin, .. }) if *origin == gone),
        "{told:?}"
    );
}
