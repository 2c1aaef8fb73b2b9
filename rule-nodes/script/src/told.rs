//! Messages as scripts return them.

use std::collections::BTreeMap;

use pacificsoft_sdk::{Content, NewMessage};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::engine::kind;

/// A message as a script returns it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    #[serde(default, deserialize_with = "there")]
    msg: Option<Box<RawValue>>,
    #[serde(default)]
    metadata: Option<Box<RawValue>>,
    #[serde(default)]
    msg_type: Option<Box<RawValue>>,
}

/// A null that is there is one.
fn there<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(value).map(Some)
}

/// The message that a JSON text stands for; `what` says where it was.
pub(crate) fn told(what: &str, json: &str) -> Result<NewMessage, String> {
    if !json.starts_with('{') {
        return Err(format!(
            "{what} is {}, not an object such as {{msg: msg, metadata: metadata, msgType: msgType}}",
            kind(json)
        ));
    }
    let told: Told = serde_json::from_str(json).map_err(|error| error.to_string())?;
    Ok(NewMessage {
        kind: told
            .msg_type
            .as_deref()
            .map(RawValue::get)
            .map(text)
            .transpose()?
            .flatten()
            .filter(|kind| !kind.is_empty()),
        originator: None,
        metadata: told.metadata.as_deref().map(|metadata| entries(what, metadata.get())).transpose()?,
        payload: told.msg.map(|msg| Content::Json(String::from(Box::<str>::from(msg)))),
    })
}

fn entries(what: &str, json: &str) -> Result<Vec<(String, String)>, String> {
    if !json.starts_with('{') {
        return Err(format!("metadata of {what} is {}, not an object", kind(json)));
    }
    let values: BTreeMap<String, &RawValue> = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let mut entries = Vec::with_capacity(values.len());
    for (key, value) in values {
        match text(value.get()) {
            Ok(Some(text)) => entries.push((key, text)),
            Ok(None) => {}
            Err(reason) => return Err(format!("metadata.{key} of {what} {reason}")),
        }
    }
    Ok(entries)
}

/// A value as text, as ThingsBoard does: numbers and booleans as they are written; none for null.
fn text(json: &str) -> Result<Option<String>, String> {
    match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str(json).map(Some).map_err(|error| error.to_string()),
        Some(b'n') => Ok(None),
        Some(b'{' | b'[') => Err(format!("is {}, not text: JSON.stringify makes text of it", kind(json))),
        _ => Ok(Some(json.to_owned())),
    }
}
