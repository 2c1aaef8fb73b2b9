//! What guests read, answered by a store behind a network.
//!
//! A guest is put aside while its answer is on the way, and no thread waits with it. So many answers are on the way at the same time at
//! most; who comes later waits for a place. Place and answer together may take [`PATIENCE`]; then the read has failed, and with it the
//! guest's message.
//!
//! Waiting costs no processor time, which is what a guest and its tenant are charged for.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::entity::{Alarm, DeviceCredentials, EntityRecord, Relation};
use model::{AttributeScope, DeviceId, EntityId, EntityKind, Reading, TenantId};
use plugins::{AwaitedReadings, RelatedBy, Span};
use storage::{StorageError, Store};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use uuid::Uuid;

use super::{relation_query, series_query, told};

/// Answers on the way at the same time at most.
const WAITING_MAX: usize = 1_024;
/// How long a read may take: many times what a healthy cluster needs.
const PATIENCE: Duration = Duration::from_secs(2);

/// A store behind a network, for guests.
pub struct RemoteReadings {
    store: Arc<dyn Store>,
    places: Semaphore,
}

impl RemoteReadings {
    /// Of a store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        RemoteReadings {
            store,
            places: Semaphore::new(WAITING_MAX),
        }
    }

    async fn wait<T>(&self, read: impl Future<Output = Result<T, StorageError>>) -> Result<T, String> {
        let placed = async {
            let _place = self.places.acquire().await;
            read.await
        };
        told(
            timeout(PATIENCE, placed)
                .await
                .unwrap_or(Err(StorageError::Unavailable("it did not answer in time"))),
        )
    }
}

#[async_trait]
impl AwaitedReadings for RemoteReadings {
    async fn attribute(&self, entity: EntityId, scope: AttributeScope, key: &str) -> Result<Option<Reading>, String> {
        let keys = [key.into()];
        let found = self.wait(self.store.attributes(entity, scope, Some(&keys))).await?;
        Ok(found.into_iter().next().map(|(_, reading)| reading))
    }

    async fn latest(&self, entity: EntityId, key: &str) -> Result<Option<Reading>, String> {
        let keys = [key.into()];
        let found = self.wait(self.store.latest(entity, Some(&keys))).await?;
        Ok(found.into_iter().next().map(|(_, reading)| reading))
    }

    async fn series(&self, entity: EntityId, key: &str, span: &Span) -> Result<Vec<Reading>, String> {
        self.wait(self.store.series(entity, key, &series_query(span))).await
    }

    async fn entity(&self, entity: EntityId) -> Result<Option<EntityRecord>, String> {
        self.wait(self.store.entity(entity)).await
    }

    async fn entity_named(&self, tenant: TenantId, kind: EntityKind, name: &str) -> Result<Option<EntityRecord>, String> {
        self.wait(self.store.entity_by_name(tenant, kind, name)).await
    }

    async fn relations(&self, entity: EntityId, which: &RelatedBy<'_>) -> Result<Vec<Relation>, String> {
        let query = relation_query(which);
        self.wait(self.store.relations(entity, &query)).await
    }

    async fn is_related(&self, tenant: TenantId, named: &Relation) -> Result<bool, String> {
        Ok(self.wait(self.store.relation(tenant, named)).await?.is_some())
    }

    async fn alarm(&self, tenant: TenantId, id: Uuid) -> Result<Option<Alarm>, String> {
        self.wait(self.store.alarm(tenant, id)).await
    }

    async fn active_alarm(&self, originator: EntityId, alarm_type: &str) -> Result<Option<Alarm>, String> {
        self.wait(self.store.active_alarm(originator, alarm_type)).await
    }

    async fn active_alarms(&self, originator: EntityId, limit: u32) -> Result<Vec<Alarm>, String> {
        self.wait(self.store.active_alarms(originator, limit as usize)).await
    }

    async fn credentials(&self, device: DeviceId) -> Result<Option<DeviceCredentials>, String> {
        self.wait(self.store.credentials_of(device)).await
    }
}
