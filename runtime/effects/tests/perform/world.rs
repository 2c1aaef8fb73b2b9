//! What the tests stand on: a store in a temporary folder, a clock that is set by hand, and lanes of devices.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use actor::{LaneReceiver, lane};
use async_trait::async_trait;
use cluster::{Delivery, DeviceLane, Devices, RouteError, Router, SinglePeer};
use effects::{EffectError, Effects, Performed};
use model::{AttributeScope, Clock, CustomerId, DeviceId, EntityId, Message, MessageKind, Metadata, Payload, Reading, TenantId};
use parking_lot::Mutex;
use plugins::Effect;
use serde_json::{Value as Json, json};
use storage::{AttributeStore, EmbeddedConfig, EmbeddedStore};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for something that must happen.
pub async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// A clock that is set by hand.
#[derive(Default)]
pub struct HandClock(AtomicI64);

impl HandClock {
    pub fn set(&self, now_ms: i64) {
        self.0.store(now_ms, Ordering::Relaxed);
    }
}

impl Clock for HandClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Devices that are awake. The others do not exist.
#[derive(Default)]
struct Awake(Mutex<HashMap<DeviceId, DeviceLane>>);

#[async_trait]
impl Devices for Awake {
    async fn lane(&self, device: DeviceId) -> Result<DeviceLane, RouteError> {
        self.0.lock().get(&device).cloned().ok_or(RouteError::NoDevice)
    }
}

pub struct World {
    pub tenant: TenantId,
    pub store: EmbeddedStore,
    pub effects: Effects,
    pub clock: Arc<HandClock>,
    awake: Arc<Awake>,
    _dir: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(EmbeddedConfig::new(dir.path())).unwrap();
        let (clock, awake) = (Arc::new(HandClock::default()), Arc::new(Awake::default()));
        let router = Router::new(Arc::new(SinglePeer), Arc::clone(&awake) as _);
        let effects = Effects::new(Arc::new(store.clone()), router, Arc::clone(&clock) as _);
        World {
            tenant: TenantId::generate(),
            store,
            effects,
            clock,
            awake,
            _dir: dir,
        }
    }

    /// A device that sleeps.
    pub fn device(&self) -> DeviceId {
        DeviceId::generate(self.tenant)
    }

    /// A device that the test plays.
    pub fn awake_device(&self) -> (DeviceId, LaneReceiver<Delivery>) {
        let device = self.device();
        let (sender, receiver) = lane(16);
        self.awake.0.lock().insert(device, sender);
        (device, receiver)
    }

    /// Performs effects at a time for a message of the first one's entity.
    pub async fn perform(&self, now_ms: i64, effects: Vec<Effect>, message: &Arc<Message>) -> Result<Performed, EffectError> {
        self.clock.set(now_ms);
        soon("performing", self.effects.perform(effects, Arc::clone(message))).await
    }

    pub async fn attribute(&self, device: DeviceId, scope: AttributeScope, key: &str) -> Option<Reading> {
        let found = self.store.attributes(device.entity(), scope, Some(&[key.into()])).await.unwrap();
        found.into_iter().next().map(|(_, reading)| reading)
    }
}

/// A message about a device of a customer.
pub fn message(entity: EntityId) -> Arc<Message> {
    Arc::new(Message {
        id: uuid::Uuid::now_v7(),
        kind: MessageKind::PostTelemetry,
        originator: entity,
        customer: Some(CustomerId::generate(entity.tenant)),
        metadata: [("deviceName", "D")].into_iter().collect::<Metadata>(),
        payload: Payload::new(json!({"t": 41})),
        ts_ms: 5,
    })
}

/// The payload that leaves with a message; null: the message leaves unchanged.
pub fn leaving(performed: &Performed) -> Json {
    performed
        .message
        .as_ref()
        .map_or(Json::Null, |message| message.payload.json().clone())
}

/// Metadata of the message that leaves.
pub fn mark<'a>(performed: &'a Performed, key: &str) -> Option<&'a str> {
    performed.message.as_ref().and_then(|message| message.metadata.get(key))
}
