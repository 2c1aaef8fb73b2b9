//! log: writes messages to the tenant's log, as a script puts them into words.

use node_scriptable::log::{DEFAULT, RELATIONS, descriptor};
use pacificsoft_sdk::{Configuration, Descriptor, Level, Message, Outcome, RuleNode, log};

use crate::configuration::{ScriptConfiguration, script};
use crate::engine::{Given, Returned, Script};

/// The node.
pub struct LogNode(Script);

impl RuleNode for LogNode {
    const RELATIONS: &'static [&'static str] = RELATIONS;

    fn descriptor() -> Descriptor {
        descriptor(ScriptConfiguration::SCHEMA)
    }

    fn open(configuration: &str) -> Result<Self, String> {
        Script::open(script(configuration, DEFAULT)?, Given::Message).map(LogNode)
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        match self.0.run(message)? {
            Returned::Text(line) => log(Level::Info, &line),
            other => return Err(format!("the script returned {}, not text", other.kind())),
        }
        Ok(Outcome::Forward(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::{TestMessage, lines};
    use serde_json::json;

    fn written(configuration: &str) -> Result<String, String> {
        let mut node = LogNode::open(configuration)?;
        let message = TestMessage::telemetry(r#"{"t":1}"#).with("deviceName", "D1");
        assert_eq!(node.process(&message.message())?, Outcome::Forward(0));
        let (level, line) = lines().pop().expect("a line");
        assert_eq!(level, Level::Info);
        Ok(line)
    }

    #[test]
    fn writes_what_a_script_says() {
        let by = |script: &str| written(&json!({"scriptLang": "JS", "jsScript": script}).to_string());
        assert_eq!(by("return metadata.deviceName + ' is at ' + msg.t;"), Ok("D1 is at 1".to_owned()));
        assert_eq!(by("return msg;"), Err("the script returned an object, not text".to_owned()));
        assert!(by("return gone;").is_err_and(|reason| reason.contains("gone is not defined")));
        assert!(by("return {").is_err_and(|reason| reason.contains("not JavaScript")));
        let tbel = json!({"scriptLang": "TBEL", "tbelScript": "return 'other';"}).to_string();
        assert!(written(&tbel).is_err_and(|reason| reason.contains("write the script in JavaScript")));
    }
}
