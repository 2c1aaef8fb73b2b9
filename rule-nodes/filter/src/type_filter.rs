//! message type filter: is the message of one of the types?

use pacificsoft_sdk::{Configuration, Descriptor, Message, Outcome, RuleNode, relation};

/// The node.
#[derive(Configuration)]
#[config(rename_all = "camelCase")]
pub struct MessageTypeFilter {
    /// Messages of these types leave along True.
    #[config(initial_json = r#"["POST_ATTRIBUTES_REQUEST","POST_TELEMETRY_REQUEST","TO_SERVER_RPC_REQUEST"]"#)]
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
            configuration_schema: MessageTypeFilter::SCHEMA,
            default_configuration: MessageTypeFilter::DEFAULT,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        MessageTypeFilter::parse(configuration)
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
