//! What an actor knows of its device, and where its messages go.

use std::sync::Arc;

use model::entity::Device;
use model::{CustomerId, DeviceId, TenantId};
use rules::ChainLane;
use storage::EntityStore;
use uuid::Uuid;

use crate::DeviceError;

/// The rule chains of all tenants.
pub trait Chains: Send + Sync + 'static {
    /// The entrance of a chain, or of the tenant's root chain. None: there is no such chain.
    fn entrance(&self, tenant: TenantId, chain: Option<Uuid>) -> Option<ChainLane>;

    /// Another number whenever an entrance may be another one: a chain has become the root, or has come or gone. An entrance that was found
    /// before has to be looked up again then.
    fn revision(&self) -> u64;
}

/// What of a device's record its messages carry.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceFacts {
    /// Name.
    pub name: Arc<str>,
    /// Name of its profile.
    pub device_type: Arc<str>,
    /// The customer it is assigned to.
    pub customer: Option<CustomerId>,
    /// The chain its profile names; none: the tenant's root chain.
    pub chain: Option<Uuid>,
}

/// Reads a device's record.
///
/// # Errors
/// [`DeviceError::NotFound`], or what the store says.
pub async fn load_facts(store: &(impl EntityStore + ?Sized), device: DeviceId) -> Result<DeviceFacts, DeviceError> {
    let record = store.entity(device.entity()).await?.ok_or(DeviceError::NotFound)?;
    let entity: Device = serde_json::from_value(record.body).map_err(|_| DeviceError::Corrupt)?;
    let chain = match entity.device_profile_id {
        None => None,
        Some(profile) => store.entity(profile.of(device.tenant)).await?.and_then(|profile| {
            let profile: model::entity::DeviceProfile = serde_json::from_value(profile.body).ok()?;
            profile.default_rule_chain_id.map(|chain| chain.id)
        }),
    };
    Ok(DeviceFacts {
        name: entity.name.into(),
        device_type: entity.device_type.into(),
        customer: entity.customer_id.map(|customer| CustomerId::new(device.tenant, customer.id)),
        chain,
    })
}
