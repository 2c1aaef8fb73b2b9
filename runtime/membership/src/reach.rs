//! Channels to other servers, by address. A channel connects when it is used, and again whenever that is needed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use peers::ClusterTls;
use peers::wire::membership_client::MembershipClient;
use peers::wire::raft_client::RaftClient;
use tonic::transport::Channel;

use crate::MembershipError;
use crate::state::PEERS_MAX;

/// Clones share everything.
#[derive(Clone)]
pub(crate) struct Reach {
    tls: ClusterTls,
    keep_alive: Duration,
    channels: Arc<Mutex<HashMap<String, Channel>>>,
}

impl Reach {
    pub(crate) fn new(tls: ClusterTls, keep_alive: Duration) -> Self {
        Reach {
            tls,
            keep_alive,
            channels: Arc::default(),
        }
    }

    pub(crate) fn membership(&self, address: &str) -> Result<MembershipClient<Channel>, MembershipError> {
        Ok(MembershipClient::new(self.channel(address)?))
    }

    pub(crate) fn raft(&self, address: &str) -> Result<RaftClient<Channel>, MembershipError> {
        Ok(RaftClient::new(self.channel(address)?))
    }

    fn channel(&self, address: &str) -> Result<Channel, MembershipError> {
        let mut channels = self.channels.lock();
        if let Some(channel) = channels.get(address) {
            return Ok(channel.clone());
        }
        let channel = self.tls.channel(address, self.keep_alive).map_err(|error| MembershipError::Peer {
            address: address.to_owned(),
            reason: error.to_string(),
        })?;
        // Servers that moved leave their old addresses behind.
        if channels.len() >= PEERS_MAX {
            channels.clear();
        }
        channels.insert(address.to_owned(), channel.clone());
        Ok(channel)
    }
}

/// What another server said instead of an answer.
pub(crate) fn refused(address: &str, status: &tonic::Status) -> MembershipError {
    if status.code() == tonic::Code::FailedPrecondition {
        return MembershipError::Refused(status.message().to_owned());
    }
    MembershipError::Peer {
        address: address.to_owned(),
        reason: status.message().to_owned(),
    }
}
