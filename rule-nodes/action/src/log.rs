//! log: writes the message to the tenant's log.

use node_scriptable::log::{DEFAULT, RELATIONS, descriptor};
use node_scriptable::{Chosen, Scripts};
use pacificsoft_sdk::{Configuration, Descriptor, Level, Message, Outcome, RuleNode, log};

/// The node.
pub struct LogNode;

#[derive(Configuration)]
#[config(rename_all = "camelCase")]
struct LogConfiguration {
    /// JS. (TBEL, ThingsBoard's own language, is understood where the script is the default one.)
    script_lang: Option<String>,
    /// The body of function(msg, metadata, msgType) in JavaScript.
    js_script: Option<String>,
    /// Not run, except the default one.
    tbel_script: Option<String>,
}

impl RuleNode for LogNode {
    const RELATIONS: &'static [&'static str] = RELATIONS;

    fn descriptor() -> Descriptor {
        descriptor(LogConfiguration::SCHEMA)
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own = LogConfiguration::parse(configuration)?;
        let scripts = Scripts {
            language: own.script_lang,
            js: own.js_script,
            tbel: own.tbel_script,
            name: "jsScript",
        };
        match scripts.chosen(&[DEFAULT])? {
            Some(Chosen::Own(_)) => Err("the script has to be run".to_owned()),
            Some(Chosen::Default) | None => Ok(LogNode),
        }
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let mut line = message.kind();
        line.push_str(": ");
        line.push_str(&message.json("").unwrap_or_default());
        for (key, value) in message.metadata_entries() {
            line.push(' ');
            line.push_str(&key);
            line.push('=');
            line.push_str(&value);
        }
        log(Level::Info, &line);
        Ok(Outcome::Forward(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::{TestMessage, lines};
    use serde_json::json;

    #[test]
    fn writes_data_and_metadata() {
        let message = TestMessage::telemetry(r#"{"t":1}"#).with("deviceName", "D1");
        let tbel = json!({"scriptLang": "TBEL", "tbelScript": DEFAULT, "jsScript": "return 'other';"}).to_string();
        for configuration in ["{}", r#"{"scriptLang":"TBEL"}"#, LogNode::descriptor().default_configuration, &tbel] {
            let mut node = LogNode::open(configuration).expect("valid");
            assert_eq!(node.process(&message.message()), Ok(Outcome::Forward(0)));
            let line = r#"POST_TELEMETRY_REQUEST: {"t":1} deviceName=D1"#.to_owned();
            assert_eq!(lines().pop(), Some((Level::Info, line)), "{configuration}");
        }
    }

    #[test]
    fn what_has_to_be_run_is_left_to_others() {
        for script in ["return 'x';", "return {"] {
            let configuration = json!({"scriptLang": "JS", "jsScript": script}).to_string();
            assert_eq!(LogNode::open(&configuration).map(drop), Err("the script has to be run".to_owned()));
        }
    }
}
