//! aws sqs, aws sns, aws lambda: hand the message's data to services of Amazon's. The host signs what is sent.

mod lambda;
mod sns;
mod sqs;

pub use lambda::AwsLambda;
pub use sns::AwsSns;
pub use sqs::AwsSqs;

use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{Message, Publish, RequestBody};

/// Whose the services are, and where.
pub(crate) struct Account {
    region: String,
    key_id: Template,
    secret: Template,
}

impl Account {
    /// Keys may hold `${secret:name}`.
    pub(crate) fn open(region: &str, key_id: &str, secret: &str) -> Result<Self, String> {
        let region = region.trim();
        if region.is_empty() {
            return Err("region is empty".to_owned());
        }
        if key_id.is_empty() || secret.is_empty() {
            return Err("the access key or the secret one is empty".to_owned());
        }
        Ok(Account {
            region: region.to_owned(),
            key_id: Template::parse(key_id),
            secret: Template::parse(secret),
        })
    }

    /// Where a service of this region is, unless a place of its own is given.
    pub(crate) fn endpoint(&self, service: &str, given: Option<String>) -> String {
        let end = if self.region.starts_with("cn-") {
            ".amazonaws.com.cn"
        } else {
            ".amazonaws.com"
        };
        let given = given.filter(|given| !given.is_empty());
        given.unwrap_or_else(|| ["https://", service, ".", &self.region, end].concat())
    }

    pub(crate) fn publish(&self, service: &str, endpoint: &str, to: String, payload: RequestBody, message: &Message) -> Publish {
        let publish = Publish::new(endpoint, to, payload)
            .with_option("service", service)
            .with_option("region", self.region.as_str());
        Publish {
            basic_auth: Some((self.key_id.pieces(message), self.secret.pieces(message))),
            ..publish
        }
    }
}

#[cfg(test)]
mod testing {
    use pacificsoft_sdk::testing::TestMessage;
    use pacificsoft_sdk::{Effect, Outcome, Publish, RuleNode};

    pub fn published<N: RuleNode>(configuration: &str) -> Publish {
        let message = TestMessage::telemetry(r#"{"kind": "heat"}"#).with("deviceName", "D1");
        let mut node = N::open(configuration).expect("valid");
        match node.process(&message.message()) {
            Ok(Outcome::Effect(Effect::Publish(publish))) => publish,
            _ => panic!("nothing is published"),
        }
    }

    pub fn options(publish: &Publish) -> Vec<(&str, &str)> {
        publish
            .options
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }
}
