//! clear alarm: clears the originator's active alarm of a type.

use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{ClearAlarm, Descriptor, Effect, Message, Outcome, RuleNode};
use serde::Deserialize;

use crate::details::{Details, DetailsConfiguration, Previous};

/// The node.
pub struct ClearAlarmNode<D> {
    alarm_type: Template,
    /// How its details are made; none: they stay.
    details: Option<D>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    #[serde(default)]
    alarm_type: String,
    #[serde(flatten)]
    details: DetailsConfiguration,
}

impl<D: Details + 'static> RuleNode for ClearAlarmNode<D> {
    const RELATIONS: &'static [&'static str] = &["Cleared", "False", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "clear-alarm",
            class_ids: &["org.thingsboard.rule.engine.action.TbClearAlarmNode"],
            title: "clear alarm",
            family: "ACTION",
            description: "Clears the originator's active alarm of a type.",
            details: concat!(
                "Without an active alarm the message leaves along False. A script may make the alarm's details anew: the body of function(msg, metadata, ",
                "msgType) in which metadata.prevAlarmDetails is JSON text with those that it has; what it returns are its details from then on. Messages ",
                "of an originator are taken one after the other, and each sees what the one before has done. ",
                crate::script_rules!()
            ),
            icon: "notifications_off",
            configuration_schema: r#"{"type":"object","required":["alarmType"],"properties":{"alarmType":{"type":"string"},"scriptLang":{"enum":["TBEL","JS"]},"alarmDetailsBuildJs":{"type":["string","null"]},"alarmDetailsBuildTbel":{"type":["string","null"]}}}"#,
            default_configuration: r#"{"alarmType":"General Alarm","scriptLang":"JS"}"#,
            effects: &["clear-alarm"],
            in_turn: true,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        let details = own.details.open::<D>()?;
        if own.alarm_type.trim().is_empty() {
            return Err("alarmType is empty".to_owned());
        }
        Ok(ClearAlarmNode {
            alarm_type: Template::parse(&own.alarm_type),
            details,
        })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let alarm_type = self.alarm_type.fill(message);
        let details = match &mut self.details {
            None => None,
            Some(made) => match Previous::read(message, &alarm_type)? {
                // There is nothing to clear, which is said when it is tried.
                Previous::NoAlarm => None,
                previous => Some(made.make(message, previous)?),
            },
        };
        Ok(Outcome::Effect(Effect::ClearAlarm(ClearAlarm {
            entity: None,
            alarm_type,
            details,
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeptDetails;
    use pacificsoft_sdk::testing::TestMessage;

    #[test]
    fn clears_by_type() {
        let mut node = ClearAlarmNode::<KeptDetails>::open(r#"{"alarmType": "hot $[room]"}"#).expect("valid");
        match node.process(&TestMessage::telemetry(r#"{"room": 7}"#).message()) {
            Ok(Outcome::Effect(Effect::ClearAlarm(clear))) => assert_eq!((clear.alarm_type.as_str(), clear.details), ("hot 7", None)),
            other => panic!("{other:?} clears no alarm"),
        }
        assert!(ClearAlarmNode::<KeptDetails>::open("{}").is_err());
    }
}
