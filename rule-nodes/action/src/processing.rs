//! Field `processingSettings` of the nodes that save values: what is done with which messages, as ThingsBoard's nodes have it.
//!
//! There are no calculated fields here: what a configuration says of them is read, and means nothing.

use std::collections::HashMap;

use pacificsoft_sdk::Message;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Seconds of an interval at most: a day.
const INTERVAL_S_MAX: u32 = 86_400;
/// Originators whose intervals are remembered. One more and all are forgotten: of some intervals a second message is then taken, too.
const ORIGINATORS_MAX: usize = 10_000;
/// Intervals of an originator that are remembered. Older ones count as new.
const INTERVALS_MAX: usize = 16;

/// The field.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE", rename_all_fields = "camelCase")]
pub enum Settings {
    /// Everything, with each message.
    OnEveryMessage,
    /// Everything, with the first message of an originator in each interval.
    Deduplicate {
        /// 1 to 86 400.
        deduplication_interval_secs: u32,
    },
    /// Nothing is stored.
    WebsocketsOnly,
    /// Each for itself.
    Advanced {
        /// The history of time series.
        #[serde(default)]
        timeseries: Option<Strategy>,
        /// Attributes.
        #[serde(default)]
        attributes: Option<Strategy>,
        /// The latest values of time series.
        #[serde(default)]
        latest: Option<Strategy>,
        /// Whoever watches.
        #[serde(default)]
        web_sockets: Option<Strategy>,
        /// See the module.
        #[serde(default, rename = "calculatedFields")]
        _calculated_fields: IgnoredAny,
    },
}

/// With which messages one thing is done.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE", rename_all_fields = "camelCase")]
pub enum Strategy {
    /// With each.
    OnEveryMessage,
    /// With the first one of an originator in each interval.
    Deduplicate {
        /// 1 to 86 400.
        deduplication_interval_secs: u32,
    },
    /// With none.
    Skip,
}

/// What is done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Its values are stored.
    pub store: bool,
    /// They become the latest ones.
    pub latest: bool,
    /// Whoever watches is told.
    pub tell: bool,
}

/// The settings at work: knows which intervals have had their message.
pub enum Processing {
    /// All parts alike.
    Whole(When),
    /// Whoever watches is told, that is all.
    TellOnly,
    /// Each part for itself.
    Each {
        /// See [`Parts`].
        store: When,
        /// The same.
        latest: When,
        /// The same.
        tell: When,
    },
}

/// With which messages something is done.
pub enum When {
    /// With each.
    Always,
    /// With the first one of an originator in each interval.
    Once(Intervals),
    /// With none.
    Never,
}

/// Intervals that have had their message. When that one comes again, as it could not be stored, it is known by its times.
pub struct Intervals {
    length_ms: i64,
    /// By originator, sorted by interval.
    seen: HashMap<String, Vec<(i64, Times)>>,
}

/// When a message was made, and the time in its metadata.
type Times = (i64, Option<i64>);

impl Processing {
    /// Of a configuration; without the field everything is done with each message.
    pub fn read(settings: Option<Settings>) -> Result<Self, String> {
        Ok(match settings {
            None | Some(Settings::OnEveryMessage) => Processing::Whole(When::Always),
            Some(Settings::Deduplicate {
                deduplication_interval_secs,
            }) => Processing::Whole(When::Once(Intervals::new(deduplication_interval_secs)?)),
            Some(Settings::WebsocketsOnly) => Processing::TellOnly,
            Some(Settings::Advanced {
                timeseries,
                attributes,
                latest,
                web_sockets,
                ..
            }) => Processing::Each {
                store: When::read(timeseries.or(attributes))?,
                latest: When::read(latest)?,
                tell: When::read(web_sockets)?,
            },
        })
    }

    /// What is done with a message whose values have this time.
    pub fn of(&mut self, message: &Message, ts_ms: impl FnOnce() -> i64) -> Parts {
        let all = |yes: bool| Parts {
            store: yes,
            latest: yes,
            tell: yes,
        };
        match self {
            Processing::Whole(When::Always) => all(true),
            Processing::Whole(when) => all(when.takes(message, ts_ms())),
            Processing::TellOnly => Parts { tell: true, ..all(false) },
            Processing::Each { store, latest, tell } => {
                let ts_ms = ts_ms();
                Parts {
                    store: store.takes(message, ts_ms),
                    latest: latest.takes(message, ts_ms),
                    tell: tell.takes(message, ts_ms),
                }
            }
        }
    }
}

impl When {
    fn read(strategy: Option<Strategy>) -> Result<Self, String> {
        Ok(match strategy {
            None | Some(Strategy::OnEveryMessage) => When::Always,
            Some(Strategy::Deduplicate {
                deduplication_interval_secs,
            }) => When::Once(Intervals::new(deduplication_interval_secs)?),
            Some(Strategy::Skip) => When::Never,
        })
    }

    fn takes(&mut self, message: &Message, ts_ms: i64) -> bool {
        match self {
            When::Always => true,
            When::Never => false,
            When::Once(intervals) => {
                let told = message.metadata("ts").and_then(|text| text.parse().ok());
                intervals.is_first(message.originator().id, ts_ms, (message.timestamp(), told))
            }
        }
    }
}

impl Intervals {
    fn new(seconds: u32) -> Result<Self, String> {
        if !(1..=INTERVAL_S_MAX).contains(&seconds) {
            return Err("deduplicationIntervalSecs is not between 1 and 86400".to_owned());
        }
        Ok(Intervals {
            length_ms: i64::from(seconds) * 1_000,
            seen: HashMap::new(),
        })
    }

    fn is_first(&mut self, originator: String, ts_ms: i64, times: Times) -> bool {
        if self.seen.len() >= ORIGINATORS_MAX && !self.seen.contains_key(&originator) {
            self.seen.clear();
        }
        let interval = ts_ms.div_euclid(self.length_ms);
        let seen = self.seen.entry(originator).or_default();
        let place = match seen.binary_search_by_key(&interval, |(interval, _)| *interval) {
            Ok(place) => return seen[place].1 == times,
            Err(place) => place,
        };
        seen.insert(place, (interval, times));
        if seen.len() > INTERVALS_MAX {
            seen.remove(0);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestMessage;

    fn processing(settings: &str) -> Result<Processing, String> {
        Processing::read(Some(serde_json::from_str(settings).map_err(|error| error.to_string())?))
    }

    fn parts(processing: &mut Processing, ts_ms: i64) -> (bool, bool, bool) {
        let message = TestMessage::telemetry("{}").with("ts", &ts_ms.to_string());
        let parts = processing.of(&message.message(), || ts_ms);
        (parts.store, parts.latest, parts.tell)
    }

    #[test]
    fn each_kind_of_settings_is_understood() {
        const ALL: (bool, bool, bool) = (true, true, true);
        for (settings, expected) in [
            (r#"{"type": "ON_EVERY_MESSAGE"}"#, [ALL; 2]),
            (r#"{"type": "WEBSOCKETS_ONLY"}"#, [(false, false, true); 2]),
            (
                r#"{"type": "DEDUPLICATE", "deduplicationIntervalSecs": 60}"#,
                [ALL, (false, false, false)],
            ),
            (
                r#"{"type": "ADVANCED", "timeseries": {"type": "DEDUPLICATE", "deduplicationIntervalSecs": 60},
                    "latest": {"type": "ON_EVERY_MESSAGE"}, "webSockets": {"type": "SKIP"}, "calculatedFields": {"type": "SKIP"}}"#,
                [(true, true, false), (false, true, false)],
            ),
            (
                r#"{"type": "ADVANCED", "attributes": {"type": "SKIP"}, "webSockets": {"type": "ON_EVERY_MESSAGE"}}"#,
                [(false, true, true); 2],
            ),
        ] {
            let mut processing = processing(settings).expect(settings);
            let told = [1_000, 59_999].map(|ts_ms| parts(&mut processing, ts_ms));
            assert_eq!(told, expected, "{settings}");
        }
    }

    #[test]
    fn each_interval_has_one_message_whatever_their_order() {
        let mut processing = processing(r#"{"type": "DEDUPLICATE", "deduplicationIntervalSecs": 10}"#).expect("valid");
        let taken = [20_000, 25_000, 9_000, 5_000, 20_001, 30_000, -1].map(|ts_ms| parts(&mut processing, ts_ms).0);
        assert_eq!(taken, [true, false, true, false, false, true, true]);
    }

    #[test]
    fn a_message_that_comes_again_is_the_first_one_still() {
        let mut intervals = Intervals::new(10).expect("valid");
        let mut taken = |ts_ms, times| intervals.is_first("one".to_owned(), ts_ms, times);
        assert!(taken(0, (5, None)));
        assert!(!taken(9_999, (6, None)) && !taken(0, (5, Some(0))));
        assert!(taken(3, (5, None)), "by the server's time, which has gone on");
        assert!(taken(10_000, (6, None)));
    }

    #[test]
    fn what_is_remembered_has_a_limit() {
        let mut intervals = Intervals::new(1).expect("valid");
        for number in 0..ORIGINATORS_MAX as i64 + 10 {
            assert!(intervals.is_first(number.to_string(), 0, (0, None)));
        }
        assert!(intervals.seen.len() <= ORIGINATORS_MAX);
        assert!((0..100).all(|second| intervals.is_first("one".to_owned(), second * 1_000, (0, None))));
        assert_eq!(intervals.seen["one"].len(), INTERVALS_MAX);
    }

    #[test]
    fn intervals_have_limits() {
        for (seconds, fine) in [(0, false), (1, true), (86_400, true), (86_401, false)] {
            assert_eq!(Intervals::new(seconds).is_ok(), fine, "{seconds}");
        }
        assert!(processing(r#"{"type": "SOMETIMES"}"#).is_err());
    }
}
