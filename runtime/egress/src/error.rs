//! Why a request was not answered, by what one can do about it. No text quotes more of a request than scheme, host and port.

/// A request's failure.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EgressError {
    /// The request makes no sense: the node or its configuration is at fault.
    #[error("{0}")]
    Invalid(String),
    /// It may not be sent.
    #[error("{0}")]
    Refused(String),
    /// The tenant has too many requests under way.
    #[error("the tenant has {max} requests to servers outside under way, as many as it may")]
    Busy {
        /// How many there may be.
        max: usize,
    },
    /// The tenant has too many connections to brokers, all of them in use.
    #[error("the tenant has {max} connections to brokers in use, as many as it may")]
    Crowded {
        /// How many there may be.
        max: usize,
    },
    /// The server was not reached.
    #[error("{origin} was not reached: {reason}")]
    Unreachable {
        /// Scheme, host and port.
        origin: String,
        /// In words.
        reason: String,
    },
    /// The answer is late.
    #[error("{origin} did not answer within {timeout_ms} ms")]
    Timeout {
        /// Scheme, host and port.
        origin: String,
        /// Time it had.
        timeout_ms: u64,
    },
    /// The answer is larger than it may be.
    #[error("the answer of {origin} is larger than {bytes_max} bytes")]
    TooLarge {
        /// Scheme, host and port.
        origin: String,
        /// Bytes it may have.
        bytes_max: usize,
    },
    /// The answer is none.
    #[error("the answer of {origin} is not understood: {reason}")]
    Broken {
        /// Scheme, host and port.
        origin: String,
        /// In words.
        reason: String,
    },
    /// A broker may have got it, or not.
    #[error("{origin} did not acknowledge it: {reason}")]
    Unacknowledged {
        /// Scheme, host and port.
        origin: String,
        /// In words.
        reason: String,
    },
    /// Something is wrong here.
    #[error("the list of servers that may be reached cannot be read: {0}")]
    Storage(#[from] storage::StorageError),
}
