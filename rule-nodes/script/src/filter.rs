//! script (filter): sends each message along True or False, as a script says.

use pacificsoft_sdk::{Configuration, Descriptor, Message, Outcome, RuleNode, relation};

use crate::configuration::{ScriptConfiguration, script};
use crate::engine::{Given, Returned, Script};

/// What ThingsBoard writes into a new node.
const DEFAULT: &str = "return msg.temperature > 20;";

/// The node.
pub struct ScriptFilter(Script);

impl RuleNode for ScriptFilter {
    const RELATIONS: &'static [&'static str] = &["True", "False", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "script-filter",
            class_ids: &["org.thingsboard.rule.engine.filter.TbJsFilterNode"],
            title: "script",
            family: "FILTER",
            description: "Sends each message along True or False, as a script in JavaScript says.",
            details: concat!(
                "The script is the body of function(msg, metadata, msgType) and returns true or false; anything else fails the message. ",
                crate::rules!()
            ),
            icon: "code",
            configuration_schema: ScriptConfiguration::SCHEMA,
            default_configuration: r#"{"scriptLang":"JS","jsScript":"return msg.temperature > 20;","tbelScript":"return msg.temperature > 20;"}"#,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        Script::open(script(configuration, DEFAULT)?, Given::Message).map(ScriptFilter)
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        const TRUE: u32 = relation(ScriptFilter::RELATIONS, "True");
        const FALSE: u32 = relation(ScriptFilter::RELATIONS, "False");
        match self.0.run(message)? {
            Returned::Boolean(true) => Ok(Outcome::Forward(TRUE)),
            Returned::Boolean(false) => Ok(Outcome::Forward(FALSE)),
            other => Err(format!("the script returned {}, not true or false", other.kind())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestMessage;
    use serde_json::json;

    fn filter(script: &str, message: &TestMessage) -> Result<bool, String> {
        let configuration = json!({"scriptLang": "JS", "jsScript": script}).to_string();
        let mut node = ScriptFilter::open(&configuration)?;
        match node.process(&message.message())? {
            Outcome::Forward(index) => Ok(index == 0),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn true_or_false_and_nothing_else() {
        let message = TestMessage::telemetry(r#"{"temperature": 25, "name": "boiler", "24": {"at": [1, 2]}}"#).with("unit", "C");
        let not = |what: &str| Err(format!("the script returned {what}, not true or false"));
        let cases = [
            ("return msg.temperature > 20;", Ok(true)),
            ("return msg.temperature > 30;", Ok(false)),
            ("return metadata.unit === 'C' && msgType == 'POST_TELEMETRY_REQUEST'", Ok(true)),
            ("return msg['24'].at.length === 2 && msg[24].at[1] == 2", Ok(true)),
            (
                "function hot(t) { return t > 20; }\nreturn hot(msg.temperature); // is it?",
                Ok(true),
            ),
            (
                "return !!msg.name && msg.gone === undefined && metadata.gone === undefined",
                Ok(true),
            ),
            ("'use strict'; return msg.name.substr(0, 2) == 'bo'", Ok(true)),
            ("return 1", not("a number")),
            ("return 'true'", not("text")),
            ("return {}", not("an object")),
            ("return [true]", not("an array")),
            ("return null", not("null")),
            ("return Symbol('a')", not("a symbol")),
            ("return function() {}", not("a function")),
            ("", Err("jsScript is missing".to_owned())),
            ("msg.temperature > 20;", not("nothing")),
        ];
        for (script, expected) in cases {
            assert_eq!(filter(script, &message), expected, "{script}");
        }
    }

    #[test]
    fn the_default_configuration_opens_in_both_languages() {
        let default = ScriptFilter::descriptor().default_configuration;
        let tbel = default.replace(r#""JS""#, r#""TBEL""#);
        for configuration in [default, &tbel] {
            let mut node = ScriptFilter::open(configuration).expect("the default");
            let message = TestMessage::telemetry(r#"{"temperature": 20.5}"#);
            assert_eq!(node.process(&message.message()), Ok(Outcome::Forward(0)), "{configuration}");
        }
    }
}
