//! Testing nodes and adapters natively, without a host.

pub mod platform;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::{EntityId, Inbound, Level, Message};

pub use platform::Platform;

/// A message made of JSON.
#[derive(Clone, Debug)]
pub struct TestMessage {
    /// Message type.
    pub kind: String,
    /// The entity it comes from.
    pub originator: EntityId,
    /// Milliseconds since 1970-01-01 UTC.
    pub timestamp: i64,
    /// Text by key.
    pub metadata: BTreeMap<String, String>,
    /// JSON.
    pub payload: Json,
}

impl TestMessage {
    /// A message of a type. Panics when the text is not JSON: it is a test's own.
    pub fn new(kind: &str, json: &str) -> Self {
        TestMessage {
            kind: kind.to_owned(),
            originator: EntityId {
                entity_type: "DEVICE".to_owned(),
                id: "00000000-0000-0000-0000-000000000001".to_owned(),
            },
            timestamp: 1_700_000_000_000,
            metadata: BTreeMap::new(),
            payload: serde_json::from_str(json).expect("the test's own JSON"),
        }
    }

    /// Telemetry.
    pub fn telemetry(json: &str) -> Self {
        TestMessage::new("POST_TELEMETRY_REQUEST", json)
    }

    /// The same with a metadata entry.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.metadata.insert(key.to_owned(), value.to_owned());
        self
    }

    /// The same from another entity.
    #[must_use]
    pub fn from(mut self, originator: EntityId) -> Self {
        self.originator = originator;
        self
    }

    /// What a node is given.
    pub fn message(&self) -> Message<'_> {
        Message::test(self)
    }
}

/// What a device sent.
#[derive(Clone, Debug, Default)]
pub struct TestInbound {
    /// `mqtt`, `http` or `coap`.
    pub transport: String,
    /// Topic, or method and path.
    pub address: String,
    /// Query parameters.
    pub query: BTreeMap<String, String>,
    /// Bytes.
    pub payload: Vec<u8>,
    pub(crate) json: Option<Json>,
}

impl TestInbound {
    /// Something sent over a transport to an address.
    pub fn new(transport: &str, address: &str, payload: &str) -> Self {
        TestInbound {
            transport: transport.to_owned(),
            address: address.to_owned(),
            query: BTreeMap::new(),
            payload: payload.as_bytes().to_vec(),
            json: serde_json::from_str(payload).ok(),
        }
    }

    /// The same with a query parameter.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.query.insert(key.to_owned(), value.to_owned());
        self
    }

    /// What an adapter is given.
    pub fn inbound(&self) -> Inbound<'_> {
        Inbound::test(self)
    }
}

thread_local! {
    static LINES: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
    static NOW_MS: Cell<i64> = const { Cell::new(1_700_000_000_000) };
}

#[cfg_attr(target_arch = "wasm32", allow(dead_code))]
pub(crate) fn record(level: Level, text: &str) {
    LINES.with_borrow_mut(|lines| lines.push((level, text.to_owned())));
}

/// Lines logged by this thread since the last call.
pub fn lines() -> Vec<(Level, String)> {
    LINES.take()
}

/// Sets the time that [`crate::now_ms`] tells this thread.
pub fn set_now_ms(now_ms: i64) {
    NOW_MS.set(now_ms);
}

#[cfg_attr(target_arch = "wasm32", allow(dead_code))]
pub(crate) fn now_ms() -> i64 {
    NOW_MS.get()
}

thread_local! {
    static KEPT: RefCell<BTreeMap<String, Vec<u8>>> = const { RefCell::new(BTreeMap::new()) };
    static TIMERS: RefCell<BTreeMap<String, u64>> = const { RefCell::new(BTreeMap::new()) };
}

#[cfg_attr(target_arch = "wasm32", allow(dead_code))]
pub(crate) fn kept<T>(look: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> T) -> T {
    KEPT.with_borrow_mut(look)
}

#[cfg_attr(target_arch = "wasm32", allow(dead_code))]
pub(crate) fn timed<T>(look: impl FnOnce(&mut BTreeMap<String, u64>) -> T) -> T {
    TIMERS.with_borrow_mut(look)
}

/// The timers that this thread has set, with their delays in milliseconds.
pub fn timers() -> BTreeMap<String, u64> {
    TIMERS.with_borrow(Clone::clone)
}

thread_local! {
    static PLATFORM: RefCell<Platform> = RefCell::new(Platform::default());
    static FIGURES: RefCell<BTreeMap<String, f64>> = const { RefCell::new(BTreeMap::new()) };
}

/// Looks at, or fills, what this thread's nodes find stored.
pub fn platform<T>(look: impl FnOnce(&mut Platform) -> T) -> T {
    PLATFORM.with_borrow_mut(look)
}

#[cfg_attr(target_arch = "wasm32", allow(dead_code))]
pub(crate) fn figured<T>(look: impl FnOnce(&mut BTreeMap<String, f64>) -> T) -> T {
    FIGURES.with_borrow_mut(look)
}

/// What this thread's nodes have reported about themselves.
pub fn figures() -> BTreeMap<String, f64> {
    FIGURES.with_borrow(Clone::clone)
}

/// Forgets everything this thread has kept in [`crate::state`], its timers and figures, and what is stored.
pub fn forget() {
    KEPT.take();
    TIMERS.take();
    FIGURES.take();
    PLATFORM.take();
}
