//! What guests read, answered by a store behind a network.
//!
//! A guest is inside a call and cannot be put aside, so its thread waits. Three things keep that from hurting others:
//!
//! - a thread that waits is none of the runtime's workers meanwhile: another one takes over what it had to do,
//! - so many wait at the same time at most; who comes later waits for a place,
//! - place and answer together may take [`PATIENCE`]; then the read has failed, and with it the guest's message.
//!
//! Waiting costs no processor time, which is what a guest and its tenant are charged for.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use model::entity::{Alarm, DeviceCredentials, Direction, EntityRecord, Relation};
use model::{AttributeScope, DeviceId, EntityId, EntityKind, Reading, TenantId};
use plugins::{Readings, Span};
use storage::{StorageError, Store};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::block_in_place;
use tokio::time::timeout;
use uuid::Uuid;

use super::{relation_query, series_query, told};

/// Threads that wait at the same time at most. The runtime has 512 for all that blocks.
const WAITING_MAX: usize = 128;
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

    /// Waits for an answer. On a thread of a runtime with several, as guests run on.
    fn wait<T>(&self, read: impl Future<Output = Result<T, StorageError>>) -> Result<T, String> {
        let placed = async {
            let _place = self.places.acquire().await;
            read.await
        };
        let answered = block_in_place(|| Handle::current().block_on(timeout(PATIENCE, placed)));
        told(answered.unwrap_or(Err(StorageError::Unavailable("it did not answer in time"))))
    }
}

impl Readings for RemoteReadings {
    fn attribute(&self, entity: EntityId, scope: AttributeScope, key: &str) -> Result<Option<Reading>, String> {
        let keys = [key.into()];
        let found = self.wait(self.store.attributes(entity, scope, Some(&keys)))?;
        Ok(found.into_iter().next().map(|(_, reading)| reading))
    }

    fn latest(&self, entity: EntityId, key: &str) -> Result<Option<Reading>, String> {
        let keys = [key.into()];
        let found = self.wait(self.store.latest(entity, Some(&keys)))?;
        Ok(found.into_iter().next().map(|(_, reading)| reading))
    }

    fn series(&self, entity: EntityId, key: &str, span: &Span) -> Result<Vec<Reading>, String> {
        self.wait(self.store.series(entity, key, &series_query(span)))
    }

    fn entity(&self, entity: EntityId) -> Result<Option<EntityRecord>, String> {
        self.wait(self.store.entity(entity))
    }

    fn entity_named(&self, tenant: TenantId, kind: EntityKind, name: &str) -> Result<Option<EntityRecord>, String> {
        self.wait(self.store.entity_by_name(tenant, kind, name))
    }

    fn relations(&self, entity: EntityId, direction: Direction, of_type: Option<&str>, limit: u32) -> Result<Vec<Relation>, String> {
        self.wait(self.store.relations(entity, &relation_query(direction, of_type, limit)))
    }

    fn is_related(&self, tenant: TenantId, named: &Relation) -> Result<bool, String> {
        Ok(self.wait(self.store.relation(tenant, named))?.is_some())
    }

    fn alarm(&self, tenant: TenantId, id: Uuid) -> Result<Option<Alarm>, String> {
        self.wait(self.store.alarm(tenant, id))
    }

    fn active_alarm(&self, originator: EntityId, alarm_type: &str) -> Result<Option<Alarm>, String> {
        self.wait(self.store.active_alarm(originator, alarm_type))
    }

    fn active_alarms(&self, originator: EntityId, limit: u32) -> Result<Vec<Alarm>, String> {
        self.wait(self.store.active_alarms(originator, limit as usize))
    }

    fn credentials(&self, device: DeviceId) -> Result<Option<DeviceCredentials>, String> {
        self.wait(self.store.credentials_of(device))
    }
}
