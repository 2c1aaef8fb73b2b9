//! Entities that rule nodes make and assign: the same entities, by the same rules, as the routes make them.
//!
//! Knows no routes; the port is that of the effects.

use std::sync::Arc;

use async_trait::async_trait;
use cluster::Notice;
use effects::EffectError;
use model::entity::{Customer, Device, IdRef, Proof};
use model::{Clock, CustomerId, DeviceId, EntityId, EntityKind, TenantId};
use storage::{StorageError, Store};
use tenant::App;

use crate::record::{self, check_name};
use crate::seed::{self, SeedError};

/// How often an assignment is tried that somebody else's save comes in between of.
const TRIES: usize = 5;

/// [`effects::Keeper`] by the store.
pub struct Keeper {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// Told when a device changes.
    app: App,
}

impl Keeper {
    /// Keeps entities in a store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, app: App) -> Self {
        Keeper { store, clock, app }
    }

    async fn named(&self, tenant: TenantId, kind: EntityKind, name: &str) -> Result<Option<EntityId>, StorageError> {
        Ok(self.store.entity_by_name(tenant, kind, name).await?.map(|record| record.id))
    }

    async fn make_device(&self, tenant: TenantId, name: &str, profile: &str) -> Result<EntityId, StorageError> {
        let profile = if profile.is_empty() { seed::DEFAULT_PROFILE } else { profile };
        let profile = seed::profile(&*self.store, &*self.clock, tenant, profile).await?;
        let mut device = Device {
            id: None,
            created_time: 0,
            tenant_id: None,
            customer_id: None,
            name: name.to_owned(),
            device_type: profile.name,
            label: None,
            device_profile_id: profile.id,
            device_data: None,
            additional_info: None,
            version: None,
        };
        let proof = Proof::token(&seed::random_token());
        let id = seed::save_new_device(&*self.store, &*self.clock, tenant, &mut device, proof).await?;
        Ok(id.entity())
    }

    async fn make_customer(&self, tenant: TenantId, title: &str) -> Result<EntityId, StorageError> {
        match seed::create_customer(&*self.store, &*self.clock, tenant, title).await {
            Ok(id) => Ok(CustomerId::new(tenant, id).entity()),
            Err(SeedError::Storage(error)) => Err(error),
            Err(other) => Err(StorageError::Failed(other.to_string())),
        }
    }
}

#[async_trait]
impl effects::Keeper for Keeper {
    async fn ensure(&self, tenant: TenantId, kind: EntityKind, name: &str, subtype: &str) -> Result<EntityId, EffectError> {
        let label = match kind {
            EntityKind::Device => "Device",
            EntityKind::Customer => "Customer",
            other => return Err(EffectError::Invalid(format!("rule nodes cannot create a {}", other.as_str()))),
        };
        if let Some(found) = self.named(tenant, kind, name).await? {
            return Ok(found);
        }
        let checked = check_name(label, "name", name).and_then(|()| match subtype {
            "" => Ok(()),
            subtype => check_name("Device profile", "name", subtype),
        });
        checked.map_err(|error| EffectError::Invalid(error.to_string()))?;
        let made = match kind {
            EntityKind::Device => self.make_device(tenant, name, subtype).await,
            _ => self.make_customer(tenant, name).await,
        };
        match made {
            // Somebody else made it in between.
            Err(error @ StorageError::NameTaken(_)) => Ok(self.named(tenant, kind, name).await?.ok_or(error)?),
            made => Ok(made?),
        }
    }

    async fn assign(
        &self,
        entity: EntityId,
        customer: Option<CustomerId>,
        only_from: Option<CustomerId>,
    ) -> Result<Option<CustomerId>, EffectError> {
        let id = DeviceId::try_from(entity).map_err(|other| EffectError::Invalid(format!("{other:?} cannot be assigned to a customer")))?;
        let wanted = customer.map(IdRef::from);
        if let Some(customer) = customer {
            let found: Option<Customer> = record::find(&*self.store, id.tenant, customer.id).await?;
            found.ok_or_else(|| EffectError::Invalid(format!("{customer:?} is not there")))?;
        }
        for _ in 0..TRIES {
            let found: Option<Device> = record::find(&*self.store, id.tenant, id.id).await?;
            let mut device = found.ok_or_else(|| EffectError::Invalid(format!("{id:?} is not there")))?;
            let owner = device.customer_id;
            if owner == wanted || only_from.is_some_and(|only| owner != Some(only.into())) {
                return Ok(owner.map(|owner| CustomerId::new(id.tenant, owner.id)));
            }
            device.customer_id = wanted;
            let base = device.version.unwrap_or(1);
            match record::save(&*self.store, id.tenant, id.id, base, &mut device).await {
                Ok(()) => {
                    self.app.device_changed(id).await;
                    return Ok(customer);
                }
                Err(StorageError::VersionConflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(EffectError::Invalid(format!("{id:?} is being changed by others all the time")))
    }

    async fn tell_chain(&self, entity: EntityId, notice: Notice) {
        self.app.enter(entity, notice, self.clock.now_ms()).await;
    }
}
