//! Nodes publish to brokers outside: those that the tenant lists, with secrets they never see; and nothing inside is published to.

#![allow(clippy::unwrap_used, missing_docs)]

use serde_json::{Value as Json, json};
use tests::broker::{Broker, Settings};
use tests::certificates::Authority;
use tests::scene::{LENIENT, Scene, TALKATIVE, components, lenient, uploaded};
use tests::server::{Options, Server};

const MQTT: &str = "org.thingsboard.rule.engine.mqtt.TbMqttNode";
const PUBLISHES: &str = "test.egress.publishes";

fn to(broker: &Broker, more: Json) -> Json {
    let mut configuration = json!({"topicPattern": "devices/${deviceName}/$[path]", "host": "127.0.0.1", "port": broker.port});
    for (key, value) in more.as_object().unwrap() {
        configuration[key] = value.clone();
    }
    configuration
}

#[test]
fn a_message_goes_on_when_the_broker_has_acknowledged_it() {
    let broker = Broker::start(Settings::default(), None);
    let (server, _folder) = lenient(&[]);
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);

    let (relation, metadata, _) = scene.ask(MQTT, &to(&broker, json!({})));
    let error = metadata["error"].as_str().unwrap();
    assert!(
        relation == "Failure" && error.contains("is not among the servers"),
        "nothing is listed at first: {error}"
    );
    assert_eq!(broker.clients(), 0);

    let origin = format!("mqtt://127.0.0.1:{}", broker.port);
    scene.allow(&[&origin]);
    let listener = broker.listen(3);
    let (relation, metadata, payload) = scene.ask(MQTT, &to(&broker, json!({"clientId": "platform"})));
    assert_eq!(
        (relation.as_str(), &metadata["acknowledgedBy"], &payload),
        ("Success", &json!(origin), &json!({"temperature": 21, "path": "json"}))
    );
    assert_eq!(metadata["deviceName"], "Demo device", "what was there stays");
    scene.report(r#"{"temperature": 22, "path": "second"}"#);
    let (relation, ..) = scene.ask(MQTT, &to(&broker, json!({"clientId": "platform", "retainedMessage": true})));
    assert_eq!(relation, "Success");
    assert_eq!(
        listener.heard(),
        [
            r#"devices/Demo device/json {"path":"json","temperature":21}"#,
            r#"devices/Demo device/second {"path":"second","temperature":22}"#,
            r#"devices/Demo device/json {"path":"json","temperature":21}"#,
        ]
        .map(str::to_owned)
    );
    assert_eq!(broker.clients(), 1, "one connection for all of them: {}", broker.log());
    let log = broker.log();
    assert!(log.contains("Received PUBLISH from platform (d0, q1, r0"), "{log}");
    assert!(log.contains("Received PUBLISH from platform (d0, q1, r1"), "{log}");
    assert_eq!(broker.listen(1).heard().len(), 1, "one message was kept for those who come later");

    let gone = broker.port;
    drop(broker);
    let (relation, metadata, _) = scene.ask(
        MQTT,
        &json!({"topicPattern": "t", "host": "127.0.0.1", "port": gone, "clientId": "platform"}),
    );
    assert!(
        relation == "Failure" && metadata["error"].as_str().unwrap().contains(&origin),
        "a broker that is gone is a failure: {metadata}"
    );
}

/// A value that must be seen by the broker, and nowhere else.
const PASSWORD: &str = "hunter2-Zwölf$";

#[test]
fn a_broker_is_logged_in_to_with_a_secret_over_tls() {
    let certificates = tempfile::tempdir().unwrap();
    let authority = Authority::new(certificates.path());
    let settings = Settings {
        login: Some(("user", PASSWORD)),
        tls: Some(authority.server("broker.test")),
        clients_of: None,
    };
    let broker = Broker::start(settings, Some(authority.file()));
    let (server, _folder) = lenient(&["--egress-authorities", &authority.file(), TALKATIVE[0], TALKATIVE[1]]);
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);
    scene.allow(&[&format!("mqtts://localhost:{}", broker.port)]);
    tenant.post("/api/plugins/secrets", &json!({"name": "word", "value": PASSWORD}));
    let login = |password: &str| {
        let credentials = json!({"type": "basic", "username": "user", "password": password});
        to(&broker, json!({"host": "localhost", "ssl": true, "credentials": credentials}))
    };
    let mut answers = Vec::new();
    for (password, says) in [("wrong", "not authorised"), ("${secret:none}", "secret")] {
        let (relation, metadata, _) = scene.ask(MQTT, &login(password));
        let error = metadata["error"].as_str().unwrap();
        assert!(relation == "Failure" && error.contains(says), "{password}: {error}");
        answers.push(metadata.to_string());
    }
    let listener = broker.listen(1);
    let (relation, metadata, payload) = scene.ask(MQTT, &login("${secret:word}"));
    assert_eq!(relation, "Success", "{metadata}");
    assert_eq!(listener.heard().len(), 1);
    answers.extend([metadata.to_string(), payload.to_string(), server.log()]);
    for answer in answers {
        assert!(!answer.contains("hunter2"), "{answer}");
    }
}

/// The server believes no authority but those of its system: what the broker shows, and what it wants to see, is the tenant's own affair.
#[test]
fn a_broker_of_version_5_lets_in_who_has_a_certificate() {
    let (certificates, others) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (authority, other) = (Authority::new(certificates.path()), Authority::new(others.path()));
    let settings = Settings {
        login: None,
        tls: Some(authority.server("broker.test")),
        clients_of: Some(authority.file()),
    };
    let broker = Broker::start(settings, None);
    let (server, _folder) = lenient(&TALKATIVE);
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);
    scene.allow(&[&format!("mqtts://localhost:{}", broker.port)]);
    let read = |file: &str| std::fs::read_to_string(file).unwrap();
    let (known, stranger) = (authority.device("the-platform"), other.device("a-stranger"));
    tenant.post("/api/plugins/secrets", &json!({"name": "key", "value": read(&known.key)}));
    let node = |more: &Json| {
        let mut credentials = json!({"type": "cert.PEM", "caCert": read(&authority.file())});
        credentials.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        to(
            &broker,
            json!({"host": "localhost", "ssl": true, "protocolVersion": "MQTT_5", "credentials": credentials}),
        )
    };
    let shown = |files: &tests::certificates::Files, key: &str| json!({"cert": read(&files.certificate), "privateKey": key});
    let mut answers = Vec::new();
    for (what, configuration, says) in [
        ("no certificate", node(&json!({})), "mqtts://localhost"),
        (
            "another authority's",
            node(&shown(&stranger, &read(&stranger.key))),
            "mqtts://localhost",
        ),
        ("another's key", node(&shown(&known, &read(&stranger.key))), "key"),
        (
            "a broker of another authority",
            node(&json!({"caCert": read(&other.file()), "cert": read(&known.certificate), "privateKey": "${secret:key}"})),
            "mqtts://localhost",
        ),
    ] {
        let (relation, metadata, _) = scene.ask(MQTT, &configuration);
        let error = metadata["error"].as_str().unwrap();
        assert!(relation == "Failure" && error.contains(says), "{what}: {error}");
        answers.push(metadata.to_string());
    }
    assert_eq!(broker.clients(), 0, "{}", broker.log());
    let (relation, metadata, payload) = scene.ask(MQTT, &node(&shown(&known, "${secret:key}")));
    assert_eq!(relation, "Success", "{metadata} {}", broker.log());
    let log = broker.log();
    let came = log.lines().find(|line| line.contains("New client connected")).unwrap();
    assert!(came.contains("(p5,") && came.contains("u'the-platform'"), "{came}");
    answers.extend([metadata.to_string(), payload.to_string(), server.log()]);
    let secret = read(&known.key);
    let secret = secret.lines().nth(1).unwrap();
    for answer in answers {
        assert!(!answer.contains(secret) && !answer.contains("BEGIN"), "{answer}");
    }
}

#[test]
fn a_component_of_a_tenant_is_permitted_to_publish_first() {
    let broker = Broker::start(Settings::default(), None);
    let server = Server::start(Options::demo().with(&LENIENT));
    let tenant = server.tenant();
    let (component, version) = uploaded(&tenant, "publishes");
    let (status, told) = tenant.try_post(&format!("{component}/permissions"), &json!({"grant": ["http-request"]}));
    assert_eq!(status, 200, "{told}");
    let (status, told) = tenant.try_post(&format!("{component}/activate"), &version);
    assert!(
        status == 409 && told.contains("publishes to brokers outside"),
        "it must be granted: {told}"
    );
    tenant.post(&format!("{component}/permissions"), &json!({"grant": ["publish"]}));
    tenant.post(&format!("{component}/activate"), &version);
    let scene = Scene::new(&server, &tenant);
    let origin = format!("mqtt://127.0.0.1:{}", broker.port);
    scene.allow(&[&origin]);
    tenant.post("/api/plugins/secrets", &json!({"name": "word", "value": "x"}));
    let (relation, metadata, _) = scene.ask(PUBLISHES, &json!({"broker": origin, "secret": "word"}));
    let error = metadata["error"].as_str().unwrap_or_default();
    assert!(
        relation == "Failure" && error.contains("secret:word"),
        "a secret must be granted, too: {error}"
    );
    assert_eq!(broker.clients(), 0);
    let (relation, metadata, _) = scene.ask(PUBLISHES, &json!({"broker": origin}));
    assert_eq!(relation, "Success", "{metadata}");
}

/// Each is a guest that tries to get in. The list allows every one of these brokers: only what they are keeps them away.
#[test]
fn nothing_inside_is_published_to() {
    let folder = components();
    let inside = Broker::start(Settings::default(), None);
    let server = Server::start(Options::demo().with(&["--components", folder.path().to_str().unwrap()]));
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);
    let port = inside.port;
    scene.allow(&[
        "mqtt://*",
        "mqtts://*",
        &format!("mqtt://*:{port}"),
        &format!("mqtt://localhost:{port}"),
        &format!("kafka://*:{port}"),
        &format!("amqps://*:{port}"),
    ]);
    let broker = |host: &str| json!({"broker": format!("mqtt://{host}:{port}")});
    let never = "no component reaches";
    let none = "neither the name of a host nor an IP address";
    // The server's own MQTT port is inside, too.
    let own = format!("mqtt://127.0.0.1:{}", server.mqtt_port);
    let cases = [
        (broker("127.0.0.1"), never),
        (broker("localhost"), never),
        (broker("[::1]"), never),
        (broker("[::ffff:127.0.0.1]"), never),
        (broker("0.0.0.0"), never),
        (json!({"broker": "mqtt://169.254.169.254"}), "metadata service"),
        (json!({"broker": "mqtts://[fe80::1]"}), never),
        (json!({"broker": "mqtt://10.0.0.1"}), never),
        (broker("2130706433"), none),
        (broker("0x7f000001"), none),
        (broker("127.1"), none),
        (json!({"broker": own}), "is not among the servers"),
        (json!({"broker": format!("mqtt://u:p@127.0.0.1:{port}")}), "user name"),
        (json!({"broker": format!("mqtt://127.0.0.1:{port}/x")}), "no path"),
        (json!({"broker": "mqtt://127.0.0.1:25"}), "port 25"),
        (json!({"broker": "http://127.0.0.1"}), "the option service"),
        (json!({"broker": "stomp://127.0.0.1"}), "mqtt://"),
        (json!({"broker": format!("kafka://127.0.0.1:{port}")}), never),
        (
            json!({"broker": format!("kafka://example.org,127.0.0.1:{port}")}),
            "is not among the servers",
        ),
        (
            json!({"broker": format!("amqps://localhost:{port}"), "options": {"exchange": "e"}}),
            never,
        ),
        (json!({"broker": format!("kafka://{port}")}), none),
        (json!({"broker": "mqtt://a", "topic": "a/#"}), "wildcard"),
        (json!({"broker": "mqtt://a", "topic": ""}), "empty"),
        (json!({"broker": "mqtt://a", "options": {"acks": "all"}}), "no option"),
    ];
    for (configuration, says) in cases {
        let (relation, metadata, _) = scene.ask(PUBLISHES, &configuration);
        let error = metadata["error"].as_str().unwrap_or_default();
        assert!(relation == "Failure" && error.contains(says), "{configuration}: {error}");
    }
    assert_eq!(inside.clients(), 0, "{}", inside.log());
    assert!(!server.log().contains("panicked"), "{}", server.log());
}
