//! A few servers in one process, each with a folder, an address and a certificate of its own.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cluster::{DeviceLane, Devices, LeaseTiming, PeerId, PeerState, Place, Ring, RouteError, Standing, Staying};
use membership::log_store::LogStore;
use membership::state::Server as ServerFacts;
use membership::{Identity, Membership, MembershipConfig, MembershipError, Status};
use model::{DeviceId, TenantId};
use parking_lot::Mutex;
use peers::ClusterTls;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use uuid::Uuid;

/// Slow enough for a machine that has other things to do.
pub const TIMING: LeaseTiming = LeaseTiming {
    heartbeat_ms: 150,
    lease_ms: 2_400,
    quorum_ms: 900,
    failure_ms: 3_600,
};

pub async fn until(what: &str, is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait)
        .await
        .unwrap_or_else(|_| panic!("{what}: it did not happen"));
}

/// Counts how often devices were released.
#[derive(Default)]
pub struct Played(pub Mutex<usize>);

#[async_trait]
impl Devices for Played {
    async fn lane(&self, _: DeviceId) -> Result<DeviceLane, RouteError> {
        Err(RouteError::NoDevice)
    }

    async fn release(&self, _: Staying<'_>) {
        *self.0.lock() += 1;
    }
}

pub struct World {
    authority: CertifiedIssuer<'static, KeyPair>,
    dir: tempfile::TempDir,
    pub timing: LeaseTiming,
    /// Where servers were when they last ran.
    addresses: Mutex<HashMap<String, SocketAddr>>,
}

pub struct Server {
    pub membership: Membership,
    pub devices: Arc<Played>,
    pub address: SocketAddr,
    /// All it does, it does here: it ends with this as a process would.
    runtime: Option<Runtime>,
}

impl World {
    pub fn new() -> Self {
        // Set by whoever is first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut parameters = CertificateParams::new(vec![]).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, "authority of a cluster");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        World {
            authority: CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap(),
            dir: tempfile::tempdir().unwrap(),
            timing: TIMING,
            addresses: Mutex::default(),
        }
    }

    fn tls(&self) -> ClusterTls {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec![peers::tls::CLUSTER_NAME.to_owned()]).unwrap();
        let certificate = parameters.signed_by(&key, &self.authority).unwrap();
        ClusterTls::from_pem(&certificate.pem(), &key.serialize_pem(), &self.authority.pem())
    }

    /// Starts a server with a folder of a name; it founds a cluster, joins one, or comes back where it was.
    pub async fn start(&self, name: &str, join: Option<&Server>) -> Server {
        let before = self.addresses.lock().get(name).copied();
        self.start_at(name, before, join.map(|server| server.address)).await
    }

    /// The same, at an address of its own or a new one.
    pub async fn start_at(&self, name: &str, address: Option<SocketAddr>, join: Option<SocketAddr>) -> Server {
        self.start_as(name, address, join, "1").await.unwrap()
    }

    /// The same, of some version. Why it does not start: it is refused.
    pub async fn start_as(
        &self,
        name: &str,
        address: Option<SocketAddr>,
        join: Option<SocketAddr>,
        version: &str,
    ) -> Result<Server, MembershipError> {
        let listener = TcpListener::bind(address.unwrap_or_else(|| "127.0.0.1:0".parse().unwrap()))
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        self.addresses.lock().insert(name.to_owned(), address);
        let config = MembershipConfig {
            dir: self.dir.path().join(name),
            server: ServerFacts {
                address: address.to_string(),
                version: version.to_owned(),
                weight: 100,
            },
            join: join.map(|address| address.to_string()),
            tls: self.tls(),
            timing: self.timing,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        // Given to the runtime it is to live in.
        let listener = listener.into_std().unwrap();
        let devices = Arc::new(Played::default());
        let running = runtime.spawn(run(config, listener, Arc::clone(&devices)));
        match running.await.unwrap() {
            Ok(membership) => Ok(Server {
                membership,
                devices,
                address,
                runtime: Some(runtime),
            }),
            Err(refused) => {
                runtime.shutdown_background();
                Err(refused)
            }
        }
    }

    /// So many servers that are all up.
    pub async fn cluster(&self, count: usize) -> Vec<Server> {
        let mut servers = vec![self.start("1", None).await];
        for number in 2..=count {
            let server = self.start(&number.to_string(), servers.last()).await;
            servers.push(server);
        }
        let all: Vec<&Server> = servers.iter().collect();
        settled(&all, count).await;
        servers
    }
}

impl Server {
    pub fn id(&self) -> PeerId {
        self.membership.place().local()
    }

    pub fn status(&self) -> Status {
        self.membership.status()
    }

    pub fn state_of(&self, peer: PeerId) -> Option<PeerState> {
        self.status().peers.get(&peer).map(|status| status.state)
    }

    pub fn leads(&self) -> bool {
        self.status().leader == Some(self.id())
    }

    /// How many of some devices it may serve.
    pub fn serves(&self) -> usize {
        let devices = (0..500).map(|number| DeviceId::new(TenantId::SYSTEM, Uuid::from_u128(number)));
        devices
            .filter(|device| matches!(self.membership.place().standing(*device), Standing::Here(_)))
            .count()
    }

    /// As if its process were killed: nobody hears of it.
    pub async fn kill(mut self) {
        let runtime = self.runtime.take().unwrap();
        let ended = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(Duration::from_secs(10)));
        ended.await.unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn run(config: MembershipConfig, listener: std::net::TcpListener, devices: Arc<Played>) -> Result<Membership, MembershipError> {
    let store = open(&config.dir).await;
    let identity = Identity::establish(&store, &config).await?;
    let tls = config.tls.clone();
    let membership = Membership::open(store, identity, Place::new(identity.peer), config).await.unwrap();
    let (members, raft) = membership.services();
    let incoming = TcpListenerStream::new(TcpListener::from_std(listener).unwrap());
    actor::spawn("test server", async move {
        let mut server = tonic::transport::Server::builder().tls_config(tls.server()).unwrap();
        server
            .add_service(members)
            .add_service(raft)
            .serve_with_incoming(incoming)
            .await
            .unwrap();
    });
    membership.start(devices as Arc<dyn Devices>).await.unwrap();
    Ok(membership)
}

/// Opens a folder, once the server that ran there has left it.
async fn open(dir: &Path) -> LogStore {
    let opening = async {
        loop {
            match LogStore::open(dir) {
                Ok(store) => return store,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), opening)
        .await
        .expect("the folder is free")
}

/// Waits until so many servers are up, everybody knows it, and all devices are served by somebody.
pub async fn settled(servers: &[&Server], up: usize) {
    until(&format!("{up} servers are up and settled"), || {
        let served: usize = servers.iter().map(|server| server.serves()).sum();
        let agree = servers.iter().all(|server| {
            let status = server.status();
            let count = status.peers.values().filter(|peer| peer.state == PeerState::Up).count();
            count == up && status.settled == status.epoch && status.leader.is_some()
        });
        agree && served == 500
    })
    .await;
}
