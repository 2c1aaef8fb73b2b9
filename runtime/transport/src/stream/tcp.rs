//! TCP: accepts connections; each has an instance of the adapter to itself.
//!
//! While the shard has no room, or the peer has sent more than it may, nothing is read: the peer's TCP window closes, and that is the
//! back-pressure.

use std::net::SocketAddr;
use std::sync::Arc;

use session::stream::Shard;
use session::{Output, StreamService};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};

use super::listeners::{Watched, stopped};
use super::rate::Rate;
use super::{DRAIN_TIMEOUT, StreamConfig};
use crate::door::Pace;

/// Bytes read, and handed to the adapter, at one time: part of the contract.
const READ_BYTES: usize = 4 << 10;
/// A peer that takes nothing for this long is given up.
const WRITE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);
/// How long a listener waits after a connection could not be accepted.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// Accepts until told to stop, and waits until its connections have ended.
pub(super) async fn run(socket: TcpListener, service: StreamService, config: StreamConfig, watched: Arc<Watched>) {
    let places = Arc::new(Semaphore::new(config.peers_max));
    let mut stop = watched.stopping();
    let mut pace = Pace::new(false);
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        if let Some(until) = watched.faults.paused(Instant::now()) {
            tokio::select! {
                () = tokio::time::sleep_until(until) => continue,
                () = stopped(&mut stop) => break,
            }
        }
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = stopped(&mut stop) => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly: wait for some to come back.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (service, config, watched) = (service.clone(), config.clone(), Arc::clone(&watched));
        actor::spawn("stream connection", async move {
            let peer = watched.peer();
            let reason = serve(stream, address, &service, &config, &watched).await;
            tracing::debug!(adapter = service.name(), %address, reason, "a stream connection has ended");
            drop((peer, place));
        });
        pace.step().await;
    }
    drop(socket);
    // All places are free again when all connections have ended.
    let all = u32::try_from(config.peers_max).unwrap_or(u32::MAX);
    let _ = timeout(DRAIN_TIMEOUT * 2, places.acquire_many(all)).await;
}

/// Serves a socket until it ends; answers why.
async fn serve(stream: TcpStream, address: SocketAddr, service: &StreamService, config: &StreamConfig, watched: &Watched) -> String {
    // Acknowledgements are small and must not wait for each other.
    let _ = stream.set_nodelay(true);
    let mut shard = service.shard();
    let peer = match shard.opened(address).await {
        Ok(peer) => peer,
        Err(error) => {
            watched.faults.count(Instant::now(), error.to_string());
            return error.to_string();
        }
    };
    let now = Instant::now();
    let mut connection = Connection {
        stream,
        shard,
        peer,
        opened: now,
        heard: now,
        rate: Rate::new(config.bytes_per_second, now),
        config,
        watched,
        stop: watched.stopping(),
        stopping: None,
    };
    let reason = match connection.run().await {
        Ok(never) => match never {},
        Err(reason) => reason,
    };
    let Connection { mut stream, mut shard, .. } = connection;
    shard.closed(peer).await;
    let _ = timeout(WRITE_TIMEOUT, stream.shutdown()).await;
    reason
}

struct Connection<'a> {
    stream: TcpStream,
    shard: Shard,
    peer: u32,
    opened: Instant,
    heard: Instant,
    rate: Rate,
    config: &'a StreamConfig,
    watched: &'a Watched,
    stop: watch::Receiver<bool>,
    /// The listener stops: nothing more is read; when this time comes, or everything is durable, the connection ends.
    stopping: Option<Instant>,
}

impl Connection<'_> {
    async fn run(&mut self) -> Result<std::convert::Infallible, String> {
        let mut buffer = Vec::new();
        loop {
            self.flush().await?;
            let now = Instant::now();
            if self.stopping.is_some_and(|until| self.shard.in_flight() == 0 || now >= until) {
                return Err("the listener stops".to_owned());
            }
            let pause = self.rate.wait(now);
            let reading = self.stopping.is_none() && self.shard.has_room() && pause.is_none();
            let deadline = self.stopping.or(pause).unwrap_or_else(|| self.deadline());
            tokio::select! {
                biased;
                () = stopped(&mut self.stop), if self.stopping.is_none() => {
                    self.stopping = Some(Instant::now() + DRAIN_TIMEOUT);
                }
                happening = self.shard.happening() => self.shard.react(happening).await,
                ready = self.stream.readable(), if reading => {
                    ready.map_err(|error| error.to_string())?;
                    self.read(&mut buffer)?;
                    if !buffer.is_empty() {
                        self.shard.received(self.peer, &buffer).await;
                        // An idle connection keeps no buffer.
                        buffer = Vec::new();
                    }
                }
                () = tokio::time::sleep_until(deadline) => self.late(reading)?,
            }
        }
    }

    /// When a peer that does nothing is given up.
    fn deadline(&self) -> Instant {
        if self.shard.is_attached(self.peer) {
            self.heard + self.config.idle_timeout
        } else {
            self.opened + self.config.login_timeout
        }
    }

    /// A deadline has come.
    fn late(&mut self, reading: bool) -> Result<(), String> {
        let now = Instant::now();
        if !self.shard.is_attached(self.peer) && now >= self.opened + self.config.login_timeout {
            return Err("no device logged in in time".to_owned());
        }
        if reading && now >= self.deadline() {
            return Err("the peer said nothing for too long".to_owned());
        }
        // What the peer said while nothing was read is still in the socket.
        if !reading {
            self.heard = now;
        }
        Ok(())
    }

    /// Reads what is there.
    fn read(&mut self, buffer: &mut Vec<u8>) -> Result<(), String> {
        match self.stream.try_read_buf(&mut bytes::BufMut::limit(buffer, READ_BYTES)) {
            Ok(0) => Err("the peer closed the connection".to_owned()),
            Ok(read) => {
                self.heard = Instant::now();
                self.rate.take(self.heard, read);
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Writes what the adapter sends.
    async fn flush(&mut self) -> Result<(), String> {
        let mut bytes = Vec::new();
        let mut ended = None;
        for output in self.shard.outputs() {
            match output {
                Output::Send(_, more) => bytes.extend_from_slice(&more),
                Output::Ended(_, reason) => drop(ended.get_or_insert(reason)),
                Output::Failed(fault) => self.watched.faults.count(Instant::now(), fault.to_string()),
            }
        }
        if !bytes.is_empty() {
            match timeout(WRITE_TIMEOUT, self.stream.write_all(&bytes)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(error.to_string()),
                Err(_) => return Err("the peer takes nothing".to_owned()),
            }
        }
        ended.map_or(Ok(()), Err)
    }
}
