//! The listeners that run, by id. Who wants one, and with which adapter, is decided above.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use session::{Carrier, StreamService};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::faults::Faults;
use super::{StreamConfig, tcp, udp};

/// What can be seen of a listener, and what stops it.
pub(super) struct Watched {
    pub(super) faults: Faults,
    peers: AtomicUsize,
    stop: watch::Sender<bool>,
}

/// Counts a peer as long as it lives.
pub(super) struct PeerCount<'a>(&'a Watched);

/// Waits until a listener is to stop.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Ends with an error when the sender is gone: then it is time, too.
    let _ = stop.wait_for(|stopping| *stopping).await;
}

impl Watched {
    fn new() -> Self {
        Watched {
            faults: Faults::default(),
            peers: AtomicUsize::new(0),
            stop: watch::Sender::new(false),
        }
    }

    pub(super) fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    pub(super) fn peer(&self) -> PeerCount<'_> {
        self.peers.fetch_add(1, Ordering::Relaxed);
        PeerCount(self)
    }

    pub(super) fn peers(&self) -> usize {
        self.peers.load(Ordering::Relaxed)
    }
}

impl Drop for PeerCount<'_> {
    fn drop(&mut self) {
        self.0.peers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What can be seen of a listener that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerState {
    /// Where it listens.
    pub address: SocketAddr,
    /// Peers there are.
    pub peers: usize,
    /// How often the adapter failed.
    pub faults: u64,
    /// What happened last.
    pub last_fault: Option<String>,
}

struct Running {
    address: SocketAddr,
    watched: Arc<Watched>,
    task: JoinHandle<()>,
}

/// The listeners that run. Clones share everything.
#[derive(Clone, Default)]
pub struct StreamListeners(Arc<Mutex<HashMap<uuid::Uuid, Running>>>);

impl StreamListeners {
    /// None runs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts one. One with the same id must have been stopped.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub async fn start(&self, id: uuid::Uuid, config: StreamConfig, service: StreamService) -> io::Result<SocketAddr> {
        let watched = Arc::new(Watched::new());
        let (address, task) = match service.carrier() {
            Carrier::Tcp => {
                let socket = TcpListener::bind(config.address).await?;
                let address = socket.local_addr()?;
                let run = tcp::run(socket, service, config, Arc::clone(&watched));
                (address, actor::spawn("stream listener", run))
            }
            Carrier::Udp => {
                let socket = UdpSocket::bind(config.address).await?;
                let address = socket.local_addr()?;
                let run = udp::run(socket, service, config, Arc::clone(&watched));
                (address, actor::spawn("stream listener", run))
            }
        };
        let running = Running { address, watched, task };
        self.0.lock().insert(id, running);
        Ok(address)
    }

    /// Stops one: nobody new is taken, what is in flight becomes durable, its peers end. Does nothing when it does not run.
    pub async fn stop(&self, id: uuid::Uuid) {
        let running = self.0.lock().remove(&id);
        if let Some(Running { watched, task, .. }) = running {
            watched.stop.send_replace(true);
            if task.await.is_err() {
                tracing::error!("a stream listener panicked");
            }
        }
    }

    /// Stops all of them.
    pub async fn stop_all(&self) {
        let ids: Vec<_> = self.0.lock().keys().copied().collect();
        futures::future::join_all(ids.into_iter().map(|id| self.stop(id))).await;
    }

    /// What can be seen of one; none: it does not run.
    pub fn observe(&self, id: uuid::Uuid) -> Option<ListenerState> {
        let running = self.0.lock();
        let Running { address, watched, .. } = running.get(&id)?;
        let (faults, last_fault) = watched.faults.seen();
        Some(ListenerState {
            address: *address,
            peers: watched.peers(),
            faults,
            last_fault,
        })
    }
}
