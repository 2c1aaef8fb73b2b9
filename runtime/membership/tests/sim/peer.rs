//! One server of the simulated world.

use std::collections::{BTreeMap, BTreeSet};

use cluster::{Epoch, Ownership, PeerId, Standing};
use membership::plan::Sign;
use membership::state::{ClusterState, Command};
use model::DeviceId;

/// A server: what it has on its disk, and what dies with its process.
pub struct Peer {
    /// Its clock runs at so many thousandths of the right speed.
    pub speed: u64,
    /// Until when its process is stopped.
    pub stopped_until_ms: u64,
    pub crashed: bool,
    /// On its disk: the newest term it has voted in, and the log as far as it has heard.
    pub term: u64,
    pub known: Vec<Command>,
    /// In memory.
    pub run: Run,
}

pub struct Run {
    pub state: ClusterState,
    pub ownership: Ownership,
    pub released: Epoch,
    /// When letting go of what belongs to others will be done, and of which epoch.
    pub releasing: Option<(u64, Epoch)>,
    pub held: bool,
    /// Devices whose actors run here.
    pub actors: BTreeSet<DeviceId>,
    pub heard_leader_ms: u64,
    /// The term in which it leads.
    pub leads: Option<u64>,
    pub leads_since_ms: u64,
    pub confirmed_ms: Option<u64>,
    pub signs: BTreeMap<PeerId, Sign>,
    pub given_up: BTreeSet<PeerId>,
}

impl Peer {
    pub fn new(id: PeerId, speed: u64) -> Self {
        Peer {
            speed,
            stopped_until_ms: 0,
            crashed: false,
            term: 0,
            known: Vec::new(),
            run: Run::new(id, 0),
        }
    }

    /// Its own time.
    pub fn clock(&self, now_ms: u64) -> u64 {
        now_ms * self.speed / 1_000
    }

    pub fn runs(&self, now_ms: u64) -> bool {
        !self.crashed && now_ms >= self.stopped_until_ms
    }

    /// The process starts again: what is on the disk is there.
    pub fn restart(&mut self, id: PeerId, now_ms: u64) {
        (self.crashed, self.run) = (false, Run::new(id, self.clock(now_ms)));
        for command in self.known.clone() {
            self.apply(&command);
        }
    }

    /// Hears what was agreed on.
    pub fn learn(&mut self, log: &[Command]) {
        for command in log.iter().skip(self.known.len()) {
            self.known.push(command.clone());
            self.apply(command);
        }
    }

    fn apply(&mut self, command: &Command) {
        self.run.state.apply(command);
        let members = self.run.state.members.clone();
        self.run.ownership.members(&members);
    }

    pub fn standing(&self, device: DeviceId, now_ms: u64) -> Standing {
        self.run.ownership.standing(device, self.clock(now_ms))
    }

    /// Whether something the peer does for a device could have an effect now.
    pub fn acts(&mut self, device: DeviceId, now_ms: u64) -> bool {
        let clock = self.clock(now_ms);
        self.runs(now_ms) && self.run.actors.contains(&device) && self.run.ownership.lease().holds(clock)
    }

    /// Lets go of what it does not own, which takes a while; then others may hear of it.
    pub fn release(&mut self, now_ms: u64, takes_ms: u64) {
        let clock = self.clock(now_ms);
        let holds = self.run.ownership.lease().holds(clock);
        if std::mem::replace(&mut self.run.held, holds) && !holds {
            self.run.actors.clear();
        }
        let epoch = self.run.ownership.epoch();
        match self.run.releasing {
            Some((at_ms, of)) if now_ms >= at_ms => {
                let ownership = &self.run.ownership;
                let stays = |device: &DeviceId| !matches!(ownership.standing(*device, clock), Standing::There(_));
                self.run.actors.retain(stays);
                self.run.released = self.run.released.max(of);
                self.run.releasing = None;
            }
            None if epoch > self.run.released => self.run.releasing = Some((now_ms + takes_ms, epoch)),
            _ => {}
        }
    }
}

impl Run {
    fn new(id: PeerId, clock_ms: u64) -> Self {
        Run {
            state: ClusterState::default(),
            ownership: Ownership::new(id),
            released: Epoch(0),
            releasing: None,
            held: false,
            actors: BTreeSet::new(),
            heard_leader_ms: clock_ms,
            leads: None,
            leads_since_ms: 0,
            confirmed_ms: None,
            signs: BTreeMap::new(),
            given_up: BTreeSet::new(),
        }
    }
}
