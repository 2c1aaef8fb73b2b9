//! The actor that knows every connection: a device has one, and the newest wins.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use actor::{Control, Observe};
use cluster::{Router, SessionId};
use model::{Clock, DeviceId, DownlinkKinds, TenantId};
use plugins::Transport;
use serde::Serialize;
use storage::Store;
use xtra::{Actor, Context, Handler};

use crate::identity::{self, Credentials, Origin};
use crate::limits::{Limiter, Speaker};
use crate::moves::{self, Pace};
use crate::session::{Close, CloseReason, Session, SessionActor, SessionState};
use crate::{Adapters, Attempts, AuthError, Exceeded, OpenError, RateLimits, Registrar};

/// Publishes of one session whose effects are not durable yet, at most.
const WINDOW: usize = 512;
/// Wrong credentials from one network address before it is kept out for a minute. Many devices can share an address.
const WRONG_CREDENTIALS_MAX: u32 = 100;
/// Sessions shown at most when the manager is observed.
const SHOWN_MAX: usize = 100;

/// What sessions are made from.
pub struct SessionsConfig {
    /// Where credentials are looked up.
    pub store: Arc<dyn Store>,
    /// The way to devices.
    pub router: Router,
    /// Makes the devices that gateways speak for.
    pub registrar: Arc<dyn Registrar>,
    /// How much devices may say.
    pub limits: RateLimits,
    /// Translate for devices.
    pub adapters: Adapters,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Bytes of a payload that transports take, told to devices that ask.
    pub payload_bytes_max: usize,
}

/// Opens sessions. Clones share everything.
#[derive(Clone)]
pub struct Sessions(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    config: SessionsConfig,
    attempts: Attempts<Origin>,
    limiter: Limiter,
    manager: Control<SessionManager>,
    pace: Pace,
    /// Whether is remembered what connections were opened with.
    pub(crate) remembers: AtomicBool,
}

/// What can be seen of all sessions from outside.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ManagerState {
    /// Connections there are.
    pub connections: usize,
    /// Some of them.
    pub sessions: Vec<SessionState>,
}

struct Register {
    device: DeviceId,
    connection: Connection,
}

/// A connection of a device.
struct Connection {
    session: SessionId,
    control: Control<SessionActor>,
    /// The version of the device's credentials with which it was opened, if that is remembered.
    opened_with: Option<u64>,
}

pub(crate) struct Unregister {
    pub(crate) device: DeviceId,
    pub(crate) session: SessionId,
}

struct CloseDevice(DeviceId, CloseReason);

struct CloseAll(CloseReason);

/// Asks for the ways to all connections.
pub(crate) struct Controls;

/// Asks for the devices that are connected, of a tenant or all, and what their connections were opened with.
pub(crate) struct Versions(pub(crate) Option<TenantId>);

/// The actor.
#[derive(Default)]
pub struct SessionManager {
    connections: HashMap<DeviceId, Connection>,
    /// No connection is taken any more.
    stopping: Option<CloseReason>,
}

impl Actor for SessionManager {
    type Stop = ();
    async fn stopped(self) {}
}

impl Handler<Register> for SessionManager {
    type Return = ();
    async fn handle(&mut self, Register { device, connection }: Register, _: &mut Context<Self>) {
        if let Some(reason) = self.stopping {
            let _ = connection.control.tell(Close(reason)).await;
        }
        if let Some(older) = self.connections.insert(device, connection) {
            let _ = older.control.tell(Close(CloseReason::TakenOver)).await;
        }
        gauge(&self.connections);
    }
}

impl Handler<Unregister> for SessionManager {
    type Return = ();
    async fn handle(&mut self, Unregister { device, session }: Unregister, _: &mut Context<Self>) {
        if self.connections.get(&device).is_some_and(|known| known.session == session) {
            self.connections.remove(&device);
        }
        gauge(&self.connections);
    }
}

impl Handler<CloseDevice> for SessionManager {
    type Return = ();
    async fn handle(&mut self, CloseDevice(device, reason): CloseDevice, _: &mut Context<Self>) {
        if let Some(connection) = self.connections.get(&device) {
            let _ = connection.control.tell(Close(reason)).await;
        }
    }
}

impl Handler<CloseAll> for SessionManager {
    type Return = ();
    async fn handle(&mut self, CloseAll(reason): CloseAll, _: &mut Context<Self>) {
        self.stopping = Some(reason);
        for connection in self.connections.values() {
            let _ = connection.control.tell(Close(reason)).await;
        }
    }
}

impl Handler<Controls> for SessionManager {
    type Return = Vec<Control<SessionActor>>;
    async fn handle(&mut self, _: Controls, _: &mut Context<Self>) -> Self::Return {
        self.connections.values().map(|connection| connection.control.clone()).collect()
    }
}

impl Handler<Versions> for SessionManager {
    type Return = Vec<(DeviceId, Option<u64>)>;
    async fn handle(&mut self, Versions(tenant): Versions, _: &mut Context<Self>) -> Self::Return {
        let of = |(device, _): &(&DeviceId, &Connection)| tenant.is_none_or(|tenant| tenant == device.tenant);
        let known = self.connections.iter().filter(of);
        known.map(|(device, connection)| (*device, connection.opened_with)).collect()
    }
}

impl Handler<Observe> for SessionManager {
    type Return = (usize, Vec<Control<SessionActor>>);
    async fn handle(&mut self, _: Observe, _: &mut Context<Self>) -> Self::Return {
        // A transport task that was cancelled could not say good-bye.
        self.connections.retain(|_, connection| connection.control.is_alive());
        gauge(&self.connections);
        (
            self.connections.len(),
            self.connections
                .values()
                .take(SHOWN_MAX)
                .map(|connection| connection.control.clone())
                .collect(),
        )
    }
}

fn refused(reason: &'static str) {
    metrics::counter!("session_credentials_refused_total", "reason" => reason).increment(1);
}

fn gauge(connections: &HashMap<DeviceId, Connection>) {
    metrics::gauge!("session_connections").set(connections.len() as f64);
}

impl Sessions {
    /// Starts the manager; there is no session yet.
    pub fn start(config: SessionsConfig) -> Self {
        let (manager, mailbox) = Control::mailbox();
        actor::spawn("session manager", xtra::run(mailbox, SessionManager::default()));
        let changes = config.router.changes();
        let inner = Arc::new(Inner {
            limiter: Limiter::new(config.limits.clone()),
            config,
            attempts: Attempts::new(WRONG_CREDENTIALS_MAX),
            manager,
            pace: Pace::new(),
            remembers: AtomicBool::new(false),
        });
        actor::spawn("sessions of moving devices", moves::follow(Arc::downgrade(&inner), changes));
        Sessions(inner)
    }

    /// Finds the device that credentials belong to. Of a chain of certificates whose first nobody has, it becomes the credentials of the
    /// device that it names, if a profile's authority has signed it.
    ///
    /// # Errors
    /// [`AuthError`].
    pub async fn authenticate(&self, credentials: Credentials<'_>) -> Result<DeviceId, AuthError> {
        let found = identity::authenticate(&*self.0.config.store, credentials).await;
        match (found, credentials) {
            (Err(AuthError::Unknown), Credentials::Chain(chain)) if chain.len() > 1 => {
                match self.registrar().device_of_chain(chain).await {
                    Ok(device) => device.ok_or(AuthError::Unknown),
                    Err(_) => Err(AuthError::Unavailable),
                }
            }
            (found, _) => found,
        }
    }

    /// As [`Sessions::authenticate`], for somebody at a network address: who presents wrong credentials again and again is not listened
    /// to for a minute. A success does not undo failures: else one good device would let its neighbour guess.
    ///
    /// # Errors
    /// [`AuthError`].
    pub async fn authenticate_from(&self, origin: impl Into<Origin>, credentials: Credentials<'_>) -> Result<DeviceId, AuthError> {
        let origin = origin.into();
        self.check(&origin)?;
        let found = self.authenticate(credentials).await;
        match &found {
            Err(AuthError::Unknown) => {
                refused("unknown");
                self.0.attempts.failed(&origin, self.now_ms());
            }
            Err(AuthError::Missing) => refused("missing"),
            Err(AuthError::Unavailable) => refused("unavailable"),
            Err(AuthError::TooMany { .. }) | Ok(_) => {}
        }
        found
    }

    /// Whether somebody at a network address is not listened to, whatever it presents. As good as a refusal, and counted as one.
    pub fn keeps_out(&self, origin: impl Into<Origin>) -> bool {
        self.check(&origin.into()).is_err()
    }

    fn check(&self, origin: &Origin) -> Result<(), AuthError> {
        self.0.attempts.check(origin, self.now_ms()).map_err(|retry_after_s| {
            refused("too many");
            AuthError::TooMany { retry_after_s }
        })
    }

    /// Opens the session of a connection. An older connection of the device is closed. It takes no downlinks but answers until it
    /// [says what else](Session::listen).
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn connect(&self, device: DeviceId, transport: Transport) -> Result<Session, OpenError> {
        let session = Session::open(self.clone(), device, transport, Some(DownlinkKinds::NONE), WINDOW).await?;
        self.register(device, session.id(), session.control().clone()).await?;
        Ok(session)
    }

    /// Opens a session for one exchange of a connectionless protocol. `listening`: the downlinks the device waits for.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn exchange(&self, device: DeviceId, transport: Transport, listening: Option<DownlinkKinds>) -> Result<Session, OpenError> {
        Session::open(self.clone(), device, transport, listening, 1).await
    }

    /// Ends the connection of a device, if it has one.
    pub async fn close_device(&self, device: DeviceId, reason: CloseReason) {
        let _ = self.0.manager.tell(CloseDevice(device, reason)).await;
    }

    /// Ends all connections, takes no more, and waits until they are gone, for at most `patience`. Answers how many are left.
    pub async fn close_all(&self, reason: CloseReason, patience: Duration) -> usize {
        let _ = self.0.manager.tell(CloseAll(reason)).await;
        let until = tokio::time::Instant::now() + patience;
        loop {
            let left = self.0.manager.ask(Observe).await.map_or(0, |(connections, _)| connections);
            if left == 0 || tokio::time::Instant::now() >= until {
                return left;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What goes on.
    pub async fn observe(&self) -> ManagerState {
        let (connections, some) = self.0.manager.ask(Observe).await.unwrap_or_default();
        let mut sessions = Vec::with_capacity(some.len());
        for control in some {
            // A session that waits for its device answers later; it is left out.
            if let Ok(Ok(state)) = tokio::time::timeout(Duration::from_millis(100), control.ask(Observe)).await {
                sessions.push(state);
            }
        }
        ManagerState { connections, sessions }
    }

    /// Makes a session known; an older one of its device is closed.
    pub(crate) async fn register(&self, device: DeviceId, session: SessionId, control: Control<SessionActor>) -> Result<(), OpenError> {
        let connection = Connection {
            session,
            control,
            opened_with: self.opened_with(device).await,
        };
        let register = Register { device, connection };
        let told = self.0.manager.tell(register).await;
        told.map_err(|_| OpenError::Unavailable("the server is stopping".to_owned()))
    }

    pub(crate) fn router(&self) -> &Router {
        &self.0.config.router
    }

    /// The adapters that sessions translate with.
    pub fn adapters(&self) -> &Adapters {
        &self.0.config.adapters
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.0.config.store
    }

    pub(crate) fn attempts(&self) -> &Attempts<Origin> {
        &self.0.attempts
    }

    pub(crate) fn limiter(&self) -> &Limiter {
        &self.0.limiter
    }

    /// Takes a message with so many values from the limits of everybody who answers for it.
    pub(crate) fn count(&self, speaker: Speaker, values: u32) -> Result<(), Exceeded> {
        self.limiter().take(speaker, values, self.now_ms()).inspect_err(|exceeded| {
            metrics::counter!("session_publishes_refused_total", "reason" => exceeded.as_str()).increment(1);
        })
    }

    pub(crate) fn registrar(&self) -> &dyn Registrar {
        &*self.0.config.registrar
    }

    pub(crate) fn payload_bytes_max(&self) -> usize {
        self.0.config.payload_bytes_max
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.0.config.clock.now_ms()
    }

    pub(crate) fn pace(&self) -> &Pace {
        &self.0.pace
    }

    /// Asks the manager; none: the server is stopping.
    pub(crate) async fn ask_manager<M: Send + 'static>(&self, question: M) -> Option<<SessionManager as Handler<M>>::Return>
    where
        SessionManager: Handler<M>,
    {
        self.0.manager.ask(question).await.ok()
    }

    pub(crate) async fn tell_manager(&self, message: Unregister) {
        let _ = self.0.manager.tell(message).await;
    }
}
