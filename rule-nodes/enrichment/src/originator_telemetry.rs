//! originator telemetry: readings of the originator from a time, into the metadata.

use pacificsoft_sdk::reads::{Span, series};
use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{Descriptor, Message, Outcome, RuleNode, now_ms};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::fetch::{FetchTo, parsed};

/// Readings of a key at most.
const LIMIT_MAX: u32 = 1_000;

/// The node.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OriginatorTelemetry {
    latest_ts_key_names: Vec<String>,
    #[serde(default)]
    fetch_mode: Mode,
    #[serde(default)]
    order_by: Order,
    #[serde(default)]
    aggregation: Aggregation,
    #[serde(default = "thousand")]
    limit: u32,
    #[serde(default)]
    use_metadata_interval_patterns: bool,
    #[serde(default)]
    start_interval_pattern: String,
    #[serde(default)]
    end_interval_pattern: String,
    #[serde(default = "two")]
    start_interval: i64,
    #[serde(default = "one")]
    end_interval: i64,
    #[serde(default)]
    start_interval_time_unit: Unit,
    #[serde(default)]
    end_interval_time_unit: Unit,
}

fn thousand() -> u32 {
    LIMIT_MAX
}

fn one() -> i64 {
    1
}

fn two() -> i64 {
    2
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Mode {
    #[default]
    First,
    Last,
    All,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Order {
    #[default]
    Asc,
    Desc,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Aggregation {
    #[default]
    None,
    Min,
    Max,
    Avg,
    Sum,
    Count,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Unit {
    Milliseconds,
    Seconds,
    #[default]
    Minutes,
    Hours,
    Days,
}

impl Unit {
    fn ms(self) -> i64 {
        match self {
            Unit::Milliseconds => 1,
            Unit::Seconds => 1_000,
            Unit::Minutes => 60_000,
            Unit::Hours => 3_600_000,
            Unit::Days => 86_400_000,
        }
    }
}

impl RuleNode for OriginatorTelemetry {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "originator-telemetry",
            class_ids: &["org.thingsboard.rule.engine.metadata.TbGetTelemetryNode"],
            title: "originator telemetry",
            family: "ENRICHMENT",
            description: "Adds readings of the originator from an interval before now to the metadata.",
            details: "FIRST and LAST: one value for each key. ALL: a list of times and values, or what they come to.",
            icon: "timeline",
            configuration_schema: r#"{"type":"object","required":["latestTsKeyNames"],"properties":{"latestTsKeyNames":{"type":"array","items":{"type":"string"}},"fetchMode":{"enum":["FIRST","LAST","ALL"]},"orderBy":{"enum":["ASC","DESC"]},"aggregation":{"enum":["NONE","MIN","MAX","AVG","SUM","COUNT"]},"limit":{"type":"integer","minimum":2,"maximum":1000},"useMetadataIntervalPatterns":{"type":"boolean"},"startIntervalPattern":{"type":"string"},"endIntervalPattern":{"type":"string"},"startInterval":{"type":"integer","minimum":1},"endInterval":{"type":"integer","minimum":1},"startIntervalTimeUnit":{"enum":["MILLISECONDS","SECONDS","MINUTES","HOURS","DAYS"]},"endIntervalTimeUnit":{"enum":["MILLISECONDS","SECONDS","MINUTES","HOURS","DAYS"]}}}"#,
            default_configuration: r#"{"startIntervalPattern":"","endIntervalPattern":"","useMetadataIntervalPatterns":false,"startInterval":2,"endInterval":1,"startIntervalTimeUnit":"MINUTES","endIntervalTimeUnit":"MINUTES","fetchMode":"FIRST","orderBy":"ASC","aggregation":"NONE","limit":1000,"latestTsKeyNames":["temperature"]}"#,
            version: 2,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let node: OriginatorTelemetry = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        if node.latest_ts_key_names.is_empty() || node.latest_ts_key_names.len() > 100 {
            return Err("latestTsKeyNames must name 1 to 100 keys".to_owned());
        }
        if node.fetch_mode == Mode::All && !(1..=LIMIT_MAX).contains(&node.limit) {
            return Err("limit must be between 1 and 1000".to_owned());
        }
        Ok(node)
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let (from_ms, to_ms) = self.interval(message)?;
        let originator = message.originator();
        let mut more = Vec::new();
        for name in &self.latest_ts_key_names {
            let key = Template::parse(name).fill(message);
            let span = Span {
                from_ms,
                to_ms,
                limit: match self.fetch_mode {
                    Mode::All if self.aggregation == Aggregation::None => self.limit,
                    Mode::All => LIMIT_MAX,
                    Mode::First | Mode::Last => 1,
                },
                newest_first: match self.fetch_mode {
                    Mode::First => false,
                    Mode::Last => true,
                    Mode::All => self.order_by == Order::Desc,
                },
            };
            let found: Vec<(i64, Json)> = series(&originator, &key, &span)
                .iter()
                .map(|(ts, text)| (*ts, parsed(text)))
                .collect();
            let value = match self.fetch_mode {
                Mode::First | Mode::Last => found.into_iter().next().map(|(_, value)| value),
                Mode::All => self.all(found, from_ms + (to_ms - from_ms) / 2)?,
            };
            more.extend(value.map(|value| (key, value)));
        }
        FetchTo::Metadata.with(message, more)
    }
}

impl OriginatorTelemetry {
    fn interval(&self, message: &Message) -> Result<(i64, i64), String> {
        let (from_ms, to_ms) = if self.use_metadata_interval_patterns {
            let time = |pattern: &str| {
                let text = Template::parse(pattern).fill(message);
                text.parse::<i64>().map_err(|_| [&text, " is no time in milliseconds"].concat())
            };
            (time(&self.start_interval_pattern)?, time(&self.end_interval_pattern)?)
        } else {
            let before = |count: i64, unit: Unit| now_ms().saturating_sub(count.saturating_mul(unit.ms()));
            (
                before(self.start_interval, self.start_interval_time_unit),
                before(self.end_interval, self.end_interval_time_unit),
            )
        };
        match from_ms < to_ms {
            true => Ok((from_ms, to_ms)),
            false => Err("the interval ends before it starts".to_owned()),
        }
    }

    /// A list of readings, or the one that they come to.
    fn all(&self, found: Vec<(i64, Json)>, middle_ms: i64) -> Result<Option<Json>, String> {
        let shown = |ts: i64, value: Json| json!({"ts": ts, "value": value});
        if found.is_empty() {
            return Ok(None);
        }
        let numbers = || -> Result<Vec<f64>, String> {
            let number = |(_, value): &(i64, Json)| value.as_f64().ok_or("values that are no numbers cannot be summed up");
            found.iter().map(|one| number(one).map_err(str::to_owned)).collect()
        };
        let value = match self.aggregation {
            Aggregation::None => return Ok(Some(found.into_iter().map(|(ts, value)| shown(ts, value)).collect())),
            Aggregation::Count => json!(found.len()),
            Aggregation::Min => json!(numbers()?.into_iter().fold(f64::INFINITY, f64::min)),
            Aggregation::Max => json!(numbers()?.into_iter().fold(f64::NEG_INFINITY, f64::max)),
            Aggregation::Sum => json!(numbers()?.into_iter().sum::<f64>()),
            Aggregation::Avg => json!(numbers()?.into_iter().sum::<f64>() / found.len() as f64),
        };
        Ok(Some(json!([shown(middle_ms, value)])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::tests::leaving;
    use pacificsoft_sdk::testing::platform::id;
    use pacificsoft_sdk::testing::{TestMessage, forget, platform, set_now_ms};

    const NOW: i64 = 1_700_000_000_000;

    fn fetched(rest: &str, message: &TestMessage) -> Result<String, String> {
        let configuration = format!(r#"{{"latestTsKeyNames":["t"]{rest}}}"#);
        let outcome = OriginatorTelemetry::open(&configuration)?.process(&message.message());
        if let Err(reason) = outcome {
            return Err(reason);
        }
        let found = leaving(outcome).0.into_iter().find(|(key, _)| key == "t");
        Ok(found.map_or_else(|| "nothing".to_owned(), |(_, value)| value))
    }

    #[test]
    fn an_interval_is_read_and_summed_up() {
        forget();
        set_now_ms(NOW);
        platform(|platform| {
            for (before, value) in [(200_000, 1), (110_000, 10), (90_000, 30), (70_000, 20), (10_000, 2)] {
                platform.add_reading(&id("DEVICE", 1), "t", NOW - before, json!(value));
            }
        });
        let message = TestMessage::telemetry("{}")
            .with("from", &(NOW - 205_000).to_string())
            .with("to", &NOW.to_string());
        let middle = NOW - 90_000;
        for (rest, expected) in [
            ("", "10".to_owned()),
            (r#","fetchMode":"LAST""#, "20".to_owned()),
            (
                r#","fetchMode":"ALL","aggregation":"MAX""#,
                format!(r#"[{{"ts":{middle},"value":30.0}}]"#),
            ),
            (
                r#","fetchMode":"ALL","aggregation":"AVG""#,
                format!(r#"[{{"ts":{middle},"value":20.0}}]"#),
            ),
            (
                r#","fetchMode":"ALL","aggregation":"COUNT""#,
                format!(r#"[{{"ts":{middle},"value":3}}]"#),
            ),
            (
                r#","fetchMode":"ALL","orderBy":"DESC","limit":2"#,
                format!(r#"[{{"ts":{},"value":20}},{{"ts":{},"value":30}}]"#, NOW - 70_000, NOW - 90_000),
            ),
            (
                r#","useMetadataIntervalPatterns":true,"startIntervalPattern":"${from}","endIntervalPattern":"${to}""#,
                "1".to_owned(),
            ),
            (
                r#","startInterval":20,"endInterval":10,"startIntervalTimeUnit":"DAYS","endIntervalTimeUnit":"DAYS""#,
                "nothing".to_owned(),
            ),
        ] {
            assert_eq!(fetched(rest, &message), Ok(expected), "{rest}");
        }
        assert!(fetched(r#","startInterval":1,"endInterval":2"#, &message).is_err());
        assert!(
            fetched(
                r#","useMetadataIntervalPatterns":true,"startIntervalPattern":"${gone}","endIntervalPattern":"${to}""#,
                &message
            )
            .is_err()
        );
        assert!(OriginatorTelemetry::open(r#"{"latestTsKeyNames":[]}"#).is_err());
        assert!(OriginatorTelemetry::open(r#"{"latestTsKeyNames":["t"],"fetchMode":"ALL","limit":5000}"#).is_err());
    }
}
