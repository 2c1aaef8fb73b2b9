//! A server's part in its cluster, running.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actor::spawn;
use cluster::{Devices, Epoch, PeerId, PeerState, Place, Ring};
use openraft::BasicNode;
use parking_lot::Mutex;
use peers::handshake::Speaks;
use peers::wire::{JoinRequest, LeaveRequest, TransferRequest};
use serde::Serialize;
use tokio::sync::watch;
use uuid::Uuid;

use crate::leader::Leading;
use crate::log_store::LogStore;
use crate::machine::Machine;
use crate::network::Network;
use crate::raft::Raft;
use crate::reach::{Reach, refused};
use crate::state::{Answer, ClusterState, Command, Server};
use crate::{Identity, MembershipConfig, MembershipError, leader, life, release};

/// How long a change may take to be agreed on.
const AGREE_TIMEOUT: Duration = Duration::from_secs(5);

/// Clones share everything.
#[derive(Clone)]
pub struct Membership(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) identity: Identity,
    pub(crate) config: MembershipConfig,
    pub(crate) place: Place,
    pub(crate) raft: Raft,
    pub(crate) reach: Reach,
    pub(crate) leading: Mutex<Leading>,
    machine: Machine,
    store: LogStore,
    /// The newest epoch by which this server has let go of what it does not own.
    released: AtomicU64,
    /// Told to stop.
    stopping: watch::Sender<bool>,
    /// The version of the cluster, if this server turns out not to speak it.
    misfit: watch::Sender<Option<u32>>,
}

/// How a cluster stands, as one server sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Who sees it so.
    pub peer: PeerId,
    /// Who leads; none: nobody, as far as it is known.
    pub leader: Option<PeerId>,
    /// The newest member list.
    pub epoch: Epoch,
    /// The newest one by which everybody has let go.
    pub settled: Epoch,
    /// The cluster's name for itself.
    pub cluster: Uuid,
    /// In the words of which version it writes what all servers have to read.
    pub version: u32,
    /// The servers.
    pub peers: BTreeMap<PeerId, PeerStatus>,
}

/// How a server stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerStatus {
    /// Where others reach it.
    pub address: String,
    /// What runs there, with what it [speaks](peers::handshake::Speaks::tell).
    pub version: String,
    /// Whether it serves.
    pub state: PeerState,
    /// Its share.
    pub weight: u32,
    /// Whether it votes.
    pub voter: bool,
    /// The member list with which it came, went or changed.
    pub since: Epoch,
}

impl Membership {
    /// Takes part. Signs of life are given, and duties of a leader done, from [`Membership::start`] on.
    ///
    /// # Errors
    /// [`MembershipError`] when the folder cannot be used, or times are not safe.
    pub async fn open(store: LogStore, identity: Identity, place: Place, config: MembershipConfig) -> Result<Self, MembershipError> {
        if !config.timing.is_safe() {
            return Err(MembershipError::Timing);
        }
        let reach = Reach::new(config.tls.clone(), config.heartbeat());
        let machine = Machine::open(store.clone(), place.clone())?;
        let network = Network {
            reach: reach.clone(),
            place: place.clone(),
        };
        let settings = config.raft().validate().map_err(|error| MembershipError::Raft(error.to_string()))?;
        let raft = Raft::new(identity.peer.0, Arc::new(settings), network, store.clone(), machine.clone())
            .await
            .map_err(|error| MembershipError::Raft(error.to_string()))?;
        Ok(Membership(Arc::new(Inner {
            identity,
            config,
            place,
            raft,
            reach,
            leading: Mutex::default(),
            machine,
            store,
            released: AtomicU64::new(0),
            stopping: watch::channel(false).0,
            misfit: watch::channel(None).0,
        })))
    }

    /// Founds the cluster, if that is this server's part, and gives signs of life from now on. `devices`: let go of when they move.
    ///
    /// # Errors
    /// [`MembershipError`] when the cluster cannot be founded.
    pub async fn start(&self, devices: Arc<dyn Devices>) -> Result<(), MembershipError> {
        if self.0.identity.founds {
            self.found().await?;
        }
        spawn("signs of life", life::give_signs(self.clone()));
        spawn("leader's duties", leader::do_duties(self.clone()));
        spawn("leader's quorum", leader::confirm(self.clone()));
        spawn("release of devices", release::release(self.clone(), devices));
        Ok(())
    }

    /// Takes part no more. Others notice that this server is silent.
    pub async fn stop(&self) {
        self.0.stopping.send_replace(true);
        if let Err(error) = self.0.raft.shutdown().await {
            tracing::warn!(%error, "the agreement did not stop in order");
        }
    }

    /// This server's place among the others.
    pub fn place(&self) -> &Place {
        &self.0.place
    }

    /// Admits a new server; it is one when it gives signs of life.
    ///
    /// # Errors
    /// [`MembershipError`].
    pub async fn join(&self, request: Uuid, server: Server, passed_on: bool) -> Result<Identity, MembershipError> {
        if let Some(leader) = self.other_leader(passed_on)? {
            let request = JoinRequest {
                address: server.address,
                version: server.version,
                weight: server.weight,
                request: request.as_bytes().to_vec().into(),
                passed_on: true,
            };
            let reply = self.0.reach.membership(&leader)?.join(request).await;
            let reply = reply.map_err(|status| refused(&leader, &status))?.into_inner();
            return Ok(self.admitted(PeerId(reply.peer)));
        }
        let (speaks, cluster) = (Speaks::told(&server.version), self.state().version());
        if !speaks.includes(cluster) {
            return Err(MembershipError::misfit(speaks, cluster));
        }
        match self.agree(Command::Admit { request, server }).await? {
            Answer::Admitted(peer) => Ok(self.admitted(peer)),
            Answer::Full => Err(MembershipError::Full),
            // It was raised meanwhile.
            Answer::TooOld => Err(MembershipError::misfit(speaks, self.state().version())),
            _ => Err(MembershipError::NoLeader),
        }
    }

    /// Asks that a server own nothing any more. It is forgotten when others have taken over.
    ///
    /// # Errors
    /// [`MembershipError`].
    pub async fn leave(&self, peer: PeerId, passed_on: bool) -> Result<(), MembershipError> {
        if let Some(leader) = self.other_leader(passed_on)? {
            let request = LeaveRequest {
                peer: peer.0,
                passed_on: true,
            };
            let left = self.0.reach.membership(&leader)?.leave(request).await;
            return left.map(drop).map_err(|status| refused(&leader, &status));
        }
        match self.agree(Command::Leave(peer)).await? {
            Answer::Unknown => Err(MembershipError::Unknown),
            _ => Ok(()),
        }
    }

    /// Asks that another server lead.
    ///
    /// # Errors
    /// [`MembershipError`].
    pub async fn transfer(&self, peer: PeerId, passed_on: bool) -> Result<(), MembershipError> {
        if let Some(leader) = self.other_leader(passed_on)? {
            let request = TransferRequest {
                peer: peer.0,
                passed_on: true,
            };
            let done = self.0.reach.membership(&leader)?.transfer(request).await;
            return done.map(drop).map_err(|status| refused(&leader, &status));
        }
        leader::transfer(self, peer).await
    }

    /// What the cluster speaks: what all servers have to read may be written in the words of this version, and of none that is newer. Changes
    /// when it is raised; it never falls.
    pub fn version(&self) -> watch::Receiver<u32> {
        self.0.machine.version()
    }

    /// Ends when the cluster turns out to speak what this server does not; it serves no devices then.
    pub async fn refused(&self) -> MembershipError {
        let mut told = self.0.misfit.subscribe();
        let told = told.wait_for(Option::is_some).await.map(|cluster| *cluster);
        match told {
            Ok(Some(cluster)) => MembershipError::misfit(self.0.config.speaks(), cluster),
            // The sender is here.
            _ => std::future::pending().await,
        }
    }

    /// Another server says that the cluster speaks what this one does not.
    pub(crate) fn told_misfit(&self, cluster: u32) {
        if self.0.misfit.send_replace(Some(cluster)).is_none() {
            let error = MembershipError::misfit(self.0.config.speaks(), cluster);
            tracing::error!(%error, "this server serves no devices");
        }
        self.0.place.cast_out();
    }

    /// How the cluster stands, as far as this server knows.
    pub fn status(&self) -> Status {
        let state = self.state();
        let version = state.version();
        let (epoch, settled) = self.0.place.epochs();
        let voters = self.metrics().membership_config.membership().voter_ids().collect::<Vec<_>>();
        let peers = state.members.peers.into_iter().map(|(peer, record)| {
            let status = PeerStatus {
                address: record.address,
                version: record.version,
                state: record.state,
                weight: record.weight,
                voter: voters.contains(&peer.0),
                since: record.since,
            };
            (peer, status)
        });
        Status {
            peer: self.local(),
            leader: self.leader(),
            epoch,
            settled,
            cluster: state.cluster,
            version,
            peers: peers.collect(),
        }
    }

    pub(crate) fn local(&self) -> PeerId {
        self.0.place.local()
    }

    pub(crate) fn state(&self) -> ClusterState {
        self.0.machine.state()
    }

    pub(crate) fn released(&self) -> Epoch {
        Epoch(self.0.released.load(Ordering::Acquire))
    }

    pub(crate) fn has_released(&self, epoch: Epoch) {
        self.0.released.fetch_max(epoch.0, Ordering::Release);
    }

    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.0.stopping.subscribe()
    }

    /// Cloned at once: whoever holds the original holds up the agreement.
    pub(crate) fn metrics(&self) -> openraft::RaftMetrics<u64, BasicNode> {
        self.0.raft.metrics().borrow().clone()
    }

    /// Who leads, as far as it is known.
    pub(crate) fn leader(&self) -> Option<PeerId> {
        self.metrics().current_leader.map(PeerId)
    }

    pub(crate) fn address_of(&self, peer: PeerId) -> Option<String> {
        let members = self.0.place.members();
        let members = members.borrow();
        members.peers.get(&peer).map(|record| record.address.clone())
    }

    /// Has the servers agree on a command. Only on the leader.
    pub(crate) async fn agree(&self, command: Command) -> Result<Answer, MembershipError> {
        let cluster = self.state().version();
        if command.since() > cluster {
            return Err(MembershipError::NotYet(cluster));
        }
        let agreeing = self.0.raft.client_write(command);
        let agreed = tokio::time::timeout(AGREE_TIMEOUT, agreeing)
            .await
            .map_err(|_| MembershipError::NoLeader)?;
        Ok(agreed.map_err(|error| MembershipError::Raft(error.to_string()))?.data)
    }

    /// Done once: a founder that comes back is a server like the others.
    async fn found(&self) -> Result<(), MembershipError> {
        let failed = |error: &dyn std::fmt::Display| MembershipError::Raft(error.to_string());
        let node = BasicNode::new(&self.0.config.server.address);
        let nodes = BTreeMap::from([(self.local().0, node)]);
        if !self.0.raft.is_initialized().await.map_err(|error| failed(&error))? {
            self.0.raft.initialize(nodes).await.map_err(|error| failed(&error))?;
        }
        let waiting = self.0.raft.wait(Some(AGREE_TIMEOUT));
        let led = waiting.current_leader(self.local().0, "founding");
        led.await.map_err(|error| failed(&error))?;
        let found = Command::Found {
            cluster: self.0.identity.cluster,
            server: self.0.config.server.clone(),
        };
        self.agree(found).await?;
        self.0.identity.founded(&self.0.store).await
    }

    fn admitted(&self, peer: PeerId) -> Identity {
        Identity {
            peer,
            cluster: self.0.identity.cluster,
            founds: false,
        }
    }

    /// Where the leader is, if it is not this server.
    fn other_leader(&self, passed_on: bool) -> Result<Option<String>, MembershipError> {
        match self.leader() {
            Some(leader) if leader == self.local() => Ok(None),
            Some(leader) if !passed_on => self.address_of(leader).map(Some).ok_or(MembershipError::NoLeader),
            // Whoever passed it on was wrong about this server.
            _ => Err(MembershipError::NoLeader),
        }
    }
}
