//! What can go wrong among the servers of a cluster.

/// Why a server does not belong, or a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// The folder cannot be read or written.
    #[error("what the servers agree on cannot be kept in {0}")]
    Store(std::path::PathBuf, #[source] fjall::Error),
    /// What is in the folder makes no sense.
    #[error("the record {0:?} of the cluster's folder cannot be read")]
    Record(&'static str, #[source] serde_json::Error),
    /// Times under which two servers could own a device.
    #[error("a lease could outlast the time after which its server is given up")]
    Timing,
    /// The agreement stopped.
    #[error("the servers cannot agree: {0}")]
    Raft(String),
    /// Another server did not answer, or not well.
    #[error("{address} did not answer: {reason}")]
    Peer {
        /// Which.
        address: String,
        /// What was said.
        reason: String,
    },
    /// Nobody leads now: try again.
    #[error("the cluster has no leader now")]
    NoLeader,
    /// There is no such server.
    #[error("the cluster has no server with this number")]
    Unknown,
    /// There are as many servers as there may be.
    #[error("the cluster takes no more servers")]
    Full,
}
