//! What guests read, answered by the embedded store at once: it is in this process.

use model::entity::{Alarm, DeviceCredentials, EntityRecord, Relation};
use model::{AttributeScope, DeviceId, EntityId, EntityKind, Reading, TenantId};
use plugins::{Readings, RelatedBy, Span};
use storage::EmbeddedStore;
use uuid::Uuid;

use super::{relation_query, series_query, told};

/// The embedded store, for guests.
pub struct LocalReadings(pub EmbeddedStore);

impl Readings for LocalReadings {
    fn attribute(&self, entity: EntityId, scope: AttributeScope, key: &str) -> Result<Option<Reading>, String> {
        told(self.0.attribute_now(entity, scope, key))
    }

    fn latest(&self, entity: EntityId, key: &str) -> Result<Option<Reading>, String> {
        told(self.0.latest_now(entity, key))
    }

    fn series(&self, entity: EntityId, key: &str, span: &Span) -> Result<Vec<Reading>, String> {
        told(self.0.series_now(entity, key, &series_query(span)))
    }

    fn entity(&self, entity: EntityId) -> Result<Option<EntityRecord>, String> {
        told(self.0.entity_now(entity))
    }

    fn entity_named(&self, tenant: TenantId, kind: EntityKind, name: &str) -> Result<Option<EntityRecord>, String> {
        told(self.0.entity_by_name_now(tenant, kind, name))
    }

    fn relations(&self, entity: EntityId, which: &RelatedBy<'_>) -> Result<Vec<Relation>, String> {
        told(self.0.relations_now(entity, &relation_query(which)))
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
