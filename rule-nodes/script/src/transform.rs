//! script (transformation): changes messages, or makes several of one, as a script says.

use pacificsoft_sdk::{Configuration, Descriptor, Emission, Message, Outcome, RuleNode, Steps};
use serde_json::value::RawValue;

use crate::configuration::{ScriptConfiguration, script};
use crate::engine::{Given, Returned, Script};
use crate::told::told;

/// What ThingsBoard writes into a new node.
const DEFAULT: &str = "return {msg: msg, metadata: metadata, msgType: msgType};";

/// The node.
pub struct ScriptTransform(Script);

impl RuleNode for ScriptTransform {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "script-transform",
            class_ids: &["org.thingsboard.rule.engine.transform.TbTransformMsgNode"],
            title: "script",
            family: "TRANSFORMATION",
            description: "Changes messages, or makes several of one, as a script in JavaScript says.",
            details: concat!(
                "The script is the body of function(msg, metadata, msgType) and returns {msg: …, metadata: …, msgType: …}, or an array of ",
                "such objects, each a message of its own; of an empty array there is none, and the message ends here. What is left out stays as it is. ",
                "Numbers and booleans in the metadata become text; null leaves the entry out; an object or array there fails the message. ",
                crate::rules!()
            ),
            icon: "transform",
            configuration_schema: ScriptConfiguration::SCHEMA,
            default_configuration: r#"{"scriptLang":"JS","jsScript":"return {msg: msg, metadata: metadata, msgType: msgType};","tbelScript":"return {msg: msg, metadata: metadata, msgType: msgType};"}"#,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        Script::open(script(configuration, DEFAULT)?, Given::Message).map(ScriptTransform)
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let messages = match self.0.run(message)? {
            Returned::Json(json) if json.starts_with('{') => vec![told("what the script returned", &json)?],
            Returned::Json(json) if json.starts_with('[') => {
                let elements: Vec<&RawValue> = serde_json::from_str(&json).map_err(|error| error.to_string())?;
                let element = |(index, one): (usize, &&RawValue)| told(&format!("element {index} of the script's array"), one.get());
                elements.iter().enumerate().map(element).collect::<Result<_, _>>()?
            }
            other => {
                return Err(format!(
                    "the script returned {}, not an object or an array of objects",
                    other.kind()
                ));
            }
        };
        let emission = |message| Emission {
            relation: "Success".to_owned(),
            message: Some(message),
        };
        Ok(Outcome::Steps(Steps {
            effects: Vec::new(),
            emissions: messages.into_iter().map(emission).collect(),
        }))
    }
}

#[cfg(test)]
mod tests;
