//! Which device profiles name an adapter of their own: nearly none do, so a tenant's profiles are read once, and a device's record only
//! where some of them do.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use model::entity::{Device, DeviceProfile};
use model::{DeviceId, EntityKind, PageRequest, TenantId};
use storage::{EntityFilter, StorageError, Store};
use uuid::Uuid;

/// Profiles read at one time.
const PAGE: u32 = 1000;

type Named = Arc<HashMap<Uuid, Arc<str>>>;

/// Names of adapters by profile, by tenant.
#[derive(Debug, Default)]
pub struct Profiles {
    known: DashMap<TenantId, Named>,
    /// Counts changes: what was read before one is not kept.
    changes: AtomicU64,
}

impl Profiles {
    /// The adapter that a device's profile names; none: the shipped one.
    ///
    /// # Errors
    /// What the store says.
    pub async fn adapter_of(&self, store: &dyn Store, device: DeviceId) -> Result<Option<Arc<str>>, StorageError> {
        let known = self.known.get(&device.tenant).map(|named| Arc::clone(&named));
        let named = match known {
            Some(named) => named,
            None => {
                let changes = self.changes.load(Ordering::Acquire);
                let named = Arc::new(read(store, device.tenant).await?);
                if self.changes.load(Ordering::Acquire) == changes {
                    self.known.insert(device.tenant, Arc::clone(&named));
                }
                named
            }
        };
        if named.is_empty() {
            return Ok(None);
        }
        let record = store.entity(device.entity()).await?;
        let device: Option<Device> = record.and_then(|record| serde_json::from_value(record.body).ok());
        let profile = device.and_then(|device| device.device_profile_id);
        Ok(profile.and_then(|profile| named.get(&profile.id).cloned()))
    }

    /// A profile of a tenant has changed.
    pub fn changed(&self, tenant: TenantId) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.known.remove(&tenant);
    }

    /// Any may have changed.
    pub fn all_changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.known.clear();
    }
}

async fn read(store: &dyn Store, tenant: TenantId) -> Result<HashMap<Uuid, Arc<str>>, StorageError> {
    let mut named = HashMap::new();
    let mut page = PageRequest::first(PAGE);
    loop {
        let found = store
            .entities(tenant, EntityKind::DeviceProfile, &EntityFilter::default(), &page)
            .await?;
        for record in found.data {
            let id = record.id.id;
            let profile: DeviceProfile =
                serde_json::from_value(record.body).map_err(|error| StorageError::Corrupt(format!("device profile {id}: {error}")))?;
            if let Some(name) = profile.adapter() {
                named.insert(id, name.into());
            }
        }
        if !found.has_next {
            return Ok(named);
        }
        page.page += 1;
    }
}
