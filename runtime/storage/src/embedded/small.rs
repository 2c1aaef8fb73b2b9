//! Small tables: what users log in with, by e-mail, the values the system keeps for itself, and the devices it has to think of.

use async_trait::async_trait;
use model::{DeviceId, TenantId};

use super::apply::{from_json, json};
use super::tables::{Table, capped};
use super::{EmbeddedStore, keys};
use crate::{Login, LoginStore, ReminderStore, Row, RowStore, SettingStore, StorageError};

#[async_trait]
impl LoginStore for EmbeddedStore {
    async fn login(&self, email: &str) -> Result<Option<Login>, StorageError> {
        let email = email.to_lowercase();
        if !keys::storable(&email) {
            return Ok(None);
        }
        self.0
            .tables
            .get(Table::Logins, email)?
            .map(|bytes| from_json("a login", &bytes))
            .transpose()
    }

    async fn save_login(&self, mut login: Login) -> Result<(), StorageError> {
        login.email = login.email.to_lowercase();
        keys::check("an e-mail address", &login.email)?;
        self.command(move |change| {
            if let Some(bytes) = change.get(Table::Logins, &login.email)? {
                let stored: Login = from_json("a login", &bytes)?;
                if stored.user != login.user {
                    return Err(StorageError::NameTaken(login.email));
                }
            }
            change.put(Table::Logins, &*login.email, json(&login)?);
            Ok(())
        })
        .await
    }

    async fn delete_login(&self, email: &str) -> Result<(), StorageError> {
        let email = email.to_lowercase();
        if !keys::storable(&email) {
            return Ok(());
        }
        self.command(move |change| {
            change.remove(Table::Logins, email);
            Ok(())
        })
        .await
    }
}

const NAME: &str = "the name of a setting";

#[async_trait]
impl SettingStore for EmbeddedStore {
    async fn setting(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        if !keys::storable(name) {
            return Ok(None);
        }
        Ok(self.0.tables.get(Table::Settings, name)?.map(|value| value.to_vec()))
    }

    async fn setting_or_init(&self, name: &str, value: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        keys::check(NAME, name)?;
        let name = name.to_owned();
        self.command(move |change| match change.get(Table::Settings, &name)? {
            Some(stored) => Ok(stored.to_vec()),
            None => {
                change.put(Table::Settings, name, &value);
                Ok(value)
            }
        })
        .await
    }

    async fn save_setting(&self, name: &str, value: Vec<u8>) -> Result<(), StorageError> {
        keys::check(NAME, name)?;
        let name = name.to_owned();
        self.command(move |change| {
            change.put(Table::Settings, name, value);
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl RowStore for EmbeddedStore {
    async fn save_row(&self, _: TenantId, row: Row) -> Result<(), StorageError> {
        Err(StorageError::Unfit(format!(
            "there is no table {}: tables of one's own need a Cassandra, and this server keeps its data in a folder",
            row.table
        )))
    }
}

#[async_trait]
impl ReminderStore for EmbeddedStore {
    async fn reminders(&self) -> Result<Vec<DeviceId>, StorageError> {
        self.scan(|tables| {
            let rows = capped("devices with something to do", tables.prefix(Table::Reminders, &[]));
            rows.map(|row| keys::device_of_tenant(&row?.0)).collect()
        })
        .await
    }
}
