//! save time series: the message's data become readings of its originator.

use pacificsoft_sdk::{Content, Descriptor, Effect, Keep, Message, Outcome, RuleNode, SaveTimeSeries};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::processing::{Processing, Settings};

/// The first of the relations.
const SUCCESS: u32 = 0;

/// The node.
pub struct SaveTimeSeriesNode {
    ttl_s: u32,
    use_server_ts: bool,
    processing: Processing,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    #[serde(default, rename = "defaultTTL")]
    default_ttl: u32,
    #[serde(default)]
    use_server_ts: bool,
    #[serde(default)]
    processing_settings: Option<Settings>,
}

impl RuleNode for SaveTimeSeriesNode {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "save-time-series",
            class_ids: &["org.thingsboard.rule.engine.telemetry.TbMsgTimeseriesNode"],
            title: "save time series",
            family: "ACTION",
            description: "Saves the message's data as readings of its originator.",
            details: "Metadata ts gives the time, unless the server's time is wanted; metadata TTL, in seconds, overrides the default. Processing settings say \
                      with which messages that is done: with each, with the first one of an originator in an interval, or for those alone who \
                      watch now; or each part for itself: history, latest values, those who watch.",
            icon: "file_upload",
            configuration_schema: r#"{"type":"object","properties":{"defaultTTL":{"type":"integer","minimum":0},"useServerTs":{"type":"boolean"},"processingSettings":{"type":"object"}}}"#,
            default_configuration: r#"{"defaultTTL":0,"useServerTs":false,"processingSettings":{"type":"ON_EVERY_MESSAGE"}}"#,
            version: 1,
            effects: &["save-time-series"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let configuration: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        Ok(SaveTimeSeriesNode {
            ttl_s: configuration.default_ttl,
            use_server_ts: configuration.use_server_ts,
            processing: Processing::read(configuration.processing_settings)?,
        })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let ttl_seconds = match message.metadata("TTL") {
            None => self.ttl_s,
            Some(text) => text
                .parse()
                .map_err(|_| ["metadata TTL is no number of seconds: ", &text].concat())?,
        };
        // The message's own time is what metadata `ts` says, set when the message was made; nodes before may have changed it.
        let timestamp = if self.use_server_ts {
            Some(pacificsoft_sdk::now_ms())
        } else {
            match message.metadata("ts") {
                None => None,
                Some(text) => Some(
                    text.parse()
                        .map_err(|_| ["metadata ts is no time in milliseconds: ", &text].concat())?,
                ),
            }
        };
        let parts = self.processing.of(message, || timestamp.unwrap_or_else(|| message.timestamp()));
        let keep = match (parts.store, parts.latest) {
            (true, true) => None,
            (true, false) => Some(Keep::History),
            (false, true) => Some(Keep::Latest),
            (false, false) if parts.tell => Some(Keep::Nothing),
            (false, false) => return Ok(Outcome::Forward(SUCCESS)),
        };
        Ok(Outcome::Effect(Effect::SaveTimeSeries(SaveTimeSeries {
            timestamp,
            ttl_seconds,
            keep,
            quiet: !parts.tell,
            ..SaveTimeSeries::new(Content::whole())
        })))
    }

    fn upgrade(from_version: u32, configuration: &str) -> Result<String, String> {
        if from_version >= 1 {
            return Ok(configuration.to_owned());
        }
        let mut json: Json = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        let members = json.as_object_mut().ok_or("the configuration is not an object")?;
        let skips_latest = members.remove("skipLatestPersistence").is_some_and(|skip| skip == true);
        members.entry("processingSettings").or_insert_with(|| {
            if skips_latest {
                let every = json!({"type": "ON_EVERY_MESSAGE"});
                json!({"type": "ADVANCED", "timeseries": every, "latest": {"type": "SKIP"}, "webSockets": every, "calculatedFields": every})
            } else {
                json!({"type": "ON_EVERY_MESSAGE"})
            }
        });
        Ok(json.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::{TestMessage, set_now_ms};

    fn saved(configuration: &str, message: TestMessage) -> Result<(Option<i64>, u32), String> {
        let mut node = SaveTimeSeriesNode::open(configuration)?;
        match node.process(&message.message())? {
            Outcome::Effect(Effect::SaveTimeSeries(save)) => {
                assert_eq!((save.entity, save.values), (None, Content::whole()));
                Ok((save.timestamp, save.ttl_seconds))
            }
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn takes_time_and_ttl_from_where_they_are() {
        set_now_ms(99);
        let message = || TestMessage::telemetry(r#"{"t": 1}"#);
        assert_eq!(saved("{}", message()), Ok((None, 0)));
        assert_eq!(saved(r#"{"defaultTTL": 60}"#, message().with("ts", "5")), Ok((Some(5), 60)));
        assert_eq!(
            saved(
                r#"{"defaultTTL": 60, "useServerTs": true}"#,
                message().with("ts", "5").with("TTL", "7")
            ),
            Ok((Some(99), 7))
        );
        assert!(saved("{}", message().with("TTL", "soon")).is_err());
        assert!(saved(r#"{"processingSettings": {"type": "SOMETIMES"}}"#, message()).is_err());
    }

    #[test]
    fn settings_say_what_is_kept_and_who_is_told() {
        let advanced = |timeseries: &str, latest: &str, watchers: &str| {
            let one = |kind: &str| json!({"type": kind});
            json!({"type": "ADVANCED", "timeseries": one(timeseries), "latest": one(latest), "webSockets": one(watchers)})
        };
        const EVERY: &str = "ON_EVERY_MESSAGE";
        const SKIP: &str = "SKIP";
        for (settings, expected) in [
            (json!({"type": "ON_EVERY_MESSAGE"}), Some((None, false))),
            (json!({"type": "WEBSOCKETS_ONLY"}), Some((Some(Keep::Nothing), false))),
            (advanced(SKIP, EVERY, EVERY), Some((Some(Keep::Latest), false))),
            (advanced(EVERY, EVERY, SKIP), Some((None, true))),
            (advanced(EVERY, SKIP, EVERY), Some((Some(Keep::History), false))),
            (advanced(EVERY, SKIP, SKIP), Some((Some(Keep::History), true))),
            (advanced(SKIP, EVERY, SKIP), Some((Some(Keep::Latest), true))),
            (advanced(SKIP, SKIP, SKIP), None),
        ] {
            let configuration = json!({"processingSettings": settings}).to_string();
            let mut node = SaveTimeSeriesNode::open(&configuration).expect("valid");
            let told = match node.process(&TestMessage::telemetry(r#"{"t": 1}"#).message()) {
                Ok(Outcome::Effect(Effect::SaveTimeSeries(save))) => Some((save.keep, save.quiet)),
                Ok(Outcome::Forward(SUCCESS)) => None,
                other => panic!("{other:?}"),
            };
            assert_eq!(told, expected, "{configuration}");
        }
    }

    #[test]
    fn brings_old_configurations_up_to_date() {
        let new = SaveTimeSeriesNode::upgrade(0, r#"{"defaultTTL": 5}"#).expect("an object");
        assert!(SaveTimeSeriesNode::open(&new).is_ok(), "{new}");
        let skipping = SaveTimeSeriesNode::upgrade(0, r#"{"skipLatestPersistence": true}"#).expect("an object");
        assert!(skipping.contains("ADVANCED") && !skipping.contains("skipLatest"), "{skipping}");
        assert!(SaveTimeSeriesNode::open(&skipping).is_ok(), "{skipping}");
    }
}
