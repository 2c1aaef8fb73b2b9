//! Interface `readings`: stored values of the tenant's own entities.

use std::sync::Arc;

use model::{AttributeScope, EntityId, EntityKind, Reading};
use uuid::Uuid;
use wasmtime::component::Linker;

use crate::bindings::entity;
use crate::bindings::readings::Host;
use crate::error::Unanswered;
use crate::guest::Guest;
use crate::readings::at_once;

impl Guest {
    /// The entity a guest names. It is always one of the guest's own tenant, whatever the guest says.
    pub(super) fn own_entity(&self, named: &entity::EntityId) -> wasmtime::Result<EntityId> {
        entity_id(self.tenant, named).map_err(wasmtime::Error::msg)
    }
}

/// The entity of a tenant that a guest names.
pub(crate) fn entity_id(tenant: model::TenantId, named: &entity::EntityId) -> Result<EntityId, String> {
    let kind: EntityKind = named
        .entity_type
        .parse()
        .map_err(|_| format!("there is no entity type {:?}", short(&named.entity_type)))?;
    let id = Uuid::try_parse(&named.id).map_err(|_| format!("{:?} is not the id of an entity", short(&named.id)))?;
    Ok(EntityId::new(tenant, kind, id))
}

fn scope_of(name: &str) -> wasmtime::Result<AttributeScope> {
    name.parse()
        .map_err(|_| wasmtime::Error::msg(format!("there is no scope {:?}", short(name))))
}

/// The beginning of a guest's text, for an error.
pub(crate) fn short(text: &str) -> String {
    text.chars().take(64).collect()
}

/// Keys of one question at most.
const KEYS_MAX: usize = 100;

/// Refuses a question about too much.
fn few(keys: Vec<String>) -> wasmtime::Result<Vec<Arc<str>>> {
    if keys.len() > KEYS_MAX {
        return Err(wasmtime::Error::msg(format!(
            "the node asked for {} keys at once, more than the {KEYS_MAX} allowed",
            keys.len()
        )));
    }
    Ok(keys.into_iter().map(Arc::from).collect())
}

/// Key, milliseconds since 1970-01-01 UTC, JSON text.
type Shown = (String, i64, String);

fn shown(found: Vec<(Arc<str>, Reading)>) -> Vec<Shown> {
    let shown = |(key, reading): (Arc<str>, Reading)| (key.to_string(), reading.ts_ms, reading.value.to_json().to_string());
    found.into_iter().map(shown).collect()
}

impl Guest {
    async fn one_attribute(&mut self, named: entity::EntityId, scope: String, key: String) -> wasmtime::Result<Option<String>> {
        let entity = self.own_entity(&named)?;
        let scope = scope_of(&scope)?;
        let Some(readings) = &self.readings else { return Ok(None) };
        let found = readings.attribute(entity, scope, &key).await.map_err(Unanswered::end)?;
        Ok(found.map(|reading| reading.value.to_json().to_string()))
    }

    async fn latest_value(&mut self, named: entity::EntityId, key: String) -> wasmtime::Result<Option<(i64, String)>> {
        let entity = self.own_entity(&named)?;
        let Some(readings) = &self.readings else { return Ok(None) };
        let found = readings.latest(entity, &key).await.map_err(Unanswered::end)?;
        Ok(found.map(|reading| (reading.ts_ms, reading.value.to_json().to_string())))
    }

    async fn several_attributes(&mut self, named: entity::EntityId, scope: String, keys: Vec<String>) -> wasmtime::Result<Vec<Shown>> {
        let entity = self.own_entity(&named)?;
        let (scope, keys) = (scope_of(&scope)?, few(keys)?);
        let Some(readings) = &self.readings else { return Ok(Vec::new()) };
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            let reading = readings.attribute(entity, scope, &key).await.map_err(Unanswered::end)?;
            found.extend(reading.map(|reading| (key, reading)));
        }
        Ok(shown(found))
    }

    async fn several_latest(&mut self, named: entity::EntityId, keys: Vec<String>) -> wasmtime::Result<Vec<Shown>> {
        let entity = self.own_entity(&named)?;
        let keys = few(keys)?;
        let Some(readings) = &self.readings else { return Ok(Vec::new()) };
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            let reading = readings.latest(entity, &key).await.map_err(Unanswered::end)?;
            found.extend(reading.map(|reading| (key, reading)));
        }
        Ok(shown(found))
    }
}

impl Host for Guest {
    fn attribute(&mut self, named: entity::EntityId, scope: String, key: String) -> wasmtime::Result<Option<String>> {
        at_once(self.one_attribute(named, scope, key))
    }

    fn latest(&mut self, named: entity::EntityId, key: String) -> wasmtime::Result<Option<(i64, String)>> {
        at_once(self.latest_value(named, key))
    }

    fn attributes(&mut self, named: entity::EntityId, scope: String, keys: Vec<String>) -> wasmtime::Result<Vec<Shown>> {
        at_once(self.several_attributes(named, scope, keys))
    }

    fn latest_values(&mut self, named: entity::EntityId, keys: Vec<String>) -> wasmtime::Result<Vec<Shown>> {
        at_once(self.several_latest(named, keys))
    }
}

/// Gives guests the interface, where answers are waited for.
pub(crate) fn awaited(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut interface = linker.instance("pacificsoft:plugin/readings@0.1.0")?;
    asynchronous!(interface, "attribute", (named: entity::EntityId, scope: String, key: String) => one_attribute);
    asynchronous!(interface, "latest", (named: entity::EntityId, key: String) => latest_value);
    asynchronous!(interface, "attributes", (named: entity::EntityId, scope: String, keys: Vec<String>) => several_attributes);
    asynchronous!(interface, "latest-values", (named: entity::EntityId, keys: Vec<String>) => several_latest);
    Ok(())
}
