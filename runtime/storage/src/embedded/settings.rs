//! Small values the system keeps for itself.

use async_trait::async_trait;

use super::tables::Table;
use super::{EmbeddedStore, keys};
use crate::{SettingStore, StorageError};

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
