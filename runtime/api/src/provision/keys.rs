//! Which profile a provisioning key names, in the whole system: a device that asks with it names no tenant.
//!
//! Kept as records of the system, named by the keys, with the ids of the profiles: the store keeps names unique. A record that is left
//! over, since its profile is gone or has another key, counts as none.

use model::entity::{DeviceProfile, EntityRecord};
use model::{EntityId, EntityKind, TenantId};
use serde_json::json;
use storage::{StorageError, Store};
use uuid::Uuid;

use crate::record;

/// The profile that has a key.
pub(crate) async fn find(store: &dyn Store, key: &str) -> Result<Option<(TenantId, DeviceProfile)>, StorageError> {
    let record = store.entity_by_name(TenantId::SYSTEM, EntityKind::DeviceProfile, key).await?;
    let Some(record) = record else { return Ok(None) };
    let Some(tenant) = record.body["tenantId"].as_str().and_then(|id| id.parse().ok()).map(TenantId) else {
        return Err(StorageError::Corrupt(format!("the provisioning key of profile {}", record.id.id)));
    };
    let profile: Option<DeviceProfile> = record::find(store, tenant, record.id.id).await?;
    Ok(profile
        .filter(|profile| profile.provision_device_key.as_deref() == Some(key))
        .map(|profile| (tenant, profile)))
}

/// Gives a profile a key, or takes its key away.
///
/// # Errors
/// [`StorageError::NameTaken`] when another profile has the key.
pub(crate) async fn set(store: &dyn Store, tenant: TenantId, profile: Uuid, key: Option<&str>) -> Result<(), StorageError> {
    let id = EntityId::new(TenantId::SYSTEM, EntityKind::DeviceProfile, profile);
    let known = store.entity(id).await?;
    let Some(key) = key else {
        if known.is_some() {
            store.delete_entity(id).await?;
        }
        return Ok(());
    };
    if known.as_ref().is_some_and(|known| known.name == key) {
        return Ok(());
    }
    let record = EntityRecord {
        id,
        version: known.map_or(0, |known| known.version),
        name: key.to_owned(),
        subtype: String::new(),
        customer: None,
        body: json!({"tenantId": tenant.0}),
    };
    let Err(error) = store.save_entity(record.clone()).await else {
        return Ok(());
    };
    let left_over = matches!(error, StorageError::NameTaken(_)) && find(store, key).await?.is_none();
    if left_over && let Some(old) = store.entity_by_name(TenantId::SYSTEM, EntityKind::DeviceProfile, key).await? {
        store.delete_entity(old.id).await?;
        store.save_entity(record).await?;
        return Ok(());
    }
    Err(error)
}
