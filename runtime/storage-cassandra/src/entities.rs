//! Entities: those of a kind in a few partitions, decided by transactions, so that a version is replaced once; and their names, claimed.
//! A list reads what is needed for choosing and sorting, and the bodies of one page only.

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _};
use model::entity::EntityRecord;
use model::{EntityId, EntityKind, Page, PageRequest, TenantId};
use storage::lists::entities::{Row, Seen, created_time, passes};
use storage::text::{check, storable};
use storage::{EntityFilter, EntityStore, StorageError, lists};
use uuid::Uuid;

use crate::bind::tiny;
use crate::claims::{Claimed, Name, Owner, SAVE_MS_MAX};
use crate::queries::Query;
use crate::store::{CassandraStore, Inner, count, parse, text};

/// Partitions of a kind. Sixteen keep a million entities of a kilobyte below the hundred megabytes that a partition should not exceed.
/// Part of stored keys: never changes.
const SHARDS: u8 = 16;
/// Requests of one list under way at most.
const SIDE_BY_SIDE: usize = 16;

/// Version, name, subtype, customer, body.
type Stored = (i64, String, String, Option<Uuid>, String);

#[async_trait]
impl EntityStore for CassandraStore {
    async fn entity(&self, id: EntityId) -> Result<Option<EntityRecord>, StorageError> {
        self.0.entity(id).await
    }

    async fn entity_by_name(&self, tenant: TenantId, kind: EntityKind, name: &str) -> Result<Option<EntityRecord>, StorageError> {
        if !storable(name) {
            return Ok(None);
        }
        let claimed = self.0.owner(&Name::entity(EntityId::new(tenant, kind, Uuid::nil()), name)).await?;
        let Some(owner) = claimed else { return Ok(None) };
        let found = self.0.entity(EntityId::new(tenant, kind, owner.id)).await?;
        Ok(found.filter(|record| record.name == name))
    }

    async fn entities(
        &self,
        tenant: TenantId,
        kind: EntityKind,
        filter: &EntityFilter,
        page: &PageRequest,
    ) -> Result<Page<EntityRecord>, StorageError> {
        let search = lists::search(page);
        let shards = futures::stream::iter(0..SHARDS).map(|shard| {
            let values = (tenant.0, tiny(kind.number()), tiny(shard));
            self.0
                .driver
                .rows::<(Uuid, String, String, Option<Uuid>, i64)>("entities of a kind", Query::EntitiesSeen, values)
        });
        let mut shards = shards.buffered(SIDE_BY_SIDE);
        let mut chosen = Vec::new();
        while let Some(rows) = shards.try_next().await? {
            for (id, name, subtype, customer, created) in &rows {
                let seen = Seen {
                    name,
                    subtype,
                    customer: *customer,
                };
                if passes(&seen, filter, search.as_ref()) {
                    chosen.push(Row::new(*id, &seen, *created, page));
                }
            }
        }
        let page = lists::entities::page(chosen, page);
        let records = futures::stream::iter(page.data).map(|row| self.0.entity(EntityId::new(tenant, kind, row.id)));
        let records: Vec<Option<EntityRecord>> = records.buffered(SIDE_BY_SIDE).try_collect().await?;
        Ok(Page {
            // One that is gone meanwhile is left out.
            data: records.into_iter().flatten().collect(),
            total_pages: page.total_pages,
            total_elements: page.total_elements,
            has_next: page.has_next,
        })
    }

    async fn save_entity(&self, record: EntityRecord) -> Result<u64, StorageError> {
        check("a name", &record.name)?;
        self.0.order.check_open()?;
        self.0.save_entity(record).await
    }

    async fn delete_entity(&self, id: EntityId) -> Result<bool, StorageError> {
        self.0.order.check_open()?;
        self.0.delete_entity(id).await
    }
}

/// What is known of a stored entity: version, name, and the stamp of the save that wrote it.
pub(crate) type State = (i64, String, Uuid);

impl Inner {
    pub(crate) async fn entity(&self, id: EntityId) -> Result<Option<EntityRecord>, StorageError> {
        let row = self.driver.first::<Stored>(Query::Entity, row_key(id)).await?;
        row.map(|row| record(id, row)).transpose()
    }

    pub(crate) async fn state(&self, id: EntityId) -> Result<Option<State>, StorageError> {
        self.driver.first::<State>(Query::EntityState, row_key(id)).await
    }

    /// Name first, then the row, then the name before is free.
    async fn save_entity(&self, record: EntityRecord) -> Result<u64, StorageError> {
        let id = record.id;
        let stored = self.state(id).await?;
        check_version(record.version, stored.as_ref())?;
        let old_name = stored.map(|(_, name, _)| name);
        let owner = Owner {
            tenant: id.tenant,
            id: id.id,
        };
        if old_name.as_ref() == Some(&record.name) {
            return self.write_entity(record, i64::MAX).await;
        }
        let name = Name::entity(id, &record.name);
        let until_ms = self.clock.now_ms().saturating_add(SAVE_MS_MAX);
        let claimed = self.claim(&name, owner).await?;
        if claimed == Claimed::Taken {
            return Err(StorageError::NameTaken(record.name));
        }
        let saved = self.write_entity(record, until_ms).await;
        let free = match &saved {
            Ok(_) => old_name.map(|old| Name::entity(id, &old)),
            // Refused for sure. After any other failure the row may be there: the claim stays.
            Err(StorageError::VersionConflict { .. } | StorageError::NotFound) if claimed == Claimed::New => Some(name),
            Err(_) => None,
        };
        if let Some(name) = free {
            self.release(&name, owner).await?;
        }
        saved
    }

    async fn write_entity(&self, record: EntityRecord, until_ms: i64) -> Result<u64, StorageError> {
        let (tenant, kind, shard, id) = row_key(record.id);
        let (body, stamp) = (text(&record.body)?, Uuid::now_v7());
        let created = created_time(&body);
        let based_on = i64::try_from(record.version).map_err(|_| StorageError::NotFound)?;
        let _turn = self.turn((tenant, kind, shard)).await;
        if self.clock.now_ms() > until_ms {
            return Err(StorageError::Unavailable("saving takes too long"));
        }
        let set = (based_on + 1, &record.name, &record.subtype, record.customer, created, &body, stamp);
        let (version, name, subtype, customer, created, body, stamp) = set;
        let applied = if based_on == 0 {
            let values = (version, name, subtype, customer, created, body, stamp, tenant, kind, shard, id);
            self.driver.decide(Query::CreateEntity, values).await?
        } else {
            let values = (
                version, name, subtype, customer, created, body, stamp, tenant, kind, shard, id, based_on,
            );
            self.driver.decide(Query::ReplaceEntity, values).await?
        };
        if applied {
            return count(version);
        }
        let stored = self.state(record.id).await?;
        if stored.as_ref().is_some_and(|(_, _, by)| *by == stamp) {
            // Applied by an attempt that had no answer.
            return count(version);
        }
        check_version(record.version, stored.as_ref())?;
        Err(StorageError::Unavailable("somebody else saved at the same moment"))
    }

    /// Removes the row of an entity, and frees its name; false: there was none.
    pub(crate) async fn remove_entity(&self, id: EntityId) -> Result<bool, StorageError> {
        let Some((_, name, _)) = self.state(id).await? else {
            return Ok(false);
        };
        let (tenant, kind, shard, _) = row_key(id);
        let turn = self.turn((tenant, kind, shard)).await;
        self.driver.decide(Query::DeleteEntity, row_key(id)).await?;
        drop(turn);
        let owner = Owner {
            tenant: id.tenant,
            id: id.id,
        };
        self.release(&Name::entity(id, &name), owner).await?;
        Ok(true)
    }
}

/// Tenant, kind, shard, id.
fn row_key(id: EntityId) -> (Uuid, i8, i8, Uuid) {
    // The last bits of an id are random in every version of UUIDs.
    let shard = id.id.as_bytes()[15] % SHARDS;
    (id.tenant.0, tiny(id.kind.number()), tiny(shard), id.id)
}

fn check_version(given: u64, stored: Option<&State>) -> Result<(), StorageError> {
    match stored {
        None if given != 0 => Err(StorageError::NotFound),
        Some((stored, ..)) if count(*stored)? != given => Err(StorageError::VersionConflict {
            given,
            stored: count(*stored)?,
        }),
        _ => Ok(()),
    }
}

fn record(id: EntityId, (version, name, subtype, customer, body): Stored) -> Result<EntityRecord, StorageError> {
    Ok(EntityRecord {
        id,
        version: count(version)?,
        name,
        subtype,
        customer,
        body: parse("an entity", &body)?,
    })
}
