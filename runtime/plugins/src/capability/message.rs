//! Interface `message`: the message a node decides about, read lazily. It lives in the store's data; a handle only stands for it.

use serde_json::Value as Json;
use wasmtime::component::Resource;

use crate::bindings::entity::EntityId;
use crate::bindings::message::{Host, HostMessage, Shape};
use crate::guest::{Current, Guest, GuestMessage};

impl Host for Guest {}
impl crate::bindings::entity::Host for Guest {}
impl crate::bindings::outcome::Host for Guest {}

impl Guest {
    fn message(&self) -> wasmtime::Result<&model::Message> {
        match &self.current {
            Current::Message(message) => Ok(message),
            _ => Err(wasmtime::Error::msg("there is no message now")),
        }
    }

    fn at(&self, path: &str) -> wasmtime::Result<Option<&Json>> {
        Ok(self.message()?.payload.at(path))
    }
}

impl HostMessage for Guest {
    fn kind(&mut self, _: Resource<GuestMessage>) -> wasmtime::Result<String> {
        Ok(self.message()?.kind.as_str().to_owned())
    }

    fn originator(&mut self, _: Resource<GuestMessage>) -> wasmtime::Result<EntityId> {
        let originator = self.message()?.originator;
        Ok(EntityId {
            entity_type: originator.kind.as_str().to_owned(),
            id: originator.id.to_string(),
        })
    }

    fn timestamp(&mut self, _: Resource<GuestMessage>) -> wasmtime::Result<i64> {
        Ok(self.message()?.ts_ms)
    }

    fn metadata(&mut self, _: Resource<GuestMessage>, key: String) -> wasmtime::Result<Option<String>> {
        Ok(self.message()?.metadata.get(&key).map(str::to_owned))
    }

    fn metadata_entries(&mut self, _: Resource<GuestMessage>) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self
            .message()?
            .metadata
            .iter()
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect())
    }

    fn shape(&mut self, _: Resource<GuestMessage>, path: String) -> wasmtime::Result<Shape> {
        Ok(shape(self.at(&path)?))
    }

    fn number(&mut self, _: Resource<GuestMessage>, path: String) -> wasmtime::Result<Option<f64>> {
        Ok(self.at(&path)?.and_then(Json::as_f64))
    }

    fn integer(&mut self, _: Resource<GuestMessage>, path: String) -> wasmtime::Result<Option<i64>> {
        Ok(self.at(&path)?.and_then(Json::as_i64))
    }

    fn boolean(&mut self, _: Resource<GuestMessage>, path: String) -> wasmtime::Result<Option<bool>> {
        Ok(self.at(&path)?.and_then(Json::as_bool))
    }

    fn text(&mut self, _: Resource<GuestMessage>, path: String) -> wasmtime::Result<Option<String>> {
        Ok(self.at(&path)?.and_then(Json::as_str).map(str::to_owned))
    }

    fn keys(&mut self, _: Resource<GuestMessage>, path: String) -> wasmtime::Result<Vec<String>> {
        Ok(self
            .at(&path)?
            .and_then(Json::as_object)
            .map(|members| members.keys().cloned().collect())
            .unwrap_or_default())
    }

    fn length(&mut self, _: Resource<GuestMessage>, path: String) -> wasmtime::Result<u32> {
        Ok(length(self.at(&path)?))
    }

    fn json(&mut self, _: Resource<GuestMessage>, path: String) -> wasmtime::Result<Option<String>> {
        if path.is_empty() {
            return Ok(Some(self.message()?.payload.text().to_owned()));
        }
        Ok(self.at(&path)?.map(Json::to_string))
    }

    fn drop(&mut self, _: Resource<GuestMessage>) -> wasmtime::Result<()> {
        Ok(())
    }
}

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

pub(super) fn length(json: Option<&Json>) -> u32 {
    let length = match json {
        Some(Json::Array(elements)) => elements.len(),
        Some(Json::Object(members)) => members.len(),
        _ => 0,
    };
    u32::try_from(length).unwrap_or(u32::MAX)
}
