//! The actor of a device.

mod presence;
mod rpc;

use std::sync::Arc;
use std::time::Duration;

use ::actor::{LaneReceiver, Observe, Stop};
use cluster::{Delivery, Holds, Notice, Receipt, RpcReply, SessionId, SessionLink, SettleError};
use effects::Calls;
use model::entity::ClaimWindow;
use model::{AttributeScope, Clock, DeviceId, Downlink, Message, MessageKind, Metadata, Payload, Reading, Uplink};
use rules::{ChainInput, ChainLane};
use serde::Serialize;
use storage::Store;
use uuid::Uuid;
use xtra::{Actor, Context, Handler, Mailbox};

use crate::DeviceError;
use crate::claim;
use crate::presence::Presence;
use crate::profile::{Chains, DeviceFacts, load_facts};
use crate::questions::Questions;
use crate::requests::Requests;
use crate::sessions::Sessions;
use crate::wakeups::Wakeups;

/// Deliveries taken at one turn.
const BATCH_MAX: usize = 64;

/// How long a device that moves waits for what it said to be settled. What takes longer goes on where it is, and may be overtaken.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(2);

/// What device actors work with.
#[derive(Clone)]
pub struct Surroundings {
    /// Stored values.
    pub store: Arc<dyn Store>,
    /// Where messages go.
    pub chains: Arc<dyn Chains>,
    /// Who waits outside for answers of devices.
    pub calls: Calls,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// An actor without sessions and messages for this long goes to sleep.
    pub idle_timeout: Duration,
    /// Wakes actors that sleep.
    pub wakeups: Wakeups,
    /// When the server started, milliseconds since 1970-01-01 UTC; none: presence is not kept.
    pub presence_since_ms: Option<i64>,
}

/// The device's record has changed: read it again.
#[derive(Clone, Copy, Debug)]
pub struct Refresh;

/// What can be seen of a device's actor from outside.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceState {
    /// Name.
    pub name: String,
    /// Sessions there are.
    pub sessions: usize,
    /// Requests to the device that are not over.
    pub pending_requests: usize,
    /// Uplinks since the actor woke up.
    pub uplinks: u64,
    /// When the device last said something, milliseconds since 1970-01-01 UTC.
    pub last_activity_ms: i64,
}

/// The actor.
pub struct DeviceActor {
    device: DeviceId,
    facts: DeviceFacts,
    around: Surroundings,
    sessions: Sessions,
    requests: Requests<RpcReply>,
    questions: Questions,
    presence: Option<Presence>,
    /// Whether the device is thought of after a restart.
    has_reminder: bool,
    uplinks: u64,
    last_activity_ms: i64,
    /// Entrance of the chain, kept until it closes or the facts change.
    entrance: Option<ChainLane>,
    /// The revision of the chains by which it was found.
    found_at: u64,
    /// Of messages that chains have not settled.
    holds: Holds,
}

impl Actor for DeviceActor {
    type Stop = ();
    async fn stopped(self) {}
}

impl Handler<Refresh> for DeviceActor {
    type Return = ();
    async fn handle(&mut self, _: Refresh, _: &mut Context<Self>) {
        match load_facts(&*self.around.store, self.device).await {
            Ok(facts) => {
                self.facts = facts;
                self.read_timeout().await;
            }
            // What is written of it from now on would stay for ever.
            Err(DeviceError::NotFound) => {
                (self.presence, self.has_reminder) = (None, false);
                self.requests.forget_kept();
            }
            Err(error) => tracing::warn!(device = %self.device, %error, "the device's record was not read again"),
        }
        self.entrance = None;
    }
}

impl Handler<Stop> for DeviceActor {
    type Return = ();
    async fn handle(&mut self, _: Stop, context: &mut Context<Self>) {
        context.stop_self();
    }
}

impl Handler<Observe> for DeviceActor {
    type Return = DeviceState;
    async fn handle(&mut self, _: Observe, _: &mut Context<Self>) -> DeviceState {
        DeviceState {
            name: self.facts.name.to_string(),
            sessions: self.sessions.count(),
            pending_requests: self.requests.len(),
            uplinks: self.uplinks,
            last_activity_ms: self.last_activity_ms,
        }
    }
}

impl DeviceActor {
    /// An actor that has just woken up.
    pub fn new(device: DeviceId, facts: DeviceFacts, around: Surroundings) -> Self {
        DeviceActor {
            device,
            facts,
            around,
            sessions: Sessions::default(),
            requests: Requests::default(),
            questions: Questions::default(),
            presence: None,
            has_reminder: false,
            uplinks: 0,
            last_activity_ms: 0,
            entrance: None,
            found_at: 0,
            holds: Holds::default(),
        }
    }

    /// Lives until it has been idle for the idle timeout. What was in the lane by then is done.
    pub async fn run(&mut self, lane: &mut LaneReceiver<Delivery>, mailbox: &Mailbox<DeviceActor>) {
        // Boxed, as all is that happens seldom: very many actors wait for something to do, and each takes as much as its largest step.
        Box::pin(self.remember()).await;
        let mut batch = Vec::new();
        let mut control = std::pin::pin!(mailbox.next());
        // A mailbox that nobody can reach any more is always ready: listened to further, it would starve the lane.
        let mut steered = true;
        loop {
            let pause = self.pause();
            tokio::select! {
                biased;
                message = &mut control, if steered => {
                    if Box::pin(message.dispatch_to(self)).await.is_break() {
                        steered = false;
                        lane.close();
                    }
                    control.set(mailbox.next());
                }
                taken = lane.recv_batch(&mut batch, BATCH_MAX) => {
                    if taken == 0 {
                        return Box::pin(self.end(steered)).await;
                    }
                    for delivery in batch.drain(..) {
                        self.deliver(delivery).await;
                    }
                }
                () = tokio::time::sleep(pause) => {
                    batch = Vec::new();
                    lane.rest();
                    if Box::pin(self.time_passed()).await {
                        lane.close();
                    }
                }
            }
        }
    }

    async fn end(&mut self, steered: bool) {
        if !steered {
            self.settle().await;
        }
        self.fall_asleep().await;
    }

    /// Waits until what was said is settled: whoever serves the device next must not pass it.
    async fn settle(&self) {
        if tokio::time::timeout(SETTLE_TIMEOUT, self.holds.none()).await.is_err() {
            tracing::warn!(device = %self.device, "the device moves before all it said is settled");
        }
    }

    /// How long the actor may wait without looking at the clock.
    fn pause(&self) -> Duration {
        let deadlines = [
            self.requests.next_deadline_ms(),
            self.questions.next_deadline_ms(),
            self.send_again_ms(),
            self.presence.as_ref().and_then(Presence::deadline_ms),
        ];
        let idle_timeout = self.around.idle_timeout;
        deadlines.into_iter().flatten().min().map_or(idle_timeout, |deadline| {
            let left_ms = deadline.saturating_sub(self.now_ms());
            Duration::from_millis(u64::try_from(left_ms).unwrap_or(0)).min(idle_timeout)
        })
    }

    /// Reads what was known of the device when it was last awake.
    async fn remember(&mut self) {
        self.around.wakeups.forget(self.device);
        self.remember_requests().await;
        self.remember_presence().await;
    }

    fn now_ms(&self) -> i64 {
        self.around.clock.now_ms()
    }

    /// Gives up requests, in both directions, and looks whether the device is still there; whether the actor is idle. What is only kept
    /// is in the store.
    async fn time_passed(&mut self) -> bool {
        let now_ms = self.now_ms();
        self.give_up_questions(now_ms);
        self.look_at_presence(now_ms).await;
        self.send_requests().await;
        self.sessions.is_empty() && !self.requests.is_waited_for() && self.questions.is_empty()
    }

    async fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Uplink {
                session,
                uplink,
                received_ms,
                receipt,
            } => {
                self.uplinks += 1;
                self.last_activity_ms = received_ms;
                self.said_something(received_ms).await;
                self.uplink(session, uplink, received_ms, receipt).await;
            }
            Delivery::Heard(now_ms) => self.said_something(now_ms).await,
            // A device that is away asks for its attributes when it returns.
            Delivery::Push(news) => self.sessions.tell(&news),
            Delivery::Answer(answer) => self.answer(answer),
            Delivery::Connected(session) => Box::pin(self.session_there(session)).await,
            Delivery::Disconnected(session) => Box::pin(self.session_gone(session)).await,
            Delivery::Delivered(session, number) => Box::pin(self.delivered(session, number)).await,
            Delivery::Presence { event, at_ms, receipt } => Box::pin(self.reported(event, at_ms, receipt)).await,
            Delivery::Rpc(request) => Box::pin(self.request(request)).await,
            Delivery::Call(call) => Box::pin(self.call(call)).await,
            Delivery::Notice(notice) => Box::pin(self.notice(notice)).await,
            Delivery::Remove(rpc, done) => Box::pin(self.remove(*rpc, done)).await,
        }
    }

    async fn session_there(&mut self, session: SessionLink) {
        if self.sessions.connected(session) {
            self.connected().await;
        }
        self.send_requests().await;
    }

    async fn session_gone(&mut self, session: SessionId) {
        if self.sessions.disconnected(session) {
            self.disconnected().await;
        }
        let commands = self.requests.session_gone(session);
        self.carry_out(commands).await;
        self.send_requests().await;
    }

    async fn delivered(&mut self, session: SessionId, number: u32) {
        let commands = self.requests.delivered(session, number);
        self.carry_out(commands).await;
        self.send_requests().await;
    }

    async fn notice(&mut self, notice: Notice) {
        let Notice {
            kind,
            mut metadata,
            payload,
        } = notice;
        self.name_in(&mut metadata);
        let now_ms = self.now_ms();
        self.enter_chain(kind, metadata, payload, now_ms, Receipt::unclaimed()).await;
    }

    async fn uplink(&mut self, session: SessionLink, uplink: Uplink, received_ms: i64, receipt: Receipt) {
        match uplink {
            // A session has taken these apart.
            Uplink::Child { .. } => receipt.fail(SettleError::NotDurable),
            Uplink::Telemetry { ts_ms, values } => {
                let ts_ms = ts_ms.unwrap_or(received_ms);
                let mut metadata = self.metadata(1);
                metadata.insert("ts", ts_ms.to_string());
                self.enter_chain(MessageKind::PostTelemetry, metadata, values, ts_ms, receipt).await;
            }
            Uplink::Attributes(values) => {
                let mut metadata = self.metadata(1);
                metadata.insert("notifyDevice", "false");
                self.enter_chain(MessageKind::PostAttributes, metadata, values, received_ms, receipt)
                    .await;
            }
            Uplink::RpcCall { id, method, params } => {
                Box::pin(self.question(session, id, &method, &params, received_ms, receipt)).await;
            }
            Uplink::RpcReply { id, payload } => {
                let commands = self.requests.replied(id, payload);
                Box::pin(self.carry_out(commands)).await;
                receipt.done();
            }
            Uplink::Claim { secret, duration_ms } => {
                let window = ClaimWindow::opened(&secret, received_ms, duration_ms);
                Box::pin(claim::open(&*self.around.store, self.device, window, received_ms, receipt)).await;
            }
            Uplink::AttributeRequest {
                id,
                client_keys,
                shared_keys,
            } => {
                let (client, shared) = (client_keys.as_deref(), shared_keys.as_deref());
                Box::pin(self.attributes_asked(session, id, client, shared, receipt)).await;
            }
        }
    }

    /// The device asks for attributes: for all, if it names none.
    async fn attributes_asked(
        &self,
        session: SessionLink,
        id: u32,
        client_keys: Option<&[Arc<str>]>,
        shared_keys: Option<&[Arc<str>]>,
        receipt: Receipt,
    ) {
        let all = client_keys.is_none() && shared_keys.is_none();
        let client = self.attributes(AttributeScope::ClientScope, client_keys, all).await;
        let shared = self.attributes(AttributeScope::SharedScope, shared_keys, all).await;
        match (client, shared) {
            (Ok(client), Ok(shared)) => {
                // A session that takes no more hears nothing; its device asks again.
                let _ = session.tell(Downlink::AttributeResponse { id, client, shared });
                receipt.done();
            }
            _ => receipt.fail(SettleError::NotDurable),
        }
    }

    /// Attributes as an object; none when there are none or none are wanted.
    async fn attributes(&self, scope: AttributeScope, keys: Option<&[Arc<str>]>, all: bool) -> Result<Option<Payload>, ()> {
        if keys.is_none() && !all {
            return Ok(None);
        }
        let found: Vec<(Arc<str>, Reading)> = self
            .around
            .store
            .attributes(self.device.entity(), scope, keys)
            .await
            .map_err(|error| {
                tracing::warn!(device = %self.device, %error, "attributes were not read");
            })?;
        let object: serde_json::Map<_, _> = found
            .into_iter()
            .map(|(key, reading)| (key.to_string(), reading.value.to_json()))
            .collect();
        Ok((!object.is_empty()).then(|| Payload::new(object.into())))
    }

    fn metadata(&self, room: usize) -> Metadata {
        let mut metadata = Metadata::with_capacity(2 + room);
        self.name_in(&mut metadata);
        metadata
    }

    /// What the metadata of all messages about the device say.
    fn name_in(&self, metadata: &mut Metadata) {
        metadata.insert("deviceName", Arc::clone(&self.facts.name));
        metadata.insert("deviceType", Arc::clone(&self.facts.device_type));
    }

    /// Sends a message to the device's chain. Whether there is one.
    async fn enter_chain(&mut self, kind: MessageKind, metadata: Metadata, payload: Payload, ts_ms: i64, receipt: Receipt) -> bool {
        let message = Message {
            id: Uuid::now_v7(),
            kind,
            originator: self.device.entity(),
            customer: self.facts.customer,
            metadata,
            payload,
            ts_ms,
        };
        let mut input = ChainInput {
            message: Arc::new(message),
            receipt: receipt.held(self.holds.hold()),
        };
        // Twice: the entrance kept from before may have closed meanwhile.
        for _ in 0..2 {
            let revision = self.around.chains.revision();
            if self.found_at != revision || self.entrance.as_ref().is_none_or(ChainLane::is_closed) {
                self.found_at = revision;
                self.entrance = self.around.chains.entrance(self.device.tenant, self.facts.chain);
            }
            let Some(entrance) = &self.entrance else { break };
            match entrance.send(input).await {
                Ok(()) => return true,
                Err(closed) => input = closed.0,
            }
        }
        input.receipt.fail(SettleError::NoRoute);
        false
    }
}
