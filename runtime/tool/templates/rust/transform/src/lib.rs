//! {title}: a rule node. `process` is the place to begin.

use pacificsoft_sdk::{Configuration, Descriptor, Message, NewMessage, Outcome, RuleNode};
use serde_json::Value;

/// What the node is configured with.
#[derive(Configuration)]
pub struct {type} {
    /// Key of the value.
    #[config(default = "temperature")]
    key: String,
    /// What the value is multiplied with.
    #[config(default = 1.8)]
    factor: f64,
}

impl RuleNode for {type} {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "{name}",
            class_ids: &["org.example.{type}"],
            title: "{title}",
            family: "TRANSFORMATION",
            description: "Writes a value in another unit beside it.",
            configuration_schema: {type}::SCHEMA,
            default_configuration: {type}::DEFAULT,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        {type}::parse(configuration)
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let value = message.number(&self.key).ok_or_else(|| format!("the message has no number {}", self.key))?;
        let converted = value * self.factor;
        let payload = message.json("").unwrap_or_default();
        let mut payload: Value = serde_json::from_str(&payload).map_err(|error| error.to_string())?;
        payload["converted"] = converted.into();
        Ok(Outcome::emit("Success", NewMessage::with_json(payload.to_string())))
    }
}

pacificsoft_sdk::export_nodes!({type});

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestMessage;

    #[test]
    fn a_message_without_the_value_fails() {
        let mut node = {type}::open(r#"{"key": "temperature", "factor": 2}"#).unwrap();
        assert!(node.process(&TestMessage::telemetry(r#"{"temperature": 21}"#).message()).is_ok());
        assert!(node.process(&TestMessage::telemetry(r#"{"humidity": 21}"#).message()).is_err());
    }
}
