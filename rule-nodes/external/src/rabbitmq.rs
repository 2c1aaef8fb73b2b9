//! rabbitmq: publishes the message's data to a broker outside that speaks AMQP 0-9-1.

use std::collections::BTreeMap;

use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{Descriptor, Effect, Message, Outcome, Publish, RuleNode};
use serde::Deserialize;

use crate::address::address;
use crate::payload::payload;

/// Sets of properties by the names that RabbitMQ's client has for them: type of the content, whether it is kept, priority.
const PROPERTIES: [(&str, &str, &str, &str); 6] = [
    ("BASIC", "application/octet-stream", "false", "0"),
    ("TEXT_PLAIN", "text/plain", "false", "0"),
    ("MINIMAL_BASIC", "", "", ""),
    ("MINIMAL_PERSISTENT_BASIC", "", "true", ""),
    ("PERSISTENT_BASIC", "application/octet-stream", "true", "0"),
    ("PERSISTENT_TEXT_PLAIN", "text/plain", "true", "0"),
];

/// The node.
pub struct RabbitMq {
    broker: String,
    exchange: Template,
    routing_key: Template,
    login: (Template, Template),
    options: Vec<(String, String)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    #[serde(default)]
    exchange_name_pattern: Option<String>,
    #[serde(default)]
    routing_key_pattern: Option<String>,
    #[serde(default)]
    message_properties: Option<String>,
    host: String,
    #[serde(default)]
    port: Option<u32>,
    #[serde(default)]
    ssl: bool,
    #[serde(default = "virtual_host")]
    virtual_host: String,
    #[serde(default = "guest")]
    username: String,
    #[serde(default = "guest")]
    password: String,
    #[serde(default)]
    connection_timeout: u32,
    #[serde(default)]
    client_properties: Option<BTreeMap<String, String>>,
}

fn virtual_host() -> String {
    "/".to_owned()
}

fn guest() -> String {
    "guest".to_owned()
}

impl RuleNode for RabbitMq {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "rabbitmq",
            class_ids: &["org.thingsboard.rule.engine.rabbitmq.TbRabbitMqNode"],
            title: "rabbitmq",
            family: "EXTERNAL",
            description: "Publishes the data to a RabbitMQ outside.",
            details: "The message goes on when the broker has confirmed it, with metadata acknowledgedBy; whether a queue takes it is the exchange's to \
                      know. Exchange and routing key may hold ${metadata key} and $[data key], user name and password ${secret:name}, too. The broker \
                      has to be on the tenant's list, as amqp://host:port, or amqps://host:port with ssl. A connection that ends is opened again, \
                      whatever automaticRecoveryEnabled says; connectionTimeout counts for the handshake, too.",
            icon: "call_split",
            configuration_schema: r#"{"type":"object","required":["host"],"properties":{"exchangeNamePattern":{"type":["string","null"]},"routingKeyPattern":{"type":["string","null"]},"messageProperties":{"enum":["BASIC","TEXT_PLAIN","MINIMAL_BASIC","MINIMAL_PERSISTENT_BASIC","PERSISTENT_BASIC","PERSISTENT_TEXT_PLAIN","",null]},"host":{"type":"string","minLength":1},"port":{"type":["integer","null"],"minimum":1,"maximum":65535},"ssl":{"type":"boolean"},"virtualHost":{"type":"string"},"username":{"type":"string"},"password":{"type":"string"},"automaticRecoveryEnabled":{"type":"boolean"},"connectionTimeout":{"type":"integer","minimum":0},"handshakeTimeout":{"type":"integer","minimum":0},"clientProperties":{"type":["object","null"],"additionalProperties":{"type":"string"}}}}"#,
            default_configuration: r#"{"exchangeNamePattern":"","routingKeyPattern":"","messageProperties":null,"host":"localhost","port":5672,"ssl":false,"virtualHost":"/","username":"guest","password":"guest","automaticRecoveryEnabled":false,"connectionTimeout":60000,"handshakeTimeout":10000,"clientProperties":{}}"#,
            effects: &["publish"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        let (scheme, port) = if own.ssl { ("amqps://", 5671) } else { ("amqp://", 5672) };
        let address = address(&own.host, own.port.unwrap_or(port))?;
        let mut options = vec![("virtual-host".to_owned(), own.virtual_host)];
        if own.connection_timeout > 0 {
            options.push(("connect-timeout-ms".to_owned(), own.connection_timeout.to_string()));
        }
        if let Some(name) = own.message_properties.filter(|name| !name.is_empty()) {
            let found = PROPERTIES.iter().find(|(known, ..)| *known == name);
            let (_, content_type, persistent, priority) = found.ok_or_else(|| {
                let known: Vec<&str> = PROPERTIES.iter().map(|(known, ..)| *known).collect();
                ["messageProperties: there are ", &known.join(", ")].concat()
            })?;
            let set = [("content-type", content_type), ("persistent", persistent), ("priority", priority)];
            let said = set.into_iter().filter(|(_, value)| !value.is_empty());
            options.extend(said.map(|(name, value)| (name.to_owned(), (*value).to_owned())));
        }
        for (name, value) in own.client_properties.unwrap_or_default() {
            options.push((["client-property.", &name].concat(), value));
        }
        let template = |given: Option<String>| Template::parse(&given.unwrap_or_default());
        Ok(RabbitMq {
            broker: [scheme, &address].concat(),
            exchange: template(own.exchange_name_pattern),
            routing_key: template(own.routing_key_pattern),
            login: (Template::parse(&own.username), Template::parse(&own.password)),
            options,
        })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let mut publish = Publish::new(self.broker.as_str(), self.routing_key.fill(message), payload(message, false));
        publish.basic_auth = Some((self.login.0.pieces(message), self.login.1.pieces(message)));
        publish.options.clone_from(&self.options);
        publish.options.push(("exchange".to_owned(), self.exchange.fill(message)));
        Ok(Outcome::Effect(Effect::Publish(publish)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestMessage;
    use pacificsoft_sdk::{Content, Piece, RequestBody};

    fn published(configuration: &str, message: &TestMessage) -> Publish {
        let mut node = RabbitMq::open(configuration).expect("valid");
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
        let configuration = r#"{"exchangeNamePattern": "e.${deviceName}", "routingKeyPattern": "k.$[kind]", "messageProperties": "PERSISTENT_TEXT_PLAIN",
            "host": "broker.test", "port": 5673, "virtualHost": "v", "username": "u", "password": "${secret:word}", "automaticRecoveryEnabled": true,
            "connectionTimeout": 5000, "handshakeTimeout": 10000, "clientProperties": {"who": "me"}}"#;
        let message = TestMessage::telemetry(r#"{"kind": "heat"}"#).with("deviceName", "D1");
        let told = published(configuration, &message);
        assert_eq!((told.broker.as_str(), told.topic.as_str()), ("amqp://broker.test:5673", "k.heat"));
        assert_eq!(told.payload, RequestBody::Content(Content::whole()));
        let login = (vec![Piece::Text("u".to_owned())], vec![Piece::Secret("word".to_owned())]);
        assert_eq!(told.basic_auth, Some(login));
        for (name, value) in [
            ("exchange", "e.D1"),
            ("virtual-host", "v"),
            ("content-type", "text/plain"),
            ("persistent", "true"),
            ("priority", "0"),
            ("connect-timeout-ms", "5000"),
            ("client-property.who", "me"),
        ] {
            assert_eq!(option(&told, name), value, "{name}");
        }
    }

    #[test]
    fn a_short_configuration_has_defaults() {
        let told = published(
            r#"{"host": "::1", "ssl": true, "messageProperties": "MINIMAL_PERSISTENT_BASIC"}"#,
            &TestMessage::telemetry("{}"),
        );
        assert_eq!((told.broker.as_str(), told.topic.as_str()), ("amqps://[::1]:5671", ""));
        assert_eq!((option(&told, "exchange"), option(&told, "virtual-host")), ("", "/"));
        assert_eq!(
            (
                option(&told, "content-type"),
                option(&told, "persistent"),
                option(&told, "priority")
            ),
            ("-", "true", "-")
        );
        assert!(RabbitMq::open(RabbitMq::descriptor().default_configuration).is_ok());
    }

    #[test]
    fn what_cannot_be_done_is_refused_when_the_node_opens() {
        for (configuration, says) in [
            ("{}", "host"),
            (r#"{"host": " "}"#, "host"),
            (r#"{"host": "a", "port": 0}"#, "port"),
            (r#"{"host": "a", "messageProperties": "TEXT"}"#, "PERSISTENT_TEXT_PLAIN"),
        ] {
            let told = RabbitMq::open(configuration).map(drop).expect_err(configuration);
            assert!(told.contains(says), "{told}");
        }
    }
}
