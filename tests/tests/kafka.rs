//! Nodes hand records to a Kafka outside: a real one, with its own consumer behind it.

#![allow(clippy::unwrap_used, missing_docs)]

use std::net::TcpListener;

use serde_json::{Value as Json, json};
use tests::certificates::Authority;
use tests::kafka::{Kafka, PARTITIONS};
use tests::scene::{Scene, TALKATIVE, lenient};

const KAFKA: &str = "org.thingsboard.rule.engine.kafka.TbKafkaNode";
/// A value that must be seen by the broker, and nowhere else.
const PASSWORD: &str = "hunter2-Zwoelf";

/// The node's configuration; `more` beside topic and broker.
fn to(port: u16, topic: &str, more: Json) -> Json {
    let mut configuration = json!({"topicPattern": topic, "bootstrapServers": format!("127.0.0.1:{port}"), "acks": "-1"});
    for (key, value) in more.as_object().unwrap() {
        configuration[key] = value.clone();
    }
    configuration
}

fn login(protocol: &str, mechanism: &str, password: &str) -> Json {
    let module = if mechanism == "PLAIN" {
        "plain.PlainLoginModule"
    } else {
        "scram.ScramLoginModule"
    };
    let line = format!(r#"org.apache.kafka.common.security.{module} required username="user" password="{password}";"#);
    json!({"security.protocol": protocol, "sasl.mechanism": mechanism, "sasl.jaas.config": line})
}

/// One broker for all of it: it takes its time to start.
#[test]
fn a_kafka_takes_records_and_leads_nobody_astray() {
    let certificates = tempfile::tempdir().unwrap();
    let authority = Authority::new(certificates.path());
    let trap = TcpListener::bind("127.0.0.2:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let elsewhere = trap.local_addr().unwrap().port();
    let kafka = Kafka::start(&authority.server("kafka.test"), ("user", PASSWORD), elsewhere);
    let (server, _folder) = lenient(&["--egress-authorities", &authority.file(), TALKATIVE[0], TALKATIVE[1]]);
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);
    let fails = |configuration: &Json, says: &str| {
        let (relation, metadata, _) = scene.ask(KAFKA, configuration);
        let error = metadata["error"].as_str().unwrap_or_default();
        assert!(relation == "Failure" && error.contains(says), "{says}: {error}");
        metadata.to_string()
    };

    fails(&to(kafka.port, "t", json!({})), "is not among the servers");
    let rule = |scheme: &str, host: &str, port: u16| format!("{scheme}://{host}:{port}");
    scene.allow(&[
        &rule("kafka", "127.0.0.1", kafka.port),
        &rule("kafka", "127.0.0.1", kafka.lying_port),
        &rule("kafka", "*", elsewhere),
        &rule("kafkas", "localhost", kafka.login_port),
    ]);

    keyed_and_headed(&scene, &kafka);
    unkeyed_in_order(&scene, &kafka);
    compressed(&scene, &kafka);

    // The broker is outside, and names one that is not: that one is listed, too.
    let lies = to(kafka.lying_port, "readings.Demo-device", json!({}));
    fails(
        &lies,
        &format!("kafka://127.0.0.2:{elsewhere} leads to 127.0.0.2, an address that no component reaches"),
    );
    assert!(trap.accept().is_err(), "nobody came");
    scene.allow(&[
        &rule("kafka", "127.0.0.1", kafka.lying_port),
        &rule("kafkas", "localhost", kafka.login_port),
    ]);
    fails(&lies, &format!("(kafka://127.0.0.1:{} names it)", kafka.lying_port));

    tenant.post("/api/plugins/secrets", &json!({"name": "word", "value": PASSWORD}));
    let over_tls = |mechanism: &str, password: &str| {
        let more = json!({"bootstrapServers": format!("localhost:{}", kafka.login_port), "otherProperties": login("SASL_SSL", mechanism, password)});
        to(kafka.login_port, "secured", more)
    };
    let mut answers = vec![
        fails(&over_tls("PLAIN", "wrong"), "refused the login: user name or password are wrong"),
        fails(
            &over_tls("SCRAM-SHA-256", "wrong"),
            "refused the login: user name or password are wrong",
        ),
        fails(&over_tls("PLAIN", "${secret:none}"), "secret"),
    ];
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let (relation, metadata, payload) = scene.ask(KAFKA, &over_tls(mechanism, "${secret:word}"));
        assert_eq!(
            (relation.as_str(), &metadata["topic"]),
            ("Success", &json!("secured")),
            "{mechanism}: {metadata}"
        );
        answers.extend([metadata.to_string(), payload.to_string()]);
    }
    assert_eq!(kafka.records("secured", 3).len(), 3);
    answers.push(server.log());
    for answer in answers {
        assert!(!answer.contains("hunter2"), "{answer}");
    }

    let gone = to(kafka.port, "t", json!({}));
    scene.allow(&[&rule("kafka", "127.0.0.1", kafka.port)]);
    let origin = rule("kafka", "127.0.0.1", kafka.port);
    drop(kafka);
    fails(&gone, &origin);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

/// A topic that there is not is made; a key has the partition that Kafka's own clients give it; metadata goes along.
fn keyed_and_headed(scene: &Scene, kafka: &Kafka) {
    let more = json!({"keyPattern": "$[key]", "addMetadataKeyValuesAsKafkaHeaders": true, "kafkaHeadersCharset": "UTF-8"});
    scene.place(KAFKA, &to(kafka.port, "keyed", more));
    let mut places = Vec::new();
    for key in ["abc", "D1", "abc"] {
        scene.report(&format!(r#"{{"key": "{key}", "n": {}}}"#, places.len()));
        let (relation, metadata, payload) = scene.told();
        assert_eq!((relation.as_str(), &payload["key"]), ("Success", &json!(key)), "{metadata}");
        assert_eq!(metadata["deviceName"], "Demo device", "what was there stays");
        assert_eq!(metadata["acknowledgedBy"], json!(format!("kafka://127.0.0.1:{}", kafka.port)));
        let place = |name: &str| metadata[name].as_str().unwrap().to_owned();
        places.push((place("topic"), place("partition"), place("offset")));
    }
    let at = |partition: &str, offset: &str| ("keyed".to_owned(), partition.to_owned(), offset.to_owned());
    // What murmur2 makes of these keys with three partitions.
    assert_eq!(places, [at("0", "0"), at("2", "0"), at("0", "1")]);
    let mut records = kafka.records("keyed", 3);
    records.sort();
    for (record, (partition, key, n)) in records.iter().zip([(0, "abc", 0), (0, "abc", 2), (2, "D1", 1)]) {
        assert!(record.starts_with(&format!("Partition:{partition}\t")), "{record}");
        assert!(record.contains("tb_msg_md_deviceName:Demo device"), "{record}");
        assert!(record.ends_with(&format!("\t{key}\t{{\"key\":\"{key}\",\"n\":{n}}}")), "{record}");
    }
}

/// Without a key, records of one device stay in one partition, in their order.
fn unkeyed_in_order(scene: &Scene, kafka: &Kafka) {
    scene.place(KAFKA, &to(kafka.port, "readings.$[room]", json!({"acks": "1"})));
    for n in 0..20 {
        scene.report(&format!(r#"{{"room": "hall", "n": {n}}}"#));
    }
    let records = kafka.records("readings.hall", 20);
    let partition = records[0].split('\t').next().unwrap().to_owned();
    assert!(
        (0..PARTITIONS).any(|number| partition == format!("Partition:{number}")),
        "{partition}"
    );
    let expected = (0..20).map(|n| format!("{partition}\tNO_HEADERS\tnull\t{{\"n\":{n},\"room\":\"hall\"}}"));
    assert_eq!(records, expected.collect::<Vec<_>>());
}

/// Records of several blocks in each codec: they lie there as they were sent, and Kafka's own consumer reads them. Where a topic has a codec of
/// its own, the broker takes them apart and puts them together again.
fn compressed(scene: &Scene, kafka: &Kafka) {
    let codecs = ["none", "gzip", "snappy", "lz4", "zstd"];
    let part = "x".repeat(40_000);
    let body = format!(r#"{{"x":["{part}","{part}","{part}","{part}","{part}"]}}"#);
    for (topic, setting, lie_as) in [
        ("packed", "compression.type=producer", codecs),
        ("repacked", "compression.type=gzip", ["gzip"; 5]),
    ] {
        kafka.make(topic, setting);
        for codec in codecs {
            let more = json!({"keyPattern": codec, "otherProperties": {"compression.type": codec}});
            scene.place(KAFKA, &to(kafka.port, topic, more));
            scene.report(&body);
            let (relation, metadata, _) = scene.told();
            assert_eq!(relation, "Success", "{topic}, {codec}: {metadata}");
        }
        for (record, codec) in kafka.records(topic, codecs.len()).iter().zip(codecs) {
            let expected = format!("Partition:0\tNO_HEADERS\t{codec}\t{body}");
            assert!(*record == expected, "{topic}, {codec}: {} bytes", record.len());
        }
        assert_eq!(kafka.codecs(topic), lie_as, "{topic}");
    }
}
