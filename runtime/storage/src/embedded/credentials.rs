//! Device credentials, found by their own id in the whole system, and by their device.

use async_trait::async_trait;
use fjall::Slice;
use model::entity::DeviceCredentials;
use model::{DeviceId, EntityId, TenantId};
use uuid::Uuid;

use super::apply::{from_json, json};
use super::change::Change;
use super::tables::{Table, Tables};
use super::{EmbeddedStore, keys};
use crate::{CredentialStore, StorageError};

#[async_trait]
impl CredentialStore for EmbeddedStore {
    async fn credentials(&self, credentials_id: &str) -> Result<Option<(TenantId, DeviceCredentials)>, StorageError> {
        if !keys::storable(credentials_id) {
            return Ok(None);
        }
        self.0
            .tables
            .get(Table::Credentials, credentials_id)?
            .map(|bytes| decode(&bytes))
            .transpose()
    }

    async fn credentials_of(&self, device: DeviceId) -> Result<Option<DeviceCredentials>, StorageError> {
        of(&self.0.tables, device)
    }

    async fn save_credentials(&self, tenant: TenantId, credentials: DeviceCredentials) -> Result<(), StorageError> {
        keys::check("a credentials id", &credentials.credentials_id)?;
        self.command(move |change| save(change, tenant, &credentials)).await
    }
}

/// The credentials of a device.
pub(super) fn of(tables: &Tables, device: DeviceId) -> Result<Option<DeviceCredentials>, StorageError> {
    // Both rows of the same moment: in between the credentials could be replaced.
    let moment = tables.moment();
    let Some(id) = moment.get(Table::DeviceCredentials, keys::of_tenant(device.tenant, device.id))? else {
        return Ok(None);
    };
    let stored = moment.get(Table::Credentials, id)?;
    stored.map(|bytes| decode(&bytes).map(|(_, credentials)| credentials)).transpose()
}

fn save(change: &mut Change, tenant: TenantId, credentials: &DeviceCredentials) -> Result<(), StorageError> {
    let device = EntityId::new(tenant, model::EntityKind::Device, credentials.device_id.id);
    if let Some(bytes) = change.get(Table::Credentials, &credentials.credentials_id)? {
        let (owner, stored) = decode(&bytes)?;
        if (owner, stored.device_id.id) != (tenant, device.id) {
            return Err(StorageError::CredentialsTaken);
        }
    }
    if let Some(old) = of_device(change, device)?.filter(|old| **old != *credentials.credentials_id.as_bytes()) {
        change.remove(Table::Credentials, old);
    }
    change.put(
        Table::DeviceCredentials,
        keys::of_tenant(tenant, device.id),
        &*credentials.credentials_id,
    );
    change.put(Table::Credentials, &*credentials.credentials_id, encode(tenant, credentials)?);
    Ok(())
}

/// The id of a device's credentials.
pub(super) fn of_device(change: &mut Change, device: EntityId) -> Result<Option<Slice>, StorageError> {
    change.get(Table::DeviceCredentials, keys::of_tenant(device.tenant, device.id))
}

fn encode(tenant: TenantId, credentials: &DeviceCredentials) -> Result<Vec<u8>, StorageError> {
    let mut bytes = tenant.0.as_bytes().to_vec();
    bytes.append(&mut json(credentials)?);
    Ok(bytes)
}

fn decode(bytes: &[u8]) -> Result<(TenantId, DeviceCredentials), StorageError> {
    let (tenant, rest) = bytes
        .split_first_chunk()
        .ok_or_else(|| StorageError::Corrupt("credentials are too short".into()))?;
    Ok((TenantId(Uuid::from_bytes(*tenant)), from_json("credentials", rest)?))
}
