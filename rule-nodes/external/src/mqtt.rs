//! mqtt: publishes the message's data to a broker outside, with quality 1.

use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{Descriptor, Effect, Message, Outcome, Publish, RuleNode};
use serde::Deserialize;

use crate::address::address;
use crate::credentials::{Credentials, Login};
use crate::payload::payload;

/// The node.
pub struct Mqtt {
    broker: String,
    topic: Template,
    login: Login,
    options: Vec<(String, String)>,
    /// Whether text is published without its quotation marks.
    plain: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    topic_pattern: String,
    host: String,
    #[serde(default = "port")]
    port: u32,
    #[serde(default = "connect_timeout_sec")]
    connect_timeout_sec: u32,
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    append_client_id_suffix: bool,
    #[serde(default)]
    retained_message: bool,
    #[serde(default = "clean_session")]
    clean_session: bool,
    #[serde(default)]
    ssl: bool,
    #[serde(default)]
    parse_to_plain_text: bool,
    #[serde(default)]
    protocol_version: Option<String>,
    #[serde(default)]
    credentials: Option<Credentials>,
}

fn port() -> u32 {
    1883
}

fn connect_timeout_sec() -> u32 {
    10
}

fn clean_session() -> bool {
    true
}

impl RuleNode for Mqtt {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "mqtt",
            class_ids: &["org.thingsboard.rule.engine.mqtt.TbMqttNode"],
            title: "mqtt",
            family: "EXTERNAL",
            description: "Publishes the data to a broker outside.",
            details: "With quality 1: the message goes on when the broker has acknowledged it, with metadata acknowledgedBy. The topic may hold \
                      ${metadata key} and $[data key], user name, password, certificates, keys (PEM) and their password ${secret:name}, \
                      too. The broker has to be on the tenant's list, \
                      as mqtt://host:port, or mqtts://host:port with ssl.",
            icon: "call_split",
            configuration_schema: r#"{"type":"object","required":["topicPattern","host"],"properties":{"topicPattern":{"type":"string","minLength":1},"host":{"type":"string","minLength":1},"port":{"type":"integer","minimum":1,"maximum":65535},"connectTimeoutSec":{"type":"integer","minimum":1,"maximum":200},"clientId":{"type":["string","null"]},"appendClientIdSuffix":{"type":"boolean"},"retainedMessage":{"type":"boolean"},"cleanSession":{"type":"boolean"},"ssl":{"type":"boolean"},"parseToPlainText":{"type":"boolean"},"protocolVersion":{"enum":["MQTT_3_1_1","MQTT_3_1","MQTT_5",null]},"credentials":{"type":"object","required":["type"],"properties":{"type":{"enum":["anonymous","basic","cert.PEM"]},"username":{"type":"string"},"password":{"type":["string","null"]},"caCert":{"type":["string","null"]},"cert":{"type":["string","null"]},"privateKey":{"type":["string","null"]}}}}}"#,
            default_configuration: r#"{"topicPattern":"my-topic","host":"localhost","port":1883,"connectTimeoutSec":10,"clientId":null,"appendClientIdSuffix":false,"retainedMessage":false,"cleanSession":true,"ssl":false,"parseToPlainText":false,"protocolVersion":"MQTT_3_1_1","credentials":{"type":"anonymous"}}"#,
            version: 2,
            effects: &["publish"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        if own.topic_pattern.is_empty() {
            return Err("topicPattern is empty".to_owned());
        }
        let address = address(&own.host, own.port)?;
        if !(1..=200).contains(&own.connect_timeout_sec) {
            return Err("connectTimeoutSec is not between 1 and 200".to_owned());
        }
        let version = match own.protocol_version.as_deref() {
            None | Some("MQTT_3_1_1") => "3.1.1",
            Some("MQTT_3_1") => "3.1",
            Some("MQTT_5") => "5",
            Some(_) => return Err("protocolVersion: there are MQTT_3_1_1, MQTT_3_1 and MQTT_5".to_owned()),
        };
        let login = Login::read(own.credentials)?;
        if login.is_over_tls() && !own.ssl {
            return Err("credentials: certificates belong to TLS: set ssl".to_owned());
        }
        let scheme = if own.ssl { "mqtts://" } else { "mqtt://" };
        let flag = |on: bool| if on { "true" } else { "false" };
        let mut options = vec![
            ("retain", flag(own.retained_message).to_owned()),
            ("clean-session", flag(own.clean_session).to_owned()),
            ("version", version.to_owned()),
            ("connect-timeout-ms", own.connect_timeout_sec.saturating_mul(1_000).to_string()),
        ];
        if let Some(client_id) = own.client_id.filter(|id| !id.is_empty()) {
            options.push(("client-id", client_id));
            options.push(("client-id-suffix", flag(own.append_client_id_suffix).to_owned()));
        }
        Ok(Mqtt {
            broker: [scheme, &address].concat(),
            topic: Template::parse(&own.topic_pattern),
            login,
            options: options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            plain: own.parse_to_plain_text,
        })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let payload = payload(message, self.plain);
        let mut publish = Publish::new(self.broker.as_str(), self.topic.fill(message), payload);
        publish.basic_auth = self.login.basic_auth(message);
        publish.tls = self.login.tls(message);
        publish.options.clone_from(&self.options);
        Ok(Outcome::Effect(Effect::Publish(publish)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestMessage;
    use pacificsoft_sdk::{Content, Piece, RequestBody};

    fn published(configuration: &str, message: &TestMessage) -> Publish {
        let mut node = Mqtt::open(configuration).expect("valid");
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
        let configuration = r#"{"topicPattern": "out/${deviceName}/$[kind]", "host": "broker.test", "port": 8883, "connectTimeoutSec": 5, "clientId": "c",
            "appendClientIdSuffix": true, "retainedMessage": true, "cleanSession": false, "ssl": true, "parseToPlainText": false,
            "protocolVersion": "MQTT_3_1", "credentials": {"type": "basic", "username": "u", "password": "${secret:word}"}}"#;
        let message = TestMessage::telemetry(r#"{"kind": "heat"}"#).with("deviceName", "D1");
        let told = published(configuration, &message);
        assert_eq!(
            (told.broker.as_str(), told.topic.as_str()),
            ("mqtts://broker.test:8883", "out/D1/heat")
        );
        assert_eq!(told.payload, RequestBody::Content(Content::whole()));
        let login = (vec![Piece::Text("u".to_owned())], vec![Piece::Secret("word".to_owned())]);
        assert_eq!(told.basic_auth, Some(login));
        for (name, value) in [
            ("retain", "true"),
            ("clean-session", "false"),
            ("version", "3.1"),
            ("connect-timeout-ms", "5000"),
            ("client-id", "c"),
            ("client-id-suffix", "true"),
        ] {
            assert_eq!(option(&told, name), value, "{name}");
        }
    }

    #[test]
    fn a_certificate_is_shown_to_a_broker_of_version_5() {
        let configuration = r#"{"topicPattern": "t", "host": "a", "ssl": true, "protocolVersion": "MQTT_5",
            "credentials": {"type": "cert.PEM", "caCert": "CA", "cert": "PEM", "privateKey": "${secret:key}"}}"#;
        let told = published(configuration, &TestMessage::telemetry("{}"));
        let text = |text: &str| vec![Piece::Text(text.to_owned())];
        let tls = told.tls.clone().expect("its own");
        assert_eq!(tls.authorities, Some(text("CA")));
        let identity = tls.identity.expect("a certificate");
        assert_eq!(
            (identity.certificates, identity.key),
            (text("PEM"), vec![Piece::Secret("key".to_owned())])
        );
        assert_eq!(option(&told, "version"), "5");
    }

    #[test]
    fn an_old_configuration_has_defaults() {
        let told = published(r#"{"topicPattern": "t", "host": "::1"}"#, &TestMessage::telemetry("{}"));
        assert_eq!((told.broker.as_str(), told.basic_auth.is_none()), ("mqtt://[::1]:1883", true));
        assert_eq!(
            (option(&told, "version"), option(&told, "client-id"), option(&told, "clean-session")),
            ("3.1.1", "-", "true")
        );
        assert!(Mqtt::open(Mqtt::descriptor().default_configuration).is_ok());
    }

    #[test]
    fn text_is_published_plain_if_it_should() {
        let plain = r#"{"topicPattern": "t", "host": "a", "parseToPlainText": true}"#;
        let text = RequestBody::Text(vec![Piece::Text("${secret:a}".to_owned())]);
        assert_eq!(
            published(plain, &TestMessage::telemetry(r#""${secret:a}""#)).payload,
            text,
            "data names no secret"
        );
        let whole = RequestBody::Content(Content::whole());
        assert_eq!(published(plain, &TestMessage::telemetry(r#"{"a": 1}"#)).payload, whole);
        let other = r#"{"topicPattern": "t", "host": "a"}"#;
        assert_eq!(published(other, &TestMessage::telemetry(r#""hot""#)).payload, whole);
    }

    #[test]
    fn what_cannot_be_done_is_refused_when_the_node_opens() {
        for (configuration, says) in [
            (r#"{"host": "a"}"#, "topicPattern"),
            (r#"{"topicPattern": "", "host": "a"}"#, "topicPattern"),
            (r#"{"topicPattern": "t", "host": " "}"#, "host"),
            (r#"{"topicPattern": "t", "host": "a", "port": 0}"#, "port"),
            (r#"{"topicPattern": "t", "host": "a", "port": 65536}"#, "port"),
            (r#"{"topicPattern": "t", "host": "a", "connectTimeoutSec": 0}"#, "connectTimeoutSec"),
            (
                r#"{"topicPattern": "t", "host": "a", "protocolVersion": "MQTT_6"}"#,
                "protocolVersion",
            ),
            (
                r#"{"topicPattern": "t", "host": "a", "credentials": {"type": "cert.PEM", "caCert": "PEM"}}"#,
                "set ssl",
            ),
            (
                r#"{"topicPattern": "t", "host": "a", "ssl": true, "credentials": {"type": "cert.PEM", "cert": "PEM"}}"#,
                "belong together",
            ),
        ] {
            let told = Mqtt::open(configuration).map(drop).expect_err(configuration);
            assert!(told.contains(says), "{told}");
        }
    }
}
