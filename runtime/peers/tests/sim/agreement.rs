//! Agreement, as a model: one who sees everything makes the member lists, gives leases, and gives up who is silent for longer than a lease
//! can last. Its answers are late and get lost; lists come in order.

use cluster::members::WEIGHT;
use cluster::{Epoch, Members, PeerId, PeerRecord, PeerState};

use crate::chance::Chance;
use crate::server::{Server, id};

/// How often servers give signs of life.
const SIGN_MS: u64 = 50;
const LEASE_MS: u64 = 600;
/// Longer than a lease lasts by the slowest clock.
const FAILURE_MS: u64 = 900;
/// How old a sign may be that somebody is there.
const FRESH_MS: u64 = 200;
/// How late an answer is at most.
const LATE_MS_MAX: u64 = 120;

pub struct Agreement {
    /// Every list there was.
    lists: Vec<Members>,
    heard_ms: Vec<u64>,
    released: Vec<Epoch>,
    /// When, to whom, of which life, and by the server's own time when it asked.
    answers: Vec<(u64, usize, u64, u64)>,
}

impl Agreement {
    /// All servers are up.
    pub fn new(servers: usize) -> Self {
        let record = |at: usize| PeerRecord {
            address: at.to_string(),
            version: "1".to_owned(),
            state: PeerState::Up,
            weight: WEIGHT,
            since: Epoch(1),
        };
        Agreement {
            lists: vec![Members {
                epoch: Epoch(1),
                peers: (0..servers).map(|at| (id(at), record(at))).collect(),
            }],
            heard_ms: vec![0; servers],
            released: vec![Epoch(0); servers],
            answers: Vec::new(),
        }
    }

    pub fn newest(&self) -> &Members {
        self.lists.last().unwrap()
    }

    /// Whether a server is spoken to, by the newest list.
    pub fn is_alive(&self, at: usize) -> bool {
        self.newest().is_alive(id(at))
    }

    pub fn all_are_up(&self) -> bool {
        self.newest().peers.values().all(|record| record.state == PeerState::Up)
    }

    /// The newest list by which everybody who is alive has let go.
    pub fn settled(&self) -> Epoch {
        let alive = self.newest().alive().map(|(peer, _)| self.released[peer.0 as usize - 1]);
        alive.min().unwrap_or_default().min(self.newest().epoch)
    }

    /// A server is to own nothing, or to own its share again: devices move though nobody is in trouble.
    pub fn turn(&mut self, at: usize) {
        match self.newest().peers[&id(at)].state {
            PeerState::Up => self.agree(id(at), PeerState::Leaving),
            PeerState::Leaving => self.agree(id(at), PeerState::Up),
            PeerState::Down => {}
        }
    }

    /// Whoever was to own nothing owns its share again.
    pub fn all_stay(&mut self) {
        for at in 0..self.heard_ms.len() {
            if self.newest().peers[&id(at)].state == PeerState::Leaving {
                self.agree(id(at), PeerState::Up);
            }
        }
    }

    fn agree(&mut self, peer: PeerId, state: PeerState) {
        let mut members = self.newest().clone();
        members.epoch = Epoch(members.epoch.0 + 1);
        let epoch = members.epoch;
        if let Some(record) = members.peers.get_mut(&peer) {
            (record.state, record.since) = (state, epoch);
        }
        self.lists.push(members);
    }

    /// Hears signs, decides, answers. `reaches`: servers that run and that are on the right side of a partition.
    pub fn step(&mut self, now_ms: u64, servers: &mut [Option<Server>], reaches: &[bool], chance: &mut Chance) {
        if now_ms.is_multiple_of(SIGN_MS) {
            for (at, server) in servers.iter().enumerate() {
                let Some(server) = server.as_ref().filter(|_| reaches[at]) else {
                    continue;
                };
                if chance.once_in(8) {
                    continue;
                }
                (self.heard_ms[at], self.released[at]) = (now_ms, server.released());
                let due_ms = now_ms + chance.below(LATE_MS_MAX);
                self.answers.push((due_ms, at, server.born_ms, server.clock_ms()));
            }
            self.decide(now_ms, servers);
        }
        let answers = std::mem::take(&mut self.answers).into_iter();
        let (due, later): (Vec<_>, Vec<_>) = answers.partition(|(due_ms, ..)| *due_ms <= now_ms);
        self.answers = later;
        for (_, at, life, asked_ms) in due {
            let settled = self.settled();
            if let Some(server) = servers[at].as_mut().filter(|server| server.born_ms == life && reaches[at]) {
                server.learn(&self.lists);
                let lease_ms = if self.lists.last().is_some_and(|list| list.is_alive(id(at))) {
                    LEASE_MS
                } else {
                    0
                };
                server.answered(asked_ms, lease_ms, settled);
            }
        }
    }

    fn decide(&mut self, now_ms: u64, servers: &[Option<Server>]) {
        for (at, server) in servers.iter().enumerate() {
            let silent_ms = now_ms - self.heard_ms[at];
            if self.is_alive(at) && silent_ms >= FAILURE_MS {
                self.agree(id(at), PeerState::Down);
            }
            let knows_all = server.as_ref().is_some_and(|server| server.knows(self.newest().epoch));
            if !self.is_alive(at) && silent_ms < FRESH_MS && knows_all {
                self.agree(id(at), PeerState::Up);
            }
        }
    }
}
