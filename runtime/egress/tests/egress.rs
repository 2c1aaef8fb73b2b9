//! Requests to real servers on this machine; and every way in which a component's author may try to reach what is not outside.

#![allow(clippy::unwrap_used, missing_docs, dead_code)]

#[path = "egress/world.rs"]
mod world;

use std::time::{Duration, Instant};

use egress::{Addresses, EgressError, Trust};
use hyper::{HeaderMap, Method};
use model::TenantId;
use world::{Names, Server, World, header_of, loopback, request};

/// What a plain server answers.
const FINE: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"fine\":42}";

#[tokio::test]
async fn asks_and_is_answered() {
    let server = Server::start(FINE).await;
    let world = World::new(
        loopback(),
        Names::of([("api.test", &["127.0.0.1"])]),
        &["http://*.test", &server.rule("api.test")],
    )
    .await;
    let mut asked = request(&format!("http://api.test:{}/v1?q=1", server.port));
    asked.method = Method::POST;
    asked.body = "hello".into();
    let (name, value) = egress::header("X-Key", "k").unwrap();
    asked.headers.insert(name, value);
    let answer = world.send(asked).await.unwrap();
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, &b"{\"fine\":42}"[..]));
    assert_eq!(header_of(&answer, "content-type"), "application/json");
    let heard = server.heard();
    assert_eq!(heard.len(), 1);
    let host = format!("host: api.test:{}\r\n", server.port);
    for part in [
        "POST /v1?q=1 HTTP/1.1\r\n",
        &host,
        "x-key: k\r\n",
        "content-length: 5\r\n",
        "connection: close\r\n",
        "\r\n\r\nhello",
    ] {
        assert!(heard[0].contains(part), "{part:?} in {:?}", heard[0]);
    }
}

#[tokio::test]
async fn a_server_is_believed_by_its_certificate() {
    let server = Server::start_tls("api.test", FINE).await;
    let rules = [
        server.rule("api.test").replace("http:", "https:"),
        server.rule("other.test").replace("http:", "https:"),
    ];
    let names = Names::of([("api.test", &["127.0.0.1"]), ("other.test", &["127.0.0.1"])]);
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let world = World::trusting(
        loopback(),
        names.clone(),
        &rules,
        Trust::system(Some(server.authority.as_ref().unwrap().path())).unwrap(),
    )
    .await;
    let url = |name: &str| format!("https://{name}:{}/", server.port);
    assert_eq!(world.send(request(&url("api.test"))).await.unwrap().status, 200);
    let told = world.send(request(&url("other.test"))).await.unwrap_err();
    assert!(
        matches!(&told, EgressError::Unreachable { reason, .. } if reason.contains("certificate")),
        "{told}"
    );
    let strangers = World::new(loopback(), names, &rules).await;
    assert!(matches!(
        strangers.send(request(&url("api.test"))).await,
        Err(EgressError::Unreachable { .. })
    ));
}

#[tokio::test]
async fn only_what_is_on_the_tenants_list_is_reached() {
    let server = Server::start(FINE).await;
    let names = Names::of([("api.test", &["127.0.0.1"])]);
    let world = World::new(loopback(), names, &[&server.rule("api.test")]).await;
    let url = format!("http://api.test:{}/", server.port);
    assert!(world.send(request(&url)).await.is_ok());
    let other = world.egress.send(TenantId::generate(), request(&url)).await;
    assert!(
        matches!(&other, Err(EgressError::Refused(text)) if text.contains("api.test")),
        "another tenant's list is empty: {other:?}"
    );
    for elsewhere in [
        format!("http://127.0.0.1:{}/", server.port),
        "http://api.test/".to_owned(),
        "https://api.test/".to_owned(),
    ] {
        assert!(
            matches!(world.send(request(&elsewhere)).await, Err(EgressError::Refused(_))),
            "{elsewhere}"
        );
    }
    world.allow(&[]).await;
    assert!(
        matches!(world.send(request(&url)).await, Err(EgressError::Refused(_))),
        "a list that is cleared counts at once"
    );
    assert_eq!(server.heard().len(), 1);
}

#[tokio::test]
async fn what_the_administrator_has_chosen_needs_no_list_and_may_be_inside() {
    let server = Server::start(FINE).await;
    let names = Names::of([("api.test", &["127.0.0.1"]), ("meta.test", &["169.254.169.254"])]);
    let world = World::new(Addresses::default(), names, &[]).await;
    let chosen = |url: &str, called| {
        let mut asked = request(url);
        asked.target = asked.target.of_administrator(called);
        asked
    };
    let url = format!("http://api.test:{}/", server.port);
    assert_eq!(world.send(chosen(&url, None)).await.unwrap().status, 200);
    assert!(matches!(world.send(request(&url)).await, Err(EgressError::Refused(_))));
    let told = world.send(chosen("http://meta.test/", None)).await.unwrap_err().to_string();
    assert!(told.contains("http://meta.test leads to 169.254.169.254"), "{told}");
    let told = world.send(chosen("http://meta.test/", Some("what is ours"))).await;
    let told = told.unwrap_err().to_string();
    assert!(
        told.contains("what is ours leads to an address") && !told.contains("meta.test"),
        "{told}"
    );
}

/// Everything is on the list, and still nothing inside is reached: by address, by a name that leads there, by either way of several.
#[tokio::test]
async fn nothing_inside_is_reached_whatever_the_list_says() {
    let server = Server::start(FINE).await;
    let port = server.port;
    let rule = format!("http://*:{port}");
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
    let world = World::new(Addresses::default(), names, &[&rule, "http://*"]).await;
    for host in [
        "127.0.0.1",
        "127.8.8.8",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "0.0.0.0",
        "[::]",
    ] {
        let told = world.send(request(&format!("http://{host}:{port}/"))).await;
        assert!(matches!(told, Err(EgressError::Refused(_))), "{host}: {told:?}");
    }
    for host in [
        "169.254.169.254",
        "[fe80::1]",
        "10.0.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "[fd00:ec2::254]",
        "224.0.0.1",
        "255.255.255.255",
    ] {
        let told = world.send(request(&format!("http://{host}/latest/meta-data/"))).await;
        assert!(matches!(told, Err(EgressError::Refused(_))), "{host}: {told:?}");
    }
    for name in ["loop", "six", "mapped", "several", "cloud", "zero", "home", "LOOP"] {
        let told = world.send(request(&format!("http://{name}.test:{port}/"))).await;
        assert!(
            matches!(&told, Err(EgressError::Refused(text)) if text.contains("no component reaches")),
            "{name}: {told:?}"
        );
    }
    for name in ["none", "unknown"] {
        let told = world.send(request(&format!("http://{name}.test:{port}/"))).await;
        assert!(matches!(told, Err(EgressError::Unreachable { .. })), "{name}: {told:?}");
    }
    assert!(server.heard().is_empty());
}

/// A name that leads outside when it is checked and inside when it is connected to: it is asked once, and what was checked is connected to.
#[tokio::test]
async fn a_name_that_changes_its_mind_gains_nothing() {
    let (outside, inside) = (Server::start_on("127.0.0.2", FINE).await, Server::start(FINE).await);
    let names = Names::in_turn("rebind.test", &[&["127.0.0.2"], &["127.0.0.1"]]);
    // 127.0.0.2 plays a public address here.
    let public = Addresses::except(vec!["127.0.0.2/32".parse().unwrap()]);
    let world = World::new(public, names.clone(), &[&outside.rule("rebind.test"), &inside.rule("rebind.test")]).await;
    assert!(world.send(request(&format!("http://rebind.test:{}/", outside.port))).await.is_ok());
    assert_eq!(names.asked(), 1, "a name is asked once for a request");
    let second = world.send(request(&format!("http://rebind.test:{}/", inside.port))).await;
    assert!(matches!(second, Err(EgressError::Refused(_))), "{second:?}");
    assert_eq!((names.asked(), outside.heard().len(), inside.heard().len()), (2, 1, 0));

    // Among several addresses, only those outside are tried.
    let mixed = Names::of([("mixed.test", &["127.0.0.1", "127.0.0.2"])]);
    let public = Addresses::except(vec!["127.0.0.2/32".parse().unwrap()]);
    let world = World::new(public, mixed, &[&outside.rule("mixed.test")]).await;
    assert!(world.send(request(&format!("http://mixed.test:{}/", outside.port))).await.is_ok());
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let inside = Server::start(FINE).await;
    let answer = format!(
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{}/admin\r\nContent-Length: 0\r\n\r\n",
        inside.port
    );
    let server = Server::start(&answer).await;
    let names = Names::of([("api.test", &["127.0.0.1"])]);
    let world = World::new(loopback(), names, &[&server.rule("api.test"), &format!("http://*:{}", inside.port)]).await;
    let answer = world.send(request(&format!("http://api.test:{}/", server.port))).await.unwrap();
    assert_eq!((answer.status.as_u16(), server.heard().len(), inside.heard().len()), (302, 1, 0));
}

#[tokio::test]
async fn the_environments_proxy_is_not_asked() {
    let (server, proxy) = (Server::start(FINE).await, Server::start(FINE).await);
    let names = Names::of([("api.test", &["127.0.0.1"])]);
    let world = World::new(loopback(), names, &[&server.rule("api.test")]).await;
    // A child of this test has the variables; this process must not change its own.
    if std::env::var_os("http_proxy").is_none() {
        let again = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["the_environments_proxy_is_not_asked", "--exact"])
            .env("http_proxy", format!("http://127.0.0.1:{}", proxy.port))
            .env("HTTP_PROXY", "http://127.0.0.1:1")
            .env("ALL_PROXY", "http://127.0.0.1:1")
            .output()
            .unwrap();
        assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stdout));
        return;
    }
    assert!(world.send(request(&format!("http://api.test:{}/", server.port))).await.is_ok());
    assert_eq!((server.heard().len(), proxy.heard().len()), (1, 0));
}

#[tokio::test]
async fn an_answer_has_a_size() {
    let announced = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n";
    let endless = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let head = format!("HTTP/1.1 200 OK\r\nX-A: {}\r\n\r\n", "x".repeat(200_000));
    let headers = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-A: b\r\n".repeat(101));
    for (answer, flood) in [
        (announced, true),
        (endless, true),
        (&head, false),
        (&headers, false),
        ("no HTTP at all\r\n\r\n", false),
        ("", false),
    ] {
        let server = if flood {
            Server::flooding(answer).await
        } else {
            Server::start(answer).await
        };
        let names = Names::of([("api.test", &["127.0.0.1"])]);
        let world = World::new(loopback(), names, &[&server.rule("api.test")]).await;
        let mut asked = request(&format!("http://api.test:{}/", server.port));
        asked.response_bytes_max = 10_000;
        let told = world.send(asked).await;
        let fits = match &told {
            Err(EgressError::TooLarge { bytes_max, .. }) => flood && *bytes_max == 10_000,
            Err(EgressError::Broken { .. }) => !flood,
            _ => false,
        };
        assert!(fits, "{:?}: {told:?}", &answer[..answer.len().min(40)]);
    }
}

#[tokio::test]
async fn an_answer_has_a_time() {
    let silent = Server::silent().await;
    let dripping = Server::dripping("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n").await;
    let names = Names::of([("api.test", &["127.0.0.1"])]);
    let world = World::new(loopback(), names, &[&silent.rule("api.test"), &dripping.rule("api.test")]).await;
    for server in [&silent, &dripping] {
        let mut asked = request(&format!("http://api.test:{}/", server.port));
        asked.timeout = Duration::from_millis(300);
        let started = Instant::now();
        let told = world.send(asked).await;
        assert!(matches!(told, Err(EgressError::Timeout { timeout_ms: 300, .. })), "{told:?}");
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}

#[tokio::test]
async fn a_tenant_waits_for_itself_only() {
    let (silent, good) = (Server::silent().await, Server::start(FINE).await);
    let names = Names::of([("api.test", &["127.0.0.1"])]);
    let world = World::new(loopback(), names, &[&silent.rule("api.test"), &good.rule("api.test")]).await;
    let other = TenantId::generate();
    world.allow_for(other, &[&good.rule("api.test")]).await;
    let mut stuck = request(&format!("http://api.test:{}/", silent.port));
    stuck.timeout = Duration::from_secs(60);
    let waiting: Vec<_> = (0..2_048).map(|_| Box::pin(world.send(stuck.clone()))).collect();
    let mut waiting = futures::future::select_all(waiting);
    let url = format!("http://api.test:{}/", good.port);
    // Polled once, all of them wait: sixteen for the server, the others for their turn.
    assert!(futures::poll!(&mut waiting).is_pending());
    while silent.connected() < 16 {
        assert!(futures::poll!(&mut waiting).is_pending());
        tokio::task::yield_now().await;
    }
    let one_more = world.send(request(&url)).await;
    assert!(matches!(one_more, Err(EgressError::Busy { .. })), "{one_more:?}");
    assert_eq!(world.egress.send(other, request(&url)).await.unwrap().status, 200);
    assert_eq!(silent.connected(), 16);
    drop(waiting);
    assert_eq!(
        world.send(request(&url)).await.unwrap().status,
        200,
        "who is called off gives its place free"
    );
}

#[tokio::test]
async fn nothing_secret_is_shown() {
    let names = Names::of([("api.test", &["127.0.0.1"])]);
    let world = World::new(loopback(), names, &["http://api.test:82"]).await;
    let url = "http://api.test:81/hidden?key=hidden";
    let mut asked = request(url);
    let (name, value) = egress::header("Authorization", "hidden").unwrap();
    asked.headers = HeaderMap::from_iter([(name, value)]);
    asked.body = "hidden".into();
    assert_eq!(format!("{asked:?}"), "GET http://api.test:81");
    let refused = world.send(asked.clone()).await.unwrap_err();
    world.allow(&["http://api.test:81"]).await;
    let unreachable = world.send(asked).await.unwrap_err();
    for error in [refused, unreachable] {
        assert!(!format!("{error} {error:?}").contains("hidden"), "{error:?}");
    }
}
