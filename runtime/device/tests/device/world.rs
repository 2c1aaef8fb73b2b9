//! What the tests stand on: a store in a temporary folder, a clock that follows the runtime's time, a chain that is played.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actor::{Lane, LaneReceiver, lane};
use cluster::{Delivery, DeviceLane, Receipt, RpcError, RpcRequest, SessionId, SessionLink, Settled};
use device::{Chains, DeviceError, Registry, RegistryConfig};
use effects::Calls;
use model::entity::{Device, DeviceProfile, EntityRecord, IdRef};
use model::{Clock, CustomerId, DeviceId, Downlink, DownlinkKinds, EntityId, EntityKind, Payload, TenantId, Uplink};
use parking_lot::Mutex;
use rules::{ChainInput, ChainLane};
use serde_json::{Value as Json, json};
use storage::{EmbeddedConfig, EmbeddedStore, EntityStore};
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

/// The time of day when a test begins.
pub const START_MS: i64 = 1_700_000_000_000;
/// An actor goes to sleep after this long.
pub const IDLE: Duration = Duration::from_secs(60);

/// Waits for something that must happen. For tests with the time of day only: paused time would run away meanwhile.
pub async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// Goes with the runtime's time, so that paused time pauses it as well.
pub struct RuntimeClock {
    start: Instant,
    next_look: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl RuntimeClock {
    /// Does something when an actor looks at the clock the next time: that is in the middle of what it does.
    pub fn at_next_look(&self, act: impl FnOnce() + Send + 'static) {
        *self.next_look.lock() = Some(Box::new(act));
    }
}

impl Clock for RuntimeClock {
    fn now_ms(&self) -> i64 {
        let act = self.next_look.lock().take();
        act.into_iter().for_each(|act| act());
        START_MS + self.start.elapsed().as_millis() as i64
    }
}

/// Plays the chains of all tenants: one entrance, or none.
#[derive(Default)]
pub struct PlayedChains {
    pub entrance: Mutex<Option<ChainLane>>,
    /// What was asked for: once by each actor, and again when the entrance closes, or is said to be another one.
    pub asked: Mutex<Vec<(TenantId, Option<Uuid>)>>,
    pub revision: AtomicU64,
}

impl Chains for PlayedChains {
    fn entrance(&self, tenant: TenantId, chain: Option<Uuid>) -> Option<ChainLane> {
        self.asked.lock().push((tenant, chain));
        self.entrance.lock().clone()
    }

    fn revision(&self) -> u64 {
        self.revision.load(Ordering::Relaxed)
    }
}

pub struct World {
    pub tenant: TenantId,
    pub store: EmbeddedStore,
    pub chains: Arc<PlayedChains>,
    pub calls: Calls,
    pub clock: Arc<RuntimeClock>,
    pub registry: Registry,
    _dir: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        Self::with(RegistryConfig {
            idle_timeout: IDLE,
            keeps_presence: false,
            ..RegistryConfig::default()
        })
    }

    pub fn with(config: RegistryConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(EmbeddedConfig::new(dir.path())).unwrap();
        Self::over(TenantId::generate(), store, dir, config)
    }

    /// Another one over what this one has stored.
    pub fn again(self) -> Self {
        let config = RegistryConfig {
            keeps_presence: false,
            ..RegistryConfig::default()
        };
        Self::over(self.tenant, self.store, self._dir, config)
    }

    fn over(tenant: TenantId, store: EmbeddedStore, dir: tempfile::TempDir, config: RegistryConfig) -> Self {
        let (chains, calls) = (Arc::new(PlayedChains::default()), Calls::new());
        let clock = Arc::new(RuntimeClock {
            start: Instant::now(),
            next_look: Mutex::default(),
        });
        let registry = Registry::new(
            Arc::new(store.clone()),
            Arc::clone(&chains) as _,
            calls.clone(),
            Arc::clone(&clock) as _,
            config,
        );
        World {
            tenant,
            store,
            chains,
            calls,
            clock,
            registry,
            _dir: dir,
        }
    }

    /// Opens the chain; from then on messages arrive here.
    pub fn open_chain(&self) -> LaneReceiver<ChainInput> {
        self.open_narrow_chain(10_000)
    }

    /// Opens a chain that holds so many messages; who sends more waits.
    pub fn open_narrow_chain(&self, capacity: usize) -> LaneReceiver<ChainInput> {
        let (sender, receiver) = lane(capacity);
        *self.chains.entrance.lock() = Some(sender);
        receiver
    }

    /// The time of day.
    pub fn clock_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    pub async fn save(&self, id: EntityId, name: &str, version: u64, body: Json) {
        let record = EntityRecord {
            id,
            version,
            name: name.into(),
            subtype: String::new(),
            customer: None,
            body,
        };
        self.store.save_entity(record).await.unwrap();
    }

    /// A device named `D` of type `thermometer`.
    pub async fn device(&self) -> DeviceId {
        let device = DeviceId::generate(self.tenant);
        self.save(device.entity(), &device.id.to_string(), 0, device_body("D", None, None))
            .await;
        device
    }

    pub async fn profile(&self, name: &str, chain: Uuid) -> IdRef {
        let profile: DeviceProfile = serde_json::from_value(json!({"name": name})).unwrap();
        let profile = DeviceProfile {
            default_rule_chain_id: Some(IdRef::new(EntityKind::RuleChain, chain)),
            ..profile
        };
        let id = EntityId::new(self.tenant, EntityKind::DeviceProfile, Uuid::now_v7());
        self.save(id, name, 0, serde_json::to_value(profile).unwrap()).await;
        IdRef::from(id)
    }

    pub async fn lane(&self, device: DeviceId) -> DeviceLane {
        self.registry.lane(device).await.unwrap()
    }

    pub async fn refused(&self, device: DeviceId) -> DeviceError {
        self.registry.lane(device).await.map(drop).unwrap_err()
    }
}

pub fn device_body(name: &str, profile: Option<IdRef>, customer: Option<CustomerId>) -> Json {
    let device: Device = serde_json::from_value(json!({"name": name, "type": "thermometer"})).unwrap();
    serde_json::to_value(Device {
        device_profile_id: profile,
        customer_id: customer.map(IdRef::from),
        ..device
    })
    .unwrap()
}

/// A session of a device, played.
pub struct Session {
    pub link: SessionLink,
    pub downlinks: LaneReceiver<Downlink>,
    settle: Lane<Settled>,
    pub settlements: LaneReceiver<Settled>,
}

impl Session {
    /// One that takes as many downlinks as are given before it refuses.
    pub fn new(downlinks_max: usize) -> Self {
        let (sender, downlinks) = lane(downlinks_max);
        let (settle, settlements) = lane(100_000);
        Session {
            link: SessionLink {
                id: SessionId::generate(),
                downlinks: sender,
                child: None,
                kinds: DownlinkKinds::ALL,
                once: false,
            },
            downlinks,
            settle,
            settlements,
        }
    }

    /// Makes itself known to a device's actor.
    pub async fn connect(&self, lane: &DeviceLane) {
        lane.send(Delivery::Connected(self.link.clone())).await.unwrap();
    }

    /// What the session hands over, received so many milliseconds after the start.
    pub fn uplink(&self, sequence: u64, after_ms: i64, uplink: Uplink) -> Delivery {
        let receipt = Receipt::new(self.settle.clone(), sequence);
        Delivery::Uplink {
            session: self.link.clone(),
            uplink,
            received_ms: START_MS + after_ms,
            receipt,
        }
    }
}

/// A request to a device that expires so many milliseconds after the start, and the way its answer comes.
pub fn request(method: &str, expires_after_ms: i64, oneway: bool) -> (RpcRequest, Waiting) {
    let (reply, answer) = oneshot::channel();
    let request = RpcRequest {
        id: Uuid::now_v7(),
        method: method.into(),
        params: Payload::new(json!({"of": method})),
        expires_ms: START_MS + expires_after_ms,
        oneway,
        keep: None,
        reply,
    };
    (request, answer)
}

pub type Waiting = oneshot::Receiver<Result<Option<Payload>, RpcError>>;

pub fn telemetry(ts_ms: Option<i64>, values: Json) -> Uplink {
    Uplink::Telemetry {
        ts_ms,
        values: Payload::new(values),
    }
}
