//! Consistent hashing: peers stand at many points of a circle, a device belongs to a point nearby. Pure: the same members give the same
//! owners everywhere, in every version – placement is a contract between peers, with golden values in the tests.
//!
//! With one probe for each device, peers of 128 points differ by a tenth and more. So a device looks from several places and takes the
//! nearest point of all (multi-probe consistent hashing, Appleton and O'Reilly, 2015): with [`PROBES`] places the share of a peer
//! strays from its due by about a third of that. What makes consistent hashing worth having stays: a device moves only to a
//! peer that came or from one that went.

#[cfg(test)]
mod tests;

use model::DeviceId;
use xxhash_rust::xxh3::xxh3_128;

use crate::members::{Members, WEIGHT};
use crate::{Epoch, PeerId};

/// Points of a peer of ordinary weight.
pub const VIRTUAL_NODES: u32 = 128;
/// Points of one peer at most, whatever its weight.
pub const VIRTUAL_NODES_MAX: u32 = 4096;
/// Places a device looks from.
const PROBES: u64 = 5;

/// Peers on a circle, at one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashRing {
    epoch: Epoch,
    /// Sorted; of two points at the same place the smaller peer has it.
    points: Vec<(u64, PeerId)>,
}

impl HashRing {
    /// The ring of a member list.
    pub fn of(members: &Members) -> Self {
        HashRing::new(members.epoch, members.owners(), VIRTUAL_NODES)
    }

    /// Peers with their weights; `virtual_nodes` points for a peer of ordinary weight. A peer of weight 0 has none.
    pub fn new(epoch: Epoch, peers: impl IntoIterator<Item = (PeerId, u32)>, virtual_nodes: u32) -> Self {
        let mut points = Vec::new();
        for (peer, weight) in peers {
            let due = u64::from(virtual_nodes) * u64::from(weight) / u64::from(WEIGHT);
            let count = due.clamp(u64::from(weight > 0), u64::from(VIRTUAL_NODES_MAX));
            points.extend((0..count).map(|number| (point(peer, number), peer)));
        }
        points.sort_unstable();
        points.dedup_by_key(|(at, _)| *at);
        HashRing { epoch, points }
    }

    /// Of which member list it is the ring.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Who owns a device. None: there are no peers.
    pub fn owner(&self, device: DeviceId) -> Option<PeerId> {
        let (start, stride) = places(device);
        let nearest = (0..PROBES).filter_map(|probe| self.next(start.wrapping_add(stride.wrapping_mul(probe))));
        // Of two at the same distance the smaller peer: the order of probes must not matter.
        nearest.min().map(|(_, peer)| peer)
    }

    /// How far it is to the next point from a place, and whose it is.
    fn next(&self, from: u64) -> Option<(u64, PeerId)> {
        let at = self.points.partition_point(|(point, _)| *point < from);
        let (point, peer) = *self.points.get(at).or_else(|| self.points.first())?;
        Some((point.wrapping_sub(from), peer))
    }
}

/// Where a peer's point stands.
fn point(peer: PeerId, number: u64) -> u64 {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&peer.0.to_be_bytes());
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    halves(&bytes).0
}

/// Where a device looks from: the first place, and how far it is to the next ones.
fn places(device: DeviceId) -> (u64, u64) {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(device.tenant.0.as_bytes());
    bytes[16..].copy_from_slice(device.id.as_bytes());
    let (start, stride) = halves(&bytes);
    // Odd: the places are all different.
    (start, stride | 1)
}

fn halves(bytes: &[u8]) -> (u64, u64) {
    let hash = xxh3_128(bytes);
    ((hash >> 64) as u64, hash as u64)
}
