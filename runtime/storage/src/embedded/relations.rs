//! Relations: a row at each end. What is at the start has the additional data; what is at the end is an index.

use async_trait::async_trait;
use model::entity::{Direction, IdRef, Relation, RelationGroup};
use model::{EntityId, TenantId};

use super::apply::{from_json, json};
use super::change::Change;
use super::tables::{Table, Tables};
use super::{EmbeddedStore, keys};
use crate::text::storable_within;
use crate::{RelationQuery, RelationStore, StorageError};

#[async_trait]
impl RelationStore for EmbeddedStore {
    async fn relation(&self, tenant: TenantId, named: &Relation) -> Result<Option<Relation>, StorageError> {
        relation(&self.0.tables, tenant, named)
    }

    async fn relations(&self, entity: EntityId, query: &RelationQuery) -> Result<Vec<Relation>, StorageError> {
        let query = query.clone();
        self.scan(move |tables| relations(tables, entity, &query)).await
    }
}

/// See [`RelationStore::relation`].
pub(super) fn relation(tables: &Tables, tenant: TenantId, named: &Relation) -> Result<Option<Relation>, StorageError> {
    if !storable_within(&named.relation_type) {
        return Ok(None);
    }
    let stored = tables.get(Table::Relations, start(tenant, named))?;
    let found = |bytes: fjall::Slice| {
        Ok(Relation {
            additional_info: from_json("a relation", &bytes)?,
            ..named.clone()
        })
    };
    stored.map(found).transpose()
}

/// See [`RelationStore::relations`].
pub(super) fn relations(tables: &Tables, entity: EntityId, query: &RelationQuery) -> Result<Vec<Relation>, StorageError> {
    let prefix = match query.relation_type.as_deref() {
        None => keys::relations(entity, query.group),
        Some(relation_type) if storable_within(relation_type) => keys::relations_of_type(entity, query.group, relation_type),
        Some(_) => return Ok(Vec::new()),
    };
    let table = match query.direction {
        Direction::From => Table::Relations,
        Direction::To => Table::RelationsTo,
    };
    let mut found = Vec::new();
    for row in tables.prefix(table, &prefix) {
        if found.len() >= query.limit {
            break;
        }
        let (key, value) = row?;
        let (relation_type, other) = keys::relation_parts(&key)?;
        let one = between(entity, query.direction, relation_type, query.group, other);
        match query.direction {
            Direction::From => found.push(Relation {
                additional_info: from_json("a relation", &value)?,
                ..one
            }),
            // Gone since the index was read: left out.
            Direction::To => found.extend(relation(tables, entity.tenant, &one)?),
        }
    }
    Ok(found)
}

/// Stages a relation.
pub(super) fn put(change: &mut Change, tenant: TenantId, relation: &Relation) -> Result<(), StorageError> {
    change.put(Table::Relations, start(tenant, relation), json(&relation.additional_info)?);
    change.put(Table::RelationsTo, end(tenant, relation), []);
    Ok(())
}

/// Stages the removal of a relation.
pub(super) fn remove(change: &mut Change, tenant: TenantId, relation: &Relation) {
    change.remove(Table::Relations, start(tenant, relation));
    change.remove(Table::RelationsTo, end(tenant, relation));
}

/// Stages the removal of every relation of an entity: of one group, or of all.
pub(super) fn remove_all(change: &mut Change, entity: EntityId, group: Option<RelationGroup>) -> Result<(), StorageError> {
    let prefix = match group {
        Some(group) => keys::relations(entity, group),
        None => keys::entity(entity),
    };
    let starting = change.prefix(Table::Relations, &prefix)?.map(|row| (row, Direction::From));
    let ending = change.prefix(Table::RelationsTo, &prefix)?.map(|row| (row, Direction::To));
    for (row, direction) in starting.chain(ending) {
        let (key, _) = row?;
        let (relation_type, other) = keys::relation_parts(&key)?;
        remove(
            change,
            entity.tenant,
            &between(entity, direction, relation_type, group_of(&key)?, other),
        );
    }
    Ok(())
}

/// The group that a key of a relation names.
fn group_of(key: &[u8]) -> Result<RelationGroup, StorageError> {
    let number = key.get(33).copied().unwrap_or_default();
    RelationGroup::from_number(number).ok_or_else(|| StorageError::Corrupt("a relation has an unknown group".into()))
}

fn between(entity: EntityId, direction: Direction, relation_type: &str, group: RelationGroup, other: IdRef) -> Relation {
    let (from, to) = match direction {
        Direction::From => (entity.into(), other),
        Direction::To => (other, entity.into()),
    };
    Relation {
        from,
        to,
        relation_type: relation_type.to_owned(),
        type_group: group,
        additional_info: None,
    }
}

fn start(tenant: TenantId, relation: &Relation) -> Vec<u8> {
    keys::relation(relation.from.of(tenant), relation.type_group, &relation.relation_type, relation.to)
}

fn end(tenant: TenantId, relation: &Relation) -> Vec<u8> {
    keys::relation(relation.to.of(tenant), relation.type_group, &relation.relation_type, relation.from)
}
