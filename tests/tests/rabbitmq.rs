//! Nodes publish to a RabbitMQ outside: a real one, with another client behind it.

#![allow(clippy::unwrap_used, missing_docs)]

use serde_json::{Value as Json, json};
use tests::certificates::Authority;
use tests::rabbit::Rabbit;
use tests::scene::{Scene, TALKATIVE, lenient};

const RABBITMQ: &str = "org.thingsboard.rule.engine.rabbitmq.TbRabbitMqNode";
/// A value that must be seen by the broker, and nowhere else.
const PASSWORD: &str = "hunter2-Zwoelf";

/// The node's configuration; `more` beside exchange, key and broker.
fn to(rabbit: &Rabbit, more: Json) -> Json {
    let mut configuration = json!({"exchangeNamePattern": "readings", "routingKeyPattern": "${deviceName}.$[path]", "host": "127.0.0.1",
        "port": rabbit.port, "virtualHost": "/", "username": "user", "password": "${secret:word}", "connectionTimeout": 10000,
        "handshakeTimeout": 10000, "automaticRecoveryEnabled": false, "clientProperties": {"who": "the node"}});
    for (key, value) in more.as_object().unwrap() {
        configuration[key] = value.clone();
    }
    configuration
}

/// One broker for all of it: it takes its time to start.
#[test]
fn a_rabbitmq_confirms_messages() {
    let certificates = tempfile::tempdir().unwrap();
    let authority = Authority::new(certificates.path());
    let rabbit = Rabbit::start(&authority.server("rabbit.test"), ("user", PASSWORD));
    rabbit.queue("readings", "all");
    let (server, _folder) = lenient(&["--egress-authorities", &authority.file(), TALKATIVE[0], TALKATIVE[1]]);
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);
    tenant.post("/api/plugins/secrets", &json!({"name": "word", "value": PASSWORD}));
    let fails = |configuration: &Json, says: &str| {
        let (relation, metadata, _) = scene.ask(RABBITMQ, configuration);
        let error = metadata["error"].as_str().unwrap_or_default();
        assert!(relation == "Failure" && error.contains(says), "{says}: {error}");
        metadata.to_string()
    };
    let before = rabbit.connections();
    fails(&to(&rabbit, json!({})), "is not among the servers");
    assert_eq!(rabbit.connections(), before);
    let origin = format!("amqp://127.0.0.1:{}", rabbit.port);
    scene.allow(&[&origin, &format!("amqps://localhost:{}", rabbit.tls_port)]);

    let mut answers = Vec::new();
    scene.place(RABBITMQ, &to(&rabbit, json!({"messageProperties": "PERSISTENT_TEXT_PLAIN"})));
    for n in 0..10 {
        scene.report(&format!(r#"{{"path": "hall", "n": {n}}}"#));
        let (relation, metadata, payload) = scene.told();
        assert_eq!(
            (relation.as_str(), &metadata["acknowledgedBy"]),
            ("Success", &json!(origin)),
            "{metadata}"
        );
        assert_eq!(
            (&payload["n"], &metadata["deviceName"]),
            (&json!(n), &json!("Demo device")),
            "what was there stays"
        );
        answers.push(metadata.to_string());
    }
    assert_eq!(rabbit.connections(), before + 1, "one connection for all of them");
    let expected = (0..10).map(|n| format!(r#"Demo device.hall text/plain 2 0 {{"n":{n},"path":"hall"}}"#));
    assert_eq!(rabbit.taken("all"), expected.collect::<Vec<_>>());

    let (relation, metadata, _) = scene.ask(
        RABBITMQ,
        &to(&rabbit, json!({"exchangeNamePattern": "", "routingKeyPattern": "all"})),
    );
    assert_eq!(relation, "Success", "{metadata}");
    scene.place(RABBITMQ, &to(&rabbit, json!({})));
    let large = "x".repeat(40_000);
    scene.report(&format!(
        r#"{{"path": "large", "x": ["{large}", "{large}", "{large}", "{large}", "{large}"]}}"#
    ));
    assert_eq!(scene.told().0, "Success", "a payload of several frames");
    let taken = rabbit.taken("all");
    assert_eq!(taken[0], r#"all None None None {"path":"json","temperature":21}"#);
    assert!(
        taken[1].starts_with(r#"Demo device.large None None None {"path":"large","x":["xxx"#),
        "{}",
        taken[1]
    );

    let over_tls = json!({"host": "localhost", "port": rabbit.tls_port, "ssl": true});
    let (relation, metadata, payload) = scene.ask(RABBITMQ, &to(&rabbit, over_tls));
    assert_eq!(relation, "Success", "{metadata}");
    answers.extend([metadata.to_string(), payload.to_string()]);

    // An exchange that there is not ends its own connection only.
    answers.push(fails(&to(&rabbit, json!({"exchangeNamePattern": "nowhere"})), "404 NOT_FOUND"));
    answers.push(fails(&to(&rabbit, json!({"password": "wrong"})), "refused the login: 403"));
    answers.push(fails(&to(&rabbit, json!({"virtualHost": "other"})), "refused the login: 530"));
    answers.push(fails(&to(&rabbit, json!({"password": "${secret:none}"})), "secret"));
    let (relation, ..) = scene.ask(RABBITMQ, &to(&rabbit, json!({})));
    assert_eq!(relation, "Success");

    let closes = rabbit.log();
    assert!(
        closes.contains("closing AMQP connection") && !closes.contains("hunter2"),
        "{closes}"
    );
    let gone = to(&rabbit, json!({}));
    drop(rabbit);
    answers.push(fails(&gone, &origin));
    answers.push(server.log());
    for answer in answers {
        assert!(!answer.contains("hunter2"), "{answer}");
    }
    assert!(!server.log().contains("panicked"), "{}", server.log());
}
