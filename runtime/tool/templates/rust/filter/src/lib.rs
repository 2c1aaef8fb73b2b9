//! {title}: a rule node. `process` is the place to begin.

use pacificsoft_sdk::{Configuration, Descriptor, Message, Outcome, RuleNode, relation};

/// What the node is configured with.
#[derive(Configuration)]
pub struct {type} {
    /// Key of the value.
    #[config(default = "temperature")]
    key: String,
    /// What is above it is true.
    #[config(default = 25)]
    limit: f64,
}

impl RuleNode for {type} {
    const RELATIONS: &'static [&'static str] = &["True", "False", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "{name}",
            class_ids: &["org.example.{type}"],
            title: "{title}",
            family: "FILTER",
            description: "Is a value above a limit?",
            configuration_schema: {type}::SCHEMA,
            default_configuration: {type}::DEFAULT,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        {type}::parse(configuration)
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        const TRUE: u32 = relation({type}::RELATIONS, "True");
        const FALSE: u32 = relation({type}::RELATIONS, "False");
        let value = message.number(&self.key).ok_or_else(|| format!("the message has no number {}", self.key))?;
        Ok(Outcome::Forward(if value > self.limit { TRUE } else { FALSE }))
    }
}

pacificsoft_sdk::export_nodes!({type});

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestMessage;

    #[test]
    fn values_above_the_limit_are_true() {
        let mut node = {type}::open(r#"{"key": "temperature", "limit": 20}"#).unwrap();
        let message = TestMessage::telemetry(r#"{"temperature": 21}"#);
        assert_eq!(node.process(&message.message()), Ok(Outcome::Forward(0)));
    }
}
