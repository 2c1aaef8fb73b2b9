//! field filter: compares one field of data or metadata with a value.

use pacificsoft_sdk::{Configuration, Descriptor, Message, Outcome, RuleNode, relation};
use serde_json::Value as Json;

/// The node.
#[derive(Configuration)]
pub struct FieldFilter {
    /// Path of the field (data), or key (metadata).
    #[config(initial = "temperature")]
    key: String,
    #[config(initial = "GREATER")]
    operator: Operator,
    #[config(initial = 20, schema = r#""type":["number","string","boolean"]"#)]
    value: Json,
    #[config(default = "DATA")]
    source: Origin,
}

#[derive(Clone, Copy, Configuration)]
#[config(rename_all = "SCREAMING_SNAKE_CASE")]
enum Operator {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
}

#[derive(Clone, Copy, Configuration)]
#[config(rename_all = "SCREAMING_SNAKE_CASE")]
enum Origin {
    Data,
    Metadata,
}

impl RuleNode for FieldFilter {
    const RELATIONS: &'static [&'static str] = &["True", "False", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "field-filter",
            class_ids: &["org.pacificsoft.filter.FieldFilter"],
            title: "field filter",
            family: "FILTER",
            description: "Compares one field of data or metadata with a value.",
            details: "A field that is absent, or that cannot be compared with the value, leaves along False.",
            icon: "compare_arrows",
            configuration_schema: FieldFilter::SCHEMA,
            default_configuration: FieldFilter::DEFAULT,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let node = FieldFilter::parse(configuration)?;
        match (&node.value, node.operator) {
            (Json::Number(_), _) => Ok(node),
            (Json::String(_) | Json::Bool(_), Operator::Equal | Operator::NotEqual) => Ok(node),
            (Json::String(_) | Json::Bool(_), _) => Err("only numbers can be compared by size".to_owned()),
            _ => Err("value must be a number, a text or a boolean".to_owned()),
        }
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        const TRUE: u32 = relation(FieldFilter::RELATIONS, "True");
        const FALSE: u32 = relation(FieldFilter::RELATIONS, "False");
        Ok(Outcome::Forward(if self.holds(message) { TRUE } else { FALSE }))
    }
}

impl FieldFilter {
    fn holds(&self, message: &Message) -> bool {
        match (&self.value, self.source) {
            (Json::Number(wanted), Origin::Data) => self.compare(message.number(&self.key), wanted.as_f64()),
            (Json::Number(wanted), Origin::Metadata) => {
                self.compare(message.metadata(&self.key).and_then(|text| text.parse().ok()), wanted.as_f64())
            }
            (Json::String(wanted), Origin::Data) => self.same(message.text(&self.key).map(|text| text == *wanted)),
            (Json::String(wanted), Origin::Metadata) => self.same(message.metadata(&self.key).map(|text| text == *wanted)),
            (Json::Bool(wanted), Origin::Data) => self.same(message.boolean(&self.key).map(|value| value == *wanted)),
            (Json::Bool(wanted), Origin::Metadata) => self.same(
                message
                    .metadata(&self.key)
                    .and_then(|text| text.parse::<bool>().ok())
                    .map(|value| value == *wanted),
            ),
            _ => false,
        }
    }

    fn compare(&self, have: Option<f64>, wanted: Option<f64>) -> bool {
        let (Some(have), Some(wanted)) = (have, wanted) else { return false };
        match self.operator {
            Operator::Greater => have > wanted,
            Operator::GreaterOrEqual => have >= wanted,
            Operator::Less => have < wanted,
            Operator::LessOrEqual => have <= wanted,
            Operator::Equal => have == wanted,
            Operator::NotEqual => have != wanted,
        }
    }

    fn same(&self, same: Option<bool>) -> bool {
        same.is_some_and(|same| same == matches!(self.operator, Operator::Equal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestMessage;

    #[test]
    fn compares_as_configured() {
        let data = r#"{"t": 25.5, "n": 20, "s": "on", "b": true, "deep": {"x": [1, 2]}}"#;
        let cases = [
            (r#"{"key":"t","operator":"GREATER","value":25}"#, true),
            (r#"{"key":"t","operator":"LESS","value":25}"#, false),
            (r#"{"key":"n","operator":"GREATER_OR_EQUAL","value":20}"#, true),
            (r#"{"key":"n","operator":"GREATER","value":20}"#, false),
            (r#"{"key":"n","operator":"LESS_OR_EQUAL","value":20}"#, true),
            (r#"{"key":"n","operator":"NOT_EQUAL","value":20}"#, false),
            (r#"{"key":"/deep/x/1","operator":"EQUAL","value":2}"#, true),
            (r#"{"key":"s","operator":"EQUAL","value":"on"}"#, true),
            (r#"{"key":"s","operator":"NOT_EQUAL","value":"on"}"#, false),
            (r#"{"key":"b","operator":"EQUAL","value":true}"#, true),
            (r#"{"key":"gone","operator":"NOT_EQUAL","value":1}"#, false),
            (r#"{"key":"s","operator":"GREATER","value":1}"#, false),
            (r#"{"key":"room","operator":"EQUAL","value":"12","source":"METADATA"}"#, true),
            (r#"{"key":"room","operator":"GREATER","value":11,"source":"METADATA"}"#, true),
        ];
        for (configuration, expected) in cases {
            let mut node = FieldFilter::open(configuration).expect(configuration);
            let outcome = node.process(&TestMessage::telemetry(data).with("room", "12").message());
            assert_eq!(outcome, Ok(Outcome::Forward(u32::from(!expected))), "{configuration}");
        }
    }

    #[test]
    fn refuses_what_it_cannot_compare() {
        for configuration in [
            "{}",
            r#"{"key":"t","operator":"ABOVE","value":1}"#,
            r#"{"key":"t","operator":"GREATER","value":"x"}"#,
        ] {
            assert!(FieldFilter::open(configuration).is_err(), "{configuration}");
        }
    }
}
