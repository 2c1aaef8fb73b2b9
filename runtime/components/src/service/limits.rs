//! How much a tenant may have, as its profile says.

use model::entity::{ComponentLimits, EntityRecord, Tenant, TenantProfile};
use model::{EntityId, EntityKind, PageRequest, TenantId};
use serde::Deserialize;
use storage::{EntityFilter, StorageError, Store};

use super::Components;
use crate::Quotas;

/// Tenant profiles looked at for the default one.
const PROFILES_MAX: u32 = 1_000;

impl Components {
    /// How much an owner may have, by its profile.
    ///
    /// # Errors
    /// When what is stored cannot be read.
    pub async fn quotas(&self, tenant: TenantId) -> Result<Quotas, StorageError> {
        let limits = limits(&*self.0.store, tenant).await?;
        Ok(self.0.quotas.changed_by(&limits))
    }

    /// A tenant's profile has changed, or what it says. Answers what the tenant may have now.
    ///
    /// # Errors
    /// When what is stored cannot be read.
    pub async fn limits_changed(&self, tenant: TenantId) -> Result<Quotas, StorageError> {
        let quotas = self.quotas(tenant).await?;
        if let Some(set) = self.0.sets.get(&tenant) {
            set.places.limit(quotas.instances_max, quotas.memory_bytes_max);
        }
        Ok(quotas)
    }
}

/// What the profile of a tenant says: its own, else the default one.
async fn limits(store: &dyn Store, tenant: TenantId) -> Result<ComponentLimits, StorageError> {
    if tenant == TenantId::SYSTEM {
        return Ok(ComponentLimits::default());
    }
    let of_system = |kind, id| EntityId::new(TenantId::SYSTEM, kind, id);
    let record = store.entity(of_system(EntityKind::Tenant, tenant.0)).await?;
    let named = record.and_then(|record| Some(Tenant::deserialize(record.body).ok()?.tenant_profile_id?.id));
    let profile = match named {
        Some(id) => store.entity(of_system(EntityKind::TenantProfile, id)).await?,
        None => None,
    };
    let profile = match profile {
        Some(profile) => Some(profile),
        None => default_profile(store).await?,
    };
    let read = profile.map(|record| TenantProfile::deserialize(record.body)).transpose();
    let profile = read.map_err(|error| StorageError::Corrupt(format!("a tenant profile: {error}")))?;
    Ok(profile.and_then(|profile| profile.component_limits().ok()).unwrap_or_default())
}

async fn default_profile(store: &dyn Store) -> Result<Option<EntityRecord>, StorageError> {
    let all = store
        .entities(
            TenantId::SYSTEM,
            EntityKind::TenantProfile,
            &EntityFilter::default(),
            &PageRequest::first(PROFILES_MAX),
        )
        .await?;
    Ok(all.data.into_iter().find(|record| record.body["default"] == true))
}
