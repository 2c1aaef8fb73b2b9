//! The world: time, trouble, and what must never be seen. Beside what [`crate::store`] sees:
//!
//! 4. *One owner*: nobody does anything for a device while another one may.
//! 5. *Rest*: some time after the trouble everything was said, is stored and acknowledged; nothing is on its way, and what servers have in
//!    memory is what is stored.
//! 6. *Limits*: what waits for another server, or to be read again, stays within its limits.

use std::fmt;

use cluster::{Ring, Standing};
use model::{DeviceId, TenantId};
use uuid::Uuid;

use crate::agreement::Agreement;
use crate::chance::Chance;
use crate::clients::Client;
use crate::network::{Connections, Dials};
use crate::server::Server;
use crate::store::{Store, Trace};

const STEP_MS: u64 = 10;
/// Trouble ends then, and the world has so long at most to come to rest.
const TROUBLE_MS: u64 = 6_000;
const REST_MS: u64 = 40_000;
const DEVICES: u64 = 8;
/// Messages of each device.
const MESSAGES: u64 = 50;
const TENANTS: u64 = 3;

/// What happened in a world, or in several.
#[derive(Default)]
pub struct Told {
    worlds: u64,
    stored: u64,
    again: u64,
    frames: u64,
    lists: u64,
    crashes: u64,
    stops: u64,
    partitions: u64,
    breaks: u64,
    slowest_ms: u64,
    pub trace: Trace,
}

impl Told {
    pub fn add(&mut self, other: &Told) {
        self.worlds += 1;
        self.stored += other.stored;
        self.again += other.again;
        self.frames += other.frames;
        self.lists += other.lists;
        self.crashes += other.crashes;
        self.stops += other.stops;
        self.partitions += other.partitions;
        self.breaks += other.breaks;
        self.slowest_ms = self.slowest_ms.max(other.slowest_ms);
    }

    pub fn saw_all(&self) -> bool {
        let kinds = [self.again, self.crashes, self.stops, self.partitions, self.breaks];
        kinds.iter().all(|count| *count > 0) && self.lists > 2 * self.worlds
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} messages stored, {} of them again; {} frames; {} member lists, {} crashes, {} stops, {} partitions, {} connections broken; \
             at rest {} ms after the trouble at the latest",
            self.stored, self.again, self.frames, self.lists, self.crashes, self.stops, self.partitions, self.breaks, self.slowest_ms
        )
    }
}

pub struct World {
    seed: u64,
    chance: Chance,
    now_ms: u64,
    store: Store,
    servers: Vec<Option<Server>>,
    speeds: Vec<u64>,
    /// Until when a process stands still.
    still_until_ms: Vec<u64>,
    sides: Vec<u8>,
    dials: Dials,
    connections: Connections,
    agreement: Agreement,
    clients: Vec<Client>,
    sessions: u64,
    told: Told,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let count = 2 + chance.below(3) as usize;
        let (store, dials) = (Store::new(count), Dials::default());
        let speeds: Vec<u64> = (0..count).map(|_| 990 + chance.below(21)).collect();
        let start = |(at, speed): (usize, &u64)| Some(Server::start(seed, at, *speed, true, &store, &dials));
        let device = |number: u64| {
            let tenant = TenantId(Uuid::from_u128(1 + u128::from(number % TENANTS)));
            DeviceId::new(tenant, Uuid::from_u128(u128::from(seed << 8 | number)))
        };
        World {
            servers: speeds.iter().enumerate().map(start).collect(),
            store,
            speeds,
            still_until_ms: vec![0; count],
            sides: vec![0; count],
            dials,
            connections: Connections::new(seed),
            agreement: Agreement::new(count),
            clients: (0..DEVICES).map(|number| Client::new(device(number), MESSAGES)).collect(),
            sessions: 0,
            told: Told::default(),
            seed,
            chance,
            now_ms: 0,
        }
    }

    /// Lives until it is at rest.
    pub fn run(mut self) -> Told {
        while self.now_ms < TROUBLE_MS {
            self.trouble();
            self.step();
        }
        self.peace();
        let mut unrest = Some("it was not looked".to_owned());
        while unrest.is_some() && self.now_ms < TROUBLE_MS + REST_MS {
            self.step();
            unrest = self.unrest();
        }
        assert!(unrest.is_none(), "no rest after {REST_MS} ms: {}", unrest.unwrap_or_default());
        let (stored, again) = self.store.counts();
        Told {
            stored,
            again,
            frames: self.connections.frames,
            lists: self.agreement.newest().epoch.0,
            slowest_ms: self.now_ms - TROUBLE_MS,
            trace: self.store.trace(),
            ..self.told
        }
    }

    fn trouble(&mut self) {
        let victim = self.chance.below(self.servers.len() as u64) as usize;
        match self.chance.below(300) {
            0 => {
                self.sides.iter_mut().for_each(|side| *side = self.chance.below(2) as u8);
                self.told.partitions += 1;
            }
            1 | 2 => self.sides.fill(0),
            3 => self.crash(victim),
            4..7 => self.restart(victim),
            7 => {
                self.still_until_ms[victim] = self.now_ms + self.chance.below(2_500);
                self.told.stops += 1;
            }
            8..16 => {
                self.connections.break_one(self.now_ms);
                self.told.breaks += 1;
            }
            16..18 => self.agreement.turn(victim),
            18..26 => {
                let client = self.chance.below(DEVICES) as usize;
                self.clients[client].hop();
            }
            26..56 => self.change(victim),
            _ => {}
        }
    }

    fn crash(&mut self, victim: usize) {
        if self.servers[victim].take().is_some() {
            self.told.crashes += 1;
        }
    }

    fn restart(&mut self, victim: usize) {
        if self.servers[victim].is_none() {
            let remembers = self.chance.once_in(2);
            let server = Server::start(self.seed, victim, self.speeds[victim], remembers, &self.store, &self.dials);
            self.servers[victim] = Some(server);
        }
    }

    fn change(&mut self, victim: usize) {
        let (tenant, setting) = (self.chance.below(TENANTS), self.chance.below(80));
        let dies = self.chance.once_in(20);
        let Some(server) = self.servers[victim].as_ref().filter(|_| self.still_until_ms[victim] <= self.now_ms) else {
            return;
        };
        if dies {
            // It stores the change and crashes before it tells anybody.
            self.store.change(tenant, setting);
            self.crash(victim);
        } else {
            server.change(&self.store, tenant, setting);
        }
    }

    fn peace(&mut self) {
        self.sides.fill(0);
        self.still_until_ms.fill(0);
        for at in 0..self.servers.len() {
            self.restart(at);
        }
        self.agreement.all_stay();
    }

    fn runs(&self, at: usize) -> bool {
        self.servers[at].is_some() && self.still_until_ms[at] <= self.now_ms
    }

    fn step(&mut self) {
        self.store.is_now(self.now_ms);
        for at in 0..self.servers.len() {
            if self.servers[at].is_none() || !self.agreement.is_alive(at) {
                self.store.in_trouble(at);
            }
        }
        let sides: Vec<Option<u8>> = (0..self.servers.len()).map(|at| self.runs(at).then_some(self.sides[at])).collect();
        // Agreement is with those on the first side.
        let reaches: Vec<bool> = sides.iter().map(|side| *side == Some(0)).collect();
        self.agreement.step(self.now_ms, &mut self.servers, &reaches, &mut self.chance);
        self.connections.step(self.now_ms, &self.dials, &self.servers, &sides);
        for client in &mut self.clients {
            client.step(&self.store, &self.servers, &mut self.sessions, &mut self.chance);
        }
        self.now_ms += STEP_MS;
        for (server, side) in self.servers.iter_mut().zip(&sides) {
            if let (Some(server), Some(_)) = (server, side) {
                server.run(self.now_ms, STEP_MS);
            }
        }
        self.check(&sides);
    }

    fn check(&self, sides: &[Option<u8>]) {
        let wrong = self.store.wrong();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        for client in &self.clients {
            let device = client.device;
            let running = self.servers.iter().flatten().filter(|server| sides[server.at].is_some());
            let may = |server: &&Server| matches!(server.standing(device), Standing::Here(_)) || server.acts(device);
            let acting: Vec<usize> = running.filter(may).map(|server| server.at).collect();
            assert!(acting.len() <= 1, "at {} ms {device} belongs to {acting:?}", self.now_ms);
        }
        for server in self.servers.iter().flatten() {
            let (waits, ways) = (server.peers.changes().len(), server.peers.paths().devices());
            assert!(waits <= cluster::changes::backlog::ALL_MAX, "{waits} changes wait at {}", server.at);
            assert!(ways <= self.clients.len(), "{ways} devices have something on its way");
        }
    }

    /// What is not at rest.
    fn unrest(&self) -> Option<String> {
        for client in &self.clients {
            let (device, whole) = (client.device, self.store.whole(client.device));
            if client.acknowledged < client.all || whole < client.all {
                let standing = self.servers.iter().flatten().map(|server| (server.at, server.standing(device)));
                let standing: Vec<_> = standing.collect();
                return Some(format!(
                    "{device} said {} of {} through {:?}, {whole} are stored; {standing:?}",
                    client.acknowledged,
                    client.all,
                    client.server()
                ));
            }
        }
        let owed = self.store.owed();
        if !owed.is_empty() {
            return Some(format!("{owed:?} are stored before what came before them"));
        }
        let newest = self.agreement.newest().epoch;
        if !self.agreement.all_are_up() || self.agreement.settled() != newest {
            return Some(format!("of {newest:?} {:?} is settled", self.agreement.settled()));
        }
        for server in self.servers.iter().flatten() {
            let ways = server.peers.paths().devices();
            if ways > 0 {
                return Some(format!("{ways} devices have something on its way from {:?}", server.place.local()));
            }
            if !server.memory.is_true() {
                return Some(format!("{:?} does not know what is stored", server.place.local()));
            }
        }
        None
    }
}
