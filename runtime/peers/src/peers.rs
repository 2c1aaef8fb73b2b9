//! All other peers: a session opens when a peer appears among the members, and closes when it goes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actor::{Lane, LaneReceiver, lane, spawn, supervise};
use async_trait::async_trait;
use cluster::{
    Announcer, Backlog, Change, DeviceLane, Devices, Members, Owner, PeerId, Place, Remotes, Ring, RouteError, Router, Tally, Usage,
    UsageTeller,
};
use feed::Feed;
use model::DeviceId;
use parking_lot::Mutex;
use tokio::task::AbortHandle;

use crate::dial::dial;
use crate::network::{Grpc, Network};
use crate::paths::{Paths, Whereto};
use crate::port::ToDevice;
use crate::reroute::{AGAIN_MAX, Again, Rerouter};
use crate::session::{Order, PeerSession, SessionHandle, SessionSurroundings};
use crate::{ClusterTls, PeersConfig};

/// Clones share everything.
#[derive(Clone)]
pub struct Peers(Arc<Inner>);

struct Inner {
    local: PeerId,
    around: SessionSurroundings,
    network: Arc<dyn Network>,
    open: Mutex<HashMap<PeerId, Open>>,
    again: Mutex<Option<LaneReceiver<Again>>>,
}

struct Open {
    handle: SessionHandle,
    dialling: Option<AbortHandle>,
}

impl Peers {
    /// Nobody is known yet. Nothing is sent again before [`Peers::start`]. `feed`: what is saved here is told to peers that watch it, and
    /// what they save to those who watch here.
    pub fn new(place: Place, devices: Arc<dyn Devices>, feed: Feed, tls: ClusterTls, config: PeersConfig) -> Self {
        let keep_alive = config.keep_alive;
        Peers::over(place, devices, feed, Arc::new(Grpc { tls, keep_alive }), config)
    }

    /// The same, over any network.
    pub fn over(place: Place, devices: Arc<dyn Devices>, feed: Feed, network: Arc<dyn Network>, config: PeersConfig) -> Self {
        let (again, receiver): (Lane<Again>, _) = lane(AGAIN_MAX);
        Peers(Arc::new(Inner {
            local: place.local(),
            around: SessionSurroundings {
                place,
                devices,
                paths: Paths::default(),
                again,
                changes: Backlog::default(),
                feed,
                usage: Tally::default(),
                config,
            },
            network,
            open: Mutex::default(),
            again: Mutex::new(Some(receiver)),
        }))
    }

    /// Follows the members from now on. `router`: routes by these peers.
    pub fn start(&self, router: Router) {
        let Some(again) = self.0.again.lock().take() else { return };
        let rerouted = self.clone();
        spawn("deliveries sent again", async move {
            supervise("deliveries sent again", &mut Rerouter::new(rerouted, router, again)).await;
        });
        let peers = self.clone();
        spawn("peers", async move { peers.follow().await });
    }

    /// What is on its way to other peers.
    pub fn paths(&self) -> &Paths {
        &self.0.around.paths
    }

    /// What other peers have changed, for whoever [applies](cluster::Applying) it.
    pub fn changes(&self) -> &Backlog {
        &self.0.around.changes
    }

    /// What tenants used through other peers, for whoever counts it.
    pub fn usage(&self) -> &Tally {
        &self.0.around.usage
    }

    /// Limits.
    pub fn config(&self) -> &PeersConfig {
        &self.0.around.config
    }

    /// This peer's place.
    pub(crate) fn place(&self) -> &Place {
        &self.0.around.place
    }

    /// The way to a device's actor on its owner. None: the owner does not belong to the cluster.
    pub(crate) fn way(&self, owner: Owner, device: DeviceId) -> Option<ToDevice> {
        let session = self.session(owner.peer)?;
        let generation = session.generation.load(Ordering::Acquire);
        Some(ToDevice {
            device,
            owner,
            place: self.0.around.place.clone(),
            paths: self.0.around.paths.clone(),
            out: session.forwards,
            generation: (session.generation, generation),
            unsettled_max: self.0.around.config.device_unsettled_max,
        })
    }

    pub(crate) fn local(&self) -> PeerId {
        self.0.local
    }

    /// The session with a peer that belongs to the cluster; opened if it is not.
    pub(crate) fn session(&self, peer: PeerId) -> Option<SessionHandle> {
        let members = self.0.around.place.members();
        // Held while the session opens, so that one is not opened that has just been closed.
        let mut open = self.0.open.lock();
        let is_alive = peer != self.0.local && members.borrow().is_alive(peer);
        is_alive.then(|| open.entry(peer).or_insert_with(|| self.start_session(peer)).handle.clone())
    }

    async fn follow(&self) {
        let mut members = self.0.around.place.members();
        loop {
            let now = Arc::clone(&members.borrow_and_update());
            self.adopt(&now).await;
            if members.changed().await.is_err() {
                return;
            }
        }
    }

    async fn adopt(&self, members: &Members) {
        for (peer, _) in members.alive() {
            self.session(peer);
        }
        let gone: Vec<Open> = {
            let mut open = self.0.open.lock();
            let newest = self.0.around.place.members();
            let newest = Arc::clone(&newest.borrow());
            open.extract_if(|peer, _| !newest.is_alive(*peer)).map(|(_, gone)| gone).collect()
        };
        for Open { handle, dialling } in gone {
            if let Some(dialling) = dialling {
                dialling.abort();
            }
            // One that has ended needs no order.
            let _ = handle.orders.send(Order::Stop).await;
        }
        metrics::gauge!("peer_sessions").set(self.0.open.lock().len() as f64);
    }

    fn start_session(&self, peer: PeerId) -> Open {
        let (mut session, handle) = PeerSession::new(self.0.local, peer, self.0.around.clone());
        spawn("peer session", async move { supervise("peer session", &mut session).await });
        // One of the two opens the stream.
        let dialling = (self.0.local < peer).then(|| {
            let (members, network) = (self.0.around.place.members(), Arc::clone(&self.0.network));
            let (orders, config) = (handle.orders.clone(), self.0.around.config.clone());
            spawn("peer dialling", dial(peer, members, network, orders, config)).abort_handle()
        });
        Open { handle, dialling }
    }
}

impl Announcer for Peers {
    /// A peer whose session has yet to begin reads everything when it does.
    fn announce(&self, change: Change) {
        for open in self.0.open.lock().values() {
            open.handle.changes.push(change);
        }
    }
}

impl UsageTeller for Peers {
    fn tell(&self, usage: &[Usage]) {
        for open in self.0.open.lock().values() {
            usage.iter().for_each(|usage| open.handle.usage.add(*usage));
        }
    }
}

#[async_trait]
impl Remotes for Peers {
    async fn lane(&self, owner: Owner, device: DeviceId) -> Result<DeviceLane, RouteError> {
        match self.way(owner, device) {
            Some(way) => Ok(Lane::to_port(Arc::new(way))),
            None => Err(RouteError::Unavailable(format!("peer {} is not known", owner.peer.0))),
        }
    }

    async fn quiet(&self, device: DeviceId, except: Owner) {
        let session = self.session(except.peer);
        let generation = session.map_or(0, |session| session.generation.load(Ordering::Acquire));
        let whereto = Whereto::new(except.peer, except.epoch, generation);
        self.0.around.paths.quiet(device, whereto).await;
    }
}
