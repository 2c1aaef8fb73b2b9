//! create alarm: raises an alarm on the originator, or updates the active one.

use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{Content, Descriptor, Effect, Message, Outcome, RaiseAlarm, RuleNode};
use serde::Deserialize;

use crate::details::{Details, DetailsConfiguration, Previous};

const SEVERITIES: [&str; 5] = ["CRITICAL", "MAJOR", "MINOR", "WARNING", "INDETERMINATE"];

/// The node.
pub struct CreateAlarmNode<D> {
    alarm_type: Template,
    severity: Template,
    propagation: Propagation,
    from_message: bool,
    /// How its details are made; none: they are the message's data, or those of the alarm in it.
    details: Option<D>,
}

/// To whom an alarm is to be shown beside its originator.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Propagation {
    #[serde(default)]
    propagate: bool,
    #[serde(default)]
    propagate_to_owner: bool,
    #[serde(default)]
    propagate_to_tenant: bool,
    /// None, or none in it: of all types. An alarm itself has them by another name.
    #[serde(default, alias = "propagateRelationTypes")]
    relation_types: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    #[serde(default)]
    alarm_type: Option<String>,
    #[serde(default)]
    severity: Option<String>,
    #[serde(flatten)]
    propagation: Propagation,
    #[serde(default)]
    use_message_alarm_data: bool,
    #[serde(default)]
    overwrite_alarm_details: bool,
    #[serde(default)]
    dynamic_severity: bool,
    #[serde(flatten)]
    details: DetailsConfiguration,
}

impl<D: Details + 'static> RuleNode for CreateAlarmNode<D> {
    const RELATIONS: &'static [&'static str] = &["Created", "Updated", "False", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "create-alarm",
            class_ids: &["org.thingsboard.rule.engine.action.TbCreateAlarmNode"],
            title: "create alarm",
            family: "ACTION",
            description: "Raises an alarm on the originator, or updates the active one of the same type.",
            details: concat!(
                "The alarm type may contain ${metadata} and $[data]. The alarm's details are what a script returns, the body of function(msg, ",
                "metadata, msgType) in which metadata.prevAlarmDetails is JSON text with the details of the active alarm, if there is one; without a ",
                "script they are the message's data. Or the message's data are the alarm itself, if that is wanted: with its type, severity, times and ",
                "details, unless a script is to make these all the same. An alarm is listed, too, with what relations lead from to the originator, with ",
                "its owner and with its tenant, as is wanted; whenever it is raised these are found anew. Messages of an originator are taken one ",
                "after the other, and each sees what the one before has done. ",
                crate::script_rules!()
            ),
            icon: "notifications_active",
            configuration_schema: r#"{"type":"object","properties":{"alarmType":{"type":"string"},"severity":{"type":"string"},"propagate":{"type":"boolean"},"propagateToOwner":{"type":"boolean"},"propagateToTenant":{"type":"boolean"},"relationTypes":{"type":["array","null"],"items":{"type":"string"}},"dynamicSeverity":{"type":"boolean"},"useMessageAlarmData":{"type":"boolean"},"overwriteAlarmDetails":{"type":"boolean"},"scriptLang":{"enum":["TBEL","JS"]},"alarmDetailsBuildJs":{"type":["string","null"]},"alarmDetailsBuildTbel":{"type":["string","null"]}}}"#,
            default_configuration: r#"{"alarmType":"General Alarm","severity":"CRITICAL","propagate":false,"propagateToOwner":false,"propagateToTenant":false,"useMessageAlarmData":false,"overwriteAlarmDetails":false,"dynamicSeverity":false,"relationTypes":[],"scriptLang":"JS"}"#,
            effects: &["raise-alarm"],
            in_turn: true,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        let details = own.details.open::<D>()?;
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
            propagation: own.propagation,
            from_message: own.use_message_alarm_data,
            details: details.filter(|_| !own.use_message_alarm_data || own.overwrite_alarm_details),
        })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let mut raise = if self.from_message {
            let field = |key: &str| message.text(key).ok_or_else(|| ["the message's alarm has no ", key].concat());
            // An alarm that has not begun, or not ended, says 0.
            let time = |key: &str| message.integer(key).filter(|ts_ms| *ts_ms > 0);
            let json = message.json("").unwrap_or_default();
            let propagation: Propagation =
                serde_json::from_str(&json).map_err(|error| ["the message is no alarm: ", &error.to_string()].concat())?;
            RaiseAlarm {
                details: message.json("details").map(Content::Json),
                start_at: time("startTs"),
                end_at: time("endTs"),
                ..raise(field("type")?, field("severity")?, propagation)
            }
        } else {
            RaiseAlarm {
                details: Some(Content::whole()),
                ..raise(self.alarm_type.fill(message), self.severity.fill(message), self.propagation.clone())
            }
        };
        if !SEVERITIES.contains(&raise.severity.as_str()) {
            return Err(["unknown severity ", &raise.severity].concat());
        }
        if let Some(details) = &mut self.details {
            let previous = Previous::read(message, &raise.alarm_type)?;
            raise.details = Some(details.make(message, previous)?);
        }
        Ok(Outcome::Effect(Effect::RaiseAlarm(raise)))
    }
}

fn raise(alarm_type: String, severity: String, propagation: Propagation) -> RaiseAlarm {
    RaiseAlarm {
        entity: None,
        alarm_type,
        severity,
        details: None,
        start_at: None,
        end_at: None,
        propagate: propagation.propagate,
        propagate_relation_types: propagation.relation_types,
        propagate_to_owner: propagation.propagate_to_owner,
        propagate_to_tenant: propagation.propagate_to_tenant,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeptDetails;
    use pacificsoft_sdk::testing::TestMessage;

    type Node = CreateAlarmNode<KeptDetails>;

    fn asked(outcome: Result<Outcome, String>) -> RaiseAlarm {
        match outcome {
            Ok(Outcome::Effect(Effect::RaiseAlarm(raise))) => raise,
            other => panic!("{other:?} raises no alarm"),
        }
    }

    #[test]
    fn fills_type_and_severity() {
        let configuration = r#"{"alarmType": "${deviceName} hot", "severity": "$[level]", "dynamicSeverity": true}"#;
        let mut node = Node::open(configuration).expect("valid");
        let message = TestMessage::telemetry(r#"{"level": "MAJOR"}"#).with("deviceName", "D1");
        let raise = asked(node.process(&message.message()));
        assert_eq!((raise.alarm_type.as_str(), raise.severity.as_str()), ("D1 hot", "MAJOR"));
        assert!(node.process(&TestMessage::telemetry(r#"{"level": "HIGH"}"#).message()).is_err());
    }

    #[test]
    fn an_alarm_in_a_message_is_raised_as_it_is() {
        let configuration = r#"{"useMessageAlarmData": true, "propagate": false, "relationTypes": ["Contains"]}"#;
        let mut node = Node::open(configuration).expect("valid");
        let alarm = r#"{"type": "hot", "severity": "MINOR", "startTs": 5, "endTs": 0, "details": {"a": 1}, "propagate": true,
            "propagateToTenant": true, "propagateRelationTypes": ["Manages"]}"#;
        let raise = asked(node.process(&TestMessage::telemetry(alarm).message()));
        assert_eq!((raise.alarm_type.as_str(), raise.severity.as_str()), ("hot", "MINOR"));
        assert_eq!((raise.start_at, raise.end_at), (Some(5), None));
        assert_eq!(
            (raise.propagate, raise.propagate_to_owner, raise.propagate_to_tenant),
            (true, false, true)
        );
        assert_eq!(raise.propagate_relation_types, Some(vec!["Manages".to_owned()]));
        let odd = r#"{"type": "hot", "severity": "MINOR", "propagate": "yes"}"#;
        assert!(node.process(&TestMessage::telemetry(odd).message()).is_err());
    }

    #[test]
    fn who_else_is_shown_an_alarm_comes_from_the_configuration() {
        let configuration = r#"{"alarmType": "a", "propagate": true, "propagateToOwner": true, "relationTypes": ["Contains"]}"#;
        let mut node = Node::open(configuration).expect("valid");
        let raise = asked(node.process(&TestMessage::telemetry("{}").message()));
        assert_eq!(
            (raise.propagate, raise.propagate_to_owner, raise.propagate_to_tenant),
            (true, true, false)
        );
        assert_eq!(raise.propagate_relation_types, Some(vec!["Contains".to_owned()]));
    }

    #[test]
    fn refuses_what_it_cannot_do() {
        assert!(Node::open(Node::descriptor().default_configuration).is_ok());
        for configuration in [
            "{}",
            r#"{"alarmType": "a", "severity": "HIGH"}"#,
            r#"{"alarmType": "a", "alarmDetailsBuildJs": "return {a: 1};"}"#,
        ] {
            assert!(Node::open(configuration).is_err(), "{configuration}");
        }
    }
}
