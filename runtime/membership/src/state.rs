//! What the servers agree on, and how commands change it. Pure: the same commands in the same order make the same state everywhere.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use cluster::{Epoch, Members, PeerId, PeerRecord, PeerState};
use peers::handshake::{FIRST, Speaks};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Requests to join that are remembered, so that one that is made again gets the same number.
const REQUESTS_MAX: usize = 64;
/// Servers of a cluster at most.
pub const PEERS_MAX: usize = 1_000;

/// A change that the servers agree on. Part of the log: a variant's name and meaning never change, and what is added to one must mean the
/// old behaviour when it is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// The first server.
    Found {
        /// The cluster's name for itself.
        cluster: Uuid,
        /// The server.
        server: Server,
    },
    /// A new server gets a number. It owns nothing yet.
    Admit {
        /// The request, which may be made again.
        request: Uuid,
        /// The server.
        server: Server,
    },
    /// A server is somewhere else, or is another version.
    Moved {
        /// Which.
        peer: PeerId,
        /// Where it is now.
        address: String,
        /// What runs there now.
        version: String,
    },
    /// A server that was down serves.
    Up(PeerId),
    /// A server was silent for too long.
    Down(PeerId),
    /// A server is to own nothing any more. One that is down is forgotten.
    Leave(PeerId),
    /// A server has left.
    Forget(PeerId),
    /// The cluster writes in the words of this version from now on.
    Raise(u32),
}

impl Command {
    /// The version of the cluster from which on the command may be written: before, there may be servers that cannot read it.
    pub fn since(&self) -> u32 {
        match self {
            Command::Found { .. }
            | Command::Admit { .. }
            | Command::Moved { .. }
            | Command::Up(_)
            | Command::Down(_)
            | Command::Leave(_)
            | Command::Forget(_)
            // Read by every server that tells what it speaks, and written only when all do.
            | Command::Raise(_) => FIRST,
        }
    }
}

/// A server that joins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Where others reach it.
    pub address: String,
    /// Of its binary, with what it [speaks](Speaks::tell).
    pub version: String,
    /// Its share of devices.
    pub weight: u32,
}

/// What became of a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Nothing had to change.
    #[default]
    Unchanged,
    /// It was done.
    Changed,
    /// The server with this number was admitted.
    Admitted(PeerId),
    /// There are as many servers as there may be.
    Full,
    /// There is no such server.
    Unknown,
    /// The server does not speak what the cluster writes.
    TooOld,
}

/// What the servers agree on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterState {
    /// The cluster's name for itself; nil before it is founded.
    pub cluster: Uuid,
    /// The servers.
    pub members: Members,
    /// The number that the next server gets. Numbers are never used twice.
    next_peer: u64,
    requests: VecDeque<(Uuid, PeerId)>,
    /// The version that it was raised to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    raised: Option<u32>,
}

impl ClusterState {
    /// The version in whose words the cluster writes what all have to read.
    pub fn version(&self) -> u32 {
        self.raised.unwrap_or(FIRST)
    }

    /// Carries out a command.
    pub fn apply(&mut self, command: &Command) -> Answer {
        match command {
            Command::Found { cluster, server } => self.found(*cluster, server),
            Command::Admit { request, server } => self.admit(*request, server),
            Command::Moved { peer, address, version } => self.moved(*peer, address, version),
            Command::Up(peer) => self.up(*peer),
            Command::Down(peer) => self.down(*peer),
            Command::Leave(peer) => self.leave(*peer),
            Command::Forget(peer) => match self.members.peers.remove(peer) {
                Some(_) => Answer::Changed,
                None => Answer::Unchanged,
            },
            Command::Raise(version) => self.raise(*version),
        }
    }

    fn found(&mut self, cluster: Uuid, server: &Server) -> Answer {
        if self.next_peer > 0 {
            return Answer::Unchanged;
        }
        (self.cluster, self.next_peer) = (cluster, 2);
        self.members.epoch = Epoch(1);
        self.members.peers.insert(PeerId(1), record(server, PeerState::Up, Epoch(1)));
        Answer::Changed
    }

    fn admit(&mut self, request: Uuid, server: &Server) -> Answer {
        if let Some((_, peer)) = self.requests.iter().find(|(known, _)| *known == request) {
            return Answer::Admitted(*peer);
        }
        if self.members.peers.len() >= PEERS_MAX {
            return Answer::Full;
        }
        if self.is_too_old(&server.version) {
            return Answer::TooOld;
        }
        let peer = PeerId(self.next_peer);
        self.next_peer += 1;
        if self.requests.len() >= REQUESTS_MAX {
            self.requests.pop_front();
        }
        self.requests.push_back((request, peer));
        let epoch = self.members.epoch;
        self.members.peers.insert(peer, record(server, PeerState::Down, epoch));
        Answer::Admitted(peer)
    }

    fn moved(&mut self, peer: PeerId, address: &str, version: &str) -> Answer {
        let too_old = self.is_too_old(version);
        let Some(record) = self.members.peers.get_mut(&peer) else {
            return Answer::Unknown;
        };
        if (&*record.address, &*record.version) == (address, version) {
            return Answer::Unchanged;
        }
        if too_old {
            return Answer::TooOld;
        }
        (record.address, record.version) = (address.to_owned(), version.to_owned());
        Answer::Changed
    }

    fn up(&mut self, peer: PeerId) -> Answer {
        let next = self.next_epoch();
        let Some(record) = self.members.peers.get_mut(&peer) else {
            return Answer::Unknown;
        };
        if record.state != PeerState::Down {
            return Answer::Unchanged;
        }
        (record.state, record.since, self.members.epoch) = (PeerState::Up, next, next);
        Answer::Changed
    }

    fn down(&mut self, peer: PeerId) -> Answer {
        let next = self.next_epoch();
        let Some(record) = self.members.peers.get_mut(&peer) else {
            return Answer::Unknown;
        };
        match std::mem::replace(&mut record.state, PeerState::Down) {
            PeerState::Down => Answer::Unchanged,
            PeerState::Up | PeerState::Leaving => {
                (record.since, self.members.epoch) = (next, next);
                Answer::Changed
            }
        }
    }

    fn leave(&mut self, peer: PeerId) -> Answer {
        let next = self.next_epoch();
        let Some(record) = self.members.peers.get_mut(&peer) else {
            return Answer::Unknown;
        };
        match record.state {
            PeerState::Leaving => Answer::Unchanged,
            PeerState::Up => {
                (record.state, record.since, self.members.epoch) = (PeerState::Leaving, next, next);
                Answer::Changed
            }
            PeerState::Down => {
                self.members.peers.remove(&peer);
                Answer::Changed
            }
        }
    }

    /// Decided when it is agreed on, not before: in between, a server may have come that does not speak it.
    fn raise(&mut self, version: u32) -> Answer {
        let all_speak_it = self.members.peers.values().all(|peer| Speaks::told(&peer.version).max >= version);
        if version <= self.version() || !all_speak_it {
            return Answer::Unchanged;
        }
        self.raised = Some(version);
        Answer::Changed
    }

    /// Whether a binary's version speaks nothing that the cluster writes. Before a cluster was raised, there is none.
    fn is_too_old(&self, version: &str) -> bool {
        Speaks::told(version).max < self.version()
    }

    fn next_epoch(&self) -> Epoch {
        Epoch(self.members.epoch.0 + 1)
    }
}

fn record(server: &Server, state: PeerState, since: Epoch) -> PeerRecord {
    PeerRecord {
        address: server.address.clone(),
        version: server.version.clone(),
        state,
        weight: server.weight,
        since,
    }
}
