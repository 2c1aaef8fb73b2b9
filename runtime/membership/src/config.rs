//! What a server has to know to belong to a cluster.

use std::path::PathBuf;
use std::time::Duration;

use cluster::LeaseTiming;
use openraft::SnapshotPolicy;
use peers::ClusterTls;
use peers::handshake::Speaks;

use crate::state::Server;

/// Entries of the log after which a snapshot is taken, and those kept behind it for servers that lag.
const LOGS_PER_SNAPSHOT: u64 = 500;
const LOGS_KEPT: u64 = 100;

/// See the module.
#[derive(Clone)]
pub struct MembershipConfig {
    /// Folder for what is agreed on.
    pub dir: PathBuf,
    /// How others reach this server, and its share.
    pub server: Server,
    /// A server of the cluster to join; none: a cluster is founded. Only at a server's first start.
    pub join: Option<String>,
    /// Certificates.
    pub tls: ClusterTls,
    /// Times.
    pub timing: LeaseTiming,
}

impl MembershipConfig {
    /// What this server speaks, as it tells the others.
    pub(crate) fn speaks(&self) -> Speaks {
        Speaks::told(&self.server.version)
    }

    pub(crate) fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.timing.heartbeat_ms)
    }

    /// A leader must be elected, and have renewed leases, before those of its predecessor end.
    pub(crate) fn raft(&self) -> openraft::Config {
        let heartbeat_ms = self.timing.heartbeat_ms;
        openraft::Config {
            cluster_name: "pacificsoft".to_owned(),
            heartbeat_interval: heartbeat_ms / 2,
            election_timeout_min: heartbeat_ms * 2,
            election_timeout_max: heartbeat_ms * 7 / 2,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(LOGS_PER_SNAPSHOT),
            max_in_snapshot_log_to_keep: LOGS_KEPT,
            ..openraft::Config::default()
        }
    }
}
