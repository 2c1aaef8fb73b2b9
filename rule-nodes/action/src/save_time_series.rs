//! save time series: the message's data become readings of its originator.

use pacificsoft_sdk::{Content, Descriptor, Effect, Message, Outcome, RuleNode, SaveTimeSeries};
use serde::Deserialize;
use serde_json::{Value as Json, json};

/// The node.
pub struct SaveTimeSeriesNode {
    ttl_s: u32,
    use_server_ts: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    #[serde(default, rename = "defaultTTL")]
    default_ttl: u32,
    #[serde(default)]
    use_server_ts: bool,
    #[serde(default)]
    processing_settings: Option<ProcessingSettings>,
}

#[derive(Deserialize)]
pub(crate) struct ProcessingSettings {
    #[serde(rename = "type")]
    kind: String,
}

impl ProcessingSettings {
    /// Only the default is understood; another one must not be ignored silently.
    pub(crate) fn check(settings: Option<&Self>) -> Result<(), String> {
        match settings {
            Some(settings) if settings.kind != "ON_EVERY_MESSAGE" => Err([
                "processing settings ",
                &settings.kind,
                " are not supported yet; use ON_EVERY_MESSAGE",
            ]
            .concat()),
            _ => Ok(()),
        }
    }
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
            details: "Metadata ts gives the time, unless the server's time is wanted; metadata TTL, in seconds, overrides the default.",
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
        ProcessingSettings::check(configuration.processing_settings.as_ref())?;
        Ok(SaveTimeSeriesNode {
            ttl_s: configuration.default_ttl,
            use_server_ts: configuration.use_server_ts,
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
        Ok(Outcome::Effect(Effect::SaveTimeSeries(SaveTimeSeries {
            entity: None,
            timestamp,
            ttl_seconds,
            values: Content::whole(),
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
        assert!(saved(r#"{"processingSettings": {"type": "WEBSOCKETS_ONLY"}}"#, message()).is_err());
    }

    #[test]
    fn brings_old_configurations_up_to_date() {
        let new = SaveTimeSeriesNode::upgrade(0, r#"{"defaultTTL": 5}"#).expect("an object");
        assert!(SaveTimeSeriesNode::open(&new).is_ok(), "{new}");
        let skipping = SaveTimeSeriesNode::upgrade(0, r#"{"skipLatestPersistence": true}"#).expect("an object");
        assert!(skipping.contains("ADVANCED") && !skipping.contains("skipLatest"), "{skipping}");
    }
}
