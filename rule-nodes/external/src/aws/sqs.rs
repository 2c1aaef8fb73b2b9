//! aws sqs: puts the message's data into a queue.

use std::collections::BTreeMap;

use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{Descriptor, Effect, Message, Outcome, RuleNode};
use serde::Deserialize;

use super::Account;
use crate::payload::payload;

/// The node.
pub struct AwsSqs {
    account: Account,
    queue: Template,
    attributes: Vec<(Template, Template)>,
    options: Vec<(&'static str, String)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    #[serde(default = "standard")]
    queue_type: String,
    queue_url_pattern: String,
    #[serde(default)]
    delay_seconds: u32,
    #[serde(default)]
    message_attributes: Option<BTreeMap<String, String>>,
    access_key_id: String,
    secret_access_key: String,
    region: String,
}

fn standard() -> String {
    "STANDARD".to_owned()
}

impl RuleNode for AwsSqs {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "aws-sqs",
            class_ids: &["org.thingsboard.rule.engine.aws.sqs.TbSqsNode"],
            title: "aws sqs",
            family: "EXTERNAL",
            description: "Puts the data into a queue of Amazon SQS.",
            details: "The message goes on when the queue has it, with metadata messageId, requestId, messageBodyMd5, messageAttributesMd5 and \
                      sequenceNumber, as far as there are. The queue's URL and attributes may hold ${metadata key} and $[data key], the keys \
                      ${secret:name}, too: no component sees one. The queue's server has to be on the tenant's list, such as \
                      https://sqs.eu-west-1.amazonaws.com. In a FIFO queue each originator is a group.",
            icon: "call_split",
            configuration_schema: r#"{"type":"object","required":["queueUrlPattern","accessKeyId","secretAccessKey","region"],"properties":{"queueType":{"enum":["STANDARD","FIFO"]},"queueUrlPattern":{"type":"string","minLength":1},"delaySeconds":{"type":"integer","minimum":0,"maximum":900},"messageAttributes":{"type":["object","null"],"additionalProperties":{"type":"string"}},"accessKeyId":{"type":"string","minLength":1},"secretAccessKey":{"type":"string","minLength":1},"region":{"type":"string","minLength":1}}}"#,
            default_configuration: r#"{"queueType":"STANDARD","queueUrlPattern":"https://sqs.us-east-1.amazonaws.com/123456789012/my-queue-name","delaySeconds":0,"messageAttributes":{},"accessKeyId":"${secret:aws-access-key-id}","secretAccessKey":"${secret:aws-secret-access-key}","region":"us-east-1"}"#,
            effects: &["publish"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        if own.queue_url_pattern.is_empty() {
            return Err("queueUrlPattern is empty".to_owned());
        }
        if own.delay_seconds > 900 {
            return Err("delaySeconds is more than 900".to_owned());
        }
        let options = match own.queue_type.as_str() {
            "STANDARD" => vec![("delay-seconds", own.delay_seconds.to_string())],
            "FIFO" => vec![("fifo", "true".to_owned())],
            _ => return Err("queueType: there are STANDARD and FIFO".to_owned()),
        };
        let attributes = own.message_attributes.unwrap_or_default();
        Ok(AwsSqs {
            account: Account::open(&own.region, &own.access_key_id, &own.secret_access_key)?,
            queue: Template::parse(&own.queue_url_pattern),
            attributes: attributes
                .iter()
                .map(|(name, value)| (Template::parse(name), Template::parse(value)))
                .collect(),
            options,
        })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let queue = self.queue.fill(message);
        let path = queue.find("://").map_or(0, |scheme| scheme + 3);
        let path = queue[path..].find('/').map_or(queue.len(), |slash| path + slash);
        let server = queue[..path].to_owned();
        let mut publish = self.account.publish("sqs", &server, queue, payload(message, false), message);
        for (name, value) in &self.options {
            publish = publish.with_option(*name, value.as_str());
        }
        for (name, value) in &self.attributes {
            publish = publish.with_option(["attribute.", &name.fill(message)].concat(), value.fill(message));
        }
        Ok(Outcome::Effect(Effect::Publish(publish)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{options, published};
    use super::*;
    use pacificsoft_sdk::Piece;

    #[test]
    fn a_configuration_of_a_chains_file_is_understood() {
        let configuration = r#"{"queueType": "STANDARD", "queueUrlPattern": "https://sqs.eu-west-1.amazonaws.com/1/${deviceName}", "delaySeconds": 3,
            "messageAttributes": {"kind": "$[kind]"}, "accessKeyId": "AKIA", "secretAccessKey": "${secret:aws}", "region": "eu-west-1"}"#;
        let told = published::<AwsSqs>(configuration);
        assert_eq!(
            (told.broker.as_str(), told.topic.as_str()),
            ("https://sqs.eu-west-1.amazonaws.com", "https://sqs.eu-west-1.amazonaws.com/1/D1")
        );
        let keys = (vec![Piece::Text("AKIA".to_owned())], vec![Piece::Secret("aws".to_owned())]);
        assert_eq!(told.basic_auth, Some(keys));
        assert_eq!(
            options(&told),
            [
                ("service", "sqs"),
                ("region", "eu-west-1"),
                ("delay-seconds", "3"),
                ("attribute.kind", "heat")
            ]
        );
        let fifo = configuration.replace("STANDARD", "FIFO");
        assert!(options(&published::<AwsSqs>(&fifo)).contains(&("fifo", "true")));
        assert!(AwsSqs::open(AwsSqs::descriptor().default_configuration).is_ok());
    }

    #[test]
    fn what_cannot_be_done_is_refused_when_the_node_opens() {
        let with = |more: &str| format!(r#"{{"queueUrlPattern": "u", "accessKeyId": "a", "secretAccessKey": "s", "region": "r"{more}}}"#);
        assert!(AwsSqs::open(&with("")).is_ok());
        for (more, says) in [
            (r#", "queueType": "LIFO""#, "queueType"),
            (r#", "delaySeconds": 901"#, "delaySeconds"),
        ] {
            let told = AwsSqs::open(&with(more)).map(drop).expect_err(more);
            assert!(told.contains(says), "{told}");
        }
        for missing in ["queueUrlPattern", "accessKeyId", "secretAccessKey", "region"] {
            assert!(AwsSqs::open(&with("").replace(missing, "other")).is_err(), "{missing}");
        }
    }
}
