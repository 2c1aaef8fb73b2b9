//! A server: a process of its own, with a clock of its own. Dropped, it has crashed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cluster::{Announcer, Applying, Devices, Epoch, Members, PeerId, Place, Ring, Router, Standing};
use model::DeviceId;
use peers::{Peers, PeersConfig};
use tokio::runtime::Runtime;

use crate::actors::Actors;
use crate::network::{Dials, Way};
use crate::settings::{Memory, change_of};
use crate::store::Store;

/// Small limits, so that they are reached.
pub fn config() -> PeersConfig {
    PeersConfig {
        window: 16,
        unsettled_max: 24,
        device_unsettled_max: 4,
        waiting_max: 16,
        downlinks_max: 4,
        patience: Duration::from_secs(3),
        hello_timeout: Duration::from_millis(500),
        keep_alive: Duration::from_secs(1),
        ..PeersConfig::default()
    }
}

pub fn id(at: usize) -> PeerId {
    PeerId(at as u64 + 1)
}

pub struct Server {
    pub at: usize,
    pub born_ms: u64,
    pub place: Place,
    pub peers: Peers,
    pub router: Router,
    pub actors: Actors,
    pub memory: Memory,
    released: Arc<AtomicU64>,
    /// Its clock runs at so many thousandths of the right speed, and shows this now.
    speed: u64,
    shows_ms: u64,
    /// Lists it was told.
    known: Epoch,
    /// Whether it heard of those that were before it began.
    remembers: bool,
    runtime: Runtime,
}

impl Server {
    pub fn start(seed: u64, at: usize, speed: u64, remembers: bool, store: &Store, dials: &Dials) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let inside = runtime.enter();
        let place = Place::new(id(at));
        let actors = Actors::start(seed, at, place.clone(), store.clone());
        let devices: Arc<dyn Devices> = Arc::new(actors.clone());
        let way = Arc::new(Way::new(at, dials.clone()));
        let peers = Peers::over(place.clone(), Arc::clone(&devices), feed::Feed::default(), way, config());
        let router = Router::among(Arc::new(place.clone()), devices, Arc::new(peers.clone()));
        peers.start(router.clone());
        let memory = Memory::read(seed, store.clone());
        Applying::start(peers.changes().clone(), Arc::new(memory.clone()));
        let released = Arc::new(AtomicU64::new(0));
        actor::spawn("played release", release(place.clone(), actors.clone(), Arc::clone(&released)));
        drop(inside);
        Server {
            at,
            born_ms: store.now_ms(),
            place,
            peers,
            router,
            actors,
            memory,
            released,
            speed,
            shows_ms: 0,
            known: Epoch(0),
            remembers,
            runtime,
        }
    }

    /// Does what it does until a time of the world. Who stood still finds that its clock did not.
    pub fn run(&mut self, until_ms: u64, step_ms: u64) {
        let shows_ms = (until_ms - self.born_ms) * self.speed / 1_000;
        let passes_ms = shows_ms.saturating_sub(self.shows_ms);
        let jump_ms = passes_ms.saturating_sub(2 * step_ms);
        self.shows_ms = shows_ms;
        self.runtime.block_on(async {
            if jump_ms > 0 {
                tokio::time::advance(Duration::from_millis(jump_ms)).await;
            }
            tokio::time::sleep(Duration::from_millis(passes_ms - jump_ms)).await;
        });
    }

    /// Starts something in its process.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(future);
    }

    /// Its own time.
    pub fn clock_ms(&self) -> u64 {
        self.inside(|server| server.place.now_ms())
    }

    pub fn standing(&self, device: DeviceId) -> Standing {
        self.inside(|server| server.place.standing(device))
    }

    /// Whether something it does for a device could have an effect now.
    pub fn acts(&self, device: DeviceId) -> bool {
        let holds = self.inside(|server| server.place.holds_lease());
        holds && self.actors.has_in_hand(device)
    }

    pub fn released(&self) -> Epoch {
        Epoch(self.released.load(Ordering::Relaxed))
    }

    pub fn knows(&self, epoch: Epoch) -> bool {
        self.known == epoch
    }

    /// Hears the lists that it does not know, in order. Who has begun anew may hear of the newest alone.
    pub fn learn(&mut self, lists: &[Members]) {
        let skipped = if self.known == Epoch(0) && !self.remembers {
            lists.len() - 1
        } else {
            0
        };
        let place = self.place.clone();
        let _inside = self.runtime.enter();
        for list in lists.iter().skip(skipped).filter(|list| list.epoch > self.known) {
            place.agreed(list);
        }
        self.known = lists.last().map_or(self.known, |list| list.epoch);
    }

    pub fn answered(&self, asked_ms: u64, lease_ms: u64, settled: Epoch) {
        self.inside(|server| {
            if lease_ms > 0 {
                server.place.renewed(asked_ms, lease_ms);
            }
            server.place.settled(settled);
        });
    }

    /// Changes a setting: stores it, then announces it, then brings its own memory in line.
    pub fn change(&self, store: &Store, tenant: u64, setting: u64) {
        let version = store.change(tenant, setting);
        self.inside(|server| server.peers.announce(change_of(tenant, setting)));
        self.memory.has_changed(tenant, setting, version);
    }

    fn inside<T>(&self, act: impl FnOnce(&Self) -> T) -> T {
        let _inside = self.runtime.enter();
        act(self)
    }
}

/// As `membership/release.rs` does it.
async fn release(place: Place, actors: Actors, released: Arc<AtomicU64>) {
    let mut changes = place.changes();
    let mut held = false;
    loop {
        changes.mark_unchanged();
        let (epoch, _) = place.epochs();
        let left_ms = place.lease_left_ms();
        let lost = std::mem::replace(&mut held, left_ms > 0) && !held;
        if lost || epoch.0 > released.load(Ordering::Relaxed) {
            actors.release(&|device| place.owns(device)).await;
            released.fetch_max(epoch.0, Ordering::Relaxed);
            continue;
        }
        let end = Duration::from_millis(if held { left_ms } else { u64::from(u32::MAX) });
        tokio::select! {
            biased;
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(end) => {}
        }
    }
}
