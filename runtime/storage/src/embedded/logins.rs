//! What users log in with, by e-mail.

use async_trait::async_trait;

use super::apply::{from_json, json};
use super::tables::Table;
use super::{EmbeddedStore, keys};
use crate::{Login, LoginStore, StorageError};

#[async_trait]
impl LoginStore for EmbeddedStore {
    async fn login(&self, email: &str) -> Result<Option<Login>, StorageError> {
        let email = email.to_lowercase();
        if !keys::storable(&email) {
            return Ok(None);
        }
        self.0.tables.get(Table::Logins, email)?.map(|bytes| from_json("a login", &bytes)).transpose()
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
