//! aws sns: hands the message's data to a topic.

use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{Descriptor, Effect, Message, Outcome, RuleNode};
use serde::Deserialize;

use super::Account;
use crate::payload::payload;

/// The node.
pub struct AwsSns {
    account: Account,
    endpoint: String,
    topic: Template,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    topic_arn_pattern: String,
    access_key_id: String,
    secret_access_key: String,
    region: String,
    #[serde(default)]
    endpoint: Option<String>,
}

impl RuleNode for AwsSns {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "aws-sns",
            class_ids: &["org.thingsboard.rule.engine.aws.sns.TbSnsNode"],
            title: "aws sns",
            family: "EXTERNAL",
            description: "Hands the data to a topic of Amazon SNS.",
            details: "The message goes on when the topic has it, with metadata messageId and requestId. The topic may hold ${metadata key} and $[data \
                      key], the keys ${secret:name}: no component sees one. The service has to be on the tenant's list, such as \
                      https://sns.eu-west-1.amazonaws.com; endpoint names another place where it is.",
            icon: "call_split",
            configuration_schema: r#"{"type":"object","required":["topicArnPattern","accessKeyId","secretAccessKey","region"],"properties":{"topicArnPattern":{"type":"string","minLength":1},"accessKeyId":{"type":"string","minLength":1},"secretAccessKey":{"type":"string","minLength":1},"region":{"type":"string","minLength":1},"endpoint":{"type":["string","null"]}}}"#,
            default_configuration: r#"{"topicArnPattern":"arn:aws:sns:us-east-1:123456789012:MyNewTopic","accessKeyId":"${secret:aws-access-key-id}","secretAccessKey":"${secret:aws-secret-access-key}","region":"us-east-1"}"#,
            effects: &["publish"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        if own.topic_arn_pattern.is_empty() {
            return Err("topicArnPattern is empty".to_owned());
        }
        let account = Account::open(&own.region, &own.access_key_id, &own.secret_access_key)?;
        Ok(AwsSns {
            endpoint: account.endpoint("sns", own.endpoint),
            account,
            topic: Template::parse(&own.topic_arn_pattern),
        })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let topic = self.topic.fill(message);
        let publish = self.account.publish("sns", &self.endpoint, topic, payload(message, false), message);
        Ok(Outcome::Effect(Effect::Publish(publish)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{options, published};
    use super::*;

    #[test]
    fn a_configuration_of_a_chains_file_is_understood() {
        let configuration = |region: &str| {
            format!(
                r#"{{"topicArnPattern": "arn:${{deviceName}}", "accessKeyId": "a", "secretAccessKey": "${{secret:aws}}", "region": "{region}"}}"#
            )
        };
        let told = published::<AwsSns>(&configuration("eu-west-1"));
        assert_eq!(
            (told.broker.as_str(), told.topic.as_str()),
            ("https://sns.eu-west-1.amazonaws.com", "arn:D1")
        );
        assert_eq!(options(&told), [("service", "sns"), ("region", "eu-west-1")]);
        assert_eq!(
            published::<AwsSns>(&configuration("cn-north-1")).broker,
            "https://sns.cn-north-1.amazonaws.com.cn"
        );
        assert!(AwsSns::open(AwsSns::descriptor().default_configuration).is_ok());
        assert!(AwsSns::open(&configuration("")).is_err());
    }
}
