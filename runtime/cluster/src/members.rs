//! The list of a cluster's peers, as all of them agree on it. Passive data: who decides on changes stands above.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Epoch, PeerId};

/// The share of a peer that takes as much as the others.
pub const WEIGHT: u32 = 100;

/// How a peer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PeerState {
    /// It serves.
    Up,
    /// It was asked to go: it owns nothing any more, and is still reached.
    Leaving,
    /// It was silent for too long, or has left. It owns nothing; it returns by joining again.
    Down,
}

/// One peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerRecord {
    /// Where other peers reach it: host and port.
    pub address: String,
    /// Of its binary.
    pub version: String,
    /// How it stands.
    pub state: PeerState,
    /// Its share of devices, in proportion to those of the others; [`WEIGHT`] mostly.
    pub weight: u32,
    /// The member list with which it came, went or last changed.
    pub since: Epoch,
}

/// The peers at an epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Members {
    /// Counts changes that move devices.
    pub epoch: Epoch,
    /// Every peer there ever was, but for those forgotten.
    pub peers: BTreeMap<PeerId, PeerRecord>,
}

impl Members {
    /// Peers that own devices, with their weights.
    pub fn owners(&self) -> impl Iterator<Item = (PeerId, u32)> {
        let up = self.peers.iter().filter(|(_, peer)| peer.state == PeerState::Up);
        up.map(|(id, peer)| (*id, peer.weight))
    }

    /// Peers that are spoken to.
    pub fn alive(&self) -> impl Iterator<Item = (PeerId, &PeerRecord)> {
        let alive = self.peers.iter().filter(|(_, peer)| peer.state != PeerState::Down);
        alive.map(|(id, peer)| (*id, peer))
    }

    /// Whether a peer is spoken to.
    pub fn is_alive(&self, peer: PeerId) -> bool {
        self.peers.get(&peer).is_some_and(|record| record.state != PeerState::Down)
    }
}
