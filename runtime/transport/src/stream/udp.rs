//! UDP: datagrams by peer, which is an address and port. A peer belongs to one shard, by its address; each shard has an instance.
//!
//! What cannot be taken now is dropped and counted, as datagrams are: a device that is not answered sends again.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actor::{Lane, LaneReceiver};
use bytes::Bytes;
use session::stream::Shard;
use session::{Output, StreamService};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::time::Instant;

use super::listeners::{PeerCount, Watched, stopped};
use super::rate::Rate;
use super::{DRAIN_TIMEOUT, StreamConfig};

/// Shards of a listener.
const SHARDS: usize = 2;
/// Datagrams that may wait for a shard.
const WAITING_MAX: usize = 256;
/// Bytes of a datagram at most.
const DATAGRAM_BYTES_MAX: usize = 64 << 10;
/// How often a shard looks for peers that are idle.
const SWEEP: Duration = Duration::from_secs(1);
/// A peer without an accepted device is sent at most so many times what it sent: its address may be somebody else's.
const AMPLIFICATION_MAX: usize = 3;

type Datagram = (SocketAddr, Bytes);

/// Receives until told to stop, and waits until the shards have ended.
pub(super) async fn run(socket: UdpSocket, service: StreamService, config: StreamConfig, watched: Arc<Watched>) {
    let socket = Arc::new(socket);
    let mut lanes: Vec<Lane<Datagram>> = Vec::new();
    let mut tasks = Vec::new();
    for _ in 0..SHARDS {
        let (lane, datagrams) = actor::lane(WAITING_MAX);
        lanes.push(lane);
        let (socket, shard, config, watched) = (Arc::clone(&socket), service.shard(), config.clone(), Arc::clone(&watched));
        tasks.push(actor::spawn("stream shard", async move {
            Peers::new(&socket, shard, &config, &watched).run(datagrams).await;
        }));
    }
    let mut stop = watched.stopping();
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    let hasher = RandomState::new();
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut buffer) => received,
            () = stopped(&mut stop) => break,
        };
        match received {
            Ok((len, from)) => {
                let shard = usize::try_from(hasher.hash_one(from) % lanes.len() as u64).unwrap_or(0);
                let datagram = (from, Bytes::copy_from_slice(&buffer[..len]));
                if lanes[shard].try_send(datagram).is_err() {
                    dropped("busy");
                }
            }
            // An earlier answer did not arrive (ICMP): nobody's fault here.
            Err(error) => tracing::debug!(%error, "a datagram could not be received"),
        }
    }
    drop(lanes);
    for task in tasks {
        if task.await.is_err() {
            tracing::error!("a stream shard panicked");
        }
    }
}

fn dropped(why: &'static str) {
    metrics::counter!("stream_datagrams_dropped_total", "why" => why).increment(1);
}

struct Known<'a> {
    number: u32,
    opened: Instant,
    heard: Instant,
    rate: Rate,
    received: usize,
    sent: usize,
    _count: PeerCount<'a>,
}

/// A shard with the addresses of its peers.
struct Peers<'a> {
    socket: &'a UdpSocket,
    shard: Shard,
    config: &'a StreamConfig,
    watched: &'a Watched,
    known: HashMap<SocketAddr, Known<'a>>,
    addresses: HashMap<u32, SocketAddr>,
    stop: watch::Receiver<bool>,
}

impl<'a> Peers<'a> {
    fn new(socket: &'a UdpSocket, shard: Shard, config: &'a StreamConfig, watched: &'a Watched) -> Self {
        Peers {
            socket,
            shard,
            config,
            watched,
            known: HashMap::new(),
            addresses: HashMap::new(),
            stop: watched.stopping(),
        }
    }

    async fn run(mut self, mut datagrams: LaneReceiver<Datagram>) {
        let mut stopping: Option<Instant> = None;
        let mut sweep = Instant::now() + SWEEP;
        loop {
            self.flush();
            if stopping.is_some_and(|until| self.shard.in_flight() == 0 || Instant::now() >= until) {
                break;
            }
            let reading = stopping.is_none() && self.shard.has_room();
            tokio::select! {
                biased;
                happening = self.shard.happening() => self.shard.react(happening).await,
                () = stopped(&mut self.stop), if stopping.is_none() => {
                    stopping = Some(Instant::now() + DRAIN_TIMEOUT);
                }
                Some((from, bytes)) = datagrams.recv(), if reading => self.received(from, &bytes).await,
                () = tokio::time::sleep_until(stopping.unwrap_or(sweep)) => {
                    self.sweep().await;
                    sweep = Instant::now() + SWEEP;
                }
            }
        }
        for number in self.addresses.into_keys() {
            self.shard.closed(number).await;
        }
    }

    async fn received(&mut self, from: SocketAddr, bytes: &[u8]) {
        let now = Instant::now();
        if !self.known.contains_key(&from) && !self.open(from, now).await {
            return;
        }
        let Some(known) = self.known.get_mut(&from) else { return };
        if known.rate.wait(now).is_some() {
            return dropped("rate");
        }
        known.rate.take(now, bytes.len());
        known.heard = now;
        known.received += bytes.len();
        self.shard.received(known.number, bytes).await;
    }

    /// Takes a new peer, if there is a place for it.
    async fn open(&mut self, from: SocketAddr, now: Instant) -> bool {
        if self.known.len() >= self.config.peers_max.div_ceil(SHARDS) {
            dropped("full");
            return false;
        }
        if self.watched.faults.paused(now).is_some() {
            dropped("paused");
            return false;
        }
        let number = match self.shard.opened(from).await {
            Ok(number) => number,
            Err(error) => {
                self.watched.faults.count(now, error.to_string());
                return false;
            }
        };
        let known = Known {
            number,
            opened: now,
            heard: now,
            rate: Rate::new(self.config.bytes_per_second, now),
            received: 0,
            sent: 0,
            _count: self.watched.peer(),
        };
        self.known.insert(from, known);
        self.addresses.insert(number, from);
        self.flush();
        // The adapter may have refused it at once.
        self.known.contains_key(&from)
    }

    /// Ends peers that said nothing for too long, or speak for no device.
    async fn sweep(&mut self) {
        let now = Instant::now();
        let (shard, config) = (&self.shard, self.config);
        let late = self.known.values().filter(|known| {
            now >= known.heard + config.idle_timeout || (now >= known.opened + config.login_timeout && !shard.is_attached(known.number))
        });
        let late: Vec<u32> = late.map(|known| known.number).collect();
        for number in late {
            self.shard.closed(number).await;
            self.forget(number);
        }
    }

    fn forget(&mut self, number: u32) {
        if let Some(address) = self.addresses.remove(&number) {
            self.known.remove(&address);
        }
    }

    /// Sends what the adapter sends.
    fn flush(&mut self) {
        let outputs: Vec<Output> = self.shard.outputs().collect();
        for output in outputs {
            match output {
                Output::Send(number, bytes) => self.send(number, &bytes),
                Output::Ended(number, reason) => {
                    tracing::debug!(reason, "a stream peer has ended");
                    self.forget(number);
                }
                Output::Failed(fault) => self.watched.faults.count(Instant::now(), fault.to_string()),
            }
        }
    }

    fn send(&mut self, number: u32, bytes: &[u8]) {
        let Some(address) = self.addresses.get(&number) else { return };
        let Some(known) = self.known.get_mut(address) else { return };
        if !self.shard.is_attached(number) && known.sent + bytes.len() > known.received * AMPLIFICATION_MAX {
            return dropped("amplification");
        }
        known.sent += bytes.len();
        if let Err(error) = self.socket.try_send_to(bytes, *address) {
            tracing::debug!(%error, "a datagram could not be sent");
            dropped("send");
        }
    }
}
