//! deduplication: messages of an originator are collected for a time; then the first, the last, or all of them leave as one.
//!
//! What is collected is kept by the node, so a message that was taken is not lost: it counts as done when it is kept. One timer for each
//! originator ends its time.

use pacificsoft_sdk::aside::Aside;
use pacificsoft_sdk::{Content, Descriptor, Message, NewMessage, Outcome, RuleNode, state, timers};
use serde::Deserialize;
use serde_json::{Value as Json, json};

/// The node.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deduplication {
    /// Seconds.
    interval: u32,
    #[serde(default)]
    strategy: Strategy,
    /// Of the message that has all of them.
    #[serde(default)]
    out_msg_type: Option<String>,
    #[serde(default = "hundred")]
    max_pending_msgs: u32,
}

fn hundred() -> u32 {
    100
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Strategy {
    #[default]
    First,
    Last,
    All,
}

impl RuleNode for Deduplication {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "deduplication",
            class_ids: &["org.thingsboard.rule.engine.deduplication.TbMsgDeduplicationNode"],
            title: "deduplication",
            family: "TRANSFORMATION",
            description: "Collects messages of an originator for a time, then sends the first, the last, or all of them as one.",
            details: "ALL: the data are an array of messages with their msg and metadata. A message is acknowledged when it is kept. 100 originators at a time; messages of others leave along Failure.",
            icon: "content_copy",
            configuration_schema: r#"{"type":"object","required":["interval"],"properties":{"interval":{"type":"integer","minimum":1},"strategy":{"enum":["FIRST","LAST","ALL"]},"outMsgType":{"type":["string","null"]},"maxPendingMsgs":{"type":"integer","minimum":1,"maximum":1000},"maxRetries":{"type":"integer"}}}"#,
            default_configuration: r#"{"interval":60,"strategy":"FIRST","outMsgType":null,"maxPendingMsgs":100,"maxRetries":3}"#,
            version: 1,
            state_schema: "pending-messages/1",
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let node: Deduplication = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        if node.interval == 0 || !(1..=1_000).contains(&node.max_pending_msgs) {
            return Err("interval must be at least 1, maxPendingMsgs between 1 and 1000".to_owned());
        }
        if node.strategy == Strategy::All && node.out_msg_type.as_deref().is_none_or(str::is_empty) {
            return Err("outMsgType is needed for the strategy ALL".to_owned());
        }
        Ok(node)
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let aside = Aside::of(message)?;
        let group = aside.originator().id;
        let pending = state::keys(&[&group, "/"].concat());
        if pending.is_empty() {
            timers::set(&group, u64::from(self.interval) * 1_000)?;
        }
        if pending.len() as u32 >= self.max_pending_msgs {
            return Err("as many messages wait for their time as may".to_owned());
        }
        let number = match (self.strategy, pending.len()) {
            (Strategy::First, 1..) => return Ok(Outcome::end()),
            (Strategy::Last, _) => 0,
            (_, count) => count,
        };
        state::set(&key(&group, number), &aside.bytes()?)?;
        Ok(Outcome::end())
    }

    fn on_timer(&mut self, name: &str, _: &Message) -> Result<Outcome, String> {
        let mut pending = Vec::new();
        for key in state::keys(&[name, "/"].concat()) {
            pending.extend(state::get(&key).and_then(|bytes| Aside::read(&bytes)));
            state::delete(&key);
        }
        let message = match self.strategy {
            Strategy::First | Strategy::Last => pending.pop().map(Aside::message),
            Strategy::All => self.together(&pending),
        };
        Ok(message.map_or_else(Outcome::end, |message| Outcome::emit("Success", message)))
    }
}

impl Deduplication {
    fn together(&self, pending: &[Aside]) -> Option<NewMessage> {
        let first = pending.first()?;
        let shown = pending.iter().map(|aside| {
            let entries = aside.metadata().iter();
            let metadata: serde_json::Map<String, Json> = entries.map(|(key, value)| (key.clone(), value.as_str().into())).collect();
            json!({"msg": aside.data(), "metadata": metadata})
        });
        Some(NewMessage {
            kind: self.out_msg_type.clone(),
            originator: Some(first.originator()),
            metadata: Some(Vec::new()),
            payload: Some(Content::Json(Json::Array(shown.collect()).to_string())),
        })
    }
}

/// Sorted by number.
fn key(group: &str, number: usize) -> String {
    format!("{group}/{number:04}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::{data, leaving};
    use pacificsoft_sdk::testing::platform::id;
    use pacificsoft_sdk::testing::{TestMessage, forget, timers};

    fn ended(outcome: Result<Outcome, String>) {
        assert_eq!(outcome, Ok(Outcome::end()));
    }

    /// What leaves for a device after three messages of it and one of another.
    fn after_three(configuration: &str) -> (NewMessage, Deduplication) {
        forget();
        let mut node = Deduplication::open(configuration).expect("valid");
        for number in 1..=3 {
            let message = TestMessage::telemetry(&format!(r#"{{"t": {number}}}"#)).with("n", &number.to_string());
            ended(node.process(&message.message()));
        }
        ended(node.process(&TestMessage::telemetry(r#"{"t": 9}"#).from(id("DEVICE", 2)).message()));
        let device = id("DEVICE", 1).id;
        assert_eq!(timers().get(&device), Some(&60_000));
        let timer = TestMessage::new("TIMER", "{}").from(id("RULE_NODE", 1));
        let left = leaving(node.on_timer(&device, &timer.message())).remove(0);
        assert_eq!(left.originator, Some(id("DEVICE", 1)));
        ended(node.on_timer(&device, &timer.message()));
        (left, node)
    }

    #[test]
    fn the_first_the_last_or_all_leave() {
        let (left, _) = after_three(r#"{"interval":60,"strategy":"FIRST"}"#);
        assert_eq!(
            (data(&left), left.kind.as_deref()),
            (json!({"t": 1}), Some("POST_TELEMETRY_REQUEST"))
        );
        assert_eq!(left.metadata, Some(vec![("n".to_owned(), "1".to_owned())]));
        let (left, _) = after_three(r#"{"interval":60,"strategy":"LAST"}"#);
        assert_eq!(data(&left), json!({"t": 3}));
        let (left, mut node) = after_three(r#"{"interval":60,"strategy":"ALL","outMsgType":"BATCH"}"#);
        assert_eq!(left.kind.as_deref(), Some("BATCH"));
        assert_eq!(data(&left)[1], json!({"msg": {"t": 2}, "metadata": {"n": "2"}}));
        assert_eq!(data(&left).as_array().map(Vec::len), Some(3));
        let other = leaving(node.on_timer(&id("DEVICE", 2).id, &TestMessage::new("TIMER", "{}").message()));
        assert_eq!(data(&other[0])[0]["msg"], json!({"t": 9}));
    }

    #[test]
    fn there_are_limits() {
        forget();
        let mut node = Deduplication::open(r#"{"interval":1,"strategy":"ALL","outMsgType":"B","maxPendingMsgs":2}"#).expect("valid");
        let message = TestMessage::telemetry("{}");
        ended(node.process(&message.message()));
        ended(node.process(&message.message()));
        assert!(node.process(&message.message()).is_err());
        for wrong in [
            r#"{"interval":0}"#,
            r#"{"interval":1,"strategy":"ALL"}"#,
            r#"{"interval":1,"maxPendingMsgs":0}"#,
        ] {
            assert!(Deduplication::open(wrong).is_err(), "{wrong}");
        }
    }
}
