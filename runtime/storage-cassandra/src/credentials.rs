//! Device credentials: a row for each device, decided by transactions, and their ids, claimed in the whole system.

use async_trait::async_trait;
use model::entity::DeviceCredentials;
use model::{DeviceId, TenantId};
use storage::text::{check, storable};
use storage::{CredentialStore, StorageError};
use uuid::Uuid;

use crate::claims::{Claimed, Name, Owner, SAVE_MS_MAX};
use crate::queries::Query;
use crate::store::{CassandraStore, Inner, parse, text};

const WHAT: &str = "credentials";
/// Attempts to replace credentials that others replace at the same time.
const ATTEMPTS: usize = 5;

#[async_trait]
impl CredentialStore for CassandraStore {
    async fn credentials(&self, credentials_id: &str) -> Result<Option<(TenantId, DeviceCredentials)>, StorageError> {
        if !storable(credentials_id) {
            return Ok(None);
        }
        let Some(owner) = self.0.owner(&Name::credentials(credentials_id)).await? else {
            return Ok(None);
        };
        let found = self.0.credentials_of(DeviceId::new(owner.tenant, owner.id)).await?;
        let found = found.filter(|credentials| credentials.credentials_id == credentials_id);
        Ok(found.map(|credentials| (owner.tenant, credentials)))
    }

    async fn credentials_of(&self, device: DeviceId) -> Result<Option<DeviceCredentials>, StorageError> {
        self.0.credentials_of(device).await
    }

    async fn save_credentials(&self, tenant: TenantId, credentials: DeviceCredentials) -> Result<(), StorageError> {
        check("a credentials id", &credentials.credentials_id)?;
        self.0.order.check_open()?;
        self.0
            .save_credentials(DeviceId::new(tenant, credentials.device_id.id), &credentials)
            .await
    }
}

impl Inner {
    async fn credentials_of(&self, device: DeviceId) -> Result<Option<DeviceCredentials>, StorageError> {
        let row = self
            .driver
            .first::<(String, String)>(Query::Credentials, (device.tenant.0, device.id))
            .await?;
        row.map(|(_, body)| parse(WHAT, &body)).transpose()
    }

    /// Id and stamp of what a device has.
    pub(crate) async fn held(&self, tenant: TenantId, device: Uuid) -> Result<Option<(String, Uuid)>, StorageError> {
        self.driver
            .first::<(String, Uuid)>(Query::CredentialsState, (tenant.0, device))
            .await
    }

    async fn save_credentials(&self, device: DeviceId, credentials: &DeviceCredentials) -> Result<(), StorageError> {
        let (id, owner) = (&credentials.credentials_id, owner(device));
        let until_ms = self.clock.now_ms().saturating_add(SAVE_MS_MAX);
        if self.claim(&Name::credentials(id), owner).await? == Claimed::Taken {
            return Err(StorageError::CredentialsTaken);
        }
        let (body, stamp) = (text(credentials)?, Uuid::now_v7());
        for _ in 0..ATTEMPTS {
            if self.clock.now_ms() > until_ms {
                break;
            }
            let old = self.held(device.tenant, device.id).await?;
            let applied = match &old {
                None => {
                    let values = (id, &body, stamp, device.tenant.0, device.id);
                    self.driver.decide(Query::CreateCredentials, values).await?
                }
                Some((_, before)) => {
                    let values = (id, &body, stamp, device.tenant.0, device.id, before);
                    self.driver.decide(Query::ReplaceCredentials, values).await?
                }
            };
            // An attempt that had no answer may have been applied.
            let applied = applied || self.held(device.tenant, device.id).await?.is_some_and(|(_, by)| by == stamp);
            if !applied {
                continue;
            }
            if let Some((old, _)) = old.filter(|(old, _)| old != id) {
                self.release(&Name::credentials(&old), owner).await?;
            }
            return Ok(());
        }
        Err(StorageError::Unavailable("too many change the same credentials"))
    }

    /// Removes what a device has, and frees its id.
    pub(crate) async fn remove_credentials(&self, device: DeviceId) -> Result<(), StorageError> {
        let Some((id, _)) = self.held(device.tenant, device.id).await? else {
            return Ok(());
        };
        self.driver.decide(Query::DeleteCredentials, (device.tenant.0, device.id)).await?;
        self.release(&Name::credentials(&id), owner(device)).await
    }
}

fn owner(device: DeviceId) -> Owner {
    Owner {
        tenant: device.tenant,
        id: device.id,
    }
}
