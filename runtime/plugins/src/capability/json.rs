//! Interface `json`: what stands at a path, in the contract's words.

use serde_json::Value as Json;

use crate::bindings::json::{Host, Shape};
use crate::guest::Guest;

impl Host for Guest {}

/// The kind of value.
pub(super) fn shape(json: Option<&Json>) -> Shape {
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

/// Elements of an array, or members of an object.
pub(super) fn length(json: Option<&Json>) -> u32 {
    let length = match json {
        Some(Json::Array(elements)) => elements.len(),
        Some(Json::Object(members)) => members.len(),
        _ => 0,
    };
    u32::try_from(length).unwrap_or(u32::MAX)
}
