//! Settings of the server that its system administrator makes, and that tenants' nodes use without seeing them.
//!
//! 1. [`fields`] – pure: reading what was given,
//! 2. [`mail`] – the mail server,
//! 3. [`sms`] – the account at a service for text messages; [`smpp`] – the part of one at a center that speaks SMPP,
//! 4. [`allowance`] – how much of it one tenant may use.
//!
//! Each is kept as one secret of the system's, so servers of a cluster share it, and what is stored is sealed as a whole.

mod allowance;
mod fields;
pub mod mail;
mod smpp;
pub mod sms;

#[cfg(test)]
mod tests;

use model::TenantId;
use secrets::{SecretError, Vault};
use serde_json::Value as Json;

pub use allowance::Allowances;
pub use mail::{Mail, MailSettings};
pub use sms::SmsSettings;

/// What a publish of a node names instead of a broker, before the name of a service.
pub(crate) const SERVER: &str = "server:";

/// What is kept under a name; none: it was never set.
async fn kept(vault: &Vault, name: &str) -> Result<Option<Json>, SecretError> {
    match vault.reveal(TenantId::SYSTEM, name).await {
        // What was sealed is what was written here.
        Ok(text) => serde_json::from_str(&text)
            .map(Some)
            .map_err(|_| SecretError::Sealed(name.to_owned())),
        Err(SecretError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Keeps something under a name. Durable when it returns.
async fn keep(vault: &Vault, name: &str, value: &Json, now_ms: i64) -> Result<(), SecretError> {
    let text = zeroize::Zeroizing::new(value.to_string());
    vault.set(TenantId::SYSTEM, name, &text, now_ms).await
}
