//! One socket, one task: what comes in goes to the endpoint, what the endpoint commands is done.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actor::{Lane, LaneReceiver, lane};
use coap::{Code, Command, Config, Endpoint, Exchange, Observe, Request, Response};
use session::{Origin, Sessions};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::time::Instant;

use super::dtls::{Event, Guards, Limits, ServedKeys};
use super::exchange::{provision, serve};
use super::link::Reply;
use super::links::Links;
use super::place::{Found, acceptable, locate};

/// Bytes of a datagram at most: all that UDP allows.
const DATAGRAM_BYTES_MAX: usize = 64 << 10;
/// Datagrams, and answers, taken at one turn.
const BATCH_MAX: usize = 128;
/// Answers that may wait for the socket's task; what has more to tell waits.
const REPLIES_MAX: usize = 1_024;
/// How long a stopping server waits for what is not answered yet.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// With nothing due, the clock is looked at this often.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Where and how to listen.
#[derive(Clone, Debug)]
pub struct CoapConfig {
    /// Where to listen.
    pub address: SocketAddr,
    /// Times and limits of the endpoint.
    pub endpoint: Config,
    /// DTLS, and what both sides prove themselves by; none: messages go as they are.
    pub dtls: Option<ServedKeys>,
}

impl CoapConfig {
    /// The usual times and limits.
    pub fn new(address: SocketAddr) -> Self {
        let started_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        CoapConfig {
            address,
            endpoint: Config {
                started_s,
                ..Config::default()
            },
            dtls: None,
        }
    }

    /// The same over DTLS.
    pub fn secured(address: SocketAddr, keys: ServedKeys) -> Self {
        let mut config = CoapConfig::new(address);
        // Whoever finished a handshake has shown that it receives.
        config.endpoint.proven = true;
        config.dtls = Some(keys);
        config
    }
}

/// A socket.
pub struct CoapListener {
    socket: UdpSocket,
    config: CoapConfig,
}

impl CoapListener {
    /// Binds the socket; nothing is taken yet.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub async fn bind(config: CoapConfig) -> std::io::Result<Self> {
        Ok(CoapListener {
            socket: UdpSocket::bind(config.address).await?,
            config,
        })
    }

    /// Where it listens; says which port 0 became.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `stop` turns true and what was taken is answered.
    pub async fn run(self, sessions: Sessions, stop: watch::Receiver<bool>) {
        let (replies, replied) = lane(REPLIES_MAX);
        let server = Server {
            socket: self.socket,
            guards: self.config.dtls.map(|keys| Guards::new(keys, Limits::default())),
            endpoint: Endpoint::new(self.config.endpoint, rand::random()),
            started: Instant::now(),
            links: Links::default(),
            sessions,
            replies,
            stopping: None,
        };
        server.run(replied, stop).await;
    }
}

struct Server {
    socket: UdpSocket,
    guards: Option<Guards>,
    endpoint: Endpoint,
    started: Instant,
    links: Links,
    sessions: Sessions,
    replies: Lane<Reply>,
    /// No request is taken any more; when this time comes, or everything is answered, the task ends.
    stopping: Option<Instant>,
}

impl Server {
    async fn run(mut self, mut replied: LaneReceiver<Reply>, mut stop: watch::Receiver<bool>) {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        let mut batch = Vec::new();
        loop {
            let due = self.due();
            tokio::select! {
                biased;
                _ = stop.wait_for(|stopping| *stopping), if self.stopping.is_none() => self.stopping = Some(Instant::now() + DRAIN_TIMEOUT),
                _ = replied.recv_batch(&mut batch, BATCH_MAX) => batch.drain(..).for_each(|reply| self.reply(reply)),
                received = self.socket.recv_from(&mut buffer) => self.receive(received, &mut buffer),
                () = tokio::time::sleep_until(due) => {}
            }
            let now_ms = self.now_ms();
            self.endpoint.time(now_ms);
            if let Some(guards) = &mut self.guards {
                guards.time(Instant::now().into_std());
            }
            self.perform().await;
            if self.stopping.is_some_and(|until| Instant::now() >= until || self.is_done()) {
                return;
            }
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn due(&self) -> Instant {
        let latest = Instant::now() + PAUSE_MAX;
        let due = self
            .endpoint
            .next_due_ms()
            .map_or(latest, |due_ms| self.started + Duration::from_millis(due_ms));
        let guarded = self.guards.as_ref().and_then(Guards::next_due).map_or(latest, Instant::from_std);
        due.min(guarded).min(latest).min(self.stopping.unwrap_or(latest))
    }

    fn is_done(&self) -> bool {
        self.endpoint.counts().open == 0 && self.links.is_empty()
    }

    /// Takes a datagram, and those behind it.
    fn receive(&mut self, first: std::io::Result<(usize, SocketAddr)>, buffer: &mut [u8]) {
        let now_ms = self.now_ms();
        let mut received = first;
        for _ in 0..BATCH_MAX {
            match received {
                Ok((length, from)) => match &mut self.guards {
                    Some(guards) => guards.datagram(Instant::now().into_std(), from, &buffer[..length]),
                    None => self.endpoint.datagram(now_ms, from, &buffer[..length]),
                },
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                // What the network says of something that was sent earlier: whom it concerns will not acknowledge.
                Err(error) => {
                    tracing::debug!(%error, "a datagram could not be received");
                    return;
                }
            }
            received = self.socket.try_recv_from(buffer);
        }
    }

    fn reply(&mut self, reply: Reply) {
        let now_ms = self.now_ms();
        match reply {
            Reply::First(exchange, response) => {
                if !response.observing {
                    self.links.ended(exchange.observation());
                }
                self.reply(Reply::Answer(exchange, response));
            }
            Reply::Answer(exchange, response) => {
                metrics::counter!("coap_answers_total", "code" => response.code.to_string()).increment(1);
                self.endpoint.answer(now_ms, exchange, &response);
            }
            Reply::Notify(observation, response) => self.endpoint.notify(now_ms, observation, &response),
            Reply::Finish(observation, response) => {
                self.links.ended(observation);
                self.endpoint.finish(now_ms, observation, &response);
            }
        }
    }

    /// Does what is commanded, until nothing is.
    async fn perform(&mut self) {
        loop {
            let events = self.guards.as_mut().map(Guards::events).unwrap_or_default();
            let commands: Vec<Command> = self.endpoint.commands().collect();
            if events.is_empty() && commands.is_empty() {
                break;
            }
            for event in events {
                self.event(event).await;
            }
            for command in commands {
                self.command(command).await;
            }
        }
        let counts = self.endpoint.counts();
        let secured = if self.guards.is_some() { "dtls" } else { "none" };
        metrics::gauge!("coap_peers", "security" => secured).set(counts.peers as f64);
        metrics::gauge!("coap_observations", "security" => secured).set(counts.observations as f64);
        if let Some(guards) = &self.guards {
            metrics::gauge!("coap_dtls_sessions").set(guards.sessions() as f64);
        }
    }

    async fn event(&mut self, event: Event) {
        let now_ms = self.now_ms();
        match event {
            Event::Send(to, datagram) => self.send(to, &datagram).await,
            Event::Message(from, message) => self.endpoint.datagram(now_ms, from, &message),
            Event::Ended(client) => self.endpoint.forget(client),
        }
    }

    async fn command(&mut self, command: Command) {
        match command {
            Command::Send { to, datagram } => match &mut self.guards {
                Some(guards) => guards.send(Instant::now().into_std(), to, &datagram),
                None => self.send(to, &datagram).await,
            },
            Command::Request(exchange, request) => self.request(exchange, request),
            Command::Ended(observation, _) => self.links.ended(observation),
            Command::Dropped(_) => {
                metrics::counter!("coap_notifications_dropped_total", "why" => "too many wait").increment(1);
            }
        }
    }

    async fn send(&self, to: SocketAddr, datagram: &[u8]) {
        if let Err(error) = self.socket.send_to(datagram, to).await {
            tracing::debug!(%error, "a datagram could not be sent");
        }
    }

    fn request(&mut self, exchange: Exchange, request: Request) {
        if let Err(response) = self.begin(exchange, request) {
            self.reply(Reply::Answer(exchange, response));
        }
    }

    /// Has a request served. Err: it is answered at once.
    fn begin(&mut self, exchange: Exchange, request: Request) -> Result<(), Response> {
        if self.stopping.is_some() {
            return Err(Response::busy());
        }
        acceptable(&request).map_err(Response::new)?;
        let (client, address) = (exchange.peer, exchange.peer.ip());
        let (certificates, origin) = match &self.guards {
            Some(guards) => (guards.certificates(client), Origin::Proven(address)),
            None => (None, Origin::Unproven(address)),
        };
        let found = locate(&request.path, certificates, origin).ok_or_else(|| Response::new(Code::NOT_FOUND))?;
        let Found::Device(place) = found else {
            self.spawn(exchange, move |sessions| async move { provision(&sessions, origin, request).await });
            return Ok(());
        };
        match request.observe {
            // The observation has ended already.
            Some(Observe::Deregister) => return Err(Response::new(Code::DELETED)),
            Some(Observe::Register) => {
                let taken = self.links.observe(exchange, &place, &self.sessions, &self.replies);
                return taken.then_some(()).ok_or_else(Response::busy);
            }
            None => {}
        }
        self.spawn(exchange, move |sessions| async move { serve(&sessions, &place, request).await });
        Ok(())
    }

    /// Has a task of its own find the answer: as many as the endpoint has requests open.
    fn spawn<F>(&self, exchange: Exchange, answer: impl FnOnce(Sessions) -> F + Send + 'static)
    where
        F: Future<Output = Response> + Send + 'static,
    {
        let (replies, sessions) = (self.replies.clone(), self.sessions.clone());
        actor::spawn("coap exchange", async move {
            let response = answer(sessions).await;
            let _ = replies.send(Reply::Answer(exchange, response)).await;
        });
    }
}
