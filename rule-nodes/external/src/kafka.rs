//! kafka: hands the message's data to a cluster outside, as one record.

use std::collections::BTreeMap;

use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{Descriptor, Effect, Message, Outcome, Publish, RuleNode};
use serde::Deserialize;

use crate::payload::payload;

/// What stands before the name of a header that was metadata, as ThingsBoard's consumers know it.
const HEADER_PREFIX: &str = "tb_msg_md_";

/// The node.
pub struct Kafka {
    brokers: String,
    topic: Template,
    key: Option<Template>,
    login: Option<(Template, Template)>,
    options: Vec<(String, String)>,
    /// Whether metadata goes along as headers.
    headers: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    topic_pattern: String,
    #[serde(default)]
    key_pattern: Option<String>,
    bootstrap_servers: String,
    #[serde(default)]
    acks: Option<String>,
    #[serde(default)]
    other_properties: Option<BTreeMap<String, String>>,
    #[serde(default)]
    add_metadata_key_values_as_kafka_headers: bool,
    #[serde(default)]
    kafka_headers_charset: Option<String>,
}

impl RuleNode for Kafka {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "kafka",
            class_ids: &["org.thingsboard.rule.engine.kafka.TbKafkaNode"],
            title: "kafka",
            family: "EXTERNAL",
            description: "Hands the data to a Kafka cluster outside.",
            details: "The message goes on when the cluster has acknowledged the record, with metadata offset, partition and topic. Topic and key may \
                      hold ${metadata key} and $[data key]. Without a key, records of one originator stay in one partition. Every broker of the \
                      cluster has to be on the tenant's list, as kafka://host:port, or kafkas://host:port with security.protocol SSL or SASL_SSL. Of \
                      otherProperties there are security.protocol, sasl.mechanism (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512), sasl.jaas.config, in which \
                      user name and password may hold ${secret:name}, client.id, and compression.type (none, gzip, snappy, lz4, zstd; zstd \
                      needs brokers of 2.1 or later); what only tunes a client is left out, as are compression levels, \
                      retries, batchSize, linger and bufferMemory: each message is sent at once. acks 0 means 1.",
            icon: "call_split",
            configuration_schema: r#"{"type":"object","required":["topicPattern","bootstrapServers"],"properties":{"topicPattern":{"type":"string","minLength":1},"keyPattern":{"type":["string","null"]},"bootstrapServers":{"type":"string","minLength":1},"retries":{"type":"integer"},"batchSize":{"type":"integer"},"linger":{"type":"integer"},"bufferMemory":{"type":"integer"},"acks":{"enum":["all","-1","1","0",null]},"otherProperties":{"type":["object","null"],"additionalProperties":{"type":"string"}},"addMetadataKeyValuesAsKafkaHeaders":{"type":"boolean"},"kafkaHeadersCharset":{"enum":["UTF-8","US-ASCII",null]}}}"#,
            default_configuration: r#"{"topicPattern":"my-topic","keyPattern":null,"bootstrapServers":"localhost:9092","retries":0,"batchSize":16384,"linger":0,"bufferMemory":33554432,"acks":"-1","otherProperties":{},"addMetadataKeyValuesAsKafkaHeaders":false,"kafkaHeadersCharset":"UTF-8"}"#,
            version: 1,
            effects: &["publish"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        if own.topic_pattern.is_empty() {
            return Err("topicPattern is empty".to_owned());
        }
        let properties = Properties::read(own.other_properties.unwrap_or_default())?;
        // A record that nobody acknowledges would be lost unseen: the leader's word is the least.
        let acks = match own.acks.as_deref() {
            None | Some("all" | "-1") => "all",
            Some("1" | "0") => "1",
            Some(_) => return Err("acks: there are all, -1, 1 and 0".to_owned()),
        };
        let mut options = properties.options;
        options.push(("acks".to_owned(), acks.to_owned()));
        match own.kafka_headers_charset.as_deref() {
            None | Some("UTF-8" | "US-ASCII") => {}
            Some(_) => return Err("kafkaHeadersCharset: there are UTF-8 and US-ASCII".to_owned()),
        }
        Ok(Kafka {
            brokers: [properties.scheme, &servers(&own.bootstrap_servers)?].concat(),
            topic: Template::parse(&own.topic_pattern),
            key: own.key_pattern.filter(|key| !key.is_empty()).map(|key| Template::parse(&key)),
            login: properties.login,
            options,
            headers: own.add_metadata_key_values_as_kafka_headers,
        })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let mut publish = Publish::new(self.brokers.as_str(), self.topic.fill(message), payload(message, false));
        publish.basic_auth = self
            .login
            .as_ref()
            .map(|(user, password)| (user.pieces(message), password.pieces(message)));
        publish.options.clone_from(&self.options);
        if let Some(key) = &self.key {
            publish.options.push(("key".to_owned(), key.fill(message)));
        }
        if self.headers {
            let header = |(key, value): (String, String)| (["header.", HEADER_PREFIX, &key].concat(), value);
            publish.options.extend(message.metadata_entries().into_iter().map(header));
        }
        Ok(Outcome::Effect(Effect::Publish(publish)))
    }
}

/// `host:port,host:port`
fn servers(given: &str) -> Result<String, String> {
    let all: Vec<&str> = given.split(',').map(str::trim).filter(|one| !one.is_empty()).collect();
    if all.is_empty() {
        return Err("bootstrapServers is empty".to_owned());
    }
    Ok(all.join(","))
}

/// What properties of Kafka's own client say.
struct Properties {
    scheme: &'static str,
    login: Option<(Template, Template)>,
    options: Vec<(String, String)>,
}

impl Properties {
    fn read(given: BTreeMap<String, String>) -> Result<Self, String> {
        let (mut tls, mut sasl) = (false, false);
        let (mut mechanism, mut jaas, mut options) = (None, None, Vec::new());
        for (name, value) in given {
            let value = value.trim();
            match name.trim() {
                "security.protocol" => {
                    (tls, sasl) = match value {
                        "PLAINTEXT" => (false, false),
                        "SSL" => (true, false),
                        "SASL_PLAINTEXT" => (false, true),
                        "SASL_SSL" => (true, true),
                        _ => return Err("security.protocol: there are PLAINTEXT, SSL, SASL_PLAINTEXT and SASL_SSL".to_owned()),
                    }
                }
                "sasl.mechanism" => match value {
                    "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512" => mechanism = Some(value.to_owned()),
                    _ => return Err("sasl.mechanism: there are PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512".to_owned()),
                },
                "sasl.jaas.config" => jaas = Some(login(value)?),
                "client.id" => options.push(("client-id".to_owned(), value.to_owned())),
                "compression.type" => match value {
                    "none" => {}
                    "gzip" | "snappy" | "lz4" | "zstd" => options.push(("compression".to_owned(), value.to_owned())),
                    _ => return Err("compression.type: there are none, gzip, snappy, lz4 and zstd".to_owned()),
                },
                "key.serializer" | "value.serializer" if !value.ends_with("StringSerializer") => {
                    return Err([name.as_str(), ": there is org.apache.kafka.common.serialization.StringSerializer"].concat());
                }
                "ssl.endpoint.identification.algorithm" if value.eq_ignore_ascii_case("https") => {}
                other
                    if [
                        "ssl.",
                        "sasl.",
                        "transactional.",
                        "partitioner.class",
                        "interceptor.",
                        "metric.reporters",
                    ]
                    .iter()
                    .any(|beginning| other.starts_with(beginning)) =>
                {
                    return Err(["otherProperties: ", other, " is not offered"].concat());
                }
                // What only makes a client faster or slower.
                _ => {}
            }
        }
        if sasl && jaas.is_none() {
            return Err("otherProperties: sasl.jaas.config is missing".to_owned());
        }
        if sasl {
            options.push((
                "sasl-mechanism".to_owned(),
                mechanism.ok_or("otherProperties: sasl.mechanism is missing")?,
            ));
        }
        Ok(Properties {
            scheme: if tls { "kafkas://" } else { "kafka://" },
            login: jaas.filter(|_| sasl),
            options,
        })
    }
}

/// User name and password of a line such as `….PlainLoginModule required username="u" password="p";`.
fn login(line: &str) -> Result<(Template, Template), String> {
    let field = |name: &str| {
        let (_, rest) = line.split_once(&[" ", name, "=\""].concat())?;
        let mut value = String::new();
        let mut letters = rest.chars();
        loop {
            match letters.next()? {
                '"' => return Some(Template::parse(&value)),
                '\\' => value.push(letters.next()?),
                letter => value.push(letter),
            }
        }
    };
    let missing = || "sasl.jaas.config holds no username=\"…\" and password=\"…\"".to_owned();
    Ok((field("username").ok_or_else(missing)?, field("password").ok_or_else(missing)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestMessage;
    use pacificsoft_sdk::{Content, Piece, RequestBody};

    fn published(configuration: &str, message: &TestMessage) -> Publish {
        let mut node = Kafka::open(configuration).expect("valid");
        match node.process(&message.message()) {
            Ok(Outcome::Effect(Effect::Publish(publish))) => publish,
            other => panic!("{other:?}"),
        }
    }

    fn option<'a>(publish: &'a Publish, name: &str) -> &'a str {
        let found = publish.options.iter().find(|(known, _)| known == name);
        found.map_or("-", |(_, value)| value)
    }

    #[test]
    fn a_configuration_of_a_chains_file_is_understood() {
        let configuration = r#"{"topicPattern": "out.${deviceName}", "keyPattern": "$[kind]", "bootstrapServers": "a.test:9092, b.test:9093", "retries": 3,
            "batchSize": 16384, "linger": 5, "bufferMemory": 33554432, "acks": "1", "addMetadataKeyValuesAsKafkaHeaders": true, "kafkaHeadersCharset": "UTF-8",
            "otherProperties": {"security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512", "compression.type": "lz4", "client.id": "c",
            "sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"u\" password=\"${secret:word}\";"}}"#;
        let message = TestMessage::telemetry(r#"{"kind": "heat"}"#).with("deviceName", "D1");
        let told = published(configuration, &message);
        assert_eq!(
            (told.broker.as_str(), told.topic.as_str()),
            ("kafkas://a.test:9092,b.test:9093", "out.D1")
        );
        assert_eq!(told.payload, RequestBody::Content(Content::whole()));
        let login = (vec![Piece::Text("u".to_owned())], vec![Piece::Secret("word".to_owned())]);
        assert_eq!(told.basic_auth, Some(login));
        for (name, value) in [
            ("key", "heat"),
            ("acks", "1"),
            ("sasl-mechanism", "SCRAM-SHA-512"),
            ("client-id", "c"),
            ("compression", "lz4"),
            ("header.tb_msg_md_deviceName", "D1"),
        ] {
            assert_eq!(option(&told, name), value, "{name}");
        }
    }

    #[test]
    fn an_old_configuration_has_defaults() {
        let configuration =
            r#"{"topicPattern": "t", "bootstrapServers": "a:1", "retries": 0, "acks": "-1", "keySerializer": "x", "valueSerializer": "x"}"#;
        let told = published(configuration, &TestMessage::telemetry("{}").with("deviceName", "D1"));
        assert_eq!((told.broker.as_str(), told.basic_auth.is_none()), ("kafka://a:1", true));
        assert_eq!((option(&told, "key"), option(&told, "acks"), told.options.len()), ("-", "all", 1));
        assert!(Kafka::open(Kafka::descriptor().default_configuration).is_ok());
    }

    #[test]
    fn records_are_compressed_as_the_properties_say() {
        let compression = |properties: &str| {
            let configuration = format!(r#"{{"topicPattern": "t", "bootstrapServers": "a:1", "otherProperties": {{{properties}}}}}"#);
            let told = published(&configuration, &TestMessage::telemetry("{}"));
            option(&told, "compression").to_owned()
        };
        for codec in ["gzip", "snappy", "lz4", "zstd"] {
            assert_eq!(compression(&format!(r#""compression.type": "{codec}""#)), codec);
        }
        assert_eq!(compression(r#""compression.type": "none", "compression.gzip.level": "9""#), "-");
        assert_eq!(
            compression(r#""compression.type": " gzip ", "compression.gzip.level": "9""#),
            "gzip"
        );
    }

    #[test]
    fn a_login_is_read_out_of_the_line_that_kafka_has_for_it() {
        let read = |line: &str| {
            let (user, password) = login(line)?;
            let message = TestMessage::telemetry("{}");
            Ok::<_, String>((user.fill(&message.message()), password.fill(&message.message())))
        };
        let pair = |user: &str, password: &str| Ok((user.to_owned(), password.to_owned()));
        assert_eq!(read(r#"x.PlainLoginModule required username="a" password="b";"#), pair("a", "b"));
        assert_eq!(read(r#"x required password="b\"\\c;" username="";"#), pair("", r#"b"\c;"#));
        for wrong in [
            "",
            r#"x required username="a";"#,
            r#"x required username="a" password="b"#,
            "x required username=a password=b;",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_cannot_be_done_is_refused_when_the_node_opens() {
        let with = |name: &str, value: &str| {
            format!(r#"{{"topicPattern": "t", "bootstrapServers": "a:1", "otherProperties": {{"{name}": "{value}"}}}}"#)
        };
        for (configuration, says) in [
            (r#"{"bootstrapServers": "a:1"}"#.to_owned(), "topicPattern"),
            (r#"{"topicPattern": "", "bootstrapServers": "a:1"}"#.to_owned(), "topicPattern"),
            (r#"{"topicPattern": "t", "bootstrapServers": " , "}"#.to_owned(), "bootstrapServers"),
            (
                r#"{"topicPattern": "t", "bootstrapServers": "a:1", "acks": "2"}"#.to_owned(),
                "acks",
            ),
            (
                r#"{"topicPattern": "t", "bootstrapServers": "a:1", "kafkaHeadersCharset": "UTF-16"}"#.to_owned(),
                "kafkaHeadersCharset",
            ),
            (with("security.protocol", "TLS"), "security.protocol"),
            (with("security.protocol", "SASL_SSL"), "sasl.jaas.config"),
            (with("sasl.mechanism", "GSSAPI"), "sasl.mechanism"),
            (with("sasl.jaas.config", "x"), "username"),
            (with("ssl.truststore.location", "/x"), "ssl.truststore.location is not offered"),
            (with("ssl.endpoint.identification.algorithm", ""), "not offered"),
            (with("transactional.id", "x"), "not offered"),
            (with("compression.type", "brotli"), "none, gzip, snappy, lz4 and zstd"),
            (with("compression.type", ""), "none, gzip, snappy, lz4 and zstd"),
            (with("value.serializer", "ByteArraySerializer"), "StringSerializer"),
        ] {
            let told = Kafka::open(&configuration).map(drop).expect_err(&configuration);
            assert!(told.contains(says), "{told}");
        }
    }
}
