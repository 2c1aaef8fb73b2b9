//! What the leader does next, and what it grants. Pure: decided anew several times a second, from what is agreed on and what was heard.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use cluster::{Epoch, LeaseTiming, Members, PeerId, PeerState};
use peers::handshake::Speaks;

/// Servers that vote, at most. More make agreement slower and not safer.
pub const VOTERS_MAX: usize = 5;
/// Heartbeats after which a sign of life is no sign any more that somebody is there.
const FRESH: u64 = 3;

/// The last sign of life of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign {
    /// When it was heard, by the leader's own time, milliseconds.
    pub at_ms: u64,
    /// The newest member list it knew.
    pub epoch: Epoch,
    /// The newest one by which it has let go of what it does not own.
    pub released: Epoch,
    /// Where it is.
    pub address: String,
    /// What runs there.
    pub version: String,
}

/// What the leader knows.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// The servers, as agreed on.
    pub members: &'a Members,
    /// Those who vote.
    pub voters: &'a BTreeSet<PeerId>,
    /// Those who hear what is agreed on and do not vote.
    pub learners: &'a BTreeSet<PeerId>,
    /// Last signs of life, heard since this server leads.
    pub signs: &'a BTreeMap<PeerId, Sign>,
    /// The leader itself.
    pub leader: PeerId,
    /// Since when it leads, by its own time.
    pub leads_since_ms: u64,
    /// Now, by its own time.
    pub now_ms: u64,
    /// Times.
    pub timing: LeaseTiming,
}

/// What the leader does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Has a server that gives signs of life hear what is agreed on.
    Teach(PeerId),
    /// A server is somewhere else than before.
    Move(PeerId),
    /// A server serves.
    Up(PeerId),
    /// A server is given up.
    Down(PeerId),
    /// A server has left.
    Forget(PeerId),
    /// These vote from now on.
    Vote(BTreeSet<PeerId>),
    /// A server that has left hears no more.
    Untell(PeerId),
}

impl View<'_> {
    /// What is to be done next. None: everything is as it should be.
    pub fn next(&self) -> Option<Step> {
        self.silent()
            .map(Step::Down)
            .or_else(|| self.moved().map(Step::Move))
            .or_else(|| self.arrived().map(Step::Up))
            .or_else(|| self.untaught().map(Step::Teach))
            .or_else(|| self.left().map(Step::Forget))
            .or_else(|| self.new_voters().map(Step::Vote))
            .or_else(|| self.stranger().map(Step::Untell))
    }

    /// The version to which the cluster may go on from `version`, when nothing else is to be done: the newest that all servers speak, those that
    /// are down included, for they may come back. None: there is none that is newer, or somebody is just coming, and may turn out to be not well.
    pub fn newer_than(&self, version: u32) -> Option<u32> {
        let coming = self
            .members
            .peers
            .iter()
            .any(|(peer, record)| record.state == PeerState::Down && self.fresh(*peer).is_some());
        let common = self.members.peers.values().map(|record| Speaks::told(&record.version).max).min();
        common.filter(|common| *common > version && !coming)
    }

    /// The newest epoch by which everybody who is alive has let go. Never newer than the list: a leader that was deposed and does not know
    /// would say it of an epoch whose members it does not know either.
    pub fn settled(&self) -> Epoch {
        let released = self
            .members
            .alive()
            .map(|(peer, _)| self.signs.get(&peer).map(|sign| sign.released).unwrap_or_default());
        released.min().unwrap_or_default().min(self.members.epoch)
    }

    /// A server that was silent for too long. Those of whom this leader has not heard have all the time again since it leads: its
    /// predecessor may have renewed their leases until then.
    fn silent(&self) -> Option<PeerId> {
        let silent = |peer: &PeerId| {
            let heard_ms = self
                .signs
                .get(peer)
                .map_or(self.leads_since_ms, |sign| sign.at_ms.max(self.leads_since_ms));
            *peer != self.leader && self.now_ms.saturating_sub(heard_ms) >= self.timing.failure_ms
        };
        self.members.alive().map(|(peer, _)| peer).find(silent)
    }

    /// A server that is not where it is thought to be. It has to be reached before it can know anything.
    fn moved(&self) -> Option<PeerId> {
        let moved = self.members.peers.iter().find(|(peer, record)| {
            self.fresh(**peer)
                .is_some_and(|sign| (&sign.address, &sign.version) != (&record.address, &record.version))
        });
        moved.map(|(peer, _)| *peer)
    }

    /// A server that is down by the list, but gives signs of life and knows what is agreed on.
    fn arrived(&self) -> Option<PeerId> {
        let arrived = self.members.peers.iter().find(|(peer, record)| {
            let knows_all = self.fresh(**peer).is_some_and(|sign| sign.epoch == self.members.epoch);
            record.state == PeerState::Down && knows_all && self.is_told(**peer)
        });
        arrived.map(|(peer, _)| *peer)
    }

    fn untaught(&self) -> Option<PeerId> {
        let mut peers = self.members.peers.keys().copied();
        peers.find(|peer| !self.is_told(*peer) && self.fresh(*peer).is_some())
    }

    /// A server that is leaving, and of whose devices everybody knows where they are now.
    fn left(&self) -> Option<PeerId> {
        let settled = self.settled();
        let left = self
            .members
            .peers
            .iter()
            .find(|(peer, record)| record.state == PeerState::Leaving && record.since <= settled && !self.voters.contains(peer));
        left.map(|(peer, _)| *peer)
    }

    fn new_voters(&self) -> Option<BTreeSet<PeerId>> {
        let wanted = voters(self.members, self.voters, self.leader);
        let all_told = wanted.iter().all(|peer| self.is_told(*peer));
        (all_told && !wanted.is_empty() && wanted != *self.voters).then_some(wanted)
    }

    fn stranger(&self) -> Option<PeerId> {
        let mut learners = self.learners.iter().copied();
        learners.find(|peer| !self.members.peers.contains_key(peer))
    }

    fn is_told(&self, peer: PeerId) -> bool {
        self.voters.contains(&peer) || self.learners.contains(&peer)
    }

    fn fresh(&self, peer: PeerId) -> Option<&Sign> {
        let sign = self.signs.get(&peer)?;
        let age_ms = self.now_ms.saturating_sub(sign.at_ms);
        (age_ms <= FRESH * self.timing.heartbeat_ms).then_some(sign)
    }
}

/// Who should vote: an odd number, so that none of them is for nothing. Who votes goes on voting as long as it is there, the leader
/// first; one that is down keeps its vote until somebody else can have it.
pub fn voters(members: &Members, now: &BTreeSet<PeerId>, leader: PeerId) -> BTreeSet<PeerId> {
    let mut ranked: Vec<(u8, PeerId)> = members
        .peers
        .iter()
        .filter_map(|(peer, record)| match (record.state, now.contains(peer)) {
            (PeerState::Up, true) if *peer == leader => Some((0, *peer)),
            (PeerState::Up, true) => Some((1, *peer)),
            (PeerState::Up, false) => Some((2, *peer)),
            (PeerState::Down, true) => Some((3, *peer)),
            (PeerState::Down, false) | (PeerState::Leaving, _) => None,
        })
        .collect();
    ranked.sort_unstable();
    let most = ranked.len().min(VOTERS_MAX);
    let odd = most - usize::from(most.is_multiple_of(2) && most > 0);
    ranked.into_iter().take(odd).map(|(_, peer)| peer).collect()
}

/// For how long a leader lets a server own devices. 0: not at all. `confirmed_ms`: when a quorum last confirmed the leader, at least;
/// none: never. `given_up`: servers that the leader has decided to give up, be it that this is not agreed on yet – from the decision on they
/// must not get leases any more.
pub fn lease_ms(
    members: &Members,
    peer: PeerId,
    given_up: &BTreeSet<PeerId>,
    confirmed_ms: Option<u64>,
    now_ms: u64,
    timing: LeaseTiming,
) -> u64 {
    let leads = confirmed_ms.is_some_and(|confirmed_ms| now_ms.saturating_sub(confirmed_ms) <= timing.quorum_ms);
    let owns = members.is_alive(peer) && !given_up.contains(&peer);
    if leads && owns { timing.lease_ms } else { 0 }
}

/// Those who are still to be given up: of the others it is agreed on.
pub fn still_given_up(members: &Members, given_up: &mut BTreeSet<PeerId>) {
    given_up.retain(|peer| members.is_alive(*peer));
}
