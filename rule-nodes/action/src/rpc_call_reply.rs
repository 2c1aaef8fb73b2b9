//! rpc call reply: answers the request of a device with the message's data.

use pacificsoft_sdk::{Content, Descriptor, Effect, Message, Outcome, ReplyRpc, RuleNode};
use serde::Deserialize;

/// The node.
pub struct RpcCallReply {
    session_key: String,
    request_key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    #[serde(default)]
    session_id_meta_data_attribute: Option<String>,
    #[serde(default)]
    request_id_meta_data_attribute: Option<String>,
}

impl RuleNode for RpcCallReply {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "rpc-call-reply",
            class_ids: &["org.thingsboard.rule.engine.rpc.TbSendRPCReplyNode"],
            title: "rpc call reply",
            family: "ACTION",
            description: "Answers the request of the originator, a device, with the message's data.",
            details: "Which request is answered is said by metadata: sessionId and requestId, or the keys of the configuration.",
            icon: "call_merge",
            configuration_schema: r#"{"type":"object","properties":{"serviceIdMetaDataAttribute":{"type":"string"},"sessionIdMetaDataAttribute":{"type":"string"},"requestIdMetaDataAttribute":{"type":"string"}}}"#,
            default_configuration: r#"{"serviceIdMetaDataAttribute":"serviceId","sessionIdMetaDataAttribute":"sessionId","requestIdMetaDataAttribute":"requestId"}"#,
            effects: &["reply-rpc"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        let or = |key: Option<String>, default: &str| key.filter(|key| !key.is_empty()).unwrap_or_else(|| default.to_owned());
        Ok(RpcCallReply {
            session_key: or(own.session_id_meta_data_attribute, "sessionId"),
            request_key: or(own.request_id_meta_data_attribute, "requestId"),
        })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        if message.originator().entity_type != "DEVICE" {
            return Err("the originator is not a device".to_owned());
        }
        let metadata = |key: &str| message.metadata(key).ok_or_else(|| format!("metadata has no {key}"));
        let request_id = metadata(&self.request_key)?;
        Ok(Outcome::Effect(Effect::ReplyRpc(ReplyRpc {
            device: None,
            session: metadata(&self.session_key)?,
            request_id: request_id
                .parse()
                .map_err(|_| format!("{request_id:?} is no number of a request"))?,
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
    fn answers_what_the_metadata_name() {
        let mut node = RpcCallReply::open(r#"{"requestIdMetaDataAttribute": "number"}"#).expect("valid");
        let asked = || TestMessage::new("TO_SERVER_RPC_REQUEST", r#"{"time": 5}"#).with("sessionId", "s");
        let Effect::ReplyRpc(reply) = effect(node.process(&asked().with("number", "7").message())) else {
            panic!("an answer")
        };
        assert_eq!(
            (reply.session.as_str(), reply.request_id, reply.payload),
            ("s", 7, Content::whole())
        );
        for refused in [asked(), asked().with("number", "seven"), asked().with("number", "-1")] {
            assert!(node.process(&refused.message()).is_err());
        }
    }
}
