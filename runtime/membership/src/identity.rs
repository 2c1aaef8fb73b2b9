//! Which server this is. Kept in its folder: a server that comes back is the same one; one that lost its folder joins as another.

use std::time::Duration;

use cluster::PeerId;
use peers::wire::JoinRequest;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::log_store::LogStore;
use crate::machine;
use crate::reach::{Reach, refused};
use crate::{MembershipConfig, MembershipError};

const RECORD: &str = "identity";
/// The number of the server that founds a cluster.
const FOUNDER: PeerId = PeerId(1);
/// How long a server that is to be joined may take to answer, and how often it is asked.
const JOIN_TIMEOUT: Duration = Duration::from_secs(10);
const JOIN_PAUSE: Duration = Duration::from_millis(500);
const JOIN_ATTEMPTS: u32 = 60;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The server's number.
    pub peer: PeerId,
    /// Its cluster.
    pub cluster: Uuid,
    /// Whether it is to found the cluster, and may not have done so yet.
    pub founds: bool,
}

impl Identity {
    /// The server's identity: as it was, by joining, or by founding.
    ///
    /// # Errors
    /// [`MembershipError`] when the folder cannot be used, nobody answers, or the cluster writes what this server does not speak, as far as it
    /// knows.
    pub async fn establish(store: &LogStore, config: &MembershipConfig) -> Result<Self, MembershipError> {
        if let Some(known) = store.record(RECORD)? {
            let (speaks, cluster) = (config.speaks(), known_version(store)?);
            return if cluster > speaks.max {
                Err(MembershipError::misfit(speaks, cluster))
            } else {
                Ok(known)
            };
        }
        let identity = match &config.join {
            Some(address) => join(address, config).await?,
            None => Identity {
                peer: FOUNDER,
                cluster: Uuid::now_v7(),
                founds: true,
            },
        };
        identity.keep(store).await?;
        Ok(identity)
    }

    /// The cluster is founded.
    pub(crate) async fn founded(mut self, store: &LogStore) -> Result<(), MembershipError> {
        self.founds = false;
        self.keep(store).await
    }

    async fn keep(self, store: &LogStore) -> Result<(), MembershipError> {
        let store = store.clone();
        let kept = tokio::task::spawn_blocking(move || store.put_record(RECORD, &self)).await;
        kept.unwrap_or_else(|error| Err(MembershipError::Raft(error.to_string())))
    }
}

/// The version of the cluster as far as a folder tells.
///
/// # Errors
/// [`MembershipError`] when the folder cannot be read.
pub fn known_version(store: &LogStore) -> Result<u32, MembershipError> {
    machine::known_version(store)
}

/// Asks until it is answered: a cluster that has no leader at the moment has one soon.
async fn join(address: &str, config: &MembershipConfig) -> Result<Identity, MembershipError> {
    let reach = Reach::new(config.tls.clone(), config.heartbeat());
    let request = Uuid::new_v4();
    let mut attempts = 0;
    loop {
        match ask(&reach, address, config, request).await {
            Ok(identity) => return Ok(identity),
            Err(error) if attempts >= JOIN_ATTEMPTS || matches!(error, MembershipError::Refused(_)) => return Err(error),
            Err(error) => tracing::info!(%error, "the cluster was not joined: trying again"),
        }
        attempts += 1;
        tokio::time::sleep(JOIN_PAUSE).await;
    }
}

async fn ask(reach: &Reach, address: &str, config: &MembershipConfig, request: Uuid) -> Result<Identity, MembershipError> {
    let request = JoinRequest {
        address: config.server.address.clone(),
        version: config.server.version.clone(),
        weight: config.server.weight,
        request: request.as_bytes().to_vec().into(),
        passed_on: false,
    };
    let mut client = reach.membership(address)?;
    let silent = |reason: &str| MembershipError::Peer {
        address: address.to_owned(),
        reason: reason.to_owned(),
    };
    let answered = tokio::time::timeout(JOIN_TIMEOUT, client.join(request)).await;
    let reply = answered
        .map_err(|_| silent("no answer in time"))?
        .map_err(|status| refused(address, &status))?
        .into_inner();
    Ok(Identity {
        peer: PeerId(reply.peer),
        cluster: Uuid::from_slice(&reply.cluster).map_err(|_| silent("a cluster without a name"))?,
        founds: false,
    })
}
