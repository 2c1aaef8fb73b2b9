//! Options of a publish, by their names.

use uuid::Uuid;

use egress::{
    Alphabet, Amqp, Compression, Kafka, Mechanism, Mqtt, MqttVersion, Numbering, Proof, Protocol, Service, Smpp, SmppBind, SmppVersion,
    Target,
};

use super::options;

fn read(broker: &str, given: &[(&str, &str)]) -> Result<(Protocol, u32), String> {
    let owned: Vec<_> = given
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let (target, more) = match broker.starts_with("http") {
        true => (Target::parse(broker).expect("a server"), Vec::new()),
        false => Target::brokers(broker).expect("a broker"),
    };
    let source = options::Source {
        spread: 7,
        originator: Uuid::from_u128(1),
        message: Uuid::from_u128(2),
    };
    options::read(&target, more, &owned, &source).map_err(|error| error.to_string())
}

fn mqtt(given: &[(&str, &str)]) -> (Mqtt, u32) {
    match read("mqtts://a", given) {
        Ok((Protocol::Mqtt(mqtt), timeout_ms)) => (mqtt, timeout_ms),
        other => panic!("{other:?}"),
    }
}

fn kafka(given: &[(&str, &str)]) -> Kafka {
    match read("kafka://a,b", given) {
        Ok((Protocol::Kafka(kafka), _)) => kafka,
        other => panic!("{other:?}"),
    }
}

fn amqp(given: &[(&str, &str)]) -> Amqp {
    match read("amqps://a", given) {
        Ok((Protocol::Amqp(amqp), _)) => amqp,
        other => panic!("{other:?}"),
    }
}

#[test]
fn options_of_mqtt_are_read_by_their_names() {
    let (plain, timeout_ms) = mqtt(&[]);
    assert_eq!(
        (
            plain.clean_session,
            plain.retain,
            plain.version,
            plain.client_id.as_str(),
            timeout_ms
        ),
        (true, false, MqttVersion::V311, "", 10_000)
    );
    let (all, timeout_ms) = mqtt(&[
        ("client-id", "gateway"),
        ("client-id-suffix", "true"),
        ("clean-session", "false"),
        ("retain", "true"),
        ("version", "3.1"),
        ("proof", "azure-sas"),
        ("connect-timeout-ms", "500"),
    ]);
    assert_eq!(
        (all.clean_session, all.retain, all.version, all.client_id.as_str(), timeout_ms),
        (false, true, MqttVersion::V31, "gateway", 500)
    );
    assert!(all.client_id_suffix && !plain.client_id_suffix);
    assert_eq!((plain.proof, all.proof), (Proof::Password, Proof::AzureSas));
}

#[test]
fn options_of_kafka_are_read_by_their_names() {
    let plain = kafka(&[]);
    assert_eq!(
        (plain.key, plain.all_replicas, plain.mechanism, plain.spread),
        (None, true, Mechanism::Plain, 7)
    );
    assert_eq!(
        (plain.more.len(), plain.headers.len(), plain.compression),
        (1, 0, Compression::None)
    );
    let all = kafka(&[
        ("key", "D1"),
        ("acks", "1"),
        ("sasl-mechanism", "SCRAM-SHA-512"),
        ("client-id", "c"),
        ("header.a", "b"),
        ("header.acks", "c"),
    ]);
    assert_eq!(
        (all.key.as_deref(), all.all_replicas, all.mechanism),
        (Some("D1"), false, Mechanism::ScramSha512)
    );
    assert_eq!(all.client_id, "c");
    assert_eq!(
        all.headers,
        [("a", "b"), ("acks", "c")].map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    assert_eq!(kafka(&[("key", "")]).key.as_deref(), Some(""), "an empty key is one");
    for (name, compression) in [
        ("none", Compression::None),
        ("gzip", Compression::Gzip),
        ("snappy", Compression::Snappy),
        ("lz4", Compression::Lz4),
        ("zstd", Compression::Zstd),
    ] {
        assert_eq!(kafka(&[("compression", name)]).compression, compression);
    }
}

#[test]
fn options_of_amqp_are_read_by_their_names() {
    let plain = amqp(&[]);
    assert_eq!((plain.virtual_host.as_str(), plain.persistent, plain.priority), ("/", None, None));
    let all = amqp(&[
        ("exchange", "e"),
        ("virtual-host", "v"),
        ("content-type", "text/plain"),
        ("persistent", "true"),
        ("priority", "0"),
        ("header.a", "b"),
        ("client-property.c", "d"),
    ]);
    assert_eq!((all.exchange.as_str(), all.virtual_host.as_str()), ("e", "v"));
    assert_eq!(
        (all.content_type.as_str(), all.persistent, all.priority),
        ("text/plain", Some(true), Some(0))
    );
    assert_eq!((all.headers[0].0.as_str(), all.client_properties[0].1.as_str()), ("a", "d"));
}

#[test]
fn options_of_smpp_are_read_by_their_names() {
    let smpp = |broker: &str, given: &[(&str, &str)]| match read(broker, given) {
        Ok((Protocol::Smpp(smpp), timeout_ms)) => (smpp, timeout_ms),
        other => panic!("{other:?}"),
    };
    assert_eq!(smpp("smpp://a", &[]), (Smpp::default(), 10_000));
    let given = [
        ("version", "3.3"),
        ("bind", "TRX"),
        ("system-type", "VMS"),
        ("address-range", "5.*"),
        ("service-type", "CMT"),
        ("source", "House"),
        ("source-ton", "5"),
        ("source-npi", "1"),
        ("destination-ton", "2"),
        ("destination-npi", "255"),
        ("coding", "8"),
        ("connect-timeout-ms", "500"),
    ];
    let all = Smpp {
        version: SmppVersion::V33,
        bind: SmppBind::Transceiver,
        system_type: "VMS".to_owned(),
        address_range: "5.*".to_owned(),
        service_type: "CMT".to_owned(),
        source: "House".to_owned(),
        source_numbering: Numbering { ton: 5, npi: 1 },
        destination_numbering: Numbering { ton: 2, npi: 255 },
        alphabet: Alphabet::Ucs2,
    };
    assert_eq!(smpp("smpps://a", &given), (all, 500));
    assert_eq!(
        smpp("smpp://a", &[("version", "3.4"), ("bind", "TX"), ("coding", "0")]).0,
        Smpp::default()
    );
}

#[test]
fn what_is_no_option_is_refused_saying_why() {
    for (broker, option, says) in [
        ("mqtt://a", ("retain", "yes"), "true or false"),
        ("mqtt://a", ("clean-session", ""), "true or false"),
        ("mqtt://a", ("version", "4"), "3.1.1, 3.1 or 5"),
        ("mqtt://a", ("connect-timeout-ms", "0"), "milliseconds"),
        ("kafka://a", ("connect-timeout-ms", "soon"), "milliseconds"),
        ("mqtt://a", ("acks", "all"), "no option \"acks\" for MQTT"),
        ("mqtt://a", ("header.a", "b"), "no option \"header.a\" for MQTT"),
        ("mqtts://a", ("proof", "x509"), "password or azure-sas"),
        ("kafka://a", ("acks", "0"), "all or 1"),
        ("kafka://a", ("sasl-mechanism", "GSSAPI"), "PLAIN"),
        ("kafka://a", ("compression", "brotli"), "none, gzip, snappy, lz4 or zstd"),
        ("amqp://a", ("compression", "gzip"), "no option \"compression\" for AMQP"),
        ("kafka://a", ("retain", "true"), "no option \"retain\" for Kafka"),
        ("kafka://a", ("header.", "true"), "no option \"header.\" for Kafka"),
        ("amqp://a", ("priority", "256"), "between 0 and 255"),
        ("amqp://a", ("persistent", "2"), "true or false"),
        ("amqp://a", ("key", "k"), "no option \"key\" for AMQP"),
        ("smtp://a", ("html", "1"), "true or false"),
        ("http://a", ("region", "x"), "sqs, sns, lambda or pubsub"),
        ("https://a", ("service", "s3"), "sqs, sns, lambda or pubsub"),
        ("smtps://a", ("to", "a@b.test"), "no option \"to\" for SMTP"),
        ("smpp://a", ("version", "5.0"), "the option version: there are 3.3 and 3.4"),
        ("smpp://a", ("bind", "RX"), "the option bind: there are TX and TRX"),
        ("smpp://a", ("source-ton", "-1"), "source-ton is a number between 0 and 255"),
        ("smpp://a", ("coding", "256"), "coding is a number between 0 and 255"),
        ("smpp://a", ("coding", "4"), "the option coding: there are 0"),
        ("smpps://a", ("from", "a"), "no option \"from\" for SMPP"),
    ] {
        let told = read(broker, &[option]).expect_err(says);
        assert!(told.contains(says), "{option:?}: {told}");
    }
}

#[test]
fn options_of_services_are_read_by_their_names() {
    let service = |given: &[(&str, &str)]| match read("https://a", given) {
        Ok((Protocol::Aws(aws), _)) => aws,
        other => panic!("{other:?}"),
    };
    let told = service(&[("service", "sqs"), ("region", "r"), ("delay-seconds", "3"), ("attribute.a", "b")]);
    let Service::Sqs(sqs) = told.service else { panic!() };
    assert_eq!(
        (told.region.as_str(), sqs.delay_s, sqs.group, sqs.attributes.len()),
        ("r", Some(3), None, 1)
    );
    let Service::Sqs(fifo) = service(&[("service", "sqs"), ("fifo", "true")]).service else {
        panic!()
    };
    let (group, id) = fifo.group.expect("it keeps the order");
    assert_eq!((group, id), (Uuid::from_u128(1).to_string(), Uuid::from_u128(2).to_string()));
    assert!(matches!(service(&[("service", "sns")]).service, Service::Sns));
    let called = service(&[("service", "lambda"), ("qualifier", "q"), ("fails-with-function", "true")]).service;
    assert!(matches!(called, Service::Lambda(one) if one.fails_with_function && one.qualifier == "q"));
    let given = [("service", "pubsub"), ("project", "p"), ("attribute.a", "b")];
    let Ok((Protocol::PubSub(pubsub), _)) = read("https://a", &given) else {
        panic!()
    };
    assert_eq!(
        (pubsub.project.as_str(), pubsub.attributes),
        ("p", vec![("a".to_owned(), "b".to_owned())])
    );
    let told = read("https://a", &[("service", "pubsub"), ("region", "r")]).expect_err("it has none");
    assert!(told.contains("no option \"region\" for Google Pub/Sub"), "{told}");
}
