//! What can go wrong while a tenant is served.

use storage::StorageError;

/// Why a tenant cannot be served.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TenantError {
    /// Its chains could not be read.
    #[error("the tenant's rule chains could not be read: {0}")]
    Storage(#[from] StorageError),
    /// Its actor is gone: the server is stopping.
    #[error("the server is stopping")]
    Stopping,
}
