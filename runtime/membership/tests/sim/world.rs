//! The world: time, trouble, agreement, signs of life, devices that speak – and what must never be seen.

use std::collections::{BTreeMap, BTreeSet};

use cluster::{Epoch, LeaseTiming, PeerId, PeerState, Standing};
use membership::plan::{Sign, Step, View, lease_ms, still_given_up};
use membership::state::{Answer, Command, Server};
use model::{DeviceId, TenantId};
use uuid::Uuid;

use crate::network::{Chance, Network};
use crate::peer::Peer;

const TIMING: LeaseTiming = LeaseTiming::DEFAULT;
const STEP_MS: u64 = 10;
/// Trouble ends then, and the world has this long to come to rest.
const TROUBLE_MS: u64 = 15_000;
const REST_MS: u64 = 12_000;
const DEVICES: u128 = 8;
/// A leader that is silent for this long is thought to be gone.
const ELECTION_MS: u64 = 450;

#[derive(Clone)]
enum Message {
    /// The leader of a term tells the log as far as it is agreed on.
    Log(u64, Vec<Command>),
    Sign(PeerId, u64, Sign),
    /// Sent at (by the receiver's own clock), a lease, and what is settled.
    Life(u64, u64, Epoch),
    /// A device says its next thing: from a session on a peer, by a ring.
    Says(usize, DeviceId, u64, Epoch),
    Stored(DeviceId, u64),
}

pub struct World {
    chance: Chance,
    now_ms: u64,
    peers: Vec<Peer>,
    network: Network<Message>,
    /// What is agreed on, once and for all.
    log: Vec<Command>,
    voters: BTreeSet<PeerId>,
    learners: BTreeSet<PeerId>,
    /// What the store has of each device, and what each device waits for.
    stored: BTreeMap<DeviceId, Vec<u64>>,
    said: BTreeMap<DeviceId, u64>,
}

fn id(at: usize) -> PeerId {
    PeerId(at as u64 + 1)
}

fn at(peer: PeerId) -> usize {
    peer.0 as usize - 1
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let count = 3 + chance.below(3) as usize;
        let peers = (0..count).map(|at| Peer::new(id(at), 995 + chance.below(11))).collect();
        let server = Server {
            address: "a".to_owned(),
            version: "1".to_owned(),
            weight: 100,
        };
        let found = Command::Found {
            cluster: Uuid::nil(),
            server: server.clone(),
        };
        let admit = |request: usize| Command::Admit {
            request: Uuid::from_u128(request as u128),
            server: server.clone(),
        };
        let log = std::iter::once(found).chain((1..count).map(admit)).collect();
        World {
            network: Network::new(count),
            chance,
            now_ms: 0,
            peers,
            log,
            voters: [id(0)].into(),
            learners: BTreeSet::new(),
            stored: BTreeMap::new(),
            said: BTreeMap::new(),
        }
    }

    /// Lives for a while; how many epochs there were.
    pub fn run(mut self) -> u64 {
        // Those who joined know whom they joined.
        let log = self.log.clone();
        self.peers.iter_mut().for_each(|peer| peer.learn(&log));
        while self.now_ms < TROUBLE_MS + REST_MS {
            if self.now_ms < TROUBLE_MS {
                self.trouble();
            } else if self.now_ms == TROUBLE_MS {
                self.peace();
            }
            self.lead();
            self.give_signs();
            self.speak();
            for (to, message) in self.network.arrived(self.now_ms) {
                if self.peers[to].runs(self.now_ms) {
                    self.take(to, message);
                }
            }
            for peer in self.peers.iter_mut().filter(|peer| peer.runs(self.now_ms)) {
                peer.release(self.now_ms, self.chance.below(300));
            }
            self.check();
            self.now_ms += STEP_MS;
        }
        self.check_rest();
        self.peers[0].run.state.members.epoch.0
    }

    fn trouble(&mut self) {
        let victim = self.chance.below(self.peers.len() as u64) as usize;
        let now_ms = self.now_ms;
        match self.chance.below(700) {
            0 => self.network.part(&mut self.chance),
            1 | 2 => self.network.heal(),
            3 => self.peers[victim].crashed = true,
            4 | 5 if self.peers[victim].crashed => self.peers[victim].restart(id(victim), now_ms),
            6 => self.peers[victim].stopped_until_ms = now_ms + self.chance.below(4_000),
            _ => {}
        }
    }

    fn peace(&mut self) {
        self.network.heal();
        for (at, peer) in self.peers.iter_mut().enumerate() {
            peer.stopped_until_ms = 0;
            if peer.crashed {
                peer.restart(id(at), self.now_ms);
            }
        }
    }

    /// Whether a majority of those who vote hears a peer now, and has voted in no later term.
    fn has_quorum(&self, from: usize, term: u64) -> bool {
        let hears = |voter: &&PeerId| {
            let to = at(**voter);
            self.peers[to].runs(self.now_ms) && self.network.reaches(from, to) && self.peers[to].term <= term
        };
        self.voters.iter().filter(hears).count() * 2 > self.voters.len()
    }

    /// Elections, confirmations, and what leaders do.
    fn lead(&mut self) {
        for leader in 0..self.peers.len() {
            if !self.peers[leader].runs(self.now_ms) {
                continue;
            }
            let clock = self.peers[leader].clock(self.now_ms);
            let run = &self.peers[leader].run;
            let silent = clock.saturating_sub(run.heard_leader_ms) > ELECTION_MS + 40 * leader as u64;
            let may_vote = self.voters.contains(&id(leader));
            if run.leads.is_none() && silent && may_vote {
                self.elect(leader, clock);
            }
            let Some(term) = self.peers[leader].run.leads else { continue };
            let every = self.now_ms.is_multiple_of(TIMING.heartbeat_ms);
            if every && self.has_quorum(leader, term) {
                self.peers[leader].run.confirmed_ms = Some(clock);
                self.peers[leader].run.heard_leader_ms = clock;
                self.peers[leader].learn(&self.log.clone());
                self.tell_log(leader, term);
                self.next_step(leader, term, clock);
            }
        }
    }

    fn elect(&mut self, candidate: usize, clock: u64) {
        self.peers[candidate].run.heard_leader_ms = clock;
        let term = self.peers.iter().map(|peer| peer.term).max().unwrap_or_default() + 1;
        if !self.has_quorum(candidate, term) {
            return;
        }
        for voter in self.voters.clone() {
            let to = at(voter);
            if self.peers[to].runs(self.now_ms) && self.network.reaches(candidate, to) {
                self.peers[to].term = term;
                if to != candidate {
                    self.peers[to].run.leads = None;
                }
            }
        }
        let run = &mut self.peers[candidate].run;
        (run.leads, run.leads_since_ms, run.confirmed_ms) = (Some(term), clock, None);
        run.signs.clear();
        run.given_up.clear();
    }

    fn tell_log(&mut self, leader: usize, term: u64) {
        let told: Vec<PeerId> = self.voters.union(&self.learners).copied().collect();
        for peer in told {
            let message = Message::Log(term, self.log.clone());
            self.network.send(self.now_ms, leader, at(peer), message, &mut self.chance);
        }
    }

    fn next_step(&mut self, leader: usize, term: u64, clock: u64) {
        let run = &mut self.peers[leader].run;
        still_given_up(&run.state.members, &mut run.given_up);
        let step = self.view(leader, clock, |view| view.next());
        let Some(step) = step else { return };
        if let Step::Down(peer) = step {
            self.peers[leader].run.given_up.insert(peer);
        }
        if !self.has_quorum(leader, term) {
            return;
        }
        let command = match step {
            Step::Teach(peer) => {
                self.learners.insert(peer);
                return;
            }
            Step::Vote(voters) => {
                self.learners.extend(self.voters.difference(&voters));
                self.learners.retain(|learner| !voters.contains(learner));
                self.voters = voters;
                return;
            }
            Step::Untell(peer) => {
                self.learners.remove(&peer);
                return;
            }
            Step::Up(peer) => Command::Up(peer),
            Step::Down(peer) => Command::Down(peer),
            Step::Forget(peer) => Command::Forget(peer),
            Step::Move(_) => panic!("nobody moves here"),
        };
        let mut probe = self.peers[leader].run.state.clone();
        if !matches!(probe.apply(&command), Answer::Unchanged | Answer::Unknown) {
            self.log.push(command);
        }
    }

    fn view<T>(&self, leader: usize, clock: u64, look: impl FnOnce(&View<'_>) -> T) -> T {
        let run = &self.peers[leader].run;
        look(&View {
            members: &run.state.members,
            voters: &self.voters,
            learners: &self.learners,
            signs: &run.signs,
            leader: id(leader),
            leads_since_ms: run.leads_since_ms,
            now_ms: clock,
            timing: TIMING,
        })
    }

    /// Everybody gives signs of life to everybody who thinks that it leads: the worst case of not knowing who does.
    fn give_signs(&mut self) {
        if !self.now_ms.is_multiple_of(TIMING.heartbeat_ms) {
            return;
        }
        for from in 0..self.peers.len() {
            let peer = &self.peers[from];
            if !peer.runs(self.now_ms) {
                continue;
            }
            let clock = peer.clock(self.now_ms);
            let sign = Sign {
                at_ms: 0,
                epoch: peer.run.ownership.epoch(),
                released: peer.run.released,
                address: "a".to_owned(),
                version: "1".to_owned(),
            };
            for to in 0..self.peers.len() {
                if self.peers[to].run.leads.is_some() {
                    let message = Message::Sign(id(from), clock, sign.clone());
                    self.network.send(self.now_ms, from, to, message, &mut self.chance);
                }
            }
        }
    }

    /// Each device says one thing after the other, from a session on some peer, until it is stored.
    fn speak(&mut self) {
        for number in 0..DEVICES {
            let device = DeviceId::new(TenantId::SYSTEM, Uuid::from_u128(number));
            if !self.chance.once_in(4) {
                continue;
            }
            let from = self.chance.below(self.peers.len() as u64) as usize;
            let peer = &self.peers[from];
            let owner = match peer.standing(device, self.now_ms) {
                Standing::Here(owner) | Standing::There(owner) if peer.runs(self.now_ms) => owner,
                _ => continue,
            };
            let next = *self.said.entry(device).or_default();
            let message = Message::Says(from, device, next, owner.epoch);
            self.network.send(self.now_ms, from, at(owner.peer), message, &mut self.chance);
        }
    }

    fn take(&mut self, to: usize, message: Message) {
        let clock = self.peers[to].clock(self.now_ms);
        match message {
            Message::Log(term, log) => {
                let peer = &mut self.peers[to];
                if term < peer.term {
                    return;
                }
                if term > peer.term {
                    peer.run.leads = None;
                }
                (peer.term, peer.run.heard_leader_ms) = (term, clock);
                peer.learn(&log);
            }
            Message::Sign(from, sent_ms, sign) => {
                let run = &mut self.peers[to].run;
                if run.leads.is_none() {
                    return;
                }
                run.signs.insert(from, Sign { at_ms: clock, ..sign });
                still_given_up(&run.state.members, &mut run.given_up);
                let lease = lease_ms(&run.state.members, from, &run.given_up, run.confirmed_ms, clock, TIMING);
                let settled = self.view(to, clock, |view| view.settled());
                let message = Message::Life(sent_ms, lease, settled);
                self.network.send(self.now_ms, to, at(from), message, &mut self.chance);
            }
            Message::Life(sent_ms, lease_ms, settled) => {
                let ownership = &mut self.peers[to].run.ownership;
                if lease_ms > 0 {
                    ownership.lease().renew(sent_ms, lease_ms);
                }
                ownership.settle(settled);
            }
            Message::Says(from, device, number, epoch) => {
                let standing = self.peers[to].run.ownership.standing_of(device, epoch, clock);
                if matches!(standing, Ok(Standing::Here(_))) {
                    self.peers[to].run.actors.insert(device);
                    self.store(to, device, number);
                    let stored = Message::Stored(device, number);
                    self.network.send(self.now_ms, to, from, stored, &mut self.chance);
                }
            }
            Message::Stored(device, number) => {
                let said = self.said.entry(device).or_default();
                *said = (*said).max(number + 1);
            }
        }
    }

    /// An actor takes what is new for it; what it has already is stored already.
    fn store(&mut self, by: usize, device: DeviceId, number: u64) {
        assert!(self.peers[by].acts(device, self.now_ms), "who stores for a device owns it");
        let stored = self.stored.entry(device).or_default();
        let next = stored.last().map_or(0, |last| last + 1);
        assert!(number <= next, "{device}: {number} came before {next}");
        if number == next {
            stored.push(number);
        }
    }

    fn check(&mut self) {
        for number in 0..DEVICES {
            let device = DeviceId::new(TenantId::SYSTEM, Uuid::from_u128(number));
            let now_ms = self.now_ms;
            let acting: Vec<PeerId> = (0..self.peers.len())
                .filter(|peer| {
                    let peer = &mut self.peers[*peer];
                    let may = peer.runs(now_ms) && matches!(peer.standing(device, now_ms), Standing::Here(_));
                    may || peer.acts(device, now_ms)
                })
                .map(id)
                .collect();
            assert!(
                acting.len() <= 1,
                "at {now_ms} ms {device} belongs to {acting:?}\n{}",
                self.shown(device)
            );
            // What a device was told is stored, is.
            let said = self.said.get(&device).copied().unwrap_or_default();
            let stored = self.stored.get(&device).map_or(0, Vec::len) as u64;
            assert!(said <= stored, "{device}: {said} were acknowledged, {stored} are stored");
        }
    }

    /// How everybody sees a device.
    fn shown(&self, device: DeviceId) -> String {
        let peer = |(at, peer): (usize, &Peer)| {
            let run = &peer.run;
            let (standing, acts) = (peer.standing(device, self.now_ms), run.actors.contains(&device));
            let states: Vec<_> = run.state.members.peers.iter().map(|(id, peer)| (id.0, peer.state)).collect();
            format!(
                "{:?} runs {} leads {:?} {standing:?} acts {acts} settled {:?} released {:?} releasing {:?} {states:?}\n",
                id(at),
                peer.runs(self.now_ms),
                run.leads,
                run.ownership.settled(),
                run.released,
                run.releasing,
            )
        };
        self.peers.iter().enumerate().map(peer).collect()
    }

    /// After a while without trouble everybody is up, knows it, and every device has an owner.
    fn check_rest(&self) {
        let up = |peer: &Peer| {
            let members = &peer.run.state.members;
            members.peers.values().all(|record| record.state == PeerState::Up) && peer.run.ownership.settled() == members.epoch
        };
        for (at, peer) in self.peers.iter().enumerate() {
            assert!(
                up(peer),
                "{:?} sees {:?}, settled {:?}",
                id(at),
                peer.run.state.members,
                peer.run.ownership.settled()
            );
        }
        for number in 0..DEVICES {
            let device = DeviceId::new(TenantId::SYSTEM, Uuid::from_u128(number));
            let owners = self
                .peers
                .iter()
                .filter(|peer| matches!(peer.standing(device, self.now_ms), Standing::Here(_)));
            assert_eq!(owners.count(), 1, "{device}");
            assert!(self.said.get(&device).copied().unwrap_or_default() > 10, "{device} said nothing");
        }
    }
}
