//! calculate delta: the difference to the reading before.
//!
//! What was read last is kept by the node, for as many originators as its state has room for; of others, and of those that are new, the
//! stored latest value counts.

use pacificsoft_sdk::reads::latest;
use pacificsoft_sdk::{Descriptor, Message, Outcome, RuleNode, state};
use serde::Deserialize;
use serde_json::{Number, Value as Json};

use crate::fetch::FetchTo;

/// The node.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CalculateDelta {
    input_value_key: String,
    output_value_key: String,
    #[serde(default = "yes")]
    use_cache: bool,
    #[serde(default)]
    add_period_between_msgs: bool,
    #[serde(default = "period_key")]
    period_value_key: String,
    /// Digits after the point.
    #[serde(default)]
    round: Option<u32>,
    #[serde(default = "yes")]
    tell_failure_if_delta_is_negative: bool,
    #[serde(default)]
    exclude_zero_deltas: bool,
}

fn yes() -> bool {
    true
}

fn period_key() -> String {
    "periodInMs".to_owned()
}

impl RuleNode for CalculateDelta {
    const RELATIONS: &'static [&'static str] = &["Success", "Other", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "calculate-delta",
            class_ids: &["org.thingsboard.rule.engine.metadata.CalculateDeltaNode"],
            title: "calculate delta",
            family: "ENRICHMENT",
            description: "Adds the difference between a reading and the one before to the data.",
            details: "Messages without the reading leave along Other. The first reading has the difference 0.",
            icon: "change_history",
            configuration_schema: r#"{"type":"object","required":["inputValueKey","outputValueKey"],"properties":{"inputValueKey":{"type":"string"},"outputValueKey":{"type":"string"},"useCache":{"type":"boolean"},"addPeriodBetweenMsgs":{"type":"boolean"},"periodValueKey":{"type":"string"},"round":{"type":["integer","null"],"minimum":0,"maximum":15},"tellFailureIfDeltaIsNegative":{"type":"boolean"},"excludeZeroDeltas":{"type":"boolean"}}}"#,
            default_configuration: r#"{"inputValueKey":"pulseCounter","outputValueKey":"delta","useCache":true,"addPeriodBetweenMsgs":false,"periodValueKey":"periodInMs","round":null,"tellFailureIfDeltaIsNegative":true,"excludeZeroDeltas":false}"#,
            version: 1,
            state_schema: "last-readings/1",
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let node: CalculateDelta = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        if node.input_value_key.is_empty() || node.output_value_key.is_empty() {
            return Err("inputValueKey and outputValueKey must not be empty".to_owned());
        }
        if node.round.is_some_and(|digits| digits > 15) {
            return Err("round must be between 0 and 15".to_owned());
        }
        Ok(node)
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        if message.kind() != "POST_TELEMETRY_REQUEST" {
            return Ok(Outcome::along("Other"));
        }
        let Some(now) = self.reading(message)? else {
            return Ok(Outcome::along("Other"));
        };
        let originator = message.originator();
        let kept = if self.use_cache { kept(&originator.id) } else { None };
        let before = kept.or_else(|| {
            let (ts, text) = latest(&originator, &self.input_value_key)?;
            Some((ts, text.trim_matches('"').parse().ok()?))
        });
        if self.use_cache {
            keep(&originator.id, now);
        }
        let (delta, period) = match before {
            Some((ts, value)) => (now.1 - value, now.0 - ts),
            None => (0.0, 0),
        };
        if self.tell_failure_if_delta_is_negative && delta < 0.0 {
            return Err("the difference is negative".to_owned());
        }
        if self.exclude_zero_deltas && delta == 0.0 {
            return Ok(Outcome::along("Success"));
        }
        let mut more = vec![(self.output_value_key.clone(), self.rounded(delta))];
        if self.add_period_between_msgs {
            more.push((self.period_value_key.clone(), period.into()));
        }
        FetchTo::Data.with(message, more)
    }
}

impl CalculateDelta {
    /// Time and value; none when the message has none.
    fn reading(&self, message: &Message) -> Result<Option<(i64, f64)>, String> {
        let ts = message
            .metadata("ts")
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| message.timestamp());
        if let Some(number) = message.number(&self.input_value_key) {
            return Ok(Some((ts, number)));
        }
        match message.text(&self.input_value_key) {
            Some(text) => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Some((ts, number))),
                _ => Err([&text, " is no number"].concat()),
            },
            None => Ok(None),
        }
    }

    fn rounded(&self, delta: f64) -> Json {
        let delta = match self.round {
            Some(digits) => {
                let scale = 10f64.powi(digits as i32);
                (delta * scale).round() / scale
            }
            None => delta,
        };
        // Whole numbers stay whole.
        if delta.fract() == 0.0 && delta.abs() < 9e15 {
            return (delta as i64).into();
        }
        Number::from_f64(delta).map_or(Json::Null, Json::Number)
    }
}

fn kept(originator: &str) -> Option<(i64, f64)> {
    let bytes: [u8; 16] = state::get(originator)?.try_into().ok()?;
    let (ts, value) = bytes.split_at(8);
    Some((i64::from_be_bytes(ts.try_into().ok()?), f64::from_be_bytes(value.try_into().ok()?)))
}

/// Keeps a reading, if there is room: of other originators the stored latest value counts.
fn keep(originator: &str, (ts, value): (i64, f64)) {
    let _ = state::set(originator, &[ts.to_be_bytes(), value.to_be_bytes()].concat());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::tests::leaving;
    use pacificsoft_sdk::testing::platform::id;
    use pacificsoft_sdk::testing::{TestMessage, forget, platform};
    use serde_json::json;

    fn pulse(json: &str, ts: i64) -> TestMessage {
        TestMessage::telemetry(json).with("ts", &ts.to_string())
    }

    #[test]
    fn counts_from_what_it_kept_or_what_is_stored() {
        forget();
        platform(|platform| platform.add_reading(&id("DEVICE", 1), "pulses", 1_000, json!(10)));
        let mut node =
            CalculateDelta::open(r#"{"inputValueKey":"pulses","outputValueKey":"delta","addPeriodBetweenMsgs":true}"#).expect("valid");
        let mut run = |json: &str, ts| leaving(node.process(&pulse(json, ts).message())).1;
        assert_eq!(
            run(r#"{"pulses": 12}"#, 2_000),
            json!({"pulses": 12, "delta": 2, "periodInMs": 1_000}),
            "what is stored"
        );
        assert_eq!(
            run(r#"{"pulses": 12.5}"#, 2_500),
            json!({"pulses": 12.5, "delta": 0.5, "periodInMs": 500}),
            "what was kept"
        );
        assert_eq!(run(r#"{"pulses": "13"}"#, 3_000)["delta"], json!(0.5));
        let other = pulse(r#"{"pulses": 7}"#, 1).from(id("DEVICE", 2));
        assert_eq!(leaving(node.process(&other.message())).1["delta"], json!(0), "its first reading");
        assert!(node.process(&pulse(r#"{"pulses": 1}"#, 4_000).message()).is_err(), "negative");
        assert!(node.process(&pulse(r#"{"pulses": "x"}"#, 5_000).message()).is_err());
        assert_eq!(node.process(&pulse(r#"{"t": 1}"#, 5_000).message()), Ok(Outcome::along("Other")));
        assert_eq!(
            node.process(&TestMessage::new("ALARM", "{}").message()),
            Ok(Outcome::along("Other"))
        );
    }

    #[test]
    fn rounds_and_leaves_zeros_out() {
        forget();
        let configuration =
            r#"{"inputValueKey":"t","outputValueKey":"d","round":1,"excludeZeroDeltas":true,"tellFailureIfDeltaIsNegative":false}"#;
        let mut node = CalculateDelta::open(configuration).expect("valid");
        let first = node.process(&pulse(r#"{"t": 1.26}"#, 1).message());
        assert_eq!(leaving(first), (vec![], Json::Null), "the message itself");
        assert_eq!(leaving(node.process(&pulse(r#"{"t": 1.0}"#, 2).message())).1["d"], json!(-0.3));
        assert!(CalculateDelta::open(r#"{"inputValueKey":"t","outputValueKey":""}"#).is_err());
    }
}
