//! Devices that come to credentials by themselves, as their profile allows. Knows no protocol: sessions ask through their port.
//!
//! 1. [`keys`] – which profile a key names, in the whole system,
//! 2. [`chain`] – devices whose certificates an authority has signed.

pub(crate) mod chain;
pub(crate) mod keys;

use std::sync::Arc;

use cluster::Notice;
use model::entity::{Device, DeviceCredentials, DeviceProfile, Proof, Strategy};
use model::{AttributeScope, Clock, DeviceId, EntityKind, MessageKind, Metadata, Payload, TenantId, Value};
use serde_json::{Value as Json, json};
use session::{ProvisionRequest, Provisioned};
use storage::{Mutation, StorageError, Store};
use tenant::App;

use crate::record::{self, check_name};
use crate::seed;
use crate::turns::Turns;

/// The server attribute that says that a device has its credentials.
const STATE: &str = "provisionState";
/// What it says.
const PROVISIONED: &str = "provisioned";

/// Why a device gets no credentials.
enum Refused {
    /// It cannot be as it wants to be.
    Failure,
    /// It is there already.
    There(DeviceId),
    /// Its profile has no such device.
    NotFound,
    Store(StorageError),
}

impl From<StorageError> for Refused {
    fn from(error: StorageError) -> Self {
        match error {
            // The name or the token is somebody's: whose, nobody is told.
            StorageError::NameTaken(_) | StorageError::CredentialsTaken => Refused::Failure,
            other => Refused::Store(other),
        }
    }
}

/// What a device is made, or found, with.
pub(crate) struct Provisioner<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) turns: &'a Turns,
    /// Told what became of a device.
    pub(crate) app: &'a App,
}

impl Provisioner<'_> {
    /// Answers a device that has no credentials yet.
    pub(crate) async fn answer(&self, request: &ProvisionRequest) -> Result<Provisioned, StorageError> {
        match self.give(request).await {
            Ok((device, proof)) => {
                self.tell(device, MessageKind::ProvisionSuccess, asked(request)).await;
                Ok(Provisioned::Success(proof))
            }
            Err(Refused::There(device)) => {
                self.tell(device, MessageKind::ProvisionFailure, asked(request)).await;
                Ok(Provisioned::Failure)
            }
            Err(Refused::Failure) => Ok(Provisioned::Failure),
            Err(Refused::NotFound) => Ok(Provisioned::NotFound),
            Err(Refused::Store(error)) => Err(error),
        }
    }

    /// Tells the device's rule chain.
    async fn tell(&self, device: DeviceId, kind: MessageKind, payload: Json) {
        let notice = Notice {
            kind,
            metadata: Metadata::from_iter([("tenantId", device.tenant.to_string().as_str())]),
            payload: Payload::new(payload),
        };
        self.app.notice(device.entity(), notice).await;
    }

    async fn give(&self, request: &ProvisionRequest) -> Result<(DeviceId, Proof), Refused> {
        let found = keys::find(self.store, &request.provision_device_key).await?;
        let (tenant, profile) = found.ok_or(Refused::NotFound)?;
        let provisioning = profile.provisioning().ok_or(Refused::NotFound)?;
        if !provisioning.opened_by(&request.provision_device_secret) {
            return Err(Refused::NotFound);
        }
        let wanted = request.wanted().map_err(|_| Refused::Failure)?;
        match provisioning.strategy {
            Strategy::Disabled | Strategy::CertificateChain => Err(Refused::NotFound),
            Strategy::CreateNew => self.create(tenant, &profile, request, wanted).await,
            Strategy::CheckPreProvisioned => self.confirm(tenant, &profile, request, wanted).await,
        }
    }

    /// Makes a device. One of the same name must not be there.
    async fn create(
        &self,
        tenant: TenantId,
        profile: &DeviceProfile,
        request: &ProvisionRequest,
        wanted: Option<Proof>,
    ) -> Result<(DeviceId, Proof), Refused> {
        let name = request.device_name.clone().unwrap_or_else(seed::random_token);
        check_name("Device", "name", &name).map_err(|_| Refused::Failure)?;
        let proof = wanted.unwrap_or_else(|| Proof::token(&seed::random_token()));
        let mut device = Device {
            id: None,
            created_time: 0,
            tenant_id: None,
            customer_id: None,
            name,
            device_type: profile.name.clone(),
            label: None,
            device_profile_id: profile.id,
            device_data: None,
            additional_info: (request.gateway == Some(true)).then(|| json!({"gateway": true})),
            version: None,
        };
        let saved = seed::save_new_device(self.store, self.clock, tenant, &mut device, proof.clone()).await;
        let id = match saved {
            Ok(id) => id,
            Err(StorageError::NameTaken(_)) => return Err(self.there(tenant, &device.name).await?),
            Err(error) => return Err(error.into()),
        };
        self.note(id).await?;
        Ok((id, proof))
    }

    /// The device of a name that is taken.
    async fn there(&self, tenant: TenantId, name: &str) -> Result<Refused, StorageError> {
        let found = self.store.entity_by_name(tenant, EntityKind::Device, name).await?;
        Ok(found.map_or(Refused::Failure, |found| Refused::There(DeviceId::new(tenant, found.id.id))))
    }

    /// Gives a device that is there its credentials, once.
    async fn confirm(
        &self,
        tenant: TenantId,
        profile: &DeviceProfile,
        request: &ProvisionRequest,
        wanted: Option<Proof>,
    ) -> Result<(DeviceId, Proof), Refused> {
        let name = request.device_name.as_deref().ok_or(Refused::NotFound)?;
        let found = self.store.entity_by_name(tenant, EntityKind::Device, name).await?;
        let device: Device = found.map(record::read).transpose()?.ok_or(Refused::NotFound)?;
        let id = device.id.map(|id| DeviceId::new(tenant, id.id)).ok_or(Refused::NotFound)?;
        if device.device_profile_id.map(|id| id.id) != profile.id.map(|id| id.id) {
            return Err(Refused::NotFound);
        }
        let _turn = self.turns.take(("credentials", id)).await;
        let known = self
            .store
            .attributes(id.entity(), AttributeScope::ServerScope, Some(&[Arc::from(STATE)]))
            .await?;
        if !known.is_empty() {
            return Err(Refused::There(id));
        }
        let stored = self.store.credentials_of(id).await?;
        let proof = match (wanted, stored) {
            (None, Some(stored)) => Proof {
                credentials_type: stored.credentials_type,
                credentials_id: stored.credentials_id,
                credentials_value: stored.credentials_value,
            },
            (wanted, stored) => {
                let proof = wanted.unwrap_or_else(|| Proof::token(&seed::random_token()));
                self.replace(id, stored, proof.clone()).await?;
                proof
            }
        };
        // Last: a server that stops before this is asked again.
        self.note(id).await?;
        Ok((id, proof))
    }

    /// Gives a device other credentials than it has, if it has any.
    async fn replace(&self, id: DeviceId, stored: Option<DeviceCredentials>, proof: Proof) -> Result<(), StorageError> {
        let mut credentials = seed::new_credentials(id, self.clock.now_ms(), proof);
        if let Some(stored) = stored {
            credentials.id = stored.id;
            credentials.created_time = stored.created_time;
            credentials.version = Some(stored.version.unwrap_or(1) + 1);
        }
        self.store.save_credentials(id.tenant, credentials).await
    }

    /// Writes down that a device has its credentials.
    async fn note(&self, device: DeviceId) -> Result<(), StorageError> {
        let mutation = Mutation::Attributes {
            entity: device.entity(),
            scope: AttributeScope::ServerScope,
            ts_ms: self.clock.now_ms(),
            values: vec![(Arc::from(STATE), Value::Text(PROVISIONED.into()))],
        };
        self.store.submit(vec![mutation]).await?.await
    }
}

/// What a device asked; no secret is part of it.
fn asked(request: &ProvisionRequest) -> Json {
    json!({
        "deviceName": request.device_name,
        "provisionDeviceKey": request.provision_device_key,
        "gateway": request.gateway.unwrap_or(false),
    })
}
