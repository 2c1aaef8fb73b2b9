//! switch: sends each message along the relations that a script names.

use pacificsoft_sdk::{Configuration, Descriptor, Emission, Message, Outcome, RuleNode, Steps};
use serde_json::Value as Json;

use crate::configuration::{ScriptConfiguration, script};
use crate::engine::{Given, Returned, Script};

/// What ThingsBoard writes into a new node.
const DEFAULT: &str = "function nextRelation(metadata, msg) {
    return ['one','nine'];
}
if(msgType === 'POST_TELEMETRY_REQUEST') {
    return ['two'];
}
return nextRelation(metadata, msg);";

/// The node.
pub struct ScriptSwitch(Script);

impl RuleNode for ScriptSwitch {
    const RELATIONS: &'static [&'static str] = &["Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "script-switch",
            class_ids: &["org.thingsboard.rule.engine.filter.TbJsSwitchNode"],
            title: "switch",
            family: "FILTER",
            description: "Sends each message along the relations that a script in JavaScript names.",
            details: concat!(
                "The script is the body of function(msg, metadata, msgType) and returns the name of a relation, or an array of names: the ",
                "message goes along each of them, once. Of an empty array it ends here, successfully; anything else fails it. ",
                crate::rules!()
            ),
            icon: "call_split",
            custom_relations: true,
            configuration_schema: ScriptConfiguration::SCHEMA,
            default_configuration: r#"{"scriptLang":"JS","jsScript":"function nextRelation(metadata, msg) {\n    return ['one','nine'];\n}\nif(msgType === 'POST_TELEMETRY_REQUEST') {\n    return ['two'];\n}\nreturn nextRelation(metadata, msg);","tbelScript":"function nextRelation(metadata, msg) {\n    return ['one','nine'];\n}\nif(msgType == 'POST_TELEMETRY_REQUEST') {\n    return ['two'];\n}\nreturn nextRelation(metadata, msg);"}"#,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        Script::open(script(configuration, DEFAULT)?, Given::Message).map(ScriptSwitch)
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let names = match self.0.run(message)? {
            Returned::Text(name) => vec![name],
            Returned::Json(json) if json.starts_with('[') => names(&json)?,
            other => {
                return Err(format!(
                    "the script returned {}, not the name of a relation or an array of names",
                    other.kind()
                ));
            }
        };
        let mut emissions: Vec<Emission> = Vec::with_capacity(names.len());
        for relation in names {
            if relation.is_empty() {
                return Err("the script returned an empty text, which names no relation".to_owned());
            }
            if emissions.iter().all(|one| one.relation != relation) {
                emissions.push(Emission { relation, message: None });
            }
        }
        Ok(Outcome::Steps(Steps {
            effects: Vec::new(),
            emissions,
        }))
    }
}

/// Relations of one answer at most.
const NAMES_MAX: usize = 100;

fn names(json: &str) -> Result<Vec<String>, String> {
    let elements: Vec<Json> = serde_json::from_str(json).map_err(|error| error.to_string())?;
    if elements.len() > NAMES_MAX {
        return Err(format!(
            "the script returned {} relations, more than the {NAMES_MAX} allowed",
            elements.len()
        ));
    }
    let name = |(index, element): (usize, Json)| match element {
        Json::String(name) => Ok(name),
        other => Err(format!(
            "element {index} of the script's array is {}, not text",
            crate::engine::kind(&other.to_string())
        )),
    };
    elements.into_iter().enumerate().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestMessage;
    use serde_json::json;

    fn switch(configuration: &str, message: &TestMessage) -> Result<Vec<String>, String> {
        let mut node = ScriptSwitch::open(configuration)?;
        match node.process(&message.message())? {
            Outcome::Steps(steps) => Ok(steps.emissions.into_iter().map(|one| one.relation).collect()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn relations_are_named_by_text() {
        let message = TestMessage::telemetry(r#"{"level": 3, "names": ["a", "b"]}"#).with("kind", "Überlauf");
        let named = |names: &[&str]| Ok(names.iter().map(|name| (*name).to_owned()).collect());
        let many = "the script returned 101 relations, more than the 100 allowed".to_owned();
        let cases = [
            ("return 'one'", named(&["one"])),
            ("return ['one', 'two', 'one']", named(&["one", "two"])),
            ("return metadata.kind", named(&["Überlauf"])),
            ("return msg.names", named(&["a", "b"])),
            ("return []", named(&[])),
            ("if (msg.level > 2) return 'High'; return 'Low'", named(&["High"])),
            ("return 'Failure'", named(&["Failure"])),
            (
                "return ''",
                Err("the script returned an empty text, which names no relation".to_owned()),
            ),
            (
                "return ['a', 5]",
                Err("element 1 of the script's array is a number, not text".to_owned()),
            ),
            (
                "return [undefined]",
                Err("element 0 of the script's array is null, not text".to_owned()),
            ),
            ("return new Array(101).fill('x')", Err(many)),
            ("", Err("jsScript is missing".to_owned())),
            (
                ";",
                Err("the script returned nothing, not the name of a relation or an array of names".to_owned()),
            ),
            (
                "return true",
                Err("the script returned a boolean, not the name of a relation or an array of names".to_owned()),
            ),
        ];
        for (script, expected) in cases {
            let configuration = json!({"scriptLang": "JS", "jsScript": script}).to_string();
            assert_eq!(switch(&configuration, &message), expected, "{script}");
        }
    }

    #[test]
    fn the_default_configuration_opens_in_both_languages() {
        let default = ScriptSwitch::descriptor().default_configuration;
        let tbel = default.replacen(r#""JS""#, r#""TBEL""#, 1);
        for configuration in [default, &tbel] {
            let names = |message: &TestMessage| switch(configuration, message).expect("the default");
            assert_eq!(names(&TestMessage::telemetry("{}")), ["two"]);
            assert_eq!(names(&TestMessage::new("ANY", "{}")), ["one", "nine"]);
        }
    }
}
