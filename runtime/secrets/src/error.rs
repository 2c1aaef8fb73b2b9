//! What can go wrong with a secret. No text has a value.

use std::path::PathBuf;

use storage::StorageError;

/// Why a secret was not kept or not revealed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SecretError {
    /// The name or the value is none that is taken.
    #[error("{0}")]
    Invalid(String),
    /// The tenant has as many as it may.
    #[error("a tenant has {max} secrets at most")]
    TooMany {
        /// How many.
        max: u64,
    },
    /// There is none of that name.
    #[error("the tenant has no secret {0:?}: its administrator sets it (POST /api/plugins/secrets)")]
    NotFound(String),
    /// It was sealed for somebody else, with another key, or was changed in the store.
    #[error("the secret {0:?} cannot be opened with this server's key: set it again")]
    Sealed(String),
    /// Somebody else changed it at the same time.
    #[error("the secret {0:?} was changed at the same time")]
    Conflict(String),
    /// The key's file cannot be used.
    #[error("the key file {path}: {reason}")]
    Key {
        /// Which.
        path: PathBuf,
        /// In words.
        reason: String,
    },
    /// The store failed.
    #[error("secrets cannot be read or written: {0}")]
    Storage(#[source] StorageError),
}

impl From<StorageError> for SecretError {
    fn from(error: StorageError) -> Self {
        SecretError::Storage(error)
    }
}
