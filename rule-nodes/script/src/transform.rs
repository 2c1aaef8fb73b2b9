//! script (transformation): changes messages, or makes several of one, as a script says.

use std::collections::BTreeMap;

use pacificsoft_sdk::{Configuration, Content, Descriptor, Emission, Message, NewMessage, Outcome, RuleNode, Steps};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::configuration::{ScriptConfiguration, script};
use crate::engine::{Returned, Script, kind};

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
        Script::open(script(configuration, DEFAULT)?).map(ScriptTransform)
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

/// A message as a script returns it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    #[serde(default, deserialize_with = "there")]
    msg: Option<Box<RawValue>>,
    #[serde(default)]
    metadata: Option<Box<RawValue>>,
    #[serde(default)]
    msg_type: Option<Box<RawValue>>,
}

/// A null that is there is one.
fn there<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(value).map(Some)
}

/// The message that a JSON text stands for; `what` says where it was.
fn told(what: &str, json: &str) -> Result<NewMessage, String> {
    if !json.starts_with('{') {
        return Err(format!(
            "{what} is {}, not an object such as {{msg: msg, metadata: metadata, msgType: msgType}}",
            kind(json)
        ));
    }
    let told: Told = serde_json::from_str(json).map_err(|error| error.to_string())?;
    Ok(NewMessage {
        kind: told
            .msg_type
            .as_deref()
            .map(RawValue::get)
            .map(text)
            .transpose()?
            .flatten()
            .filter(|kind| !kind.is_empty()),
        originator: None,
        metadata: told.metadata.as_deref().map(|metadata| entries(what, metadata.get())).transpose()?,
        payload: told.msg.map(|msg| Content::Json(String::from(Box::<str>::from(msg)))),
    })
}

fn entries(what: &str, json: &str) -> Result<Vec<(String, String)>, String> {
    if !json.starts_with('{') {
        return Err(format!("metadata of {what} is {}, not an object", kind(json)));
    }
    let values: BTreeMap<String, &RawValue> = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let mut entries = Vec::with_capacity(values.len());
    for (key, value) in values {
        match text(value.get()) {
            Ok(Some(text)) => entries.push((key, text)),
            Ok(None) => {}
            Err(reason) => return Err(format!("metadata.{key} of {what} {reason}")),
        }
    }
    Ok(entries)
}

/// A value as text, as ThingsBoard does: numbers and booleans as they are written; none for null.
fn text(json: &str) -> Result<Option<String>, String> {
    match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str(json).map(Some).map_err(|error| error.to_string()),
        Some(b'n') => Ok(None),
        Some(b'{' | b'[') => Err(format!("is {}, not text: JSON.stringify makes text of it", kind(json))),
        _ => Ok(Some(json.to_owned())),
    }
}

#[cfg(test)]
mod tests;
