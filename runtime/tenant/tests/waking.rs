//! Devices that sleep and have something to do are woken by the server that has them, also when they came to it while they slept.

#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cluster::members::WEIGHT;
use cluster::{DeviceLane, Devices, Epoch, HashRing, Members, Owner, PeerId, PeerRecord, PeerState, Place, Remotes, RouteError, Router};
use device::{Registry, RegistryConfig};
use effects::Calls;
use model::entity::EntityRecord;
use model::{AttributeScope, Clock, DeviceId, SystemClock, TenantId, Value};
use serde_json::json;
use storage::{EmbeddedConfig, EmbeddedStore, EntityStore, Journal, Mutation};
use tenant::{ChainTable, wake_devices};

#[derive(Clone)]
struct Local(Registry);

#[async_trait]
impl Devices for Local {
    async fn lane(&self, device: DeviceId) -> Result<DeviceLane, RouteError> {
        self.0
            .lane(device)
            .await
            .map_err(|error| RouteError::Unavailable(error.to_string()))
    }
}

/// Nobody sends anything to the other server.
struct Nowhere;

#[async_trait]
impl Remotes for Nowhere {
    async fn lane(&self, _: Owner, _: DeviceId) -> Result<DeviceLane, RouteError> {
        Err(RouteError::Unavailable("as the test wants".to_owned()))
    }

    async fn quiet(&self, _: DeviceId, _: Owner) {}
}

fn members(epoch: u64, up: &[u64]) -> Members {
    let record = PeerRecord {
        address: String::new(),
        version: String::new(),
        state: PeerState::Up,
        weight: WEIGHT,
        since: Epoch(epoch),
    };
    Members {
        epoch: Epoch(epoch),
        peers: up.iter().map(|peer| (PeerId(*peer), record.clone())).collect(),
    }
}

/// A server that wakes devices of a store.
fn server(peer: u64, store: &EmbeddedStore) -> (Place, Registry) {
    let place = Place::new(PeerId(peer));
    place.renewed(0, 3_600_000);
    let store = Arc::new(store.clone());
    let config = RegistryConfig::default();
    let registry = Registry::new(
        store.clone(),
        Arc::new(ChainTable::new()),
        Calls::new(),
        Arc::new(SystemClock),
        config,
    );
    let router = Router::among(Arc::new(place.clone()), Arc::new(Local(registry.clone())), Arc::new(Nowhere));
    actor::spawn("waking", wake_devices(registry.clone(), router, store, Arc::new(SystemClock)));
    (place, registry)
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    tokio::time::timeout(Duration::from_secs(60), async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{what} did not happen"));
}

#[tokio::test]
async fn devices_that_came_from_another_server_are_woken() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(EmbeddedConfig::new(dir.path())).unwrap();
    let tenant = TenantId::generate();
    let ring = HashRing::of(&members(1, &[1, 2]));
    let of = |peer| loop {
        let device = DeviceId::generate(tenant);
        if ring.owner(device) == Some(PeerId(peer)) {
            return device;
        }
    };
    let devices = [of(1), of(2)];
    for device in devices {
        let record = EntityRecord {
            id: device.entity(),
            version: 0,
            name: device.id.to_string(),
            subtype: "default".to_owned(),
            customer: None,
            body: json!({"name": device.id.to_string(), "type": "default", "createdTime": 1}),
        };
        store.save_entity(record).await.unwrap();
        // It is active, and will be inactive: that is what there is to do.
        let active = Mutation::Attributes {
            entity: device.entity(),
            scope: AttributeScope::ServerScope,
            ts_ms: 1,
            values: vec![
                ("active".into(), Value::Bool(true)),
                ("lastActivityTime".into(), Value::Long(SystemClock.now_ms())),
            ],
        };
        store.submit(vec![active, Mutation::Remind(device)]).await.unwrap().await.unwrap();
    }

    let ((first, first_devices), (second, second_devices)) = (server(1, &store), server(2, &store));
    for place in [&first, &second] {
        place.agreed(&members(1, &[1, 2]));
        place.settled(Epoch(1));
    }
    until("each is woken by its owner", || {
        first_devices.awake_of(None) == [devices[0]] && second_devices.awake_of(Some(tenant)) == [devices[1]]
    })
    .await;

    // The second server goes. What it had is served by the first one, when that is settled.
    first.agreed(&members(2, &[1]));
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(first_devices.awake(), 1, "it may not serve the other one yet");
    first.settled(Epoch(2));
    until("it is woken by the new owner", || {
        first_devices.awake_of(Some(tenant)).contains(&devices[1])
    })
    .await;
}
