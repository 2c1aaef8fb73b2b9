//! The service: a tenant's secrets by name.

use std::sync::Arc;

use model::entity::EntityRecord;
use model::{EntityId, EntityKind, Page, PageRequest, TenantId};
use serde::{Deserialize, Serialize};
use storage::{EntityFilter, StorageError, Store};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::error::SecretError;
use crate::key::Key;
use crate::seal::{open, seal};

/// Secrets of a tenant at most.
pub const SECRETS_MAX: u64 = 200;
/// Bytes of a name at most.
pub const NAME_BYTES_MAX: usize = 64;
/// Bytes of a value at most.
pub const VALUE_BYTES_MAX: usize = 8 * 1024;

/// The setting with a text that the store's first server sealed.
const PROOF: &str = "secrets-key-proof";

/// What is told of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretInfo {
    /// Its name.
    pub name: String,
    /// When it was set, milliseconds since 1970-01-01 UTC.
    pub set_time: i64,
}

/// What is stored of a secret.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    /// What stores sort by.
    created_time: i64,
    sealed: String,
}

/// The service. Clones share it.
#[derive(Clone)]
pub struct Vault {
    store: Arc<dyn Store>,
    key: Key,
}

impl Vault {
    /// Of a store, with the key that its secrets are sealed with.
    pub fn new(store: Arc<dyn Store>, key: Key) -> Self {
        Vault { store, key }
    }

    /// Whether the key is the one with which the first server of this store seals. Servers that share a store must share the key: what one
    /// of them sealed, another opens.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn has_the_key(&self) -> Result<bool, SecretError> {
        let sealed = seal(&self.key, TenantId::SYSTEM, PROOF, PROOF).unwrap_or_default();
        let first = self.store.setting_or_init(PROOF, sealed.into_bytes()).await?;
        let first = String::from_utf8(first).unwrap_or_default();
        Ok(open(&self.key, TenantId::SYSTEM, PROOF, &first).is_some())
    }

    /// Sets a secret; an older value is gone. Durable when it returns.
    ///
    /// # Errors
    /// [`SecretError`]; [`SecretError::Conflict`] when somebody else set it in between.
    pub async fn set(&self, tenant: TenantId, name: &str, value: &str, now_ms: i64) -> Result<(), SecretError> {
        check_name(name)?;
        if value.is_empty() || value.len() > VALUE_BYTES_MAX {
            return Err(SecretError::Invalid(format!("a secret has 1 to {VALUE_BYTES_MAX} bytes")));
        }
        let there = self.store.entity_by_name(tenant, EntityKind::Secret, name).await?;
        if there.is_none() {
            let page = PageRequest::first(1);
            let all = self
                .store
                .entities(tenant, EntityKind::Secret, &EntityFilter::default(), &page)
                .await?;
            if all.total_elements >= SECRETS_MAX {
                return Err(SecretError::TooMany { max: SECRETS_MAX });
            }
        }
        let sealed = seal(&self.key, tenant, name, value).ok_or_else(|| SecretError::Invalid("the secret is too long".to_owned()))?;
        let stored = Stored {
            created_time: now_ms,
            sealed,
        };
        let (id, version) = there.map_or_else(|| (new_id(tenant), 0), |record| (record.id, record.version));
        let record = EntityRecord {
            id,
            version,
            name: name.to_owned(),
            subtype: String::new(),
            customer: None,
            body: serde_json::to_value(stored).map_err(|error| StorageError::Failed(error.to_string()))?,
        };
        match self.store.save_entity(record).await {
            Ok(_) => Ok(()),
            Err(StorageError::NameTaken(_) | StorageError::VersionConflict { .. } | StorageError::NotFound) => {
                Err(SecretError::Conflict(name.to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A page of a tenant's secrets, without their values.
    ///
    /// # Errors
    /// When what is stored cannot be read.
    pub async fn list(&self, tenant: TenantId, page: &PageRequest) -> Result<Page<SecretInfo>, SecretError> {
        let found = self
            .store
            .entities(tenant, EntityKind::Secret, &EntityFilter::default(), page)
            .await?;
        Ok(found.map(|record| SecretInfo {
            set_time: record.body["createdTime"].as_i64().unwrap_or_default(),
            name: record.name,
        }))
    }

    /// Removes a secret. False: there was none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn delete(&self, tenant: TenantId, name: &str) -> Result<bool, SecretError> {
        match self.store.entity_by_name(tenant, EntityKind::Secret, name).await? {
            Some(record) => Ok(self.store.delete_entity(record.id).await?),
            None => Ok(false),
        }
    }

    /// The value, for what is sent now. The caller keeps it no longer than that.
    ///
    /// # Errors
    /// [`SecretError::NotFound`], [`SecretError::Sealed`].
    pub async fn reveal(&self, tenant: TenantId, name: &str) -> Result<Zeroizing<String>, SecretError> {
        let record = self.store.entity_by_name(tenant, EntityKind::Secret, name).await?;
        let record = record.ok_or_else(|| SecretError::NotFound(name.chars().take(NAME_BYTES_MAX).collect()))?;
        let sealed = || SecretError::Sealed(name.to_owned());
        let stored: Stored = serde_json::from_value(record.body).map_err(|_| sealed())?;
        open(&self.key, tenant, name, &stored.sealed).ok_or_else(sealed)
    }
}

fn new_id(tenant: TenantId) -> EntityId {
    EntityId::new(tenant, EntityKind::Secret, Uuid::now_v7())
}

/// Names stand in configurations, inside `${secret:…}`.
fn check_name(name: &str) -> Result<(), SecretError> {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(fine) {
        return Ok(());
    }
    Err(SecretError::Invalid(format!(
        "the name of a secret has 1 to {NAME_BYTES_MAX} letters, digits, '-', '_' or '.'"
    )))
}

#[cfg(test)]
mod tests;
