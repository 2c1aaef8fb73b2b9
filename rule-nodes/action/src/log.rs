//! log: writes the message to the tenant's log.

use pacificsoft_sdk::{Descriptor, Level, Message, Outcome, RuleNode, log};
use serde::Deserialize;

/// The node.
pub struct LogNode;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    #[serde(default)]
    js_script: Option<String>,
    #[serde(default)]
    tbel_script: Option<String>,
}

/// The script that ThingsBoard offers by default, without white space.
const DEFAULT_SCRIPT: &str = r"return'\nIncomingmessage:\n'+JSON.stringify(msg)+'\nIncomingmetadata:\n'+JSON.stringify(metadata);";

impl RuleNode for LogNode {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "log",
            class_ids: &["org.thingsboard.rule.engine.action.TbLogNode"],
            title: "log",
            family: "ACTION",
            description: "Writes data and metadata of the message to the tenant's log.",
            details: "Scripts other than the default one are refused.",
            icon: "menu",
            default_configuration: r#"{"scriptLang":"TBEL"}"#,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        for script in [own.js_script, own.tbel_script].into_iter().flatten() {
            let squeezed: String = script.chars().filter(|c| !c.is_whitespace()).collect();
            if !squeezed.is_empty() && squeezed != DEFAULT_SCRIPT {
                return Err(
                    "scripts of this node are not supported yet; leave the default script, which logs data and metadata".to_owned(),
                );
            }
        }
        Ok(LogNode)
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

    #[test]
    fn writes_data_and_metadata() {
        let mut node = LogNode::open("{}").expect("valid");
        let message = TestMessage::telemetry(r#"{"t":1}"#).with("deviceName", "D1");
        assert_eq!(node.process(&message.message()), Ok(Outcome::Forward(0)));
        assert_eq!(
            lines(),
            [(Level::Info, r#"POST_TELEMETRY_REQUEST: {"t":1} deviceName=D1"#.to_owned())]
        );
        assert!(LogNode::open(r#"{"jsScript": "return 'x';"}"#).is_err());
        let default = r"return '\nIncoming message:\n' + JSON.stringify(msg) + '\nIncoming metadata:\n' + JSON.stringify(metadata);";
        assert!(LogNode::open(&serde_json::json!({ "jsScript": default }).to_string()).is_ok());
    }
}
