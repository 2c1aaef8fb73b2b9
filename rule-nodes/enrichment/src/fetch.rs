//! Where what was fetched goes: into the data, or into the metadata.

use pacificsoft_sdk::{Message, NewMessage, Outcome};
use serde::Deserialize;
use serde_json::Value as Json;

/// Where to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum FetchTo {
    Data,
    #[default]
    Metadata,
}

impl FetchTo {
    /// The message with more in it, along `Success`.
    pub fn with(self, message: &Message, more: Vec<(String, Json)>) -> Result<Outcome, String> {
        if more.is_empty() {
            return Ok(Outcome::along("Success"));
        }
        let changed = match self {
            FetchTo::Metadata => {
                let mut entries = message.metadata_entries();
                entries.retain(|(key, _)| more.iter().all(|(new, _)| new != key));
                entries.extend(more.into_iter().map(|(key, value)| (key, plain(value))));
                NewMessage {
                    kind: None,
                    originator: None,
                    metadata: Some(entries),
                    payload: None,
                }
            }
            FetchTo::Data => {
                let data = message.json("").unwrap_or_default();
                let Ok(Json::Object(mut data)) = serde_json::from_str(&data) else {
                    return Err("the data are no object: nothing can be added to them".to_owned());
                };
                data.extend(more);
                NewMessage::with_json(Json::Object(data).to_string())
            }
        };
        Ok(Outcome::emit("Success", changed))
    }

    /// Brings the configuration of version 0 to the present one: it said only whether data were meant, in a field whose name depended on
    /// the node.
    pub fn upgraded(from_version: u32, configuration: &str, old: &str, otherwise: FetchTo) -> Result<Json, String> {
        let mut json: Json = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        let Some(fields) = json.as_object_mut().filter(|_| from_version == 0) else {
            return Ok(json);
        };
        let fetch_to = match fields.remove(old).and_then(|value| value.as_bool()) {
            Some(true) => FetchTo::Data,
            Some(false) => FetchTo::Metadata,
            None => otherwise,
        };
        let name = if fetch_to == FetchTo::Data { "DATA" } else { "METADATA" };
        fields.entry("fetchTo").or_insert_with(|| name.into());
        Ok(json)
    }
}

/// A value as metadata show it.
pub fn plain(value: Json) -> String {
    match value {
        Json::String(text) => text,
        other => other.to_string(),
    }
}

/// JSON text that the host wrote.
pub fn parsed(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or(Json::Null)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use pacificsoft_sdk::Content;

    /// The one message that leaves along `Success`: its metadata, and its data.
    pub fn leaving(outcome: Result<Outcome, String>) -> (Vec<(String, String)>, Json) {
        let Ok(Outcome::Steps(steps)) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!((steps.emissions.len(), steps.emissions[0].relation.as_str()), (1, "Success"));
        let Some(message) = &steps.emissions[0].message else {
            return (Vec::new(), Json::Null);
        };
        let data = match &message.payload {
            Some(Content::Json(text)) => parsed(text),
            other => {
                assert_eq!(other, &None);
                Json::Null
            }
        };
        (message.metadata.clone().unwrap_or_default(), data)
    }

    #[test]
    fn an_old_configuration_says_where_to() {
        for (old, version, expected) in [
            (r#"{"fetchToData": true}"#, 0, r#"{"fetchTo":"DATA"}"#),
            (r#"{"fetchToData": false}"#, 0, r#"{"fetchTo":"METADATA"}"#),
            (r#"{}"#, 0, r#"{"fetchTo":"METADATA"}"#),
            (r#"{"fetchTo": "DATA"}"#, 1, r#"{"fetchTo":"DATA"}"#),
        ] {
            let new = FetchTo::upgraded(version, old, "fetchToData", FetchTo::Metadata).expect("an object");
            assert_eq!(new.to_string(), expected, "{old}");
        }
    }
}
