//! The agreement's messages, over gRPC. They are the library's own, as JSON text.

use std::fmt;
use std::time::Duration;

use cluster::{PeerId, Place};
use openraft::error::{InstallSnapshotError, NetworkError, RPCError, RaftError, RemoteError, Unreachable};
use openraft::network::{Backoff, RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse, VoteRequest, VoteResponse,
};
use peers::wire::RaftMessage;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tonic::Status;

use crate::raft::{Node, TypeConfig};
use crate::reach::Reach;

/// How long a server that did not answer is left alone.
const PAUSE: Duration = Duration::from_millis(100);

/// Makes ways to servers.
#[derive(Clone)]
pub(crate) struct Network {
    pub(crate) reach: Reach,
    pub(crate) place: Place,
}

/// The way to one server.
pub(crate) struct Way {
    network: Network,
    target: u64,
    /// Where it was when it joined.
    joined_at: String,
}

enum Call {
    Append,
    Vote,
    Install,
}

type Failed<E = openraft::error::Infallible> = RPCError<u64, Node, RaftError<u64, E>>;

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Way;

    async fn new_client(&mut self, target: u64, node: &Node) -> Way {
        Way {
            network: self.clone(),
            target,
            joined_at: node.addr.clone(),
        }
    }
}

impl Way {
    /// Where the server is now, by the list; where it joined, if the list does not say.
    fn address(&self) -> String {
        let members = self.network.place.members();
        let known = members
            .borrow()
            .peers
            .get(&PeerId(self.target))
            .map(|record| record.address.clone());
        known.unwrap_or_else(|| self.joined_at.clone())
    }

    async fn call<T, E>(&self, call: Call, message: &impl Serialize, option: &RPCOption) -> Result<T, Failed<E>>
    where
        T: DeserializeOwned,
        E: DeserializeOwned + std::error::Error,
    {
        let json = serde_json::to_vec(message).map_err(|error| RPCError::Network(NetworkError::new(&error)))?;
        let unreachable = |error: &dyn fmt::Display| RPCError::Unreachable(Unreachable::new(&Silence(error.to_string())));
        let mut client = self.network.reach.raft(&self.address()).map_err(|error| unreachable(&error))?;
        let answer = async {
            let message = RaftMessage { json: json.into() };
            match call {
                Call::Append => client.append(message).await,
                Call::Vote => client.vote(message).await,
                Call::Install => client.install(message).await,
            }
        };
        let answered: Result<_, Status> = match tokio::time::timeout(option.hard_ttl(), answer).await {
            Ok(answered) => answered,
            Err(_) => return Err(unreachable(&"no answer in time")),
        };
        let answer = answered.map_err(|status| unreachable(&status.message()))?.into_inner();
        let parsed = serde_json::from_slice::<Result<T, RaftError<u64, E>>>(&answer.json);
        let parsed = parsed.map_err(|error| RPCError::Network(NetworkError::new(&error)))?;
        parsed.map_err(|error| RPCError::RemoteError(RemoteError::new(self.target, error)))
    }
}

/// A server did not answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Silence(String);

impl RaftNetwork<TypeConfig> for Way {
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, Failed> {
        self.call(Call::Append, &rpc, &option).await
    }

    async fn install_snapshot(
        &mut self,
        rpc: InstallSnapshotRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, Failed<InstallSnapshotError>> {
        self.call(Call::Install, &rpc, &option).await
    }

    async fn vote(&mut self, rpc: VoteRequest<u64>, option: RPCOption) -> Result<VoteResponse<u64>, Failed> {
        self.call(Call::Vote, &rpc, &option).await
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(std::iter::repeat(PAUSE))
    }
}
