//! What can go wrong for a session, by what its transport answers.

use crate::limits::Exceeded;

/// Why a device was not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// It presented nothing that could be looked up.
    #[error("no credentials")]
    Missing,
    /// Nobody has these credentials.
    #[error("unknown credentials")]
    Unknown,
    /// Too many wrong ones came from there: they are not looked at before some time has passed.
    #[error("too many wrong credentials came from there")]
    TooMany {
        /// Seconds.
        retry_after_s: u64,
    },
    /// They cannot be looked up now.
    #[error("credentials cannot be checked now")]
    Unavailable,
}

/// Why a session was not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The device was deleted.
    #[error("no such device")]
    NoDevice,
    /// The device cannot be served now.
    #[error("the device cannot be served now: {0}")]
    Unavailable(String),
}

/// Why something a device sent was not taken. Nothing of it was handed on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// No such topic or path.
    #[error("no such topic or path")]
    UnknownAddress,
    /// Not what belongs there.
    #[error("{0}")]
    Malformed(String),
    /// The device, or somebody who answers for it, said more than it may.
    #[error("the limit was reached: {}", .0.as_str())]
    RateExceeded(Exceeded),
    /// A gateway speaks for more devices than it may.
    #[error("too many devices behind the gateway")]
    TooManyDevices,
    /// A device behind the gateway cannot be served now: try again.
    #[error("a device behind the gateway cannot be served now: {0}")]
    Unavailable(String),
    /// The adapter failed, not the device.
    #[error("the protocol adapter failed: {0}")]
    Adapter(String),
}

impl From<plugins::DecodeError> for PublishError {
    fn from(error: plugins::DecodeError) -> Self {
        match error {
            plugins::DecodeError::UnknownAddress => PublishError::UnknownAddress,
            plugins::DecodeError::Malformed(reason) => PublishError::Malformed(reason),
            plugins::DecodeError::Adapter(reason) => PublishError::Adapter(reason),
        }
    }
}
