//! Which device profiles say something about how their devices are spoken with: nearly none do, so a tenant's profiles are read once, and a
//! device's record only where some of them do.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use model::entity::{Device, DeviceProfile, OwnTopics};
use model::{DeviceId, EntityKind, PageRequest, TenantId};
use storage::{EntityFilter, StorageError, Store};
use uuid::Uuid;

/// Profiles read at one time.
const PAGE: u32 = 1000;

/// What a profile says of how its devices are spoken with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// The adapter; none: the shipped one.
    pub adapter: Option<Arc<str>>,
    /// Over MQTT a publish whose payload is not understood is acknowledged (`sendAckOnValidationException`), in versions that have no word for
    /// it too, and the connection stays.
    pub acknowledges_bad_payloads: bool,
    /// What its devices call the topics of the device API.
    pub own_topics: Option<Arc<OwnTopics>>,
}

type Manners = Arc<HashMap<Uuid, Manner>>;

/// Manners by profile, by tenant; those that are the usual one are left out.
#[derive(Debug, Default)]
pub struct Profiles {
    known: DashMap<TenantId, Manners>,
    /// Counts changes: what was read before one is not kept.
    changes: AtomicU64,
}

impl Profiles {
    /// How a device is spoken with.
    ///
    /// # Errors
    /// What the store says.
    pub async fn manner_of(&self, store: &dyn Store, device: DeviceId) -> Result<Manner, StorageError> {
        let known = self.known.get(&device.tenant).map(|manners| Arc::clone(&manners));
        let manners = match known {
            Some(manners) => manners,
            None => {
                let changes = self.changes.load(Ordering::Acquire);
                let manners = Arc::new(read(store, device.tenant).await?);
                if self.changes.load(Ordering::Acquire) == changes {
                    self.known.insert(device.tenant, Arc::clone(&manners));
                }
                manners
            }
        };
        if manners.is_empty() {
            return Ok(Manner::default());
        }
        let record = store.entity(device.entity()).await?;
        let device: Option<Device> = record.and_then(|record| serde_json::from_value(record.body).ok());
        let profile = device.and_then(|device| device.device_profile_id);
        Ok(profile.and_then(|profile| manners.get(&profile.id).cloned()).unwrap_or_default())
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

/// What a profile says.
fn manner(profile: &DeviceProfile) -> Manner {
    let acknowledges = profile
        .profile_data
        .as_ref()
        .and_then(|data| data.pointer("/transportConfiguration/sendAckOnValidationException"));
    Manner {
        adapter: profile.adapter().map(Arc::from),
        acknowledges_bad_payloads: acknowledges.and_then(serde_json::Value::as_bool).unwrap_or(false),
        // Such a profile is not saved; one that came another way has the usual topics.
        own_topics: profile.own_topics().unwrap_or_default().map(Arc::new),
    }
}

async fn read(store: &dyn Store, tenant: TenantId) -> Result<HashMap<Uuid, Manner>, StorageError> {
    let mut manners = HashMap::new();
    let mut page = PageRequest::first(PAGE);
    loop {
        let found = store
            .entities(tenant, EntityKind::DeviceProfile, &EntityFilter::default(), &page)
            .await?;
        for record in found.data {
            let id = record.id.id;
            let profile: DeviceProfile =
                serde_json::from_value(record.body).map_err(|error| StorageError::Corrupt(format!("device profile {id}: {error}")))?;
            let manner = manner(&profile);
            if manner != Manner::default() {
                manners.insert(id, manner);
            }
        }
        if !found.has_next {
            return Ok(manners);
        }
        page.page += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_that_say_nothing_are_left_out() {
        let said = |data: serde_json::Value| {
            let profile = serde_json::from_value(serde_json::json!({"name": "p", "profileData": data}));
            profile.map(|profile| manner(&profile)).ok()
        };
        let transport = |settings: serde_json::Value| said(serde_json::json!({ "transportConfiguration": settings }));
        let usual = Some(Manner::default());
        assert_eq!(said(serde_json::Value::Null), usual);
        assert_eq!(
            transport(serde_json::json!({"type": "MQTT", "sendAckOnValidationException": false})),
            usual
        );
        assert_eq!(
            transport(serde_json::json!({"adapter": "", "sendAckOnValidationException": "yes"})),
            usual
        );
        let manner = transport(serde_json::json!({"adapter": "own", "sendAckOnValidationException": true}));
        let expected = Manner {
            adapter: Some("own".into()),
            acknowledges_bad_payloads: true,
            own_topics: None,
        };
        assert_eq!(manner, Some(expected));
        let topics = |adapter: &str| transport(serde_json::json!({"adapter": adapter, "deviceTelemetryTopic": "t/+"}));
        assert!(topics("").is_some_and(|manner| manner.own_topics.is_some()));
        assert!(
            topics("own").is_some_and(|manner| manner.own_topics.is_none()),
            "another adapter has its own"
        );
    }
}
