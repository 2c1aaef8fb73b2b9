//! Requests and mails go by way of a proxy that nobody here wrote: one that a node names, and the server's own.

#![allow(clippy::unwrap_used, missing_docs)]

use serde_json::{Value as Json, json};
use tests::certificates::Authority;
use tests::mailbox::Mailbox;
use tests::outside::Outside;
use tests::proxy::Proxy;
use tests::scene::{Scene, TALKATIVE, components, lenient};
use tests::server::{Options, Server};

const TO_EMAIL: &str = "org.thingsboard.rule.engine.mail.TbMsgToEmailNode";
const SEND_EMAIL: &str = "org.thingsboard.rule.engine.mail.TbSendEmailNode";
const REST_CALL: &str = "org.thingsboard.rule.engine.rest.TbRestApiCallNode";
/// What must be seen by the mail server and by the proxy, and nowhere else.
const PASSWORD: &str = "hunter2-Zwoelf";
const PROXY_PASSWORD: &str = "hunter2-Elf";

fn mail() -> Json {
    json!({"fromTemplate": "a@house.test", "toTemplate": "b@b.test", "ccTemplate": "", "bccTemplate": "", "subjectTemplate": "s",
        "bodyTemplate": "$[temperature]", "mailBodyType": "false"})
}

/// A mail server's port, and a proxy's, as nodes and the server's settings both have them.
fn by(mailbox: u16, proxy: u16, more: &Json) -> Json {
    let mut all = json!({"smtpHost": "localhost", "smtpPort": mailbox, "smtpProtocol": "smtp", "timeout": 10_000, "enableTls": true, "username": "user",
        "password": PASSWORD, "enableProxy": true, "proxyHost": "127.0.0.1", "proxyPort": proxy.to_string(), "proxyUser": "me", "proxyPassword": PROXY_PASSWORD});
    for (name, value) in more.as_object().unwrap() {
        all[name] = value.clone();
    }
    all
}

#[test]
fn a_node_sends_mails_by_way_of_a_proxy() {
    let certificates = tempfile::tempdir().unwrap();
    let authority = Authority::new(certificates.path());
    let mailbox = Mailbox::start(&authority.server("mail.test"), ("user", PASSWORD));
    let proxy = Proxy::start(None, ("me", PROXY_PASSWORD));
    let (server, _folder) = lenient(&["--egress-authorities", &authority.file(), TALKATIVE[0], TALKATIVE[1]]);
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);
    tenant.post("/api/plugins/secrets", &json!({"name": "word", "value": PROXY_PASSWORD}));
    let send = |over: &Json| scene.ask_all(&[(TO_EMAIL, &mail()), (SEND_EMAIL, over)]);
    let fails = |over: &Json, says: &str| {
        let (relation, metadata, _) = send(over);
        let error = metadata["error"].as_str().unwrap_or_default();
        assert!(relation == "Failure" && error.contains(says), "{says}: {error}");
        metadata.to_string()
    };
    let port = mailbox.start_tls_port;
    let known = by(port, proxy.port, &json!({"proxyPassword": "${secret:word}"}));
    scene.allow(&[&format!("smtp://localhost:{port}")]);
    let mut answers = vec![fails(&known, &format!("http://127.0.0.1:{} is not among the servers", proxy.port))];
    scene.allow(&[&format!("smtp://localhost:{port}"), &format!("http://127.0.0.1:{}", proxy.port)]);
    for wrong in [json!({"proxyPassword": "wrong"}), json!({"proxyUser": ""})] {
        answers.push(fails(&by(port, proxy.port, &wrong), "wants a user name and a password"));
    }
    assert!(mailbox.mails().is_empty());

    let (relation, metadata, _) = send(&known);
    assert_eq!(
        (relation.as_str(), &metadata["acknowledgedBy"]),
        ("Success", &json!(format!("smtp://localhost:{port}"))),
        "{metadata}"
    );
    assert_eq!(mailbox.mails()[0]["user"], "True", "it was logged in to over TLS inside the tunnel");
    // Straight there is another connection.
    let straight = by(port, proxy.port, &json!({"enableProxy": false}));
    assert_eq!(send(&straight).0, "Success");
    let mails = mailbox.mails();
    assert_ne!(mails[0]["peer"], mails[1]["peer"]);
    // Tunnels are told of when they are over.
    answers.extend([metadata.to_string(), server.log()]);
    drop(server);
    tests::until("the tunnel is over", || proxy.passed_to(port) == 1);
    for answer in answers {
        assert!(!answer.contains("hunter2"), "{answer}");
    }
}

#[test]
fn the_servers_own_ways_are_used_and_not_seen() {
    let certificates = tempfile::tempdir().unwrap();
    let authority = Authority::new(certificates.path());
    let files = authority.server("mail.test");
    let mailbox = Mailbox::start(&files, ("user", PASSWORD));
    let (in_the_clear, over_tls) = (
        Proxy::start(None, ("me", PROXY_PASSWORD)),
        Proxy::start(Some(&files), ("me", PROXY_PASSWORD)),
    );
    let outside = Outside::start();
    // No network is excepted: on this machine the administrator alone chooses servers, and so the proxy.
    let folder = components();
    let mut options = Options::demo()
        .with(&[
            "--components",
            folder.path().to_str().unwrap(),
            "--egress-authorities",
            &authority.file(),
        ])
        .with(&["--egress-proxy", &format!("https://localhost:{}", over_tls.port)])
        .with(&TALKATIVE);
    options
        .environment
        .push(("PACIFICSOFT_EGRESS_PROXY_LOGIN".to_owned(), format!("me:{PROXY_PASSWORD}")));
    let server = Server::start(options);
    let sysadmin = server.login("sysadmin@pacificsoft.org", "sysadmin");
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);

    let by_server = json!({"useSystemSmtpSettings": true});
    let send = || scene.ask_all(&[(TO_EMAIL, &mail()), (SEND_EMAIL, &by_server)]);
    // That the device is there is a message, too: it has come by now.
    assert_eq!(send().0, "Failure", "there are no settings");
    let port = mailbox.start_tls_port;
    let settings = by(port, in_the_clear.port, &json!({"mailFrom": "server@house.test"}));
    let settings = json!({"key": "mail", "jsonValue": settings});
    sysadmin.post("/api/admin/settings", &settings);
    let shown = sysadmin.get("/api/admin/settings/mail");
    assert_eq!(
        (&shown["jsonValue"]["enableProxy"], &shown["jsonValue"]["proxyUser"]),
        (&json!(true), &json!("me"))
    );
    // What is shown is without passwords, and may be sent back so.
    sysadmin.post("/api/admin/settings", &shown);
    sysadmin.post("/api/admin/settings/testMail", &shown);
    assert_eq!(send().0, "Success");
    assert_eq!(mailbox.mails().len(), 2);
    let mut answers = vec![shown.to_string()];
    let mut wrong = settings.clone();
    wrong["jsonValue"]["proxyPassword"] = json!("wrong");
    sysadmin.post("/api/admin/settings", &wrong);
    let (relation, metadata, _) = send();
    let error = metadata["error"].as_str().unwrap_or_default();
    assert!(relation == "Failure" && error.contains("wants a user name"), "{error}");
    assert!(!error.contains(&in_the_clear.port.to_string()), "{error}");
    answers.push(metadata.to_string());

    let call = |url: &str, own: bool| {
        json!({"restEndpointUrlPattern": url, "requestMethod": "GET", "enableProxy": true, "useSystemProxyProperties": own,
            "proxyHost": "localhost", "proxyPort": over_tls.port})
    };
    // Its name, which is one of this machine, is looked up by the proxy, as its operator has let it.
    let url = format!("http://localhost:{}/json", outside.port);
    let (relation, metadata, _) = scene.ask(REST_CALL, &call(&url, true));
    assert!(
        relation == "Failure" && metadata["error"].as_str().unwrap().contains("is not among the servers"),
        "{metadata}"
    );
    scene.allow(&[
        &format!("http://localhost:{}", outside.port),
        &format!("http://localhost:{}", over_tls.port),
    ]);
    let (relation, metadata, payload) = scene.ask(REST_CALL, &call(&url, true));
    assert_eq!((relation.as_str(), &payload), ("Success", &json!({"answer": 42})), "{metadata}");
    assert!(outside.heard()[0].starts_with("GET /json HTTP/1.1\r\n"), "{:?}", outside.heard());
    assert!(!outside.heard()[0].contains("hunter2"));
    tests::until("the proxy tells of it", || over_tls.passed_to(outside.port) >= 1);
    answers.push(metadata.to_string());
    // An address is looked at all the same; and a tenant cannot name the proxy itself, which is inside.
    let inside = format!("http://127.0.0.1:{}/json", outside.port);
    scene.allow(&[
        &format!("http://127.0.0.1:{}", outside.port),
        &format!("http://localhost:{}", over_tls.port),
    ]);
    for (url, own) in [(&inside, true), (&inside, false)] {
        let (relation, metadata, _) = scene.ask(REST_CALL, &call(url, own));
        let error = metadata["error"].as_str().unwrap_or_default();
        assert!(relation == "Failure" && error.contains("no component reaches"), "{error}");
        answers.push(error.to_owned());
    }
    assert_eq!(outside.heard().len(), 1);
    answers.push(server.log());
    for answer in answers {
        assert!(!answer.contains("hunter2"), "{answer}");
    }
    assert!(!server.log().contains("panicked"), "{}", server.log());
}
