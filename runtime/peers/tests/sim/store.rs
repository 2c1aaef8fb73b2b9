//! The store that all servers share, and what it remembers of who wrote what: here it is seen whether promises are kept.
//!
//! 1. *Nothing acknowledged is lost*: what a device was told is stored, is.
//! 2. *Nothing is applied twice while both sides live*: what a session has sent once is stored once, unless the server of the session or
//!    the one that stored it was in trouble.
//! 3. *Order of a device*: what came later through a session is stored later. Where a server gave up what it had for want of a lease, what came
//!    later may pass it; then that is stored once more after it, so that the order is right in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::DeviceId;
use parking_lot::Mutex;

/// How long it may take until everybody has heard that a server is gone or back: longer, and it is gone itself.
const HEARD_MS: u64 = 1_500;

/// What was stored of each device: when, by whom, through which session, which message.
pub type Trace = BTreeMap<DeviceId, Vec<(u64, usize, u64, u64)>>;

/// How much of a device's trace is shown when something is wrong.
const SHOWN_MAX: usize = 30;

/// Clones share everything.
#[derive(Clone)]
pub struct Store(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    now_ms: u64,
    stored: BTreeMap<DeviceId, BTreeSet<u64>>,
    /// Who stored first what came through a session, and when.
    first: BTreeMap<(DeviceId, u64, u64), (usize, u64)>,
    /// The newest of each session.
    newest: BTreeMap<(DeviceId, u64), u64>,
    /// What came through a session and was given up by a server without a lease: nobody was told that it is durable.
    given_up: BTreeSet<(DeviceId, u64, u64)>,
    /// What has passed such a one, and has to be stored once more.
    owed: BTreeSet<(DeviceId, u64)>,
    /// When a server was last not there, by the list or in truth.
    troubled_ms: Vec<Option<u64>>,
    settings: BTreeMap<(u64, u64), u64>,
    again: u64,
    trace: Trace,
    wrong: Vec<String>,
}

/// A message of a device, as it came through a session.
#[derive(Clone, Copy, Debug)]
pub struct Said {
    pub device: DeviceId,
    /// The session; see [`session_of`].
    pub session: u64,
    pub number: u64,
}

/// The number of a session that lives on a server.
pub fn session_of(count: u64, server: usize) -> u64 {
    count * 16 + server as u64
}

fn server_of(session: u64) -> usize {
    (session % 16) as usize
}

impl Store {
    pub fn new(servers: usize) -> Self {
        Store(Arc::new(Mutex::new(Kept {
            troubled_ms: vec![None; servers],
            ..Kept::default()
        })))
    }

    pub fn is_now(&self, now_ms: u64) {
        self.0.lock().now_ms = now_ms;
    }

    pub fn now_ms(&self) -> u64 {
        self.0.lock().now_ms
    }

    /// A server is not there at this time.
    pub fn in_trouble(&self, server: usize) {
        let mut kept = self.0.lock();
        kept.troubled_ms[server] = Some(kept.now_ms);
    }

    /// A server makes a message durable.
    pub fn write(&self, by: usize, said: Said) {
        let mut kept = self.0.lock();
        let (at, now_ms) = ((said.device, said.session, said.number), kept.now_ms);
        match kept.first.get(&at).copied() {
            None => {
                let newest = kept.newest.get(&(said.device, said.session)).copied();
                if let Some(newest) = newest.filter(|newest| *newest > said.number) {
                    if kept.given_up.contains(&at) {
                        let passed = |number: &u64| kept.first.contains_key(&(said.device, said.session, *number));
                        let owed: Vec<u64> = (said.number + 1..=newest).filter(passed).collect();
                        kept.owed.extend(owed.into_iter().map(|number| (said.device, number)));
                    } else {
                        kept.wrong(said.device, format!("{said:?} was stored by {by} after {newest}"));
                    }
                }
                let newest = newest.map_or(said.number, |newest| newest.max(said.number));
                kept.newest.insert((said.device, said.session), newest);
                kept.first.insert(at, (by, now_ms));
            }
            Some((first, first_ms)) => {
                let calm = |server: usize| kept.troubled_ms[server].is_none_or(|at_ms| at_ms + HEARD_MS < first_ms);
                if calm(first) && calm(server_of(said.session)) {
                    kept.wrong(
                        said.device,
                        format!("{said:?} was stored twice, by {first} at {first_ms} and by {by}"),
                    );
                }
                kept.again += 1;
            }
        }
        kept.owed.remove(&(said.device, said.number));
        kept.stored.entry(said.device).or_default().insert(said.number);
        let trace = kept.trace.entry(said.device).or_default();
        trace.push((now_ms, by, said.session, said.number));
    }

    /// A server has no lease, and gives a message up.
    pub fn give_up(&self, said: Said) {
        self.0.lock().given_up.insert((said.device, said.session, said.number));
    }

    /// What has passed messages before it and was not stored again after them.
    pub fn owed(&self) -> Vec<(DeviceId, u64)> {
        self.0.lock().owed.iter().copied().collect()
    }

    /// A device was told that a message is durable.
    pub fn acknowledged(&self, device: DeviceId, number: u64) {
        let mut kept = self.0.lock();
        if !kept.stored.get(&device).is_some_and(|stored| stored.contains(&number)) {
            kept.wrong(device, format!("{number} of {device} was acknowledged and is not stored"));
        }
    }

    /// How many messages of a device are stored, from the first one without a gap.
    pub fn whole(&self, device: DeviceId) -> u64 {
        let kept = self.0.lock();
        let stored = kept.stored.get(&device);
        (0..).find(|number| !stored.is_some_and(|stored| stored.contains(number))).unwrap()
    }

    /// Changes a setting of a tenant.
    pub fn change(&self, tenant: u64, setting: u64) -> u64 {
        let mut kept = self.0.lock();
        let version = kept.settings.entry((tenant, setting)).or_default();
        *version += 1;
        *version
    }

    pub fn settings(&self) -> BTreeMap<(u64, u64), u64> {
        self.0.lock().settings.clone()
    }

    /// What must not be.
    pub fn wrong(&self) -> Vec<String> {
        self.0.lock().wrong.clone()
    }

    /// Messages that were stored, and those of them that were stored again.
    pub fn counts(&self) -> (u64, u64) {
        let kept = self.0.lock();
        (kept.first.len() as u64, kept.again)
    }

    /// What was stored of each device.
    pub fn trace(&self) -> Trace {
        self.0.lock().trace.clone()
    }
}

impl Kept {
    fn wrong(&mut self, device: DeviceId, what: String) {
        let trace = self.trace.get(&device).map_or(&[][..], Vec::as_slice);
        let shown = &trace[trace.len().saturating_sub(SHOWN_MAX)..];
        let what = format!("at {} ms: {what}; before (ms, server, session, message): {shown:?}", self.now_ms);
        self.wrong.push(what);
    }
}
