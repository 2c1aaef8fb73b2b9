//! gcp pubsub: hands the message's data to a topic of Google Pub/Sub. The host makes the token that lets it in.

use std::collections::BTreeMap;

use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{Descriptor, Effect, Message, Outcome, Publish, RuleNode};
use serde::Deserialize;

use crate::payload::payload;

/// Where the service is.
const ENDPOINT: &str = "https://pubsub.googleapis.com";

/// The node.
pub struct GcpPubSub {
    endpoint: String,
    project: String,
    topic: String,
    attributes: Vec<(Template, Template)>,
    key: Template,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    project_id: String,
    topic_name: String,
    #[serde(default)]
    message_attributes: Option<BTreeMap<String, String>>,
    #[serde(default)]
    service_account_key: Option<String>,
    #[serde(default)]
    endpoint: Option<String>,
}

impl RuleNode for GcpPubSub {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "gcp-pubsub",
            class_ids: &["org.thingsboard.rule.engine.gcp.pubsub.TbPubSubNode"],
            title: "gcp pubsub",
            family: "EXTERNAL",
            description: "Hands the data to a topic of Google Pub/Sub.",
            details: "The message goes on when the topic has it, with metadata messageId. Names and values of attributes may hold ${metadata key} and \
                      $[data key]. serviceAccountKey is the text of a service account's key file (JSON), or ${secret:name}, a secret with that text: \
                      no component sees it, and the service only tokens that it has signed; serviceAccountKeyFileName only says where the text is \
                      from. The service has to be on the tenant's list, as https://pubsub.googleapis.com; endpoint names another place where it is.",
            icon: "call_split",
            configuration_schema: r#"{"type":"object","required":["projectId","topicName","serviceAccountKey"],"properties":{"projectId":{"type":"string","minLength":1},"topicName":{"type":"string","minLength":1},"messageAttributes":{"type":["object","null"],"additionalProperties":{"type":"string"}},"serviceAccountKey":{"type":"string","minLength":1},"serviceAccountKeyFileName":{"type":["string","null"]},"endpoint":{"type":["string","null"]}}}"#,
            default_configuration: r#"{"projectId":"my-google-cloud-project-id","topicName":"my-pubsub-topic-name","messageAttributes":{},"serviceAccountKey":"${secret:gcp-service-account}","serviceAccountKeyFileName":null}"#,
            effects: &["publish"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        for (name, value) in [("projectId", &own.project_id), ("topicName", &own.topic_name)] {
            if value.trim().is_empty() {
                return Err([name, " is empty"].concat());
            }
        }
        let key = own.service_account_key.filter(|key| !key.trim().is_empty());
        let key = key.ok_or_else(|| "serviceAccountKey is empty".to_owned())?;
        let attributes = own.message_attributes.unwrap_or_default();
        Ok(GcpPubSub {
            endpoint: own
                .endpoint
                .filter(|given| !given.is_empty())
                .unwrap_or_else(|| ENDPOINT.to_owned()),
            project: own.project_id.trim().to_owned(),
            topic: own.topic_name.trim().to_owned(),
            attributes: attributes
                .iter()
                .map(|(name, value)| (Template::parse(name), Template::parse(value)))
                .collect(),
            key: Template::parse(&key),
        })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let mut publish = Publish::new(self.endpoint.as_str(), self.topic.as_str(), payload(message, false))
            .with_option("service", "pubsub")
            .with_option("project", self.project.as_str())
            .with_login("", self.key.pieces(message));
        for (name, value) in &self.attributes {
            publish = publish.with_option(["attribute.", &name.fill(message)].concat(), value.fill(message));
        }
        Ok(Outcome::Effect(Effect::Publish(publish)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestMessage;
    use pacificsoft_sdk::{Content, Piece, RequestBody};

    fn published(configuration: &str) -> Publish {
        let message = TestMessage::telemetry(r#"{"kind": "heat"}"#).with("deviceName", "D1");
        let mut node = GcpPubSub::open(configuration).expect("valid");
        match node.process(&message.message()) {
            Ok(Outcome::Effect(Effect::Publish(publish))) => publish,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_configuration_of_a_chains_file_is_understood() {
        let configuration = r#"{"projectId": "p-1", "topicName": "readings", "messageAttributes": {"from": "${deviceName}", "$[kind]": "k"},
            "serviceAccountKey": "${secret:gcp}", "serviceAccountKeyFileName": "key.json"}"#;
        let told = published(configuration);
        assert_eq!(
            (told.broker.as_str(), told.topic.as_str()),
            ("https://pubsub.googleapis.com", "readings")
        );
        assert_eq!(told.payload, RequestBody::Content(Content::whole()));
        let (_, key) = told.basic_auth.expect("a key");
        assert_eq!(key, [Piece::Secret("gcp".to_owned())]);
        let options = [
            ("service", "pubsub"),
            ("project", "p-1"),
            ("attribute.heat", "k"),
            ("attribute.from", "D1"),
        ];
        assert_eq!(told.options, options.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(GcpPubSub::open(GcpPubSub::descriptor().default_configuration).is_ok());
    }

    #[test]
    fn the_text_of_a_key_file_stays_as_it_is() {
        let key = r#"{"client_email": "a@b.test", "private_key": "-----BEGIN PRIVATE KEY-----\nAB+/=\n-----END PRIVATE KEY-----\n"}"#;
        let written = serde_json::to_string(key).expect("text");
        let told = published(&format!(
            r#"{{"projectId": "p", "topicName": "t", "serviceAccountKey": {written}, "endpoint": "http://emulator.test:8085"}}"#
        ));
        assert_eq!(told.broker, "http://emulator.test:8085");
        assert_eq!(told.basic_auth.expect("a key").1, [Piece::Text(key.to_owned())]);
    }

    #[test]
    fn what_cannot_be_done_is_refused_when_the_node_opens() {
        let whole = r#"{"projectId": "p", "topicName": "t", "serviceAccountKey": "k"}"#;
        assert!(GcpPubSub::open(whole).is_ok());
        for (from, says) in [(r#""p""#, "projectId"), (r#""t""#, "topicName"), (r#""k""#, "serviceAccountKey")] {
            let told = GcpPubSub::open(&whole.replace(from, r#"" ""#)).map(drop).expect_err(says);
            assert!(told.contains(says), "{told}");
            let told = GcpPubSub::open(&whole.replace(says, "other")).map(drop);
            assert!(told.is_err(), "{says}");
        }
    }
}
