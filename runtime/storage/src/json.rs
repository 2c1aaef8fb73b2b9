//! The stored form of what is rare: JSON, as the REST API shows it.

use crate::StorageError;

/// The stored form.
///
/// # Errors
/// [`StorageError::Failed`] when the value has no JSON form.
pub fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, StorageError> {
    serde_json::to_vec(value).map_err(|error| StorageError::Failed(format!("cannot be written as JSON: {error}")))
}

/// A value of its stored form; `what` names it.
///
/// # Errors
/// [`StorageError::Corrupt`]
pub fn from_json<'a, T: serde::Deserialize<'a>>(what: &str, bytes: &'a [u8]) -> Result<T, StorageError> {
    serde_json::from_slice(bytes).map_err(|error| StorageError::Corrupt(format!("{what}: {error}")))
}
