//! What other servers and `pacificsoft cluster` ask. Whoever asks has shown a certificate of the cluster.

use cluster::{PeerId, PeerState};
use peers::wire;
use peers::wire::membership_server::{Membership as MembershipService, MembershipServer};
use peers::wire::raft_server::{Raft as RaftService, RaftServer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::state::Server;
use crate::{Membership, MembershipError};

impl Membership {
    /// The services for a gRPC server, which has to see to it that only peers reach them.
    pub fn services(&self) -> (MembershipServer<Membership>, RaftServer<Membership>) {
        (MembershipServer::new(self.clone()), RaftServer::new(self.clone()))
    }
}

impl From<MembershipError> for Status {
    fn from(error: MembershipError) -> Self {
        let text = error.to_string();
        match error {
            MembershipError::Unknown => Status::not_found(text),
            MembershipError::Full => Status::resource_exhausted(text),
            MembershipError::TooOld { .. } | MembershipError::TooNew { .. } | MembershipError::Refused(_) => {
                Status::failed_precondition(text)
            }
            MembershipError::Store(..)
            | MembershipError::Record(..)
            | MembershipError::Timing
            | MembershipError::Raft(_)
            | MembershipError::Peer { .. }
            | MembershipError::NotYet(_)
            | MembershipError::NoLeader => Status::unavailable(text),
        }
    }
}

#[tonic::async_trait]
impl MembershipService for Membership {
    async fn join(&self, request: Request<wire::JoinRequest>) -> Result<Response<wire::JoinReply>, Status> {
        let asked = request.into_inner();
        let request = Uuid::from_slice(&asked.request).map_err(|_| Status::invalid_argument("the request has no id"))?;
        let server = Server {
            address: asked.address,
            version: asked.version,
            weight: asked.weight,
        };
        let admitted = Membership::join(self, request, server, asked.passed_on).await?;
        Ok(Response::new(wire::JoinReply {
            peer: admitted.peer.0,
            cluster: admitted.cluster.as_bytes().to_vec().into(),
        }))
    }

    async fn leave(&self, request: Request<wire::LeaveRequest>) -> Result<Response<wire::Changed>, Status> {
        let asked = request.into_inner();
        let peer = if asked.peer == 0 { self.local() } else { PeerId(asked.peer) };
        Membership::leave(self, peer, asked.passed_on).await?;
        Ok(Response::new(wire::Changed {}))
    }

    async fn transfer(&self, request: Request<wire::TransferRequest>) -> Result<Response<wire::Changed>, Status> {
        let asked = request.into_inner();
        Membership::transfer(self, PeerId(asked.peer), asked.passed_on).await?;
        Ok(Response::new(wire::Changed {}))
    }

    async fn elect(&self, _: Request<wire::ElectRequest>) -> Result<Response<wire::Changed>, Status> {
        let elected = self.0.raft.trigger().elect().await;
        elected.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(Response::new(wire::Changed {}))
    }

    async fn status(&self, _: Request<wire::StatusRequest>) -> Result<Response<wire::StatusReply>, Status> {
        let status = Membership::status(self);
        let peers = status.peers.into_iter().map(|(peer, status)| wire::PeerStatus {
            peer: peer.0,
            address: status.address,
            version: status.version,
            state: state_name(status.state).to_owned(),
            weight: status.weight,
            voter: status.voter,
            since_epoch: status.since.0,
        });
        Ok(Response::new(wire::StatusReply {
            peer: status.peer.0,
            leader: status.leader.map_or(0, |leader| leader.0),
            epoch: status.epoch.0,
            settled: status.settled.0,
            cluster: status.cluster.as_bytes().to_vec().into(),
            peers: peers.collect(),
            cluster_version: status.version,
        }))
    }

    async fn live(&self, request: Request<wire::SignOfLife>) -> Result<Response<wire::LifeReply>, Status> {
        Ok(Response::new(self.hear(request.into_inner())))
    }
}

#[tonic::async_trait]
impl RaftService for Membership {
    async fn append(&self, request: Request<wire::RaftMessage>) -> Result<Response<wire::RaftMessage>, Status> {
        answer(&self.0.raft.append_entries(parse(request)?).await)
    }

    async fn vote(&self, request: Request<wire::RaftMessage>) -> Result<Response<wire::RaftMessage>, Status> {
        answer(&self.0.raft.vote(parse(request)?).await)
    }

    async fn install(&self, request: Request<wire::RaftMessage>) -> Result<Response<wire::RaftMessage>, Status> {
        answer(&self.0.raft.install_snapshot(parse(request)?).await)
    }
}

fn state_name(state: PeerState) -> &'static str {
    match state {
        PeerState::Up => "up",
        PeerState::Leaving => "leaving",
        PeerState::Down => "down",
    }
}

fn parse<T: DeserializeOwned>(request: Request<wire::RaftMessage>) -> Result<T, Status> {
    serde_json::from_slice(&request.into_inner().json).map_err(|error| Status::invalid_argument(error.to_string()))
}

fn answer(answer: &impl Serialize) -> Result<Response<wire::RaftMessage>, Status> {
    let json = serde_json::to_vec(answer).map_err(|error| Status::internal(error.to_string()))?;
    Ok(Response::new(wire::RaftMessage { json: json.into() }))
}
