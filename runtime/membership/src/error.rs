//! What can go wrong among the servers of a cluster.

use peers::handshake::Speaks;

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
    /// The server does not know what the cluster writes.
    #[error(
        "the cluster speaks version {cluster}, for good, and this server {speaks}: start the program that the other servers run, \
         and do not hold it back by cluster-version"
    )]
    TooOld {
        /// What the server speaks.
        speaks: Speaks,
        /// What the cluster writes.
        cluster: u32,
    },
    /// The server does not know any more what the cluster writes.
    #[error(
        "the cluster speaks version {cluster} still, and this server {speaks}: upgrade the servers to a version in between first, \
         or have those that stay down leave"
    )]
    TooNew {
        /// What the server speaks.
        speaks: Speaks,
        /// What the cluster writes.
        cluster: u32,
    },
    /// A change that servers of the cluster could not read.
    #[error("the cluster speaks version {0} still, which has no word for this")]
    NotYet(u32),
    /// Another server has said no, and would again.
    #[error("{0}")]
    Refused(String),
}

impl MembershipError {
    /// Why a server that does not speak what its cluster writes cannot be part of it.
    pub(crate) fn misfit(speaks: Speaks, cluster: u32) -> Self {
        match speaks.max < cluster {
            true => MembershipError::TooOld { speaks, cluster },
            false => MembershipError::TooNew { speaks, cluster },
        }
    }
}
