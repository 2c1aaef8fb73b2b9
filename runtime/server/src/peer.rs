//! This server as one of a cluster's. Its way in:
//!
//! 1. [`Introduced::new`] – who it is: as it was before, by joining, or by founding; it owns nothing yet,
//! 2. [`Introduced::share`] – the store it found belongs to this cluster and to no other,
//! 3. [`Introduced::meet`] – there is a way to the devices of the others,
//! 4. [`Peer::start`] – it is reached by the others, and takes its share.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cluster::{Announcer, Backlog, Devices, LeaseTiming, Place, Ring, Router, Standing, Tally, UsageTeller};
use feed::Feed;
use membership::identity::known_version;
use membership::log_store::LogStore;
use membership::state::Server as ServerFacts;
use membership::{Identity, Membership, MembershipConfig};
use model::{DeviceId, RuleNodeId};
use peers::handshake::Speaks;
use peers::{ClusterTls, Peers, PeersConfig};
use rules::{Changed, Whereabouts};
use storage::Store;
use storage_cassandra::Fence;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use uuid::Uuid;

use crate::config::{PeerConfig, PeerFiles};
use crate::wire::blocking;

/// Folder in the data folder for what the servers agree on.
pub const FOLDER: &str = "cluster";
/// The setting in the store that names the cluster it belongs to.
const SETTING: &str = "cluster";
/// A server that starts opens its doors when it has its share, or after this time without it.
const SHARE_TIMEOUT: Duration = Duration::from_secs(15);
/// How long requests of other servers may take to end.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// Other servers' connections are asked this often whether they live.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// A server that knows who it is.
pub struct Introduced {
    listener: TcpListener,
    log: LogStore,
    identity: Identity,
    config: MembershipConfig,
    place: Place,
    version: u32,
}

/// A server among others.
pub struct Peer {
    listener: TcpListener,
    place: Place,
    peers: Peers,
    membership: Membership,
    tls: ClusterTls,
}

/// A server among others, at work.
pub struct Serving {
    address: SocketAddr,
    peers: Peers,
    place: Place,
    membership: Membership,
    devices: Arc<dyn Devices>,
    stop: watch::Sender<bool>,
    served: tokio::task::JoinHandle<()>,
}

/// Writes only as long as this server may own devices.
struct LeaseFence(Place);

impl Fence for LeaseFence {
    fn holds(&self) -> bool {
        self.0.holds_lease()
    }
}

/// Nodes of which there is one run where a device of their name would.
struct WhereaboutsByRing(Place);

impl Whereabouts for WhereaboutsByRing {
    fn runs(&self, node: RuleNodeId) -> bool {
        matches!(self.0.standing(DeviceId::new(node.tenant, node.id)), Standing::Here(_))
    }

    fn serves(&self, device: DeviceId) -> bool {
        self.0.owns(device)
    }

    fn arrivals(&self) -> u64 {
        self.0.epochs().1.0
    }

    fn changed(&self) -> Changed {
        let mut changes = self.0.changes();
        Box::pin(async move {
            if changes.changed().await.is_err() {
                std::future::pending().await
            }
        })
    }
}

/// The certificates of a cluster.
pub fn tls(files: &PeerFiles) -> Result<ClusterTls> {
    ClusterTls::read(&files.certificate, &files.key, &files.authority).context("the cluster's certificates cannot be used")
}

/// What a server has to know to belong to a cluster; reached at an address.
pub fn membership_config(config: &PeerConfig, data_dir: &Path, address: String) -> Result<MembershipConfig> {
    Ok(MembershipConfig {
        dir: data_dir.join(FOLDER),
        server: ServerFacts {
            address,
            version: config.speaks.tell(env!("CARGO_PKG_VERSION")),
            weight: config.weight,
        },
        join: config.join.clone(),
        tls: tls(&config.files)?,
        timing: LeaseTiming::DEFAULT,
    })
}

/// Opens what the servers agree on.
pub async fn open_log(config: &MembershipConfig) -> Result<LogStore> {
    let dir = config.dir.clone();
    let log = blocking(move || std::fs::create_dir_all(&dir).map(|()| LogStore::open(&dir))).await?;
    let log = log.with_context(|| format!("the folder {} cannot be made", config.dir.display()))?;
    Ok(log?)
}

impl Introduced {
    /// Binds the address and learns who this server is.
    pub async fn new(config: &PeerConfig, data_dir: &Path) -> Result<Self> {
        let listening = TcpListener::bind(config.listen).await;
        let listener = listening.with_context(|| format!("other servers cannot be listened to on {}", config.listen))?;
        let bound: SocketAddr = listener.local_addr()?;
        let address = config.address.clone().unwrap_or_else(|| bound.to_string());
        let config = membership_config(config, data_dir, address)?;
        let log = open_log(&config).await?;
        let joined = Identity::establish(&log, &config).await;
        let identity = joined.context("this server has no place in a cluster")?;
        let version = match identity.founds {
            true => Speaks::told(&config.server.version).max,
            false => known_version(&log)?,
        };
        Ok(Introduced {
            listener,
            log,
            identity,
            config,
            place: Place::new(identity.peer),
            version,
        })
    }

    /// What the cluster speaks, as far as this server knows: it may be more by now.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// What keeps the store from being written when this server has lost touch with the others.
    pub fn fence(&self) -> Arc<dyn Fence> {
        Arc::new(LeaseFence(self.place.clone()))
    }

    /// Sees to it that a store belongs to one cluster.
    pub async fn share(&self, store: &dyn Store) -> Result<()> {
        let ours = self.identity.cluster;
        let theirs = match self.identity.founds {
            true => store.setting_or_init(SETTING, ours.as_bytes().to_vec()).await?,
            // Whoever joins finds what the founder wrote; another store would have none of the devices.
            false => store
                .setting(SETTING)
                .await?
                .with_context(|| format!("the store is not that of the cluster {ours}: give storage as the other servers have it"))?,
        };
        if theirs != ours.as_bytes() {
            let theirs = Uuid::from_slice(&theirs).unwrap_or_default();
            bail!(
                "the store belongs to the cluster {theirs}, and this server to {ours}: \
                 begin with an empty data folder and give join, the address of a server of that cluster"
            );
        }
        Ok(())
    }

    /// Finds the way to the devices of the others; `devices` are this server's own; `feed` tells what they save.
    pub async fn meet(self, devices: Arc<dyn Devices>, feed: Feed) -> Result<Peer> {
        let tls = self.config.tls.clone();
        let config = PeersConfig {
            speaks: Speaks::told(&self.config.server.version),
            ..PeersConfig::default()
        };
        let peers = Peers::new(self.place.clone(), devices, feed, tls.clone(), config);
        let membership = Membership::open(self.log, self.identity, self.place.clone(), self.config).await;
        Ok(Peer {
            listener: self.listener,
            place: self.place,
            peers,
            membership: membership.context("this server cannot take part in its cluster")?,
            tls,
        })
    }
}

/// Refuses a store that servers of a cluster share: who runs alone would serve their devices, too.
pub async fn alone(store: &dyn Store) -> Result<()> {
    match store.setting(SETTING).await? {
        None => Ok(()),
        Some(cluster) => bail!(
            "the store belongs to the cluster {}: give peer, and join, the address of one of its servers",
            Uuid::from_slice(&cluster).unwrap_or_default()
        ),
    }
}

impl Peer {
    /// The way to every device.
    pub fn router(&self, devices: Arc<dyn Devices>) -> Router {
        Router::among(Arc::new(self.place.clone()), devices, Arc::new(self.peers.clone()))
    }

    /// Where devices are served, and nodes run of which there is one.
    pub fn whereabouts(&self) -> Arc<dyn Whereabouts> {
        Arc::new(WhereaboutsByRing(self.place.clone()))
    }

    /// Listens to the others and takes this server's share.
    pub async fn start(self, router: Router, devices: Arc<dyn Devices>) -> Result<Serving> {
        let address = self.listener.local_addr()?;
        let (stop, mut stopping) = watch::channel(false);
        let (members, raft) = self.membership.services();
        let mut server = tonic::transport::Server::builder()
            .tls_config(self.tls.server())
            .context("the cluster's certificates cannot be used")?
            .http2_keepalive_interval(Some(KEEP_ALIVE))
            .http2_keepalive_timeout(Some(KEEP_ALIVE))
            .tcp_nodelay(true);
        let services = server.add_service(members).add_service(raft).add_service(self.peers.service());
        let incoming = TcpListenerStream::new(self.listener);
        let stopped = async move {
            // Whoever can say nothing any more has stopped, too.
            let _ = stopping.wait_for(|stops| *stops).await;
        };
        let served = actor::spawn("servers of the cluster", async move {
            if let Err(error) = services.serve_with_incoming_shutdown(incoming, stopped).await {
                tracing::error!(%error, "other servers cannot reach this one any more");
            }
        });
        self.peers.start(router);
        let started = self.membership.start(Arc::clone(&devices)).await;
        started.context("this server cannot take part in its cluster")?;
        let serving = Serving {
            address,
            peers: self.peers,
            place: self.place,
            membership: self.membership,
            devices,
            stop,
            served,
        };
        serving.wait_for_a_share().await?;
        Ok(serving)
    }
}

impl Serving {
    /// Where it listens to the others.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How the others hear of changes made here.
    pub fn announcer(&self) -> Arc<dyn Announcer> {
        Arc::new(self.peers.clone())
    }

    /// What the others have changed.
    pub fn changes(&self) -> &Backlog {
        self.peers.changes()
    }

    /// How the others hear of what tenants use here.
    pub fn usage_teller(&self) -> Arc<dyn UsageTeller> {
        Arc::new(self.peers.clone())
    }

    /// What tenants use through the others.
    pub fn usage(&self) -> Tally {
        self.peers.usage().clone()
    }

    /// Waits until this server serves its share, for a while.
    ///
    /// # Errors
    /// When the others say that it does not speak what the cluster writes.
    async fn wait_for_a_share(&self) -> Result<()> {
        tokio::select! {
            refused = self.membership.refused() => return Err(refused).context("this server cannot take part in its cluster"),
            share = tokio::time::timeout(SHARE_TIMEOUT, self.share()) => if share.is_err() {
                tracing::warn!("this server has no share of the devices yet; it serves what comes, and the others do the rest");
            },
        }
        let status = self.membership.status();
        let (peer, epoch, version) = (status.peer.0, status.epoch.0, status.version);
        tracing::info!(peer, epoch, version, servers = status.peers.len(), cluster = %status.cluster, "a server of a cluster");
        Ok(())
    }

    /// Ends when this server serves its share.
    async fn share(&self) {
        let mut changes = self.place.changes();
        loop {
            let (epoch, settled) = self.place.epochs();
            let members = self.place.members();
            let up = members.borrow().owners().any(|(peer, _)| peer == self.place.local());
            if up && epoch == settled && self.place.holds_lease() {
                return;
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Lets go of its devices, and says no more. The others notice, and take over.
    pub async fn stop(self) {
        self.membership.stop().await;
        self.place.cast_out();
        self.devices.release(&|_| false).await;
        let _ = self.stop.send(true);
        let mut served = self.served;
        // Streams of other servers end only when they do.
        if tokio::time::timeout(DRAIN_TIMEOUT, &mut served).await.is_err() {
            served.abort();
        }
    }
}
