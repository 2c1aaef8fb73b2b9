//! Why an effect was not performed. The message leaves along `Failure` with the text.

use storage::StorageError;

/// An effect's failure.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EffectError {
    /// What the node asked for makes no sense; the node's author or its configuration is at fault.
    #[error("{0}")]
    Invalid(String),
    /// The store did not take it.
    #[error("the values could not be stored: {0}")]
    Storage(#[source] StorageError),
    /// The device did not take it, or did not answer.
    #[error("{0}")]
    Rpc(#[from] cluster::RpcError),
    /// The device's actor did not take it, or it did not become durable.
    #[error("{0}")]
    Settle(#[from] cluster::SettleError),
    /// The server outside was not asked, or did not answer.
    #[error("{0}")]
    Outside(#[from] egress::EgressError),
    /// A secret that it needs is not to be had.
    #[error("{0}")]
    Secret(#[from] secrets::SecretError),
}

impl From<StorageError> for EffectError {
    fn from(error: StorageError) -> Self {
        EffectError::Storage(error)
    }
}
