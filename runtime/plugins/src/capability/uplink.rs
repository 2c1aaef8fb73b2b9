//! Interface `uplink`: what a device sent, as the transport framed it.

use serde_json::Value as Json;
use wasmtime::component::Resource;

use super::json::{length, shape};
use crate::adapter::Inbound;
use crate::bindings::json::Shape;
use crate::bindings::uplink::{Host, HostInbound};
use crate::guest::{Current, Guest, GuestInbound};

impl Host for Guest {}

impl Guest {
    fn inbound(&self) -> wasmtime::Result<&Inbound> {
        match &self.current {
            Current::Inbound(inbound) => Ok(inbound),
            _ => Err(wasmtime::Error::msg("there is no inbound message now")),
        }
    }

    fn inbound_at(&self, path: &str) -> wasmtime::Result<Option<&Json>> {
        Ok(self.inbound()?.json().and_then(|payload| payload.at(path)))
    }
}

impl HostInbound for Guest {
    fn transport(&mut self, _: Resource<GuestInbound>) -> wasmtime::Result<String> {
        Ok(self.inbound()?.transport.as_str().to_owned())
    }

    fn address(&mut self, _: Resource<GuestInbound>) -> wasmtime::Result<String> {
        Ok(self.inbound()?.address.clone())
    }

    fn query(&mut self, _: Resource<GuestInbound>, key: String) -> wasmtime::Result<Option<String>> {
        Ok(self
            .inbound()?
            .query
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value.clone()))
    }

    fn payload(&mut self, _: Resource<GuestInbound>) -> wasmtime::Result<Vec<u8>> {
        Ok(self.inbound()?.payload.to_vec())
    }

    fn is_json(&mut self, _: Resource<GuestInbound>) -> wasmtime::Result<bool> {
        Ok(self.inbound()?.json().is_some())
    }

    fn shape(&mut self, _: Resource<GuestInbound>, path: String) -> wasmtime::Result<Shape> {
        Ok(shape(self.inbound_at(&path)?))
    }

    fn integer(&mut self, _: Resource<GuestInbound>, path: String) -> wasmtime::Result<Option<i64>> {
        Ok(self.inbound_at(&path)?.and_then(Json::as_i64))
    }

    fn boolean(&mut self, _: Resource<GuestInbound>, path: String) -> wasmtime::Result<Option<bool>> {
        Ok(self.inbound_at(&path)?.and_then(Json::as_bool))
    }

    fn text(&mut self, _: Resource<GuestInbound>, path: String) -> wasmtime::Result<Option<String>> {
        Ok(self.inbound_at(&path)?.and_then(Json::as_str).map(str::to_owned))
    }

    fn length(&mut self, _: Resource<GuestInbound>, path: String) -> wasmtime::Result<u32> {
        Ok(length(self.inbound_at(&path)?))
    }

    fn keys(&mut self, _: Resource<GuestInbound>, path: String) -> wasmtime::Result<Vec<String>> {
        let object = self.inbound_at(&path)?.and_then(Json::as_object);
        Ok(object.map_or_else(Vec::new, |object| object.keys().cloned().collect()))
    }

    fn holds_objects(&mut self, _: Resource<GuestInbound>, path: String) -> wasmtime::Result<bool> {
        Ok(match self.inbound_at(&path)? {
            Some(Json::Array(elements)) => elements.iter().all(Json::is_object),
            Some(Json::Object(members)) => members.values().all(Json::is_object),
            _ => false,
        })
    }

    fn drop(&mut self, _: Resource<GuestInbound>) -> wasmtime::Result<()> {
        Ok(())
    }
}
