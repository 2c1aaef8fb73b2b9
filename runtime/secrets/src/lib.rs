//! Secrets of tenants: kept sealed, named in configurations, opened at the last moment by whoever sends something.
//!
//! 1. [`key`] – the key of the server, a file beside what it stores,
//! 2. [`seal`] – pure: from a value to what is stored, and back,
//! 3. [`vault`] – the service: set, list names, delete, reveal.
//!
//! A value is given in once and never shown again: no answer of the API, no guest, no log line and no error has it. This crate does not
//! know what secrets are for.

pub mod error;
pub mod key;
pub mod seal;
pub mod vault;

pub use error::SecretError;
pub use key::Key;
pub use vault::{SecretInfo, Vault};
