//! Relations: a row at each end, both with the additional data.

use async_trait::async_trait;
use model::entity::{Direction, IdRef, Relation, RelationGroup};
use model::{EntityId, EntityKind, TenantId};
use storage::text::storable_within;
use storage::{RelationQuery, RelationStore, StorageError};
use uuid::Uuid;

use crate::bind::{Write, entity, tiny};
use crate::plan::{delete_relation, start};
use crate::queries::Query;
use crate::store::{CassandraStore, Inner, parse};

const WHAT: &str = "a relation";

/// Type, kind and id of the other end, additional data.
type Row = (String, i8, Uuid, String);

#[async_trait]
impl RelationStore for CassandraStore {
    async fn relation(&self, tenant: TenantId, named: &Relation) -> Result<Option<Relation>, StorageError> {
        if !storable_within(&named.relation_type) {
            return Ok(None);
        }
        let (mut values, rest) = start(tenant, named);
        values.extend(rest);
        let row = self.0.driver.first::<(String,)>(Query::Relation, values).await?;
        let found = |(info,): (String,)| {
            Ok(Relation {
                additional_info: parse(WHAT, &info)?,
                ..named.clone()
            })
        };
        row.map(found).transpose()
    }

    async fn relations(&self, entity: EntityId, query: &RelationQuery) -> Result<Vec<Relation>, StorageError> {
        self.0.relations(entity, query).await
    }
}

impl Inner {
    pub(crate) async fn relations(&self, of: EntityId, asked: &RelationQuery) -> Result<Vec<Relation>, StorageError> {
        let limit = i32::try_from(asked.limit).unwrap_or(i32::MAX);
        if limit == 0 || asked.relation_type.as_deref().is_some_and(|name| !storable_within(name)) {
            return Ok(Vec::new());
        }
        let (tenant, kind, group) = (of.tenant.0, tiny(of.kind.number()), tiny(asked.group.number()));
        let rows = match &asked.relation_type {
            None => {
                let query = match asked.direction {
                    Direction::From => Query::RelationsFrom,
                    Direction::To => Query::RelationsTo,
                };
                self.driver.rows::<Row>(WHAT, query, (tenant, kind, of.id, group, limit)).await?
            }
            Some(name) => {
                let query = match asked.direction {
                    Direction::From => Query::RelationsFromOfType,
                    Direction::To => Query::RelationsToOfType,
                };
                let values = (tenant, kind, of.id, group, name.as_str(), limit);
                self.driver.rows::<Row>(WHAT, query, values).await?
            }
        };
        rows.into_iter()
            .map(|row| relation(of, asked.direction, asked.group, row))
            .collect()
    }
}

/// Removes every relation of a group that starts or ends at an entity, at both ends.
pub(crate) async fn remove_all(inner: &Inner, of: EntityId, group: RelationGroup, stamp_us: i64) -> Result<(), StorageError> {
    let all = |direction| RelationQuery {
        direction,
        group,
        relation_type: None,
        limit: usize::MAX,
    };
    let (starting, ending) =
        futures::future::try_join(inner.relations(of, &all(Direction::From)), inner.relations(of, &all(Direction::To))).await?;
    let relations = starting.iter().chain(&ending);
    let mut writes: Vec<Write> = relations.flat_map(|one| delete_relation(of.tenant, one, stamp_us)).collect();
    // What came too late to be seen goes at this end at least.
    for query in [Query::DropRelations, Query::DropRelationsTo] {
        writes.push(Write::remove(query, entity(of), [tiny(group.number()).into()], stamp_us));
    }
    inner.driver.write(writes).await
}

fn relation(of: EntityId, direction: Direction, group: RelationGroup, row: Row) -> Result<Relation, StorageError> {
    let (relation_type, kind, id, info) = row;
    let kind = EntityKind::from_number(kind.cast_unsigned());
    let kind = kind.ok_or_else(|| StorageError::Corrupt("a relation ends at an unknown kind".into()))?;
    let other = IdRef::new(kind, id);
    let (from, to) = match direction {
        Direction::From => (of.into(), other),
        Direction::To => (other, of.into()),
    };
    Ok(Relation {
        from,
        to,
        relation_type,
        type_group: group,
        additional_info: parse(WHAT, &info)?,
    })
}
