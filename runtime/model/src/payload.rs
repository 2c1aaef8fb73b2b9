//! A message's JSON, parsed once and shared by every node of every chain.

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde_json::Value as Json;

/// Parsed JSON that many messages can share without copying.
#[derive(Clone)]
pub struct Payload(Arc<Inner>);

struct Inner {
    json: Json,
    text: OnceLock<Box<str>>,
}

impl Payload {
    /// Takes a parsed document.
    pub fn new(json: Json) -> Self {
        Payload(Arc::new(Inner {
            json,
            text: OnceLock::new(),
        }))
    }

    /// Parses text.
    ///
    /// # Errors
    /// When the text is not one JSON document.
    pub fn parse(text: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(text).map(Payload::new)
    }

    /// The document.
    pub fn json(&self) -> &Json {
        &self.0.json
    }

    /// What stands at a path. Empty: everything; starting with `/`: a JSON Pointer (RFC 6901); else a key of the top-level object.
    pub fn at(&self, path: &str) -> Option<&Json> {
        at(&self.0.json, path)
    }

    /// The document as compact text, written on first use.
    pub fn text(&self) -> &str {
        self.0.text.get_or_init(|| self.0.json.to_string().into())
    }
}

/// What stands at a path of a document; see [`Payload::at`].
pub fn at<'a>(json: &'a Json, path: &str) -> Option<&'a Json> {
    match path.as_bytes().first() {
        None => Some(json),
        Some(b'/') => json.pointer(path),
        Some(_) => json.as_object()?.get(path),
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.json == other.0.json
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_name_keys_pointers_and_everything() {
        let payload = Payload::new(json!({"a.b": 1, "c": {"d": [10, 20]}}));
        assert_eq!(payload.at("a.b"), Some(&json!(1)));
        assert_eq!(payload.at("/c/d/1"), Some(&json!(20)));
        assert_eq!(payload.at("").map(Json::is_object), Some(true));
        assert_eq!(payload.at("nothing"), None);
        assert_eq!(payload.at("/nothing"), None);
    }
}
