//! How JSON names another entity: `{"entityType": "DEVICE", "id": "<uuid>"}`.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{EntityId, EntityKind, TenantId};

/// An id as JSON shows it. Without a tenant: the reader knows whose data it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdRef {
    /// Kind.
    pub entity_type: EntityKind,
    /// Id within the kind.
    pub id: Uuid,
}

impl IdRef {
    /// Names an entity.
    pub fn new(entity_type: EntityKind, id: Uuid) -> Self {
        IdRef { entity_type, id }
    }

    /// The same with its owner.
    pub fn of(self, tenant: TenantId) -> EntityId {
        EntityId::new(tenant, self.entity_type, self.id)
    }

    /// A reference to a tenant.
    pub fn tenant(tenant: TenantId) -> Self {
        IdRef::new(EntityKind::Tenant, tenant.0)
    }
}

impl<T: Into<EntityId>> From<T> for IdRef {
    fn from(id: T) -> Self {
        let id = id.into();
        IdRef::new(id.kind, id.id)
    }
}
