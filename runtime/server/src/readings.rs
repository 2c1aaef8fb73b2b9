//! What guests read, answered by the embedded store at once.

use model::entity::{Alarm, DeviceCredentials, Direction, EntityRecord, Relation, RelationGroup};
use model::{AttributeScope, DeviceId, EntityId, EntityKind, Reading, TenantId};
use plugins::{Readings, Span};
use storage::{EmbeddedStore, RelationQuery, SeriesQuery, StorageError};
use uuid::Uuid;

/// The embedded store, for guests.
pub struct StoredReadings(pub EmbeddedStore);

fn told<T>(read: Result<T, StorageError>) -> Result<T, String> {
    read.map_err(|error| error.to_string())
}

impl Readings for StoredReadings {
    fn attribute(&self, entity: EntityId, scope: AttributeScope, key: &str) -> Result<Option<Reading>, String> {
        told(self.0.attribute_now(entity, scope, key))
    }

    fn latest(&self, entity: EntityId, key: &str) -> Result<Option<Reading>, String> {
        told(self.0.latest_now(entity, key))
    }

    fn series(&self, entity: EntityId, key: &str, span: &Span) -> Result<Vec<Reading>, String> {
        let query = SeriesQuery {
            from_ms: span.from_ms,
            to_ms: span.to_ms,
            limit: span.limit,
            descending: span.newest_first,
        };
        told(self.0.series_now(entity, key, &query))
    }

    fn entity(&self, entity: EntityId) -> Result<Option<EntityRecord>, String> {
        told(self.0.entity_now(entity))
    }

    fn entity_named(&self, tenant: TenantId, kind: EntityKind, name: &str) -> Result<Option<EntityRecord>, String> {
        told(self.0.entity_by_name_now(tenant, kind, name))
    }

    fn relations(&self, entity: EntityId, direction: Direction, of_type: Option<&str>, limit: u32) -> Result<Vec<Relation>, String> {
        let query = RelationQuery {
            direction,
            group: RelationGroup::Common,
            relation_type: of_type.map(str::to_owned),
            limit: limit as usize,
        };
        told(self.0.relations_now(entity, &query))
    }

    fn is_related(&self, tenant: TenantId, named: &Relation) -> Result<bool, String> {
        told(self.0.relation_now(tenant, named)).map(|found| found.is_some())
    }

    fn alarm(&self, tenant: TenantId, id: Uuid) -> Result<Option<Alarm>, String> {
        told(self.0.alarm_now(tenant, id))
    }

    fn active_alarm(&self, originator: EntityId, alarm_type: &str) -> Result<Option<Alarm>, String> {
        told(self.0.active_alarm_now(originator, alarm_type))
    }

    fn active_alarms(&self, originator: EntityId, limit: u32) -> Result<Vec<Alarm>, String> {
        told(self.0.active_alarms_now(originator, limit as usize))
    }

    fn credentials(&self, device: DeviceId) -> Result<Option<DeviceCredentials>, String> {
        told(self.0.credentials_of_now(device))
    }
}
