//! delay: messages are held for a time. They are kept by the node, and count as done when they are; one timer wakes it for the next.

use pacificsoft_sdk::aside::Aside;
use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{Descriptor, Emission, Message, Outcome, RuleNode, Steps, now_ms, state, timers};
use serde::Deserialize;

/// Seconds at most: as long as a timer can be.
const PERIOD_S_MAX: u64 = 400 * 86_400;
/// Name of the timer.
const NEXT: &str = "next";

/// The node.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delay {
    #[serde(default)]
    period_in_seconds: u64,
    #[serde(default = "thousand")]
    max_pending_msgs: usize,
    #[serde(default)]
    period_in_seconds_pattern: Option<String>,
    #[serde(default)]
    use_metadata_period_in_seconds_patterns: bool,
}

fn thousand() -> usize {
    1_000
}

impl RuleNode for Delay {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "delay",
            class_ids: &["org.thingsboard.rule.engine.delay.TbMsgDelayNode"],
            title: "delay",
            family: "ACTION",
            description: "Holds messages for a time.",
            details: "A message is acknowledged when it is kept. A thousand messages of 1 MiB together at most; more leave along Failure.",
            icon: "pause",
            configuration_schema: r#"{"type":"object","properties":{"periodInSeconds":{"type":"integer","minimum":0},"maxPendingMsgs":{"type":"integer","minimum":1,"maximum":1000},"periodInSecondsPattern":{"type":["string","null"]},"useMetadataPeriodInSecondsPatterns":{"type":"boolean"}}}"#,
            default_configuration: r#"{"periodInSeconds":60,"maxPendingMsgs":1000,"periodInSecondsPattern":null,"useMetadataPeriodInSecondsPatterns":false}"#,
            state_schema: "delayed-messages/1",
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let node: Delay = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        if node.period_in_seconds > PERIOD_S_MAX {
            return Err("periodInSeconds is more than 400 days".to_owned());
        }
        if !(1..=1_000).contains(&node.max_pending_msgs) {
            return Err("maxPendingMsgs must be between 1 and 1000".to_owned());
        }
        Ok(node)
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let period_ms = self.period_s(message)?.saturating_mul(1_000);
        let pending = state::keys("");
        if pending.len() >= self.max_pending_msgs {
            return Err("as many messages are held as may".to_owned());
        }
        let due_ms = now_ms().max(0).unsigned_abs().saturating_add(period_ms);
        // Messages of one moment stay in their order.
        let same = key(due_ms, 0);
        let (moment, _) = same.split_at(20);
        let number = pending.iter().filter(|key| key.starts_with(moment)).count();
        state::set(&key(due_ms, number), &Aside::of(message)?.bytes()?)?;
        if pending.first().is_none_or(|first| *first > same) {
            timers::set(NEXT, period_ms)?;
        }
        Ok(Outcome::end())
    }

    fn on_timer(&mut self, _: &str, _: &Message) -> Result<Outcome, String> {
        let now_ms = now_ms().max(0).unsigned_abs();
        let mut emissions = Vec::new();
        for key in state::keys("") {
            let due_ms = key.get(..20).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
            if due_ms > now_ms {
                timers::set(NEXT, due_ms - now_ms)?;
                break;
            }
            let aside = state::get(&key).and_then(|bytes| Aside::read(&bytes));
            state::delete(&key);
            emissions.extend(aside.map(|aside| Emission {
                relation: "Success".to_owned(),
                message: Some(aside.message()),
            }));
        }
        Ok(Outcome::Steps(Steps {
            effects: Vec::new(),
            emissions,
        }))
    }
}

impl Delay {
    fn period_s(&self, message: &Message) -> Result<u64, String> {
        let Some(pattern) = self
            .period_in_seconds_pattern
            .as_deref()
            .filter(|_| self.use_metadata_period_in_seconds_patterns)
        else {
            return Ok(self.period_in_seconds);
        };
        let text = Template::parse(pattern).fill(message);
        match text.parse::<u64>() {
            Ok(seconds) if seconds <= PERIOD_S_MAX => Ok(seconds),
            _ => Err([&text, " is no time in seconds"].concat()),
        }
    }
}

/// Sorted by time, then by number.
fn key(due_ms: u64, number: usize) -> String {
    format!("{due_ms:020}/{number:04}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::{TestMessage, forget, set_now_ms, timers};
    use pacificsoft_sdk::{Content, NewMessage};

    fn left(outcome: Result<Outcome, String>) -> Vec<String> {
        let Ok(Outcome::Steps(steps)) = outcome else {
            panic!("{outcome:?}")
        };
        let data = |one: Emission| match one.message {
            Some(NewMessage {
                payload: Some(Content::Json(text)),
                ..
            }) => text,
            other => panic!("{other:?}"),
        };
        steps.emissions.into_iter().map(data).collect()
    }

    #[test]
    fn messages_leave_when_it_is_time() {
        forget();
        set_now_ms(1_000_000);
        let configuration = r#"{"periodInSeconds":10,"periodInSecondsPattern":"${wait}","useMetadataPeriodInSecondsPatterns":true}"#;
        let mut node = Delay::open(configuration).expect("valid");
        let mut hold = |json: &str, wait: &str| node.process(&TestMessage::telemetry(json).with("wait", wait).message());
        for (json, wait) in [("1", "10"), ("2", "10"), ("3", "5"), ("4", "60")] {
            assert_eq!(hold(json, wait), Ok(Outcome::end()));
        }
        assert!(hold("5", "soon").is_err());
        assert_eq!(timers().get(NEXT), Some(&5_000), "the nearest");
        let timer = TestMessage::new("TIMER", "{}");
        set_now_ms(1_005_000);
        assert_eq!(left(node.on_timer(NEXT, &timer.message())), ["3"]);
        assert_eq!(timers().get(NEXT), Some(&5_000));
        set_now_ms(1_011_000);
        assert_eq!(left(node.on_timer(NEXT, &timer.message())), ["1", "2"]);
        assert_eq!(timers().get(NEXT), Some(&49_000));
        set_now_ms(1_700_000_000_000);
        assert_eq!(left(node.on_timer(NEXT, &timer.message())), ["4"]);
    }

    #[test]
    fn there_are_limits() {
        forget();
        let mut node = Delay::open(r#"{"periodInSeconds":1,"maxPendingMsgs":1}"#).expect("valid");
        assert!(node.process(&TestMessage::telemetry("{}").message()).is_ok());
        assert!(node.process(&TestMessage::telemetry("{}").message()).is_err());
        assert!(Delay::open(r#"{"periodInSeconds":40000000}"#).is_err());
        assert!(Delay::open(r#"{"maxPendingMsgs":0}"#).is_err());
    }
}
