//! What a member of a tenant may see: everything of the tenant, or what is assigned to the member's customer. What a member may not see
//! is not there: foreign ids answer 404.
//!
//! Ids from requests meet a tenant only here and in [`crate::record`], and it is always the caller's.

use model::entity::Device;
use model::{DeviceId, EntityId, EntityKind};
use uuid::Uuid;

use crate::extract::Member;
use crate::state::ApiState;
use crate::{ApiError, record};

impl Member {
    /// A device.
    ///
    /// # Errors
    /// [`ApiError::NotFound`].
    pub(crate) async fn device(&self, api: &ApiState, id: Uuid) -> Result<Device, ApiError> {
        let device: Device = record::get(&*api.store, self.tenant, id).await?;
        match self.customer {
            Some(own) if device.customer_id.is_none_or(|customer| customer.id != own) => Err(ApiError::no_entity("Device", id)),
            _ => Ok(device),
        }
    }

    /// The id of a device that is there.
    ///
    /// # Errors
    /// [`ApiError::NotFound`].
    pub(crate) async fn device_id(&self, api: &ApiState, id: Uuid) -> Result<DeviceId, ApiError> {
        self.device(api, id).await?;
        Ok(DeviceId::new(self.tenant, id))
    }

    /// A customer's id: any of the tenant, or the member's own.
    ///
    /// # Errors
    /// [`ApiError::NotFound`].
    pub(crate) async fn customer_id(&self, api: &ApiState, id: Uuid) -> Result<Uuid, ApiError> {
        self.entity(api, EntityKind::Customer, id).await.map(|entity| entity.id)
    }

    /// Any entity, by the names a path gives.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] for an unknown kind; [`ApiError::NotFound`].
    pub(crate) async fn entity_named(&self, api: &ApiState, kind: &str, id: Uuid) -> Result<EntityId, ApiError> {
        let kind = kind.parse::<EntityKind>().map_err(|error| ApiError::Invalid(error.to_string()))?;
        self.entity(api, kind, id).await
    }

    /// Any entity.
    ///
    /// # Errors
    /// [`ApiError::NotFound`].
    pub(crate) async fn entity(&self, api: &ApiState, kind: EntityKind, id: Uuid) -> Result<EntityId, ApiError> {
        let entity = EntityId::new(self.tenant, kind, id);
        let seen = match (kind, self.customer) {
            // A tenant's record is the system's; its data are its own.
            (EntityKind::Tenant, customer) => customer.is_none() && id == self.tenant.0,
            (_, None) => api.store.entity(entity).await?.is_some(),
            (EntityKind::Customer, Some(own)) => id == own,
            (EntityKind::User, Some(_)) => id == self.user,
            (EntityKind::Device | EntityKind::Asset | EntityKind::EntityView, Some(own)) => {
                api.store.entity(entity).await?.is_some_and(|record| record.customer == Some(own))
            }
            (_, Some(_)) => false,
        };
        if seen {
            Ok(entity)
        } else {
            Err(ApiError::no_entity(kind.as_str(), id))
        }
    }
}
