//! create alarm: raises an alarm on the originator, or updates the active one.

use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{Descriptor, Effect, Message, Outcome, RaiseAlarm, RuleNode};
use serde::Deserialize;

use crate::alarm_details::{DetailsScript, details};

const SEVERITIES: [&str; 5] = ["CRITICAL", "MAJOR", "MINOR", "WARNING", "INDETERMINATE"];

/// The node.
pub struct CreateAlarmNode {
    alarm_type: Template,
    severity: Template,
    propagate: bool,
    from_message: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    #[serde(default)]
    alarm_type: Option<String>,
    #[serde(default)]
    severity: Option<String>,
    #[serde(default)]
    propagate: bool,
    #[serde(default)]
    use_message_alarm_data: bool,
    #[serde(default)]
    dynamic_severity: bool,
    #[serde(flatten)]
    script: DetailsScript,
}

impl RuleNode for CreateAlarmNode {
    const RELATIONS: &'static [&'static str] = &["Created", "Updated", "False", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "create-alarm",
            class_ids: &["org.thingsboard.rule.engine.action.TbCreateAlarmNode"],
            title: "create alarm",
            family: "ACTION",
            description: "Raises an alarm on the originator, or updates the active one of the same type.",
            details: "The alarm type may contain ${metadata} and $[data]. The message's data become the alarm's details.",
            icon: "notifications_active",
            configuration_schema: r#"{"type":"object","properties":{"alarmType":{"type":"string"},"severity":{"type":"string"},"propagate":{"type":"boolean"},"dynamicSeverity":{"type":"boolean"},"useMessageAlarmData":{"type":"boolean"},"overwriteAlarmDetails":{"type":"boolean"}}}"#,
            default_configuration: r#"{"alarmType":"General Alarm","severity":"CRITICAL","propagate":false,"propagateToOwner":false,"propagateToTenant":false,"useMessageAlarmData":false,"overwriteAlarmDetails":false,"dynamicSeverity":false,"relationTypes":[],"scriptLang":"TBEL"}"#,
            effects: &["raise-alarm"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        own.script.check()?;
        let alarm_type = own.alarm_type.unwrap_or_default();
        let severity = own.severity.unwrap_or_else(|| "CRITICAL".to_owned());
        if !own.use_message_alarm_data {
            if alarm_type.trim().is_empty() {
                return Err("alarmType is empty".to_owned());
            }
            if !own.dynamic_severity && !SEVERITIES.contains(&severity.as_str()) {
                return Err([
                    "unknown severity ",
                    &severity,
                    "; known are CRITICAL, MAJOR, MINOR, WARNING, INDETERMINATE",
                ]
                .concat());
            }
        }
        Ok(CreateAlarmNode {
            alarm_type: Template::parse(&alarm_type),
            severity: Template::parse(&severity),
            propagate: own.propagate,
            from_message: own.use_message_alarm_data,
        })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let (alarm_type, severity, details) = if self.from_message {
            let field = |key: &str| message.text(key).ok_or_else(|| ["the message's alarm has no ", key].concat());
            let details = message.json("details").map(pacificsoft_sdk::Content::Json);
            (field("type")?, field("severity")?, details)
        } else {
            (self.alarm_type.fill(message), self.severity.fill(message), details(message))
        };
        if !SEVERITIES.contains(&severity.as_str()) {
            return Err(["unknown severity ", &severity].concat());
        }
        Ok(Outcome::Effect(Effect::RaiseAlarm(RaiseAlarm {
            entity: None,
            alarm_type,
            severity,
            details,
            propagate: self.propagate,
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm_details::effect;
    use pacificsoft_sdk::testing::TestMessage;

    #[test]
    fn fills_type_and_severity() {
        let configuration = r#"{"alarmType": "${deviceName} hot", "severity": "$[level]", "dynamicSeverity": true}"#;
        let mut node = CreateAlarmNode::open(configuration).expect("valid");
        let message = TestMessage::telemetry(r#"{"level": "MAJOR"}"#).with("deviceName", "D1");
        let Effect::RaiseAlarm(raise) = effect(node.process(&message.message())) else {
            panic!("an alarm")
        };
        assert_eq!((raise.alarm_type.as_str(), raise.severity.as_str()), ("D1 hot", "MAJOR"));
        assert!(node.process(&TestMessage::telemetry(r#"{"level": "HIGH"}"#).message()).is_err());
    }

    #[test]
    fn refuses_what_it_cannot_do() {
        assert!(CreateAlarmNode::open(CreateAlarmNode::descriptor().default_configuration).is_ok());
        for configuration in [
            "{}",
            r#"{"alarmType": "a", "severity": "HIGH"}"#,
            r#"{"alarmType": "a", "alarmDetailsBuildJs": "return {a: 1};"}"#,
        ] {
            assert!(CreateAlarmNode::open(configuration).is_err(), "{configuration}");
        }
    }
}
