//! alarm status filter: is the alarm in the message's data in one of the statuses now?

use pacificsoft_sdk::reads::alarm;
use pacificsoft_sdk::{Descriptor, Message, Outcome, RuleNode, relation};
use serde::Deserialize;
use serde_json::Value as Json;

/// The node.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlarmStatusFilter {
    alarm_status_list: Vec<Status>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Status {
    ActiveUnack,
    ActiveAck,
    ClearedUnack,
    ClearedAck,
}

impl RuleNode for AlarmStatusFilter {
    const RELATIONS: &'static [&'static str] = &["True", "False", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "alarm-status-filter",
            class_ids: &["org.thingsboard.rule.engine.filter.TbCheckAlarmStatusNode"],
            title: "alarm status filter",
            family: "FILTER",
            description: "Is the alarm in the message's data in one of the statuses now?",
            details: "The alarm is read anew: it may have been acknowledged or cleared since the message was made.",
            icon: "notifications",
            configuration_schema: r#"{"type":"object","required":["alarmStatusList"],"properties":{"alarmStatusList":{"type":"array","items":{"enum":["ACTIVE_UNACK","ACTIVE_ACK","CLEARED_UNACK","CLEARED_ACK"]}}}}"#,
            default_configuration: r#"{"alarmStatusList":["ACTIVE_ACK","ACTIVE_UNACK"]}"#,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        serde_json::from_str(configuration).map_err(|error| error.to_string())
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        const TRUE: u32 = relation(AlarmStatusFilter::RELATIONS, "True");
        const FALSE: u32 = relation(AlarmStatusFilter::RELATIONS, "False");
        let id = message
            .text("/id/id")
            .or_else(|| message.text("id"))
            .ok_or("the data are no alarm: they have no id")?;
        let alarm = alarm(&id).ok_or("there is no such alarm")?;
        let alarm: Json = serde_json::from_str(&alarm).map_err(|error| error.to_string())?;
        let status = match (alarm["cleared"] == true, alarm["acknowledged"] == true) {
            (false, false) => Status::ActiveUnack,
            (false, true) => Status::ActiveAck,
            (true, false) => Status::ClearedUnack,
            (true, true) => Status::ClearedAck,
        };
        Ok(Outcome::Forward(if self.alarm_status_list.contains(&status) {
            TRUE
        } else {
            FALSE
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::{TestMessage, forget, platform};
    use serde_json::json;

    #[test]
    fn the_alarm_is_read_anew() {
        forget();
        platform(|platform| {
            platform
                .alarms
                .push(json!({"id": {"id": "a"}, "cleared": false, "acknowledged": true}));
            platform
                .alarms
                .push(json!({"id": {"id": "b"}, "cleared": true, "acknowledged": false}));
        });
        let mut node = AlarmStatusFilter::open(r#"{"alarmStatusList":["ACTIVE_ACK"]}"#).expect("valid");
        let mut decide = |json: &str| node.process(&TestMessage::new("ALARM", json).message());
        assert_eq!(
            decide(r#"{"id": {"entityType": "ALARM", "id": "a"}, "acknowledged": false}"#),
            Ok(Outcome::Forward(0))
        );
        assert_eq!(decide(r#"{"id": {"id": "b"}}"#), Ok(Outcome::Forward(1)));
        assert!(decide(r#"{"id": {"id": "c"}}"#).is_err());
        assert!(decide(r#"{"t": 1}"#).is_err());
        assert!(AlarmStatusFilter::open(r#"{"alarmStatusList":["OPEN"]}"#).is_err());
    }
}
