//! What can go wrong before a device's actor runs.

use storage::StorageError;

/// Why a device cannot be served.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DeviceError {
    /// It does not exist.
    #[error("no such device")]
    NotFound,
    /// Its record could not be read.
    #[error("the device could not be loaded: {0}")]
    Storage(#[from] StorageError),
    /// Its record is not a device's.
    #[error("the device's record cannot be read")]
    Corrupt,
    /// As many devices as allowed are awake.
    #[error("too many devices are active")]
    TooMany,
}
