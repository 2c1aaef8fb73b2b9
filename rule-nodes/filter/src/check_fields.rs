//! check fields presence: are keys there in data and metadata?

use pacificsoft_sdk::message::Shape;
use pacificsoft_sdk::{Descriptor, Message, Outcome, RuleNode, relation};
use serde::Deserialize;

/// The node.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckFields {
    #[serde(default)]
    message_names: Vec<String>,
    #[serde(default)]
    metadata_names: Vec<String>,
    #[serde(default = "yes")]
    check_all_keys: bool,
}

fn yes() -> bool {
    true
}

impl RuleNode for CheckFields {
    const RELATIONS: &'static [&'static str] = &["True", "False", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "check-fields",
            class_ids: &["org.thingsboard.rule.engine.filter.TbCheckMessageNode"],
            title: "check fields presence",
            family: "FILTER",
            description: "Are all keys, or any of them, there in data and metadata?",
            details: "A field of the data that is null is not there.",
            icon: "fact_check",
            configuration_schema: r#"{"type":"object","properties":{"messageNames":{"type":"array","items":{"type":"string"}},"metadataNames":{"type":"array","items":{"type":"string"}},"checkAllKeys":{"type":"boolean"}}}"#,
            default_configuration: r#"{"messageNames":[],"metadataNames":[],"checkAllKeys":true}"#,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        serde_json::from_str(configuration).map_err(|error| error.to_string())
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        const TRUE: u32 = relation(CheckFields::RELATIONS, "True");
        const FALSE: u32 = relation(CheckFields::RELATIONS, "False");
        let data = |key: &String| !matches!(message.shape(key), Shape::Absent | Shape::Null);
        let metadata = |key: &String| message.metadata(key).is_some();
        let holds = if self.check_all_keys {
            self.message_names.iter().all(data) && self.metadata_names.iter().all(metadata)
        } else {
            self.message_names.iter().any(data) || self.metadata_names.iter().any(metadata)
        };
        Ok(Outcome::Forward(if holds { TRUE } else { FALSE }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestMessage;

    #[test]
    fn all_or_any() {
        for (configuration, expected) in [
            (r#"{"messageNames":["t"],"metadataNames":["ts"]}"#, true),
            (r#"{"messageNames":["t","h"],"metadataNames":["ts"]}"#, false),
            (r#"{"messageNames":["t","h"],"checkAllKeys":false}"#, true),
            (r#"{"messageNames":["gone"],"checkAllKeys":false}"#, false),
            (r#"{"metadataNames":["gone","ts"],"checkAllKeys":false}"#, true),
            (r#"{}"#, true),
        ] {
            let mut node = CheckFields::open(configuration).expect("valid");
            let message = TestMessage::telemetry(r#"{"t": 0, "gone": null}"#).with("ts", "1");
            assert_eq!(
                node.process(&message.message()),
                Ok(Outcome::Forward(u32::from(!expected))),
                "{configuration}"
            );
        }
    }
}
