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
use zeroize::Zeroizing;

pub use allowance::Allowances;
pub use mail::{Mail, MailSettings};
pub use sms::SmsSettings;

/// What a publish of a node names instead of a broker, before the name of a service.
pub(crate) const SERVER: &str = "server:";

/// Settings that are kept as one secret of the system's.
pub trait Kept: Sized {
    /// Under which name.
    const NAME: &'static str;

    /// All of them, with what is secret.
    fn sealed(&self) -> Json;

    /// Those that [`Kept::sealed`] made a text of.
    ///
    /// # Errors
    /// What is wrong, in words.
    fn unsealed(json: &Json) -> Result<Self, String>;

    /// Those that are kept; none: they were never set.
    ///
    /// # Errors
    /// When they cannot be read.
    fn kept(vault: &Vault) -> impl Future<Output = Result<Option<Self>, SecretError>> + Send {
        async {
            let text = match vault.reveal(TenantId::SYSTEM, Self::NAME).await {
                Ok(text) => text,
                Err(SecretError::NotFound(_)) => return Ok(None),
                Err(error) => return Err(error),
            };
            // What was sealed is what was written here.
            let read = serde_json::from_str(&text).ok().and_then(|json| Self::unsealed(&json).ok());
            read.map(Some).ok_or_else(|| SecretError::Sealed(Self::NAME.to_owned()))
        }
    }

    /// Keeps them; others are gone. Durable when it returns.
    ///
    /// # Errors
    /// When they cannot be stored.
    fn keep(&self, vault: &Vault, now_ms: i64) -> impl Future<Output = Result<(), SecretError>> + Send {
        let text = Zeroizing::new(self.sealed().to_string());
        async move { vault.set(TenantId::SYSTEM, Self::NAME, &text, now_ms).await }
    }
}
