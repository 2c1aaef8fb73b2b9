//! copy key-value pairs, delete key-value pairs: keys that match one of several regular expressions, in data or metadata.

use pacificsoft_sdk::{Descriptor, Message, NewMessage, Outcome, RuleNode};
use regex_lite::{Regex, RegexBuilder};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

/// Where keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Place {
    Data,
    Metadata,
}

/// Expressions at most, and bytes of one compiled.
const KEYS_MAX: usize = 100;
const PATTERN_BYTES_MAX: usize = 64 << 10;

/// Expressions that a whole key matches.
pub struct Patterns(Vec<Regex>);

impl Patterns {
    fn open(keys: &[String]) -> Result<Self, String> {
        if keys.is_empty() || keys.len() > KEYS_MAX {
            return Err("keys must name 1 to 100 expressions".to_owned());
        }
        let compiled = keys.iter().map(|key| {
            let whole = ["^(?:", key, ")$"].concat();
            let built = RegexBuilder::new(&whole).size_limit(PATTERN_BYTES_MAX).build();
            built.map_err(|error| [key, " is no regular expression: ", &error.to_string()].concat())
        });
        compiled.collect::<Result<_, _>>().map(Patterns)
    }

    fn match_(&self, key: &str) -> bool {
        self.0.iter().any(|pattern| pattern.is_match(key))
    }
}

/// The data, when they are an object.
pub fn object(message: &Message) -> Result<Map<String, Json>, String> {
    match message.json("").as_deref().map(serde_json::from_str) {
        Some(Ok(Json::Object(data))) => Ok(data),
        _ => Err("the data are no object".to_owned()),
    }
}

/// A message with other data.
pub fn with_data(data: Map<String, Json>) -> Outcome {
    Outcome::emit("Success", NewMessage::with_json(Json::Object(data).to_string()))
}

/// A message with other metadata.
pub fn with_metadata(metadata: Vec<(String, String)>) -> Outcome {
    let changed = NewMessage {
        kind: None,
        originator: None,
        metadata: Some(metadata),
        payload: None,
    };
    Outcome::emit("Success", changed)
}

fn plain(value: Json) -> String {
    match value {
        Json::String(text) => text,
        other => other.to_string(),
    }
}

/// Brings a configuration in which a flag said where keys are to the present form.
pub fn upgraded(configuration: &str, flag: &str, field: &str, others: &[(&str, &str)]) -> Result<String, String> {
    let mut json: Json = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
    if let Some(fields) = json.as_object_mut() {
        for (old, new) in others {
            if let Some(value) = fields.remove(*old) {
                fields.entry(*new).or_insert(value);
            }
        }
        if let Some(Json::Bool(metadata)) = fields.remove(flag) {
            let place = if metadata { "METADATA" } else { "DATA" };
            fields.entry(field).or_insert_with(|| place.into());
        }
    }
    Ok(json.to_string())
}

/// Copies from data to metadata, or the other way.
pub struct CopyKeys {
    from: Place,
    patterns: Patterns,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CopyConfiguration {
    copy_from: Place,
    keys: Vec<String>,
}

impl RuleNode for CopyKeys {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "copy-keys",
            class_ids: &["org.thingsboard.rule.engine.transform.TbCopyKeysNode"],
            title: "copy key-value pairs",
            family: "TRANSFORMATION",
            description: "Copies keys from the data to the metadata, or from the metadata to the data.",
            details: "Keys are regular expressions that the whole key has to match.",
            icon: "content_copy",
            configuration_schema: r#"{"type":"object","required":["copyFrom","keys"],"properties":{"copyFrom":{"enum":["DATA","METADATA"]},"keys":{"type":"array","items":{"type":"string"},"minItems":1}}}"#,
            default_configuration: r#"{"copyFrom":"DATA","keys":["temperature"]}"#,
            version: 2,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: CopyConfiguration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        Ok(CopyKeys {
            from: own.copy_from,
            patterns: Patterns::open(&own.keys)?,
        })
    }

    fn upgrade(_: u32, configuration: &str) -> Result<String, String> {
        upgraded(configuration, "fromMetadata", "copyFrom", &[])
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let mut data = object(message)?;
        let mut metadata = message.metadata_entries();
        match self.from {
            Place::Data => {
                let copied: Vec<(String, String)> = data
                    .into_iter()
                    .filter(|(key, _)| self.patterns.match_(key))
                    .map(|(key, value)| (key, plain(value)))
                    .collect();
                metadata.retain(|(key, _)| copied.iter().all(|(new, _)| new != key));
                metadata.extend(copied);
                Ok(with_metadata(metadata))
            }
            Place::Metadata => {
                let copied = metadata.into_iter().filter(|(key, _)| self.patterns.match_(key));
                data.extend(copied.map(|(key, value)| (key, Json::from(value))));
                Ok(with_data(data))
            }
        }
    }
}

/// Deletes from data or metadata.
pub struct DeleteKeys {
    from: Place,
    patterns: Patterns,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeleteConfiguration {
    delete_from: Place,
    keys: Vec<String>,
}

impl RuleNode for DeleteKeys {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "delete-keys",
            class_ids: &["org.thingsboard.rule.engine.transform.TbDeleteKeysNode"],
            title: "delete key-value pairs",
            family: "TRANSFORMATION",
            description: "Deletes keys from the data or from the metadata.",
            details: "Keys are regular expressions that the whole key has to match.",
            icon: "remove_circle",
            configuration_schema: r#"{"type":"object","required":["deleteFrom","keys"],"properties":{"deleteFrom":{"enum":["DATA","METADATA"]},"keys":{"type":"array","items":{"type":"string"},"minItems":1}}}"#,
            default_configuration: r#"{"deleteFrom":"DATA","keys":["temperature"]}"#,
            version: 2,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: DeleteConfiguration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        Ok(DeleteKeys {
            from: own.delete_from,
            patterns: Patterns::open(&own.keys)?,
        })
    }

    fn upgrade(_: u32, configuration: &str) -> Result<String, String> {
        upgraded(configuration, "fromMetadata", "deleteFrom", &[("dataToFetch", "deleteFrom")])
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        match self.from {
            Place::Data => {
                let mut data = object(message)?;
                data.retain(|key, _| !self.patterns.match_(key));
                Ok(with_data(data))
            }
            Place::Metadata => {
                let mut metadata = message.metadata_entries();
                metadata.retain(|(key, _)| !self.patterns.match_(key));
                Ok(with_metadata(metadata))
            }
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestMessage;
    use pacificsoft_sdk::{Content, Emission};
    use serde_json::json;

    /// The messages that leave along `Success`.
    pub fn leaving(outcome: Result<Outcome, String>) -> Vec<NewMessage> {
        let Ok(Outcome::Steps(steps)) = outcome else {
            panic!("{outcome:?}")
        };
        let message = |one: Emission| {
            assert_eq!(one.relation, "Success");
            one.message.expect("a new message")
        };
        steps.emissions.into_iter().map(message).collect()
    }

    pub fn data(message: &NewMessage) -> Json {
        match &message.payload {
            Some(Content::Json(text)) => serde_json::from_str(text).expect("JSON"),
            other => panic!("{other:?}"),
        }
    }

    fn texts(entries: &[(&str, &str)]) -> Vec<(String, String)> {
        entries
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn message() -> TestMessage {
        TestMessage::telemetry(r#"{"temp_in": 1, "temp_out": {"a": 2}, "name": "x"}"#)
            .with("room", "12")
            .with("name", "y")
    }

    #[test]
    fn keys_are_copied_both_ways() {
        let run = |configuration: &str| CopyKeys::open(configuration).expect("valid").process(&message().message());
        let metadata = leaving(run(r#"{"copyFrom":"DATA","keys":["temp_.*","name"]}"#)).remove(0).metadata;
        let expected = [("room", "12"), ("name", "x"), ("temp_in", "1"), ("temp_out", r#"{"a":2}"#)];
        let (mut have, mut wanted) = (metadata.expect("changed"), texts(&expected));
        have.sort();
        wanted.sort();
        assert_eq!(have, wanted);
        let changed = leaving(run(r#"{"copyFrom":"METADATA","keys":["ro+m"]}"#)).remove(0);
        assert_eq!(data(&changed)["room"], "12");
        assert!(CopyKeys::open(r#"{"copyFrom":"METADATA","keys":["("]}"#).is_err());
        assert!(CopyKeys::open(r#"{"copyFrom":"METADATA","keys":[]}"#).is_err());
        let mut node = CopyKeys::open(CopyKeys::descriptor().default_configuration).expect("the default");
        assert!(node.process(&TestMessage::telemetry("[1]").message()).is_err());
    }

    #[test]
    fn keys_are_deleted_where_the_whole_key_matches() {
        let run = |configuration: &str| DeleteKeys::open(configuration).expect("valid").process(&message().message());
        let changed = leaving(run(r#"{"deleteFrom":"DATA","keys":["temp","temp_o.*"]}"#)).remove(0);
        assert_eq!(data(&changed), json!({"temp_in": 1, "name": "x"}));
        let changed = leaving(run(r#"{"deleteFrom":"METADATA","keys":["n.*"]}"#)).remove(0);
        assert_eq!(changed.metadata, Some(texts(&[("room", "12")])));
    }

    #[test]
    fn old_configurations_are_understood() {
        for (old, place) in [
            (r#"{"fromMetadata":true,"keys":["a"]}"#, Place::Metadata),
            (r#"{"fromMetadata":false,"keys":["a"]}"#, Place::Data),
        ] {
            let new = CopyKeys::upgrade(0, old).expect("an object");
            assert_eq!(CopyKeys::open(&new).expect("valid").from, place);
            let new = DeleteKeys::upgrade(0, old).expect("an object");
            assert_eq!(DeleteKeys::open(&new).expect("valid").from, place);
        }
        let new = DeleteKeys::upgrade(1, r#"{"dataToFetch":"METADATA","keys":["a"]}"#).expect("an object");
        assert_eq!(DeleteKeys::open(&new).expect("valid").from, Place::Metadata);
    }
}
