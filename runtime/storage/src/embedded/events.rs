//! Events: side by side for each entity and kind, in order of time. A list reads keys, and the bodies of one page only.

use async_trait::async_trait;
use fjall::Slice;
use model::entity::Event;
use model::{EntityId, Page, PageRequest};
use uuid::Uuid;

use super::apply::from_json;
use super::tables::{Row, Table, Tables, capped};
use super::{EmbeddedStore, entities, keys};
use crate::{EventFilter, EventStore, StorageError};

#[async_trait]
impl EventStore for EmbeddedStore {
    /// Events have no name: text search does not apply. The only order is time.
    async fn events(&self, entity: EntityId, filter: &EventFilter, page: &PageRequest) -> Result<Page<Event>, StorageError> {
        let (filter, page) = (filter.clone(), page.clone());
        self.scan(move |tables| list(tables, entity, &filter, &page)).await
    }
}

fn list(tables: &Tables, entity: EntityId, filter: &EventFilter, page: &PageRequest) -> Result<Page<Event>, StorageError> {
    let from = keys::event(entity, filter.kind, filter.from_ms.unwrap_or(i64::MIN), Uuid::nil());
    let mut to = keys::event(entity, filter.kind, filter.to_ms.unwrap_or(i64::MAX), Uuid::max());
    // The first key behind: the range leaves its end out, but the last event belongs to it.
    to.push(0);
    let rows = tables.range(Table::Events, &from, &to);
    // Newest first unless the request names a property, and with it a direction. A cut list loses its far end.
    let key = |row: Row| row.map(|(key, _)| key);
    let keys: Result<Vec<Slice>, _> = match page.descending || page.sort_property.is_none() {
        true => capped("events of an entity", rows.rev().map(key)).collect(),
        false => capped("events of an entity", rows.map(key)).collect(),
    };
    entities::fill(Page::of(keys?, page), |key| {
        tables
            .get(Table::Events, key)?
            .map(|bytes| from_json("an event", &bytes))
            .transpose()
    })
}
