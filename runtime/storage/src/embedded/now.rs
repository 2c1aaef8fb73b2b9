//! Reads for callers that cannot wait: a component's, which is inside a call. They take microseconds when what they look for is in
//! memory, and bounded time otherwise: none looks through a whole table.

use model::entity::{Alarm, DeviceCredentials, EntityRecord, Relation};
use model::{AttributeScope, DeviceId, EntityId, EntityKind, Reading, TenantId};
use uuid::Uuid;

use super::{EmbeddedStore, alarms, attributes, credentials, entities, relations, series};
use crate::{RelationQuery, SeriesQuery, StorageError};

/// Errors of all of these: [`StorageError::Failed`] and [`StorageError::Corrupt`].
#[allow(clippy::missing_errors_doc, reason = "said above for all")]
impl EmbeddedStore {
    /// An attribute.
    pub fn attribute_now(&self, entity: EntityId, scope: AttributeScope, key: &str) -> Result<Option<Reading>, StorageError> {
        attributes::attribute(&self.0.tables, entity, scope, key)
    }

    /// The newest reading of a key.
    pub fn latest_now(&self, entity: EntityId, key: &str) -> Result<Option<Reading>, StorageError> {
        series::latest(&self.0.tables, entity, key, self.0.clock.now_ms())
    }

    /// Readings of a key.
    pub fn series_now(&self, entity: EntityId, key: &str, query: &SeriesQuery) -> Result<Vec<Reading>, StorageError> {
        series::of_key(&self.0.tables, entity, key, query, self.0.clock.now_ms())
    }

    /// One entity.
    pub fn entity_now(&self, id: EntityId) -> Result<Option<EntityRecord>, StorageError> {
        entities::one(&self.0.tables, id)
    }

    /// One entity by its name.
    pub fn entity_by_name_now(&self, tenant: TenantId, kind: EntityKind, name: &str) -> Result<Option<EntityRecord>, StorageError> {
        entities::one_by_name(&self.0.tables, tenant, kind, name)
    }

    /// One relation, named by its ends, type and group.
    pub fn relation_now(&self, tenant: TenantId, named: &Relation) -> Result<Option<Relation>, StorageError> {
        relations::relation(&self.0.tables, tenant, named)
    }

    /// Relations that start or end at an entity, sorted by type.
    pub fn relations_now(&self, entity: EntityId, query: &RelationQuery) -> Result<Vec<Relation>, StorageError> {
        relations::relations(&self.0.tables, entity, query)
    }

    /// One alarm.
    pub fn alarm_now(&self, tenant: TenantId, id: Uuid) -> Result<Option<Alarm>, StorageError> {
        alarms::one(&self.0.tables, tenant, id)
    }

    /// The alarm of a type that is not cleared.
    pub fn active_alarm_now(&self, originator: EntityId, alarm_type: &str) -> Result<Option<Alarm>, StorageError> {
        alarms::active(&self.0.tables, originator, alarm_type)
    }

    /// The alarms of an originator that are not cleared, sorted by type.
    pub fn active_alarms_now(&self, originator: EntityId, limit: usize) -> Result<Vec<Alarm>, StorageError> {
        alarms::all_active(&self.0.tables, originator, limit)
    }

    /// The credentials of a device.
    pub fn credentials_of_now(&self, device: DeviceId) -> Result<Option<DeviceCredentials>, StorageError> {
        credentials::of(&self.0.tables, device)
    }
}
