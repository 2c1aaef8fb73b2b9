//! One session; the part of it that others can speak to is in `control`.

mod control;
mod writing;

use std::sync::Arc;

use actor::{Control, Inbox, LaneReceiver};
use cluster::{Delivery, DeviceLane, Receipt, RouteError, SessionId, SessionLink, SettleError, Settled};
use model::entity::OwnTopics;
use model::{DeviceId, Downlink, DownlinkKind, DownlinkKinds, Payload, Uplink};
use plugins::{AdapterPool, Inbound, Outbound, Transport};
use tokio::time::Instant;

use crate::children::Children;
use crate::limits::{Rates, Speaker, values_of};
use crate::manager::{Sessions, Unregister};
use crate::moves;
use crate::{OpenError, PublishError};
pub(crate) use control::{Close, LookAgain};
pub use control::{SessionActor, SessionState};
use writing::Writing;

/// Downlinks that may wait for one session.
const DOWNLINKS_MAX: usize = 64;

/// How often a device's actor hears that a silent device is there.
const HEARD_EVERY_MS: i64 = 10_000;

/// Why the server ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The device connected again.
    TakenOver,
    /// The device was deleted, or its credentials changed.
    Administrative,
    /// The server stops.
    ShuttingDown,
}

/// What a session has to tell its transport.
#[derive(Debug)]
pub enum Event {
    /// What was published under this number is durable, or is not and will not be.
    Settled(u64, Result<(), SettleError>),
    /// For the device, as its adapter writes it. A request to the device has a number: when the device has got it, the transport
    /// [says so](Session::delivered).
    Downlink(Outbound, DownlinkKind, Option<u32>),
    /// The session is to end.
    Close(CloseReason),
}

/// A session, driven by its transport. Dropping it tells the device's actor.
pub struct Session {
    device: DeviceId,
    transport: Transport,
    sessions: Sessions,
    pool: Arc<AdapterPool>,
    lane: DeviceLane,
    link: SessionLink,
    downlinks: LaneReceiver<Downlink>,
    settle: actor::Lane<Settled>,
    settlements: LaneReceiver<Settled>,
    settled: Vec<Settled>,
    actor: SessionActor,
    inbox: Inbox<SessionActor>,
    /// Keeps the inbox open.
    control: Control<SessionActor>,
    window: usize,
    sequence: u64,
    asks: bool,
    /// Whether the device is a gateway, once that was asked.
    gateway: Option<bool>,
    /// The devices behind it, once it spoke of one.
    children: Option<Box<Children>>,
    /// By what the device showed in which form it wants a kind of downlink.
    forms: Vec<(DownlinkKind, Box<str>)>,
    /// When the actor last heard that the device is there.
    heard_ms: i64,
    /// The downlink that its adapter writes.
    writing: Option<Box<Writing>>,
    acknowledges_bad_payloads: bool,
    own_topics: Option<Arc<OwnTopics>>,
    /// A connection, which the device's actor and the manager know of; else one exchange.
    connected: bool,
    /// The moment in which it has to announce itself again.
    announces: Option<Instant>,
}

impl Session {
    pub(crate) async fn open(
        sessions: Sessions,
        device: DeviceId,
        transport: Transport,
        connected: Option<DownlinkKinds>,
        window: usize,
    ) -> Result<Self, OpenError> {
        let (pool, manner) = sessions.adapters().of(sessions.store(), device).await?;
        let lane = sessions.router().lane(device).await.map_err(|error| match error {
            RouteError::NoDevice => OpenError::NoDevice,
            RouteError::Unavailable(reason) => OpenError::Unavailable(reason),
        })?;
        let (down, downlinks) = actor::quiet_lane(DOWNLINKS_MAX);
        let (settle, settlements) = actor::quiet_lane(window);
        let (control, inbox) = Control::inbox();
        let mut session = Session {
            pool,
            device,
            transport,
            sessions,
            lane,
            link: SessionLink {
                id: SessionId::generate(),
                downlinks: down,
                child: None,
                kinds: connected.unwrap_or_default(),
                once: connected.is_some() && window == 1,
            },
            downlinks,
            settle,
            settlements,
            settled: Vec::new(),
            actor: SessionActor::new(device, transport.as_str()),
            inbox,
            control,
            window,
            sequence: 0,
            asks: false,
            gateway: None,
            children: None,
            forms: Vec::new(),
            heard_ms: 0,
            writing: None,
            acknowledges_bad_payloads: manner.acknowledges_bad_payloads,
            own_topics: manner.own_topics,
            connected: connected.is_some(),
            announces: None,
        };
        if session.connected {
            session
                .deliver(Delivery::Connected(session.link.clone()))
                .await
                .map_err(|_| OpenError::Unavailable("it is being moved".to_owned()))?;
        }
        Ok(session)
    }

    /// Who the device is.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    pub(crate) fn id(&self) -> SessionId {
        self.link.id
    }

    pub(crate) fn control(&self) -> &Control<SessionActor> {
        &self.control
    }

    /// Whether another publish may be handed in. While not, the transport stops reading: this is the back-pressure.
    pub fn has_room(&self) -> bool {
        self.actor.state.in_flight < self.window
    }

    /// Whether the device's profile wants publishes acknowledged that are not understood, where the protocol has no word for it.
    pub fn acknowledges_bad_payloads(&self) -> bool {
        self.acknowledges_bad_payloads
    }

    /// What the device calls the topics of the device API, where its profile says so.
    pub fn own_topics(&self) -> Option<&OwnTopics> {
        self.own_topics.as_deref()
    }

    /// Publishes whose effects are not durable yet.
    pub fn in_flight(&self) -> usize {
        self.actor.state.in_flight
    }

    /// Takes what the device sent; answers the number under which it will be [settled](Event::Settled). Waits while the device's
    /// actor is busy. Only when [`Session::has_room`].
    ///
    /// # Errors
    /// [`PublishError`] when it was not understood: there will be no settlement.
    pub async fn publish(&mut self, inbound: Inbound) -> Result<u64, PublishError> {
        let form = self.form_of(&inbound);
        let decoded = self.pool.ask(move |pool| pool.decode(inbound)).await;
        let uplinks = decoded.map_err(plugins::DecodeError::Adapter)??;
        self.asks = uplinks.iter().any(Uplink::asks);
        self.count(&uplinks).await?;
        self.meet_children(&uplinks).await?;
        let sequence = self.sequence;
        self.sequence += 1;
        self.actor.state.published += 1;
        self.actor.state.in_flight += 1;
        let received_ms = self.sessions.now_ms();
        let receipt = Receipt::new(self.settle.clone(), sequence);
        for uplink in uplinks {
            if let Some(form) = &form {
                self.remember_form(&uplink, form);
            }
            let Some(uplink) = self.answered_here(uplink).await else { continue };
            let uplink = match uplink {
                Uplink::Child { device, says } => {
                    if let Some(children) = &mut self.children {
                        let router = self.sessions.router();
                        children.says(&device, says, router, received_ms, receipt.share()).await;
                    }
                    continue;
                }
                own => own,
            };
            let delivery = Delivery::Uplink {
                session: self.link.clone(),
                uplink,
                received_ms,
                receipt: receipt.share(),
            };
            if self.deliver(delivery).await.is_err() {
                // The receipt inside was dropped with the delivery: the settlement says so.
                break;
            }
        }
        receipt.done();
        Ok(sequence)
    }

    /// Whether the last publish asked for something, which comes as a downlink.
    pub fn asks(&self) -> bool {
        self.asks
    }

    /// Waits for something to tell the transport and appends it, in order of importance. Cancelling loses nothing.
    pub async fn events(&mut self, events: &mut Vec<Event>) {
        tokio::select! {
            biased;
            asked = self.inbox.next() => {
                let _ = asked(&mut self.actor).await;
                events.extend(self.actor.take_closing().map(Event::Close));
                if self.actor.take_looks() {
                    self.look_again();
                }
            }
            taken = self.settlements.recv_batch(&mut self.settled, self.window) => {
                self.actor.state.in_flight -= taken;
                events.extend(self.settled.drain(..).map(|settled| Event::Settled(settled.sequence, settled.result)));
            }
            Some((done, written)) = Writing::done(&mut self.writing), if self.writing.is_some() => self.go_on(*done, written, events),
            Some(downlink) = self.downlinks.recv(), if Writing::has_room(&self.writing) => self.take(downlink, events),
            lane = announced(&self.sessions, self.device, &self.link, self.announces), if self.announces.is_some() => {
                self.announces = None;
                if let Some(lane) = lane {
                    self.lane = lane;
                }
            }
            () = child_announced(&self.sessions, &mut self.children), if self.children.as_ref().is_some_and(|children| children.announces()) => {}
        }
    }

    /// The device, or those behind it, may have moved.
    fn look_again(&mut self) {
        self.announces = moves::moment(&self.sessions, self.device, &self.lane);
        if let Some(children) = &mut self.children {
            children.look_again(&self.sessions);
        }
    }

    /// The device has said nothing for a while, and was told nothing: memory that was needed for more is given back.
    pub fn rest(&mut self) {
        self.settled = Vec::new();
        self.settlements.rest();
        self.downlinks.rest();
    }

    /// From now on the device takes these kinds of downlinks through this session.
    pub async fn listen(&mut self, kinds: DownlinkKinds) {
        if self.link.kinds != kinds && self.connected {
            self.link.kinds = kinds;
            // An actor that cannot be reached now hears it when the session says something the next time.
            let _ = self.deliver(Delivery::Connected(self.link.clone())).await;
        }
    }

    /// The device is there, and says nothing else. Its actor hears of it every ten seconds at most.
    pub async fn heard(&mut self) {
        let now_ms = self.sessions.now_ms();
        if now_ms - self.heard_ms >= HEARD_EVERY_MS {
            self.heard_ms = now_ms;
            let _ = self.deliver(Delivery::Heard(now_ms)).await;
        }
    }

    /// The device has got a request.
    pub async fn delivered(&mut self, number: u32) {
        let _ = self.deliver(Delivery::Delivered(self.link.id, number)).await;
    }

    /// Ends the session: the device's actor and the manager hear of it.
    pub async fn close(mut self) {
        if let Some(children) = &mut self.children {
            children.leave(self.sessions.router()).await;
        }
        if std::mem::take(&mut self.connected) {
            let _ = self.lane.send(Delivery::Disconnected(self.link.id)).await;
            self.sessions
                .tell_manager(Unregister {
                    device: self.device,
                    session: self.link.id,
                })
                .await;
        }
    }

    /// Requests about the session itself are answered by the session. Answers what is to go on to the device's actor.
    async fn answered_here(&mut self, uplink: Uplink) -> Option<Uplink> {
        let (id, method) = match &uplink {
            Uplink::RpcCall { id, method, .. } => (*id, method),
            _ => return Some(uplink),
        };
        if &**method != "getSessionLimits" {
            return Some(uplink);
        }
        // Clients lift their own limits when ours are empty.
        let shown = |rates: &Rates| {
            serde_json::json!({
                "messages": rates.messages.to_string(),
                "telemetryMessages": rates.telemetry_messages.to_string(),
                "telemetryDataPoints": rates.telemetry_data_points.to_string(),
            })
        };
        let gateway = self.is_gateway().await.unwrap_or(false);
        let rates = self.sessions.limiter().limits();
        let mut limits = serde_json::json!({
            "maxPayloadSize": self.sessions.payload_bytes_max(),
            "maxInflightMessages": self.window,
            "rateLimits": shown(if gateway { &rates.child } else { &rates.device }),
        });
        if gateway {
            limits["gatewayRateLimits"] = shown(&rates.gateway);
        }
        // A session that takes no more hears nothing; its device asks again.
        let _ = self.link.downlinks.try_send(Downlink::RpcResponse {
            id,
            payload: Payload::new(limits),
        });
        None
    }

    /// Makes sure that the devices behind a gateway are there and may say so much, before anything of a publish is handed on.
    async fn meet_children(&mut self, uplinks: &[Uplink]) -> Result<(), PublishError> {
        for uplink in uplinks {
            let Uplink::Child { device, says } = uplink else { continue };
            // To everybody else these addresses are unknown.
            if !self.is_gateway().await? {
                return Err(PublishError::UnknownAddress);
            }
            let new = || Box::new(Children::new(self.device, self.link.downlinks.clone()));
            let children = self.children.get_or_insert_with(new);
            children
                .meet(device, says, self.sessions.registrar(), self.sessions.router())
                .await?;
            let counted = children.count(device, values_of(uplink), &self.sessions);
            counted.map_err(PublishError::RateExceeded)?;
        }
        Ok(())
    }

    /// Takes a message from the device's limits, and its tenant's.
    async fn count(&mut self, uplinks: &[Uplink]) -> Result<(), PublishError> {
        if self.sessions.limiter().limits().are_none() {
            return Ok(());
        }
        let own = if self.is_gateway().await? {
            Speaker::Gateway(self.device)
        } else {
            Speaker::Device(self.device)
        };
        let values = uplinks.iter().map(values_of).fold(0, u32::saturating_add);
        self.sessions.count(own, values).map_err(PublishError::RateExceeded)
    }

    async fn is_gateway(&mut self) -> Result<bool, PublishError> {
        // A request alone has nobody behind it: there would be no way back.
        if !self.connected {
            return Ok(false);
        }
        if let Some(known) = self.gateway {
            return Ok(known);
        }
        let found = self.sessions.registrar().is_gateway(self.device).await;
        let found = found.map_err(|error| PublishError::Unavailable(error.to_string()))?;
        self.gateway = Some(found);
        Ok(found)
    }

    /// The form of a question, where a transport has topics.
    fn form_of(&self, inbound: &Inbound) -> Option<Box<str>> {
        (self.connected && self.transport == Transport::Mqtt).then(|| inbound.address.as_str().into())
    }

    fn remember_form(&mut self, uplink: &Uplink, form: &str) {
        match uplink {
            Uplink::AttributeRequest { .. } => self.set_form(DownlinkKind::AttributeResponse, form),
            Uplink::RpcCall { .. } => self.set_form(DownlinkKind::RpcResponse, form),
            _ => {}
        }
    }

    fn set_form(&mut self, kind: DownlinkKind, form: &str) {
        self.forms.retain(|(of, _)| *of != kind);
        self.forms.push((kind, form.into()));
    }

    /// Hands a delivery to the device's actor, which may have moved or gone to sleep since.
    async fn deliver(&mut self, delivery: Delivery) -> Result<(), ()> {
        let Err(closed) = self.lane.send(delivery).await else {
            return Ok(());
        };
        // Seldom: not part of what every session has memory for.
        Box::pin(self.deliver_again(closed.0)).await
    }

    async fn deliver_again(&mut self, delivery: Delivery) -> Result<(), ()> {
        let refused = |error: RouteError| tracing::debug!(device = %self.device, %error, "the device's actor is gone");
        self.lane = self.sessions.router().lane(self.device).await.map_err(refused)?;
        self.announces = None;
        if self.connected && !matches!(delivery, Delivery::Connected(_)) {
            self.lane.send(Delivery::Connected(self.link.clone())).await.map_err(drop)?;
        }
        self.lane.send(delivery).await.map_err(drop)
    }
}

/// In a box, as all that is rare: every connection has room for what may be waited for here.
async fn announced(sessions: &Sessions, device: DeviceId, link: &SessionLink, at: Option<Instant>) -> Option<DeviceLane> {
    Box::pin(moves::announce(sessions.router(), device, link, at?)).await
}

async fn child_announced(sessions: &Sessions, children: &mut Option<Box<Children>>) {
    if let Some(children) = children {
        Box::pin(children.announce_next(sessions.router())).await;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.connected {
            // Not closed in order: a transport task that was cancelled or panicked. The actor notices a closed lane anyway.
            let _ = self.lane.try_send(Delivery::Disconnected(self.link.id));
        }
    }
}
