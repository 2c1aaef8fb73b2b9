//! Entities, and the index of their names. A list reads all entities of the kind, but parses the bodies of one page only.

use async_trait::async_trait;
use model::entity::EntityRecord;
use model::{DeviceId, EntityId, EntityKind, Page, PageRequest, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::apply::{from_json, json, remove_all};
use super::change::Change;
use super::tables::{Table, Tables, capped};
use super::{EmbeddedStore, credentials, keys, rpcs};
use crate::lists::entities::{Row, Seen, created_time, passes};
use crate::{EntityFilter, EntityStore, StorageError, lists};

/// The stored form. `B`: the body, parsed or not.
#[derive(Serialize, Deserialize)]
struct Stored<B> {
    version: u64,
    name: String,
    subtype: String,
    customer: Option<Uuid>,
    body: B,
}

#[async_trait]
impl EntityStore for EmbeddedStore {
    async fn entity(&self, id: EntityId) -> Result<Option<EntityRecord>, StorageError> {
        one(&self.0.tables, id)
    }

    async fn entity_by_name(&self, tenant: TenantId, kind: EntityKind, name: &str) -> Result<Option<EntityRecord>, StorageError> {
        one_by_name(&self.0.tables, tenant, kind, name)
    }

    async fn entities(
        &self,
        tenant: TenantId,
        kind: EntityKind,
        filter: &EntityFilter,
        page: &PageRequest,
    ) -> Result<Page<EntityRecord>, StorageError> {
        let (filter, page) = (filter.clone(), page.clone());
        self.scan(move |tables| list(tables, tenant, kind, &filter, &page)).await
    }

    async fn save_entity(&self, record: EntityRecord) -> Result<u64, StorageError> {
        keys::check("a name", &record.name)?;
        self.command(move |change| save(change, record)).await
    }

    async fn delete_entity(&self, id: EntityId) -> Result<bool, StorageError> {
        self.command(move |change| delete(change, id)).await
    }
}

/// One entity.
pub(super) fn one(tables: &Tables, id: EntityId) -> Result<Option<EntityRecord>, StorageError> {
    let stored = tables.get(Table::Entities, keys::entity(id))?;
    stored.map(|bytes| record(id, &bytes)).transpose()
}

/// One entity by its name.
pub(super) fn one_by_name(tables: &Tables, tenant: TenantId, kind: EntityKind, name: &str) -> Result<Option<EntityRecord>, StorageError> {
    if !keys::storable(name) {
        return Ok(None);
    }
    // Name and entity of the same moment: in between it could be renamed.
    let moment = tables.moment();
    let Some(id) = moment.get(Table::Names, keys::name(tenant, kind, name))? else {
        return Ok(None);
    };
    let id = EntityId::new(tenant, kind, keys::trailing_id(&id)?);
    let stored = moment.get(Table::Entities, keys::entity(id))?;
    stored.map(|bytes| record(id, &bytes)).transpose()
}

fn save(change: &mut Change, record: EntityRecord) -> Result<u64, StorageError> {
    let key = keys::entity(record.id);
    let stored = change.get(Table::Entities, &key)?;
    let stored: Option<Stored<&RawValue>> = stored.as_ref().map(|bytes| from_json("an entity", bytes)).transpose()?;
    match &stored {
        None if record.version != 0 => return Err(StorageError::NotFound),
        Some(old) if old.version != record.version => {
            return Err(StorageError::VersionConflict {
                given: record.version,
                stored: old.version,
            });
        }
        _ => {}
    }
    let name = keys::name(record.id.tenant, record.id.kind, &record.name);
    match change.get(Table::Names, &name)? {
        Some(owner) if *owner != *record.id.id.as_bytes() => return Err(StorageError::NameTaken(record.name)),
        _ => {}
    }
    if let Some(old) = stored.filter(|old| old.name != record.name) {
        change.remove(Table::Names, keys::name(record.id.tenant, record.id.kind, &old.name));
    }
    let version = record.version + 1;
    let row = Stored {
        version,
        name: record.name,
        subtype: record.subtype,
        customer: record.customer,
        body: record.body,
    };
    change.put(Table::Names, name, record.id.id.as_bytes());
    change.put(Table::Entities, key, json(&row)?);
    Ok(version)
}

/// Also removes what was written for an entity that is gone, or never was: readings may arrive while it is being deleted.
fn delete(change: &mut Change, id: EntityId) -> Result<bool, StorageError> {
    let prefix = keys::entity(id);
    // First, as there may be many, piece by piece. Everything else goes at one moment.
    let events = change.prefix(Table::Events, &prefix)?;
    remove_all(change, Table::Events, events)?;
    let stored = change.get(Table::Entities, &prefix)?;
    let (attributes, series) = (change.prefix(Table::Attributes, &prefix)?, change.prefix(Table::Series, &prefix)?);
    super::node_state::remove(change, id)?;
    super::relations::remove_all(change, id, None)?;
    let credentials = if id.kind == EntityKind::Device {
        change.remove(Table::Reminders, keys::of_tenant(id.tenant, id.id));
        rpcs::delete_all(change, DeviceId::new(id.tenant, id.id))?;
        credentials::of_device(change, id)?
    } else {
        None
    };
    if let Some(bytes) = &stored {
        let old: Stored<&RawValue> = from_json("an entity", bytes)?;
        change.remove(Table::Names, keys::name(id.tenant, id.kind, &old.name));
        change.remove(Table::Entities, &*prefix);
    }
    for row in attributes {
        change.remove(Table::Attributes, row?.0);
    }
    for row in series {
        let (key, number) = row?;
        change.discard_series(key, super::series_ids::number(&number)?);
    }
    if let Some(credentials_id) = credentials {
        change.remove(Table::Credentials, credentials_id);
        change.remove(Table::DeviceCredentials, keys::of_tenant(id.tenant, id.id));
    }
    Ok(stored.is_some())
}

fn list(
    tables: &Tables,
    tenant: TenantId,
    kind: EntityKind,
    filter: &EntityFilter,
    page: &PageRequest,
) -> Result<Page<EntityRecord>, StorageError> {
    let search = lists::search(page);
    let mut rows = Vec::new();
    for row in capped("entities of a kind", tables.prefix(Table::Entities, &keys::kind(tenant, kind))) {
        let (key, bytes) = row?;
        let stored: Stored<&RawValue> = from_json("an entity", &bytes)?;
        let seen = Seen {
            name: &stored.name,
            subtype: &stored.subtype,
            customer: stored.customer,
        };
        if passes(&seen, filter, search.as_ref()) {
            rows.push(Row::new(keys::trailing_id(&key)?, &seen, created_time(stored.body.get()), page));
        }
    }
    fill(lists::entities::page(rows, page), |row| {
        one(tables, EntityId::new(tenant, kind, row.id))
    })
}

/// The same page with what its rows stand for. A row that is gone meanwhile is left out.
pub(super) fn fill<R, T>(page: Page<R>, read: impl Fn(&R) -> Result<Option<T>, StorageError>) -> Result<Page<T>, StorageError> {
    let data = page.data.iter().filter_map(|row| read(row).transpose()).collect::<Result<_, _>>()?;
    Ok(Page {
        data,
        total_pages: page.total_pages,
        total_elements: page.total_elements,
        has_next: page.has_next,
    })
}

fn record(id: EntityId, bytes: &[u8]) -> Result<EntityRecord, StorageError> {
    let Stored {
        version,
        name,
        subtype,
        customer,
        body,
    } = from_json("an entity", bytes)?;
    Ok(EntityRecord {
        id,
        version,
        name,
        subtype,
        customer,
        body,
    })
}
