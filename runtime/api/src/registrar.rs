//! Devices that come into being without anybody asking over REST: since another device speaks for them, as with ThingsBoard:
//! `additionalInfo.gateway` says who may, `additionalInfo.lastConnectedGateway` says who last did, a relation `Created` who first did.
//!
//! Knows no routes; the port is that of the sessions.

use std::sync::Arc;

use async_trait::async_trait;
use model::entity::{Device, IdRef, Proof, Relation, RelationGroup};
use model::{Clock, DeviceId, EntityKind};
use serde_json::{Value as Json, json};
use session::{ProvisionRequest, Provisioned, RegisterError};
use storage::{Mutation, StorageError, Store};
use tenant::App;

use crate::provision::Provisioner;
use crate::record::{self, check_name};
use crate::seed;
use crate::turns::Turns;

/// The relation from a gateway to a device that it made.
const CREATED: &str = "Created";

/// [`session::Registrar`] by the store.
pub struct Registrar {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// Told when a device changes.
    app: App,
    turns: Turns,
}

impl Registrar {
    /// Makes devices in a store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, app: App) -> Self {
        Registrar {
            store,
            clock,
            app,
            turns: Turns::default(),
        }
    }

    fn provisioner(&self) -> Provisioner<'_> {
        Provisioner {
            store: &*self.store,
            clock: &*self.clock,
            turns: &self.turns,
            app: &self.app,
        }
    }

    async fn find(&self, gateway: DeviceId, name: &str) -> Result<Option<Device>, StorageError> {
        let found = self.store.entity_by_name(gateway.tenant, EntityKind::Device, name).await?;
        found.map(record::read).transpose()
    }

    async fn make(&self, gateway: DeviceId, name: &str, profile: Option<&str>) -> Result<Device, StorageError> {
        let (store, clock) = (&*self.store, &*self.clock);
        let profile = seed::profile(store, clock, gateway.tenant, profile.unwrap_or(seed::DEFAULT_PROFILE)).await?;
        let speaker: Option<Device> = record::find(store, gateway.tenant, gateway.id).await?;
        let mut device = Device {
            id: None,
            created_time: 0,
            tenant_id: None,
            customer_id: speaker.and_then(|speaker| speaker.customer_id),
            name: name.to_owned(),
            device_type: profile.name,
            label: None,
            device_profile_id: profile.id,
            device_data: None,
            additional_info: Some(json!({"lastConnectedGateway": gateway.id})),
            version: None,
        };
        let made = seed::save_new_device(store, clock, gateway.tenant, &mut device, Proof::token(&seed::random_token())).await?;
        self.relate(gateway, made).await?;
        Ok(device)
    }

    /// Writes down who made a device.
    async fn relate(&self, gateway: DeviceId, made: DeviceId) -> Result<(), StorageError> {
        let relation = Relation {
            from: gateway.into(),
            to: made.into(),
            relation_type: CREATED.to_owned(),
            type_group: RelationGroup::Common,
            additional_info: None,
        };
        let mutation = Mutation::PutRelation {
            tenant: gateway.tenant,
            relation: Arc::new(relation),
        };
        self.store.submit(vec![mutation]).await?.await
    }

    /// Writes down who last spoke for a device. Somebody else who saves it at the same time wins: it is said again next time.
    async fn note(&self, gateway: DeviceId, mut device: Device) -> Result<(), StorageError> {
        let id = gateway.id.to_string();
        let known = device
            .additional_info
            .as_ref()
            .and_then(|info| info["lastConnectedGateway"].as_str());
        if known == Some(&id) {
            return Ok(());
        }
        let mut info = match device.additional_info.take() {
            Some(Json::Object(info)) => info,
            _ => serde_json::Map::new(),
        };
        info.insert("lastConnectedGateway".to_owned(), id.into());
        device.additional_info = Some(info.into());
        let (Some(own), base) = (device.id, device.version.unwrap_or(1)) else {
            return Ok(());
        };
        match record::save(&*self.store, gateway.tenant, own.id, base, &mut device).await {
            Ok(()) => self.app.device_changed(DeviceId::new(gateway.tenant, own.id)).await,
            Err(StorageError::VersionConflict { .. } | StorageError::NotFound) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

#[async_trait]
impl session::Registrar for Registrar {
    async fn is_gateway(&self, device: DeviceId) -> Result<bool, RegisterError> {
        let found: Option<Device> = record::find(&*self.store, device.tenant, device.id).await.map_err(unavailable)?;
        let info = found.and_then(|device| device.additional_info);
        Ok(info.is_some_and(|info| info["gateway"] == json!(true)))
    }

    async fn device_behind(&self, gateway: DeviceId, name: &str, profile: Option<&str>) -> Result<DeviceId, RegisterError> {
        let checked = check_name("Device", "name", name).and_then(|()| check_name("Device profile", "name", profile.unwrap_or("default")));
        checked.map_err(|error| RegisterError::Invalid(error.to_string()))?;
        let device = match self.find(gateway, name).await.map_err(unavailable)? {
            Some(device) => device,
            None => match self.make(gateway, name, profile).await {
                Ok(device) => device,
                // Another session made it in between.
                Err(StorageError::NameTaken(_)) => {
                    let made = self.find(gateway, name).await.map_err(unavailable)?;
                    made.ok_or_else(|| RegisterError::Unavailable("the device comes and goes".to_owned()))?
                }
                Err(error) => return Err(unavailable(error)),
            },
        };
        let Some(IdRef { id, .. }) = device.id else {
            return Err(RegisterError::Unavailable("a stored device has no id".to_owned()));
        };
        self.note(gateway, device).await.map_err(unavailable)?;
        Ok(DeviceId::new(gateway.tenant, id))
    }

    async fn device_of_chain(&self, chain: &[Vec<u8>]) -> Result<Option<DeviceId>, RegisterError> {
        self.provisioner().of_chain(chain).await.map_err(unavailable)
    }

    async fn provision(&self, request: &ProvisionRequest) -> Result<Provisioned, RegisterError> {
        self.provisioner().answer(request).await.map_err(unavailable)
    }
}

fn unavailable(error: StorageError) -> RegisterError {
    tracing::warn!(%error, "a device could not be registered");
    RegisterError::Unavailable(error.to_string())
}
