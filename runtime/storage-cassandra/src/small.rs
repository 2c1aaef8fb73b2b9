//! Small tables: what users log in with, by e-mail, the values the system keeps for itself, and the devices it has to think of. The first
//! two are found without a tenant, and decided by transactions.

use async_trait::async_trait;
use model::{DeviceId, TenantId};
use storage::text::{check, storable};
use storage::{Login, LoginStore, ReminderStore, SettingStore, StorageError};
use uuid::Uuid;

use crate::queries::Query;
use crate::store::{CassandraStore, parse, text};

#[async_trait]
impl LoginStore for CassandraStore {
    async fn login(&self, email: &str) -> Result<Option<Login>, StorageError> {
        let email = email.to_lowercase();
        if !storable(&email) {
            return Ok(None);
        }
        let row = self.0.driver.first::<(String,)>(Query::Login, (&email,)).await?;
        row.map(|(body,)| parse("a login", &body)).transpose()
    }

    async fn save_login(&self, mut login: Login) -> Result<(), StorageError> {
        login.email = login.email.to_lowercase();
        check("an e-mail address", &login.email)?;
        self.0.order.check_open()?;
        let (body, email, tenant, user) = (text(&login)?, &login.email, login.user.tenant.0, login.user.id);
        let driver = &self.0.driver;
        if driver.decide(Query::CreateLogin, (&body, tenant, user, email)).await?
            || driver.decide(Query::ReplaceLogin, (&body, email, tenant, user)).await?
        {
            return Ok(());
        }
        match driver.first::<(Uuid, Uuid)>(Query::LoginState, (email,)).await? {
            Some(owner) if owner != (tenant, user) => Err(StorageError::NameTaken(login.email)),
            _ => Err(StorageError::Unavailable("somebody else changes the same login")),
        }
    }

    async fn delete_login(&self, email: &str) -> Result<(), StorageError> {
        let email = email.to_lowercase();
        if !storable(&email) {
            return Ok(());
        }
        self.0.order.check_open()?;
        self.0.driver.decide(Query::DeleteLogin, (&email,)).await.map(drop)
    }
}

const NAME: &str = "the name of a setting";

#[async_trait]
impl SettingStore for CassandraStore {
    async fn setting(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        if !storable(name) {
            return Ok(None);
        }
        let row = self.0.driver.first::<(Vec<u8>,)>(Query::Setting, (name,)).await?;
        Ok(row.map(|(value,)| value))
    }

    async fn setting_or_init(&self, name: &str, value: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        check(NAME, name)?;
        self.0.order.check_open()?;
        if self.0.driver.decide(Query::CreateSetting, (&value, name)).await? {
            return Ok(value);
        }
        let stored = self.0.driver.first::<(Vec<u8>,)>(Query::SettingState, (name,)).await?;
        let stored = stored.ok_or_else(|| StorageError::Corrupt("a setting is there and is not".into()))?;
        Ok(stored.0)
    }

    async fn save_setting(&self, name: &str, value: Vec<u8>) -> Result<(), StorageError> {
        check(NAME, name)?;
        self.0.order.check_open()?;
        // A transaction, too: between its time and that of a plain write the clocks of two machines would decide.
        if self.0.driver.decide(Query::ReplaceSetting, (&value, name)).await?
            || self.0.driver.decide(Query::CreateSetting, (&value, name)).await?
            || self.0.driver.decide(Query::ReplaceSetting, (&value, name)).await?
        {
            return Ok(());
        }
        Err(StorageError::Unavailable("somebody else changes the same setting"))
    }
}

#[async_trait]
impl ReminderStore for CassandraStore {
    /// Reads the whole table, on all nodes: once, when a server starts.
    async fn reminders(&self) -> Result<Vec<DeviceId>, StorageError> {
        let rows = self
            .0
            .driver
            .rows::<(Uuid, Uuid)>("devices with something to do", Query::Reminders, ())
            .await?;
        Ok(rows
            .into_iter()
            .map(|(tenant, device)| DeviceId::new(TenantId(tenant), device))
            .collect())
    }
}
