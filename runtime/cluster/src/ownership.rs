//! What a peer may do with a device now. Pure: member lists, settled epochs and leases in, a [`Standing`] out.
//!
//! *Invariant: one owner.* A device that moves has two rings that name it: the old owner's and the new one's. The new owner serves it
//! when the epoch is *settled*: every peer that is alive has let go of what it does not own any more, and what it had taken is
//! durable; those that are not alive have lost their leases before they were given up. A device that stays goes on without a pause.
//!
//! Knows no network and no actor.

use std::collections::VecDeque;

use model::DeviceId;

use crate::hash_ring::HashRing;
use crate::lease::Lease;
use crate::members::Members;
use crate::{Epoch, Owner, PeerId};

/// Rings remembered at most. What is older is treated as owned by somebody else, which costs a pause and nothing more.
const RINGS_MAX: usize = 8;

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// This peer owns the device.
    Here(Owner),
    /// Another one does.
    There(Owner),
    /// It will be known in a moment.
    Soon(Pending),
}

/// Why a device is served by nobody in this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pending {
    /// This peer owns it, and its former owner has not let go yet.
    Handover,
    /// This peer owns it, if it still belongs to the cluster.
    NoLease,
    /// The cluster has no peer that serves.
    NoPeers,
    /// This peer has heard of an epoch that it does not know yet.
    NewerEpoch,
}

impl Pending {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Pending::Handover => "its former owner has not let go of it",
            Pending::NoLease => "this server has lost touch with its cluster",
            Pending::NoPeers => "the cluster has no server that takes it",
            Pending::NewerEpoch => "this server does not know the newest list of servers",
        }
    }
}

/// A peer's view of who owns what.
#[derive(Clone, Debug)]
pub struct Ownership {
    local: PeerId,
    /// The oldest first; never empty once members are known.
    rings: VecDeque<HashRing>,
    settled: Epoch,
    lease: Lease,
}

impl Ownership {
    /// A peer that knows nobody yet.
    pub fn new(local: PeerId) -> Self {
        Ownership {
            local,
            rings: VecDeque::new(),
            settled: Epoch(0),
            lease: Lease::default(),
        }
    }

    /// This peer.
    pub fn local(&self) -> PeerId {
        self.local
    }

    /// The newest epoch known.
    pub fn epoch(&self) -> Epoch {
        self.rings.back().map_or(Epoch(0), HashRing::epoch)
    }

    /// The newest epoch of which it is known that everybody has let go.
    pub fn settled(&self) -> Epoch {
        self.settled
    }

    /// Takes the members of an epoch. Whether they are news. Who missed an epoch does not know who owned what meanwhile: it forgets all
    /// before, and everything it owns waits until the new epoch is settled.
    pub fn members(&mut self, members: &Members) -> bool {
        if members.epoch <= self.epoch() {
            return false;
        }
        if members.epoch.0 != self.epoch().0 + 1 {
            self.rings.clear();
        }
        self.rings.push_back(HashRing::of(members));
        if self.rings.len() > RINGS_MAX {
            self.rings.pop_front();
        }
        true
    }

    /// Everybody who is alive has let go of what it did not own at this epoch. Whether that is news.
    pub fn settle(&mut self, epoch: Epoch) -> bool {
        let news = epoch > self.settled;
        self.settled = self.settled.max(epoch);
        news
    }

    /// The peer's lease.
    pub fn lease(&mut self) -> &mut Lease {
        &mut self.lease
    }

    /// Whether the lease holds.
    pub fn holds_lease(&self, now_ms: u64) -> bool {
        self.lease.holds(now_ms)
    }

    /// What becomes of a delivery to a device.
    pub fn standing(&self, device: DeviceId, now_ms: u64) -> Standing {
        let Some(owner) = self.owner(device) else {
            return Standing::Soon(Pending::NoPeers);
        };
        if owner.peer != self.local {
            Standing::There(owner)
        } else if !self.lease.holds(now_ms) {
            Standing::Soon(Pending::NoLease)
        } else if owner.since <= self.settled {
            Standing::Here(owner)
        } else {
            Standing::Soon(Pending::Handover)
        }
    }

    /// As [`Ownership::standing`], for a delivery that another peer sent by the ring of an epoch. One that was sent by an older ring
    /// than that with which the device came here is refused: it is to be sent again, in its turn.
    ///
    /// # Errors
    /// The newest epoch, when it is refused.
    pub fn standing_of(&self, device: DeviceId, sent: Epoch, now_ms: u64) -> Result<Standing, Epoch> {
        if sent > self.epoch() {
            return Ok(Standing::Soon(Pending::NewerEpoch));
        }
        match self.owner(device) {
            Some(owner) if owner.peer == self.local && sent >= owner.since => Ok(self.standing(device, now_ms)),
            _ => Err(self.epoch()),
        }
    }

    /// Who owns a device by the newest ring, and since when without a break. That all before have let go of it is known if that epoch
    /// is settled.
    fn owner(&self, device: DeviceId) -> Option<Owner> {
        let newest = self.rings.back()?;
        let peer = newest.owner(device)?;
        let earlier = self.rings.iter().rev().take_while(|ring| ring.owner(device) == Some(peer));
        Some(Owner {
            peer,
            epoch: newest.epoch(),
            since: earlier.last().map_or(newest.epoch(), HashRing::epoch),
        })
    }
}

#[cfg(test)]
mod tests;
