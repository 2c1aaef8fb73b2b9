//! The message a node decides about: the host's, or in tests one made of JSON.

use serde_json::Value as Json;

use crate::EntityId;
use crate::bindings::node::pacificsoft::plugin::message as contract;
use crate::testing::TestMessage;

pub use crate::bindings::node::pacificsoft::plugin::json::Shape;

/// The message in hand. Reading costs a call into the host; read what you need, once.
///
/// A *path* names a place in the JSON payload. Empty: the whole payload. Starting with `/`: a JSON Pointer (RFC 6901). Anything else:
/// a key of the top-level object.
pub struct Message<'a>(Source<'a>);

enum Source<'a> {
    /// The one message that the host has put into this instance's hand.
    Host,
    Test(&'a TestMessage),
}

impl<'a> Message<'a> {
    #[doc(hidden)]
    pub fn host() -> Self {
        Message(Source::Host)
    }

    pub(crate) fn test(message: &'a TestMessage) -> Self {
        Message(Source::Test(message))
    }

    /// Message type, such as `POST_TELEMETRY_REQUEST`.
    pub fn kind(&self) -> String {
        match self.0 {
            Source::Host => contract::kind(),
            Source::Test(test) => test.kind.clone(),
        }
    }

    /// The entity the message comes from.
    pub fn originator(&self) -> EntityId {
        match self.0 {
            Source::Host => contract::originator(),
            Source::Test(test) => test.originator.clone(),
        }
    }

    /// Milliseconds since 1970-01-01 UTC.
    pub fn timestamp(&self) -> i64 {
        match self.0 {
            Source::Host => contract::timestamp(),
            Source::Test(test) => test.timestamp,
        }
    }

    /// One metadata value.
    pub fn metadata(&self, key: &str) -> Option<String> {
        match self.0 {
            Source::Host => contract::metadata(key),
            Source::Test(test) => test.metadata.get(key).cloned(),
        }
    }

    /// All metadata, sorted by key.
    pub fn metadata_entries(&self) -> Vec<(String, String)> {
        match self.0 {
            Source::Host => contract::metadata_entries(),
            Source::Test(test) => test.metadata.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        }
    }

    /// What stands at a path.
    pub fn shape(&self, path: &str) -> Shape {
        match self.0 {
            Source::Host => contract::shape_at(path),
            Source::Test(test) => shape_of(at(&test.payload, path)),
        }
    }

    /// The number at a path.
    pub fn number(&self, path: &str) -> Option<f64> {
        match self.0 {
            Source::Host => contract::number(path),
            Source::Test(test) => at(&test.payload, path)?.as_f64(),
        }
    }

    /// The whole number at a path.
    pub fn integer(&self, path: &str) -> Option<i64> {
        match self.0 {
            Source::Host => contract::integer(path),
            Source::Test(test) => at(&test.payload, path)?.as_i64(),
        }
    }

    /// The boolean at a path.
    pub fn boolean(&self, path: &str) -> Option<bool> {
        match self.0 {
            Source::Host => contract::boolean(path),
            Source::Test(test) => at(&test.payload, path)?.as_bool(),
        }
    }

    /// The text at a path.
    pub fn text(&self, path: &str) -> Option<String> {
        match self.0 {
            Source::Host => contract::text(path),
            Source::Test(test) => at(&test.payload, path)?.as_str().map(str::to_owned),
        }
    }

    /// The keys of the object at a path.
    pub fn keys(&self, path: &str) -> Vec<String> {
        match self.0 {
            Source::Host => contract::keys(path),
            Source::Test(test) => at(&test.payload, path)
                .and_then(Json::as_object)
                .map_or_else(Vec::new, |members| members.keys().cloned().collect()),
        }
    }

    /// Elements of the array, or members of the object, at a path.
    pub fn length(&self, path: &str) -> u32 {
        match self.0 {
            Source::Host => contract::length(path),
            Source::Test(test) => length_of(at(&test.payload, path)),
        }
    }

    /// What stands at a path, as JSON text.
    pub fn json(&self, path: &str) -> Option<String> {
        match self.0 {
            Source::Host => contract::json(path),
            Source::Test(test) => at(&test.payload, path).map(Json::to_string),
        }
    }
}

pub(crate) fn at<'a>(json: &'a Json, path: &str) -> Option<&'a Json> {
    match path.as_bytes().first() {
        None => Some(json),
        Some(b'/') => json.pointer(path),
        Some(_) => json.as_object()?.get(path),
    }
}

pub(crate) fn shape_of(json: Option<&Json>) -> Shape {
    match json {
        None => Shape::Absent,
        Some(Json::Null) => Shape::Null,
        Some(Json::Bool(_)) => Shape::Boolean,
        Some(Json::Number(_)) => Shape::Number,
        Some(Json::String(_)) => Shape::Text,
        Some(Json::Object(_)) => Shape::Object,
        Some(Json::Array(_)) => Shape::Array,
    }
}

pub(crate) fn length_of(json: Option<&Json>) -> u32 {
    let length = match json {
        Some(Json::Array(elements)) => elements.len(),
        Some(Json::Object(members)) => members.len(),
        _ => 0,
    };
    u32::try_from(length).unwrap_or(u32::MAX)
}
