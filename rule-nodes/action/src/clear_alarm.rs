//! clear alarm: clears the originator's active alarm of a type.

use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{ClearAlarm, Descriptor, Effect, Message, Outcome, RuleNode};
use serde::Deserialize;

use crate::alarm_details::DetailsScript;

/// The node.
pub struct ClearAlarmNode {
    alarm_type: Template,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    #[serde(default)]
    alarm_type: String,
    #[serde(flatten)]
    script: DetailsScript,
}

impl RuleNode for ClearAlarmNode {
    const RELATIONS: &'static [&'static str] = &["Cleared", "False", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "clear-alarm",
            class_ids: &["org.thingsboard.rule.engine.action.TbClearAlarmNode"],
            title: "clear alarm",
            family: "ACTION",
            description: "Clears the originator's active alarm of a type.",
            details: "Without an active alarm the message leaves along False.",
            icon: "notifications_off",
            configuration_schema: r#"{"type":"object","required":["alarmType"],"properties":{"alarmType":{"type":"string"}}}"#,
            default_configuration: r#"{"alarmType":"General Alarm","scriptLang":"TBEL"}"#,
            effects: &["clear-alarm"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        own.script.check()?;
        if own.alarm_type.trim().is_empty() {
            return Err("alarmType is empty".to_owned());
        }
        Ok(ClearAlarmNode {
            alarm_type: Template::parse(&own.alarm_type),
        })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let alarm_type = self.alarm_type.fill(message);
        Ok(Outcome::Effect(Effect::ClearAlarm(ClearAlarm {
            entity: None,
            alarm_type,
            details: None,
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm_details::effect;
    use pacificsoft_sdk::testing::TestMessage;

    #[test]
    fn clears_by_type() {
        let mut node = ClearAlarmNode::open(r#"{"alarmType": "hot $[room]"}"#).expect("valid");
        let Effect::ClearAlarm(clear) = effect(node.process(&TestMessage::telemetry(r#"{"room": 7}"#).message())) else {
            panic!("a clearing")
        };
        assert_eq!(clear.alarm_type, "hot 7");
        assert!(ClearAlarmNode::open("{}").is_err());
    }
}
