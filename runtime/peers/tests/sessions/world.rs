//! A few peers in one process, each with a server of its own, whose devices are played.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actor::{Lane, LaneReceiver, lane};
use async_trait::async_trait;
use cluster::members::WEIGHT;
use cluster::{
    Delivery, DeviceLane, Devices, Epoch, Members, PeerId, PeerRecord, PeerState, Place, Receipt, Ring, RouteError, Router, SessionId,
    SessionLink, Settled, Standing, Staying,
};
use feed::Feed;
use model::{DeviceId, Downlink, DownlinkKinds, Payload, TenantId, Uplink};
use parking_lot::Mutex;
use peers::{ClusterTls, Peers, PeersConfig};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use uuid::Uuid;

/// Waits for something that must happen.
pub async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// Looks again and again until something is so.
pub async fn until(what: &str, is_so: impl Fn() -> bool) {
    soon(what, async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Makes certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        // Set by whoever is first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut parameters = CertificateParams::new(vec![]).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, "authority of a cluster");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Certificate and key.
    pub fn sign(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec![peers::tls::CLUSTER_NAME.to_owned()]).unwrap();
        (parameters.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    pub fn tls(&self) -> ClusterTls {
        let (certificate, key) = self.sign();
        ClusterTls::from_pem(&certificate, &key, &self.pem())
    }
}

/// Devices that hand everything to the test, in order for each device.
pub struct Played {
    lanes: Mutex<HashMap<DeviceId, DeviceLane>>,
    came: Lane<(DeviceId, Delivery)>,
}

#[async_trait]
impl Devices for Played {
    async fn lane(&self, device: DeviceId) -> Result<DeviceLane, RouteError> {
        if device.id.is_nil() {
            return Err(RouteError::NoDevice);
        }
        let mut lanes = self.lanes.lock();
        if let Some(open) = lanes.get(&device).filter(|lane| !lane.is_closed()) {
            return Ok(open.clone());
        }
        let (sender, mut receiver) = lane(4);
        lanes.insert(device, sender.clone());
        let came = self.came.clone();
        actor::spawn("played device", async move {
            while let Some(delivery) = receiver.recv().await {
                if came.send((device, delivery)).await.is_err() {
                    return;
                }
            }
        });
        Ok(sender)
    }

    async fn release(&self, staying: Staying<'_>) {
        self.lanes.lock().retain(|device, _| staying(*device));
    }
}

pub struct Server {
    pub place: Place,
    pub peers: Peers,
    pub router: Router,
    pub feed: Feed,
    pub address: SocketAddr,
    /// What came for devices of this server.
    pub came: LaneReceiver<(DeviceId, Delivery)>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub struct World {
    pub servers: Vec<Server>,
    pub authority: Authority,
    epoch: u64,
}

impl World {
    /// So many servers, all up, at a settled epoch.
    pub async fn new(count: u64) -> Self {
        Self::with(count, PeersConfig::default()).await
    }

    pub async fn with(count: u64, config: PeersConfig) -> Self {
        let mut world = Self::apart(count, config).await;
        let everybody = (1..=count).collect::<Vec<_>>();
        let epoch = world.agree(&everybody);
        world.settle(epoch);
        world
    }

    /// So many servers, none of which knows another.
    pub async fn apart(count: u64, config: PeersConfig) -> Self {
        let authority = Authority::new();
        let mut servers = Vec::new();
        for number in 1..=count {
            servers.push(serve(PeerId(number), authority.tls(), config.clone()).await);
        }
        World {
            servers,
            authority,
            epoch: 0,
        }
    }

    /// All servers agree that these are up, and the others down.
    pub fn agree(&mut self, up: &[u64]) -> u64 {
        self.epoch += 1;
        let members = self.members(up, |address| address);
        self.servers.iter().for_each(|server| server.place.agreed(&members));
        self.epoch
    }

    pub fn members(&self, up: &[u64], address: impl Fn(SocketAddr) -> SocketAddr) -> Members {
        let record = |(at, server): (usize, &Server)| {
            let id = at as u64 + 1;
            let record = PeerRecord {
                address: address(server.address).to_string(),
                version: "1".to_owned(),
                state: if up.contains(&id) { PeerState::Up } else { PeerState::Down },
                weight: WEIGHT,
                since: Epoch(self.epoch),
            };
            (PeerId(id), record)
        };
        Members {
            epoch: Epoch(self.epoch),
            peers: self.servers.iter().enumerate().map(record).collect(),
        }
    }

    pub fn settle(&self, epoch: u64) {
        self.servers.iter().for_each(|server| server.place.settled(Epoch(epoch)));
    }

    /// A device that a server owns now.
    pub fn device_of(&self, server: u64) -> DeviceId {
        self.devices_of(server).next().unwrap()
    }

    pub fn devices_of(&self, server: u64) -> impl Iterator<Item = DeviceId> {
        let place = self.servers[0].place.clone();
        let owned = move |device: &DeviceId| match place.standing(*device) {
            Standing::Here(owner) | Standing::There(owner) => owner.peer.0 == server,
            Standing::Soon(_) => false,
        };
        (1u128..)
            .map(|number| DeviceId::new(TenantId::SYSTEM, Uuid::from_u128(number)))
            .filter(owned)
    }
}

async fn serve(local: PeerId, tls: ClusterTls, config: PeersConfig) -> Server {
    let place = Place::new(local);
    // For as long as a test may take.
    place.renewed(0, 3_600_000);
    let (came, receiver) = lane(100_000);
    let devices: Arc<dyn Devices> = Arc::new(Played {
        lanes: Mutex::default(),
        came,
    });
    let feed = Feed::default();
    let peers = Peers::new(place.clone(), Arc::clone(&devices), feed.clone(), tls.clone(), config);
    let router = Router::among(Arc::new(place.clone()), devices, Arc::new(peers.clone()));
    peers.start(router.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = peers.service();
    let serving = actor::spawn("peer server", async move {
        let server = tonic::transport::Server::builder()
            .tls_config(tls.server())
            .unwrap()
            .add_service(service);
        server.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
    });
    Server {
        place,
        peers,
        router,
        feed,
        address,
        came: receiver,
        serving,
    }
}

/// A session of a server, played.
pub struct Session {
    pub link: SessionLink,
    pub downlinks: LaneReceiver<Downlink>,
    settle: Lane<Settled>,
    pub settlements: LaneReceiver<Settled>,
}

impl Session {
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

    pub fn receipt(&self, sequence: u64) -> Receipt {
        Receipt::new(self.settle.clone(), sequence)
    }

    pub fn uplink(&self, sequence: u64) -> Delivery {
        Delivery::Uplink {
            session: self.link.clone(),
            uplink: Uplink::Telemetry {
                ts_ms: None,
                values: Payload::new(json!({"n": sequence})),
            },
            received_ms: 1,
            receipt: self.receipt(sequence),
        }
    }
}

/// The number that an uplink of [`Session::uplink`] has.
pub fn number(delivery: &Delivery) -> u64 {
    match delivery {
        Delivery::Uplink {
            uplink: Uplink::Telemetry { values, .. },
            ..
        } => values.json()["n"].as_u64().unwrap(),
        other => panic!("{other:?}"),
    }
}

/// All that was to be done for a delivery is durable.
pub fn done(delivery: Delivery) {
    if let Delivery::Uplink { receipt, .. } = delivery {
        receipt.done();
    }
}

/// Sends as a session does: a lane that is closed is looked for again.
pub async fn send(router: &Router, lane: &mut DeviceLane, device: DeviceId, delivery: Delivery) {
    let mut delivery = delivery;
    while let Err(closed) = lane.send(delivery).await {
        delivery = closed.0;
        *lane = router.lane(device).await.unwrap();
    }
}
