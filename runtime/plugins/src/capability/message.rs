//! Interface `message`: the message in hand, read lazily.
//!
//! Defined by hand rather than through generated traits: these calls are most of what a node costs, and here a path is looked up where
//! it stands in the guest's memory, without being copied.

use std::sync::Arc;

use model::Message;
use serde_json::Value as Json;
use wasmtime::component::{ComponentNamedList, Lift, Linker, LinkerInstance, Lower, WasmStr};
use wasmtime::{Result, StoreContextMut};

use super::json::{length, shape};
use crate::bindings::entity::EntityId;
use crate::guest::{Current, Guest};

/// Name of the interface.
const INTERFACE: &str = "pacificsoft:plugin/message@0.1.0";

impl Guest {
    fn message(&self) -> Result<&Message> {
        match &self.current {
            Current::Message(message) => Ok(message),
            _ => Err(wasmtime::Error::msg("there is no message in hand now")),
        }
    }
}

/// Gives guests the interface.
pub(crate) fn add_to_linker(linker: &mut Linker<Guest>) -> Result<()> {
    let mut interface = linker.instance(INTERFACE)?;
    interface.func_wrap("kind", |store: StoreContextMut<'_, Guest>, (): ()| {
        Ok((store.data().message()?.kind.as_str().to_owned(),))
    })?;
    interface.func_wrap("originator", |store: StoreContextMut<'_, Guest>, (): ()| {
        let originator = store.data().message()?.originator;
        Ok((EntityId {
            entity_type: originator.kind.as_str().to_owned(),
            id: originator.id.to_string(),
        },))
    })?;
    interface.func_wrap("timestamp", |store: StoreContextMut<'_, Guest>, (): ()| {
        Ok((store.data().message()?.ts_ms,))
    })?;
    interface.func_wrap("metadata-entries", |store: StoreContextMut<'_, Guest>, (): ()| {
        let entries = store.data().message()?.metadata.iter();
        Ok((entries.map(|(key, value)| (Arc::clone(key), Arc::clone(value))).collect::<Vec<_>>(),))
    })?;
    by_text(&mut interface, "metadata", |message, key| message.metadata.shared(key).cloned())?;
    by_text(&mut interface, "shape-at", |message, path| shape(message.payload.at(path)))?;
    by_text(&mut interface, "number", |message, path| {
        message.payload.at(path).and_then(Json::as_f64)
    })?;
    by_text(&mut interface, "integer", |message, path| {
        message.payload.at(path).and_then(Json::as_i64)
    })?;
    by_text(&mut interface, "boolean", |message, path| {
        message.payload.at(path).and_then(Json::as_bool)
    })?;
    by_text(&mut interface, "text", |message, path| {
        message.payload.at(path).and_then(Json::as_str).map(str::to_owned)
    })?;
    by_text(&mut interface, "keys", |message, path| {
        let members = message.payload.at(path).and_then(Json::as_object);
        members
            .map(|members| members.keys().cloned().collect::<Vec<_>>())
            .unwrap_or_default()
    })?;
    by_text(&mut interface, "length", |message, path| length(message.payload.at(path)))?;
    by_text(&mut interface, "json", |message, path| {
        if path.is_empty() {
            return Some(message.payload.text().to_owned());
        }
        message.payload.at(path).map(Json::to_string)
    })
}

/// A function that takes one text and looks something up in the message.
fn by_text<T>(
    interface: &mut LinkerInstance<'_, Guest>,
    name: &str,
    look_up: impl Fn(&Message, &str) -> T + Send + Sync + 'static,
) -> Result<()>
where
    (WasmStr,): ComponentNamedList + Lift,
    (T,): ComponentNamedList + Lower + 'static,
{
    interface.func_wrap(name, move |store: StoreContextMut<'_, Guest>, (text,): (WasmStr,)| {
        let text = text.to_str(&store)?;
        Ok((look_up(store.data().message()?, &text),))
    })
}
