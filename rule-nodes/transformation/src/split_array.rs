//! split array msg: a message for each element of the data.

use pacificsoft_sdk::message::Shape;
use pacificsoft_sdk::{Content, Descriptor, Emission, Message, NewMessage, Outcome, RuleNode, Steps};

/// The node.
pub struct SplitArray;

impl RuleNode for SplitArray {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "split-array",
            class_ids: &["org.thingsboard.rule.engine.transform.TbSplitArrayMsgNode"],
            title: "split array msg",
            family: "TRANSFORMATION",
            description: "Sends a message for each element of the data, an array.",
            details: "The message counts as done when all of them are. A thousand elements at most; of an empty array nothing is sent.",
            icon: "content_cut",
            default_configuration: r#"{"version":0}"#,
            ..Descriptor::new()
        }
    }

    fn open(_: &str) -> Result<Self, String> {
        Ok(SplitArray)
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        if message.shape("") != Shape::Array {
            return Err("the data are no array".to_owned());
        }
        let element = |index: u32| Emission {
            relation: "Success".to_owned(),
            message: Some(NewMessage {
                kind: None,
                originator: None,
                metadata: None,
                payload: Some(Content::Payload(["/", &index.to_string()].concat())),
            }),
        };
        Ok(Outcome::Steps(Steps {
            effects: Vec::new(),
            emissions: (0..message.length("")).map(element).collect(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::leaving;
    use pacificsoft_sdk::testing::TestMessage;

    #[test]
    fn each_element_is_a_message() {
        let split = |json: &str| SplitArray.process(&TestMessage::telemetry(json).message());
        let messages = leaving(split(r#"[{"a": 1}, 2]"#));
        let paths: Vec<_> = messages.into_iter().map(|one| one.payload).collect();
        assert_eq!(paths, ["/0", "/1"].map(|path| Some(Content::Payload(path.to_owned()))));
        assert_eq!(leaving(split("[]")), []);
        assert!(split("{}").is_err());
    }
}
