//! message count: how many messages came in each interval, as telemetry of the tenant.

use pacificsoft_sdk::reads::tenant;
use pacificsoft_sdk::{Content, Descriptor, Message, NewMessage, Outcome, RuleNode, now_ms, state, timers};
use serde::Deserialize;

/// The key of the count, and the name of the timer.
const COUNT: &str = "count";
/// Stands where ThingsBoard names its server.
const SERVICE: &str = "pacificsoft";

/// The node.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageCount {
    /// Seconds.
    interval: u32,
    telemetry_prefix: String,
}

impl RuleNode for MessageCount {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "message-count",
            class_ids: &["org.thingsboard.rule.engine.action.TbMsgCountNode"],
            title: "message count",
            family: "ACTION",
            description: "Counts messages, and sends the count of each interval as telemetry of the tenant.",
            details: "Counted messages end here. Intervals begin with the first message.",
            icon: "functions",
            configuration_schema: r#"{"type":"object","required":["interval","telemetryPrefix"],"properties":{"interval":{"type":"integer","minimum":1},"telemetryPrefix":{"type":"string"}}}"#,
            default_configuration: r#"{"interval":1,"telemetryPrefix":"messageCount"}"#,
            state_schema: "count/1",
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let node: MessageCount = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        if node.interval == 0 || node.telemetry_prefix.is_empty() || node.telemetry_prefix.len() > 200 {
            return Err("interval must be at least 1, telemetryPrefix must have 1 to 200 bytes".to_owned());
        }
        Ok(node)
    }

    fn process(&mut self, _: &Message) -> Result<Outcome, String> {
        match counted() {
            Some(count) => state::set(COUNT, &(count + 1).to_be_bytes())?,
            None => {
                state::set(COUNT, &1u64.to_be_bytes())?;
                timers::set(COUNT, self.interval_ms())?;
            }
        }
        Ok(Outcome::end())
    }

    fn on_timer(&mut self, _: &str, _: &Message) -> Result<Outcome, String> {
        let count = counted().unwrap_or_default();
        state::set(COUNT, &0u64.to_be_bytes())?;
        timers::set(COUNT, self.interval_ms())?;
        let json = format!(
            r#"{{{}:{count}}}"#,
            serde_json::Value::from([&self.telemetry_prefix, "_", SERVICE].concat())
        );
        let metadata = [("delta", self.interval.to_string()), ("ts", now_ms().to_string())];
        let message = NewMessage {
            kind: Some("POST_TELEMETRY_REQUEST".to_owned()),
            originator: Some(tenant()),
            metadata: Some(metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
            payload: Some(Content::Json(json)),
        };
        Ok(Outcome::emit("Success", message))
    }
}

impl MessageCount {
    fn interval_ms(&self) -> u64 {
        u64::from(self.interval) * 1_000
    }
}

/// None before the first message.
fn counted() -> Option<u64> {
    state::get(COUNT)?.try_into().ok().map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::{TestMessage, forget, timers};

    #[test]
    fn each_interval_has_its_count() {
        forget();
        let mut node = MessageCount::open(r#"{"interval":2,"telemetryPrefix":"n"}"#).expect("valid");
        for _ in 0..3 {
            assert_eq!(node.process(&TestMessage::telemetry("{}").message()), Ok(Outcome::end()));
        }
        assert_eq!(timers().get(COUNT), Some(&2_000));
        for expected in [r#"{"n_pacificsoft":3}"#, r#"{"n_pacificsoft":0}"#] {
            let Ok(Outcome::Steps(steps)) = node.on_timer(COUNT, &TestMessage::new("TIMER", "{}").message()) else {
                panic!("a message")
            };
            let message = steps.emissions[0].message.as_ref().expect("a new one");
            assert_eq!(message.payload, Some(Content::Json(expected.to_owned())));
            assert_eq!(message.originator, Some(tenant()));
        }
        assert!(MessageCount::open(r#"{"interval":0,"telemetryPrefix":"n"}"#).is_err());
    }
}
