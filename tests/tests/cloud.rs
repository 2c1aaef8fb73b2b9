//! Nodes hand messages to services of clouds, which check every token: by packages that nobody here wrote.

#![allow(clippy::unwrap_used, missing_docs)]

use serde_json::{Value as Json, json};
use tests::certificates::Authority;
use tests::cloud::{Hub, PubSub};
use tests::scene::{Scene, TALKATIVE, lenient};

const AZURE: &str = "org.thingsboard.rule.engine.mqtt.azure.TbAzureIotHubNode";
const GOOGLE: &str = "org.thingsboard.rule.engine.gcp.pubsub.TbPubSubNode";
/// `a key of 32 bytes, for the tests`
const KEY: &str = "YSBrZXkgb2YgMzIgYnl0ZXMsIGZvciB0aGUgdGVzdHM=";

/// Asks one node; it fails, saying something.
fn failed(scene: &Scene, class: &str, configuration: &Json, says: &str) -> String {
    let (relation, metadata, _) = scene.ask(class, configuration);
    let error = metadata["error"].as_str().unwrap_or_default();
    assert!(relation == "Failure" && error.contains(says), "{says}: {error}");
    metadata.to_string()
}

#[test]
fn a_hub_lets_a_device_in_by_a_token_that_its_key_has_signed() {
    let certificates = tempfile::tempdir().unwrap();
    let authority = Authority::new(certificates.path());
    let hub = Hub::start(&authority.server("hub.test"), "dev-1", KEY);
    let (server, _folder) = lenient(&["--egress-authorities", &authority.file(), TALKATIVE[0], TALKATIVE[1]]);
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);
    for (name, value) in [("key", KEY), ("other", "YW5vdGhlciBrZXk="), ("none", "no base64!")] {
        tenant.post("/api/plugins/secrets", &json!({"name": name, "value": value}));
    }
    let to = |device: &str, secret: &str| {
        json!({"topicPattern": "devices/<device_id>/messages/events/from=${deviceName}", "host": "localhost", "port": hub.port, "connectTimeoutSec": 10,
            "clientId": device, "appendClientIdSuffix": false, "retainedMessage": false, "cleanSession": true, "ssl": true, "parseToPlainText": false,
            "protocolVersion": "MQTT_3_1_1", "credentials": {"type": "sas", "sasKey": format!("${{secret:{secret}}}"), "caCert": null}})
    };
    let mut answers = vec![failed(&scene, AZURE, &to("dev-1", "key"), "is not among the servers")];
    assert_eq!(hub.logins().len(), 0);
    let origin = format!("mqtts://localhost:{}", hub.port);
    scene.allow(&[&origin]);
    answers.push(failed(&scene, AZURE, &to("dev-1", "other"), "not authorised"));
    answers.push(failed(&scene, AZURE, &to("dev-2", "key"), "not authorised"));
    answers.push(failed(&scene, AZURE, &to("dev-1", "none"), "base64"));

    let listener = hub.broker.listen(2);
    for n in 1..3 {
        scene.place(AZURE, &to("dev-1", "key"));
        scene.report(&format!(r#"{{"n": {n}}}"#));
        let (relation, metadata, payload) = scene.told();
        assert_eq!(
            (relation.as_str(), &metadata["acknowledgedBy"], &payload["n"]),
            ("Success", &json!(origin), &json!(n)),
            "{metadata}"
        );
        assert_eq!(metadata["deviceName"], "Demo device", "what was there stays");
        answers.push(metadata.to_string());
    }
    let topic = "devices/dev-1/messages/events/from=Demo device";
    assert_eq!(listener.heard(), [format!(r#"{topic} {{"n":1}}"#), format!(r#"{topic} {{"n":2}}"#)]);
    let refused: Vec<Json> = hub.logins().into_iter().map(|login| login["refused"].clone()).collect();
    assert_eq!(
        refused,
        [json!("not signed with the key"), json!("another device"), Json::Null],
        "one connection for both messages: its token was good"
    );
    let log = hub.broker.log();
    assert!(
        log.contains("as dev-1 (p2, c1, k60, u'localhost/dev-1/?api-version=2018-06-30')"),
        "{log}"
    );
    answers.push(server.log());
    for answer in answers {
        assert!(!answer.contains(KEY) && !answer.contains("&sig="), "{answer}");
    }
}

#[test]
fn a_topic_takes_what_a_service_account_has_signed_for() {
    let pubsub = PubSub::start();
    let (server, _folder) = lenient(&TALKATIVE);
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);
    let key: Json = serde_json::from_str(&pubsub.key()).unwrap();
    let mut other = key.clone();
    other["client_email"] = json!("nobody@a-project.iam.gserviceaccount.com");
    for (name, value) in [
        ("account", key.to_string()),
        ("other", other.to_string()),
        ("none", "{}".to_owned()),
    ] {
        tenant.post("/api/plugins/secrets", &json!({"name": name, "value": value}));
    }
    let origin = format!("http://127.0.0.1:{}", pubsub.port);
    let to = |topic: &str, secret: &str| {
        json!({"projectId": "a-project", "topicName": topic, "messageAttributes": {"from": "${deviceName}"}, "serviceAccountKeyFileName": "key.json",
            "serviceAccountKey": format!("${{secret:{secret}}}"), "endpoint": origin})
    };
    let mut answers = vec![failed(&scene, GOOGLE, &to("readings", "account"), "is not among the servers")];
    scene.allow(&[&origin]);
    answers.push(failed(
        &scene,
        GOOGLE,
        &to("readings", "other"),
        "401 Unauthorized: Request had invalid",
    ));
    answers.push(failed(&scene, GOOGLE, &to("readings", "none"), "key file"));
    answers.push(failed(
        &scene,
        GOOGLE,
        &to("writings", "account"),
        "404 Not Found: Resource not found",
    ));
    answers.push(failed(&scene, GOOGLE, &to("../readings", "account"), "no topic has"));

    let (relation, metadata, payload) = scene.ask(GOOGLE, &to("readings", "account"));
    assert_eq!(
        (relation.as_str(), &metadata["acknowledgedBy"]),
        ("Success", &json!(origin)),
        "{metadata}"
    );
    assert_eq!(
        (&payload["temperature"], &metadata["deviceName"]),
        (&json!(21), &json!("Demo device")),
        "what was there stays"
    );
    let messages = pubsub.messages();
    assert_eq!(
        messages,
        [json!({"id": metadata["messageId"], "data": r#"{"path":"json","temperature":21}"#, "attributes": {"from": "Demo device"}})]
    );
    // The text of a key file itself may stand in a configuration, as ThingsBoard's console writes it.
    let mut written = to("readings", "account");
    written["serviceAccountKey"] = json!(key.to_string());
    let (relation, metadata, _) = scene.ask(GOOGLE, &written);
    assert_eq!((relation.as_str(), pubsub.messages().len()), ("Success", 2), "{metadata}");
    answers.extend([metadata.to_string(), server.log()]);
    let private = key["private_key"].as_str().unwrap().lines().nth(1).unwrap();
    for answer in answers {
        assert!(!answer.contains(private) && !answer.contains("Bearer eyJ"), "{answer}");
    }
}
