//! rest call reply: answers a request that came to the rule engine over REST with the message's data.

use pacificsoft_sdk::{Content, Descriptor, Effect, Message, Outcome, ReplyRest, RuleNode};
use serde::Deserialize;

const REQUEST_KEY: &str = "requestUUID";

/// The node.
pub struct RestCallReply {
    request_key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    #[serde(default)]
    request_id_meta_data_attribute: Option<String>,
}

impl RuleNode for RestCallReply {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "rest-call-reply",
            class_ids: &["org.thingsboard.rule.engine.rest.TbSendRestApiCallReplyNode"],
            title: "rest call reply",
            family: "ACTION",
            description: "Answers a request that came over REST with the message's data.",
            details: "The request is one to /api/rule-engine, which is a message of type REST_API_REQUEST. Which one is answered is said by metadata: requestUUID, or the key of the configuration.",
            icon: "call_merge",
            configuration_schema: r#"{"type":"object","properties":{"serviceIdMetaDataAttribute":{"type":"string"},"requestIdMetaDataAttribute":{"type":"string"}}}"#,
            default_configuration: r#"{"serviceIdMetaDataAttribute":"serviceId","requestIdMetaDataAttribute":"requestUUID"}"#,
            effects: &["reply-rest"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        let named = own.request_id_meta_data_attribute.filter(|key| !key.is_empty());
        Ok(RestCallReply {
            request_key: named.unwrap_or_else(|| REQUEST_KEY.to_owned()),
        })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let request_id = message.metadata(&self.request_key);
        Ok(Outcome::Effect(Effect::ReplyRest(ReplyRest {
            request_id: request_id.ok_or_else(|| format!("metadata has no {}", self.request_key))?,
            payload: Content::whole(),
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::effect;
    use pacificsoft_sdk::testing::TestMessage;

    #[test]
    fn answers_the_request_that_the_metadata_name() {
        for (configuration, key) in [
            ("{}", "requestUUID"),
            (r#"{"requestIdMetaDataAttribute": ""}"#, "requestUUID"),
            (r#"{"requestIdMetaDataAttribute": "number"}"#, "number"),
        ] {
            let mut node = RestCallReply::open(configuration).expect("valid");
            let asked = || TestMessage::new("REST_API_REQUEST", r#"{"a": 5}"#);
            let Effect::ReplyRest(reply) = effect(node.process(&asked().with(key, "r").message())) else {
                panic!("an answer")
            };
            assert_eq!((reply.request_id.as_str(), reply.payload), ("r", Content::whole()));
            let refused = node
                .process(&asked().with("other", "r").message())
                .expect_err("no request is named");
            assert!(refused.contains(key), "{refused}");
        }
    }
}
