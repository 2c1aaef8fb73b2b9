//! What the tests stand on: a store in a temporary folder, the adapter compiled once, and lanes of devices.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actor::{LaneReceiver, lane};
use async_trait::async_trait;
use cluster::{Delivery, DeviceLane, Devices, RouteError, Router, SinglePeer};
use model::entity::EntityRecord;
use model::{Clock, DeviceId, EntityId, EntityKind, SystemClock, TenantId};
use parking_lot::Mutex;
use plugins::{AdapterComponent, Host, HostConfig, Limits, LoadedComponent, LogLevel, LogSink, StreamComponent};
use serde_json::{Value as Json, json};
use session::{
    AdapterSource, Adapters, Event, Inbound, ProvisionRequest, Provisioned, RateLimits, RegisterError, Registrar, Session, Sessions,
    SessionsConfig, Transport,
};
use shares::Shares;
use storage::{EmbeddedConfig, EmbeddedStore, EntityStore};

/// The time of day, always.
pub const NOW_MS: i64 = 1_700_000_000_000;
/// Told to devices that ask.
pub const PAYLOAD_BYTES_MAX: usize = 4321;

/// Waits for something that must happen.
pub async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen"))
}

fn adapter() -> AdapterComponent {
    static ADAPTER: OnceLock<AdapterComponent> = OnceLock::new();
    let load = || {
        // Patient: a machine that is busy with other tests must not make a good adapter late.
        let limits = Limits {
            process_ms: 10_000,
            open_ms: 10_000,
            ..Limits::default()
        };
        let host = Host::new(HostConfig {
            limits,
            instances_max: 64,
            ..HostConfig::default()
        })
        .unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/components/device-api.wasm");
        match host
            .load(&std::fs::read(path).expect("components are built by `cargo xtask guests`"))
            .unwrap()
        {
            LoadedComponent::Adapter(component) => component,
            other => panic!("{other:?}"),
        }
    };
    ADAPTER.get_or_init(load).clone()
}

struct Standing;

impl Clock for Standing {
    fn now_ms(&self) -> i64 {
        NOW_MS
    }
}

/// Hears no log line.
pub struct Silent;

impl LogSink for Silent {
    fn line(&self, _: TenantId, _: &str, _: LogLevel, _: &str) {}
}

/// Name of the adapter that tenants have of their own.
const OWN_ADAPTER: &str = "own";

/// It does what the shipped one does.
struct OwnAdapter;

#[async_trait]
impl AdapterSource for OwnAdapter {
    async fn payload(&self, _: TenantId, name: &str) -> Option<AdapterComponent> {
        (name == OWN_ADAPTER).then(adapter)
    }

    async fn stream(&self, _: TenantId, _: &str) -> Option<StreamComponent> {
        None
    }
}

/// Devices that are awake, and what is said of the others.
#[derive(Default)]
struct Played {
    awake: Mutex<HashMap<DeviceId, DeviceLane>>,
    unavailable: Mutex<Option<String>>,
    gateways: Mutex<Vec<DeviceId>>,
    named: Mutex<HashMap<String, DeviceId>>,
}

#[async_trait]
impl Devices for Played {
    async fn lane(&self, device: DeviceId) -> Result<DeviceLane, RouteError> {
        if let Some(reason) = self.unavailable.lock().clone() {
            return Err(RouteError::Unavailable(reason));
        }
        self.awake.lock().get(&device).cloned().ok_or(RouteError::NoDevice)
    }
}

#[async_trait]
impl Registrar for Played {
    async fn is_gateway(&self, device: DeviceId) -> Result<bool, RegisterError> {
        Ok(self.gateways.lock().contains(&device))
    }

    async fn device_behind(&self, _: DeviceId, name: &str, profile: Option<&str>) -> Result<DeviceId, RegisterError> {
        if profile == Some("impossible") {
            return Err(RegisterError::Invalid("no such profile can be".to_owned()));
        }
        let found = self.named.lock().get(name).copied();
        found.ok_or_else(|| RegisterError::Unavailable("the store is gone".to_owned()))
    }

    /// `key` is known, with the secret `secret`.
    async fn device_of_chain(&self, _: &[Vec<u8>]) -> Result<Option<DeviceId>, RegisterError> {
        Ok(None)
    }

    async fn provision(&self, request: &ProvisionRequest) -> Result<Provisioned, RegisterError> {
        let known = (&*request.provision_device_key, &*request.provision_device_secret) == ("key", "secret");
        Ok(match request.wanted() {
            _ if !known => Provisioned::NotFound,
            Ok(wanted) => wanted.map_or(Provisioned::Failure, Provisioned::Success),
            Err(_) => Provisioned::Failure,
        })
    }
}

pub struct World {
    pub tenant: TenantId,
    pub store: EmbeddedStore,
    pub sessions: Sessions,
    devices: Arc<Played>,
    _dir: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        Self::with(RateLimits::default())
    }

    pub fn with(limits: RateLimits) -> Self {
        Self::routed(limits, |devices| Router::new(Arc::new(SinglePeer), devices))
    }

    /// Devices are found by a router over those of this server.
    pub fn routed(limits: RateLimits, router: impl FnOnce(Arc<dyn Devices>) -> Router) -> Self {
        Self::built(limits, router, Adapters::new(adapter(), Arc::new(Silent), Arc::new(SystemClock)))
    }

    /// Tenants have an adapter of their own, [`OWN_ADAPTER`], which uses their shares.
    pub fn sharing(shares: &Shares) -> Self {
        let adapters = Adapters::with_source(
            adapter(),
            Arc::new(OwnAdapter),
            shares.clone(),
            Arc::new(Silent),
            Arc::new(SystemClock),
        );
        let router = |devices| Router::new(Arc::new(SinglePeer), devices);
        Self::built(RateLimits::default(), router, adapters)
    }

    fn built(limits: RateLimits, router: impl FnOnce(Arc<dyn Devices>) -> Router, adapters: Adapters) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(EmbeddedConfig::new(dir.path())).unwrap();
        let devices = Arc::new(Played::default());
        let sessions = Sessions::start(SessionsConfig {
            store: Arc::new(store.clone()),
            router: router(Arc::clone(&devices) as _),
            limits,
            registrar: Arc::clone(&devices) as _,
            adapters,
            clock: Arc::new(Standing),
            payload_bytes_max: PAYLOAD_BYTES_MAX,
        });
        World {
            tenant: TenantId::generate(),
            store,
            sessions,
            devices,
            _dir: dir,
        }
    }

    /// A device whose actor the test plays.
    pub fn device(&self) -> (DeviceId, LaneReceiver<Delivery>) {
        let device = DeviceId::generate(self.tenant);
        (device, self.wake(device))
    }

    /// A device that speaks through its tenant's adapter.
    pub async fn device_of_own_adapter(&self) -> (DeviceId, LaneReceiver<Delivery>) {
        let (device, lane) = self.device();
        let profile = EntityId::new(self.tenant, EntityKind::DeviceProfile, uuid::Uuid::now_v7());
        let save = async |id: EntityId, body: Json| {
            let record = EntityRecord {
                id,
                version: 0,
                name: id.id.to_string(),
                subtype: String::new(),
                customer: None,
                body,
            };
            EntityStore::save_entity(&self.store, record).await.unwrap();
        };
        let transport = json!({"transportConfiguration": {"adapter": OWN_ADAPTER}});
        save(profile, json!({"name": "p", "profileData": transport})).await;
        let named = json!({"entityType": "DEVICE_PROFILE", "id": profile.id});
        save(device.entity(), json!({"name": "D", "deviceProfileId": named})).await;
        (device, lane)
    }

    /// Another actor for a device, whose last one is gone.
    pub fn wake(&self, device: DeviceId) -> LaneReceiver<Delivery> {
        let (sender, receiver) = lane(10_000);
        self.devices.awake.lock().insert(device, sender);
        receiver
    }

    /// A device is a gateway.
    pub fn make_gateway(&self, device: DeviceId) {
        self.devices.gateways.lock().push(device);
    }

    /// A device of a name, whose actor the test plays.
    pub fn named(&self, name: &str) -> LaneReceiver<Delivery> {
        let (device, lane) = self.device();
        self.name(name, device);
        lane
    }

    /// A device has a name.
    pub fn name(&self, name: &str, device: DeviceId) {
        self.devices.named.lock().insert(name.to_owned(), device);
    }

    /// From now on no device can be served.
    pub fn break_devices(&self, reason: &str) {
        *self.devices.unavailable.lock() = Some(reason.to_owned());
    }

    /// A device with a connection, which its actor knows of.
    pub async fn connected(&self) -> (DeviceId, LaneReceiver<Delivery>, Session) {
        let (device, mut lane) = self.device();
        let session = soon("connecting", self.sessions.connect(device, Transport::Mqtt)).await.unwrap();
        assert!(matches!(next(&mut lane).await, Delivery::Connected(_)));
        (device, lane, session)
    }
}

pub async fn next(lane: &mut LaneReceiver<Delivery>) -> Delivery {
    soon("a delivery", lane.recv()).await.unwrap()
}

/// What the session has to say next, and nothing more.
pub async fn event(session: &mut Session) -> Event {
    let mut events = events(session, 1).await;
    assert_eq!(events.len(), 1, "{events:?}");
    events.remove(0)
}

/// What the session has to say until so many events are there.
pub async fn events(session: &mut Session, count: usize) -> Vec<Event> {
    let mut events = Vec::new();
    while events.len() < count {
        soon("an event", session.events(&mut events)).await;
    }
    events
}

pub fn mqtt(topic: &str, payload: &Json) -> Inbound {
    Inbound::new(
        Transport::Mqtt,
        format!("v1/devices/me/{topic}"),
        vec![],
        payload.to_string().into(),
    )
}
