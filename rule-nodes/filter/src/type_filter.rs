//! message type filter: is the message of one of the types?

use pacificsoft_sdk::{Descriptor, Message, Outcome, RuleNode, relation};
use serde::Deserialize;

/// The node.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageTypeFilter {
    message_types: Vec<String>,
}

impl RuleNode for MessageTypeFilter {
    const RELATIONS: &'static [&'static str] = &["True", "False", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "message-type-filter",
            class_ids: &["org.thingsboard.rule.engine.filter.TbMsgTypeFilterNode"],
            title: "message type filter",
            family: "FILTER",
            description: "Is the message of one of the types?",
            icon: "filter_list",
            configuration_schema: r#"{"type":"object","required":["messageTypes"],"properties":{"messageTypes":{"type":"array","items":{"type":"string"}}}}"#,
            default_configuration: r#"{"messageTypes":["POST_ATTRIBUTES_REQUEST","POST_TELEMETRY_REQUEST","TO_SERVER_RPC_REQUEST"]}"#,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        serde_json::from_str(configuration).map_err(|error| error.to_string())
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        const TRUE: u32 = relation(MessageTypeFilter::RELATIONS, "True");
        const FALSE: u32 = relation(MessageTypeFilter::RELATIONS, "False");
        let kind = message.kind();
        Ok(Outcome::Forward(if self.message_types.contains(&kind) { TRUE } else { FALSE }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestMessage;

    #[test]
    fn knows_its_types() {
        let mut node = MessageTypeFilter::open(MessageTypeFilter::descriptor().default_configuration).expect("the default");
        assert_eq!(node.process(&TestMessage::telemetry("{}").message()), Ok(Outcome::Forward(0)));
        assert_eq!(node.process(&TestMessage::new("ALARM", "{}").message()), Ok(Outcome::Forward(1)));
        assert!(MessageTypeFilter::open(r#"{"messageTypes": "ALARM"}"#).is_err());
    }
}
