//! Attributes: one row each.

use std::sync::Arc;

use async_trait::async_trait;
use model::{AttributeScope, EntityId, Reading};

use super::tables::{Table, Tables, capped};
use super::{EmbeddedStore, keys};
use crate::{AttributeStore, StorageError, value_codec};

/// Keys looked up at once at most without going to the blocking pool.
const KEYS_AT_ONCE_MAX: usize = 32;

type Attributes = Vec<(Arc<str>, Reading)>;

#[async_trait]
impl AttributeStore for EmbeddedStore {
    async fn attributes(
        &self,
        entity: EntityId,
        scope: AttributeScope,
        keys: Option<&[Arc<str>]>,
    ) -> Result<Vec<(Arc<str>, Reading)>, StorageError> {
        let Some(keys) = keys else {
            return self.scan(move |tables| all(tables, entity, scope)).await;
        };
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        keys.dedup();
        if keys.len() <= KEYS_AT_ONCE_MAX {
            return some(&self.0.tables, entity, scope, keys);
        }
        self.scan(move |tables| some(tables, entity, scope, keys)).await
    }
}

/// One attribute.
pub(super) fn attribute(tables: &Tables, entity: EntityId, scope: AttributeScope, key: &str) -> Result<Option<Reading>, StorageError> {
    if !keys::storable(key) {
        return Ok(None);
    }
    let stored = tables.get(Table::Attributes, keys::attribute(entity, scope, key))?;
    stored.map(|bytes| value_codec::decode_attribute(&bytes)).transpose()
}

fn some(tables: &Tables, entity: EntityId, scope: AttributeScope, keys: Vec<Arc<str>>) -> Result<Attributes, StorageError> {
    let found = keys
        .into_iter()
        .map(|key| Ok(attribute(tables, entity, scope, &key)?.map(|reading| (key, reading))));
    found.filter_map(Result::transpose).collect()
}

fn all(tables: &Tables, entity: EntityId, scope: AttributeScope) -> Result<Attributes, StorageError> {
    let prefix = keys::scope(entity, scope);
    let skip = prefix.len();
    let rows = capped("attributes of an entity", tables.prefix(Table::Attributes, &prefix));
    rows.map(|row| {
        let (key, value) = row?;
        Ok((keys::text(&key, skip)?.into(), value_codec::decode_attribute(&value)?))
    })
    .collect()
}
