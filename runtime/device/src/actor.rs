//! The actor of a device.

use std::sync::Arc;
use std::time::Duration;

use ::actor::{LaneReceiver, Observe};
use cluster::{Delivery, Receipt, RpcError, RpcRequest, SettleError};
use model::{AttributeScope, Clock, DeviceId, Downlink, Message, MessageKind, Metadata, Payload, Reading, Uplink};
use rules::{ChainInput, ChainLane};
use serde::Serialize;
use storage::Store;
use tokio::sync::oneshot;
use uuid::Uuid;
use xtra::{Actor, Context, Handler, Mailbox};

use crate::profile::{Chains, DeviceFacts, load_facts};
use crate::state::{Pending, State, Unsent};

/// Deliveries taken at one turn.
const BATCH_MAX: usize = 64;

type Reply = oneshot::Sender<Result<Option<Payload>, RpcError>>;

/// What device actors work with.
#[derive(Clone)]
pub struct Surroundings {
    /// Stored values.
    pub store: Arc<dyn Store>,
    /// Where messages go.
    pub chains: Arc<dyn Chains>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// An actor without sessions and messages for this long goes to sleep.
    pub idle_timeout: Duration,
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
    /// Requests waiting for the device's answer.
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
    state: State<Reply>,
    uplinks: u64,
    /// Entrance of the chain, kept until it closes or the facts change.
    entrance: Option<ChainLane>,
}

impl Actor for DeviceActor {
    type Stop = ();
    async fn stopped(self) {}
}

impl Handler<Refresh> for DeviceActor {
    type Return = ();
    async fn handle(&mut self, _: Refresh, _: &mut Context<Self>) {
        match load_facts(&*self.around.store, self.device).await {
            Ok(facts) => self.facts = facts,
            Err(error) => tracing::warn!(device = %self.device, %error, "the device's record was not read again"),
        }
        self.entrance = None;
    }
}

impl Handler<Observe> for DeviceActor {
    type Return = DeviceState;
    async fn handle(&mut self, _: Observe, _: &mut Context<Self>) -> DeviceState {
        DeviceState {
            name: self.facts.name.to_string(),
            sessions: self.state.sessions(),
            pending_requests: self.state.pending(),
            uplinks: self.uplinks,
            last_activity_ms: self.state.last_activity_ms,
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
            state: State::default(),
            uplinks: 0,
            entrance: None,
        }
    }

    /// Lives until it has been idle for the idle timeout. What was in the lane by then is done.
    pub async fn run(&mut self, lane: &mut LaneReceiver<Delivery>, mailbox: &Mailbox<DeviceActor>) {
        let mut batch = Vec::new();
        let mut control = std::pin::pin!(mailbox.next());
        // A mailbox that nobody can reach any more is always ready: listened to further, it would starve the lane.
        let mut steered = true;
        loop {
            let pause = self.pause();
            tokio::select! {
                biased;
                message = &mut control, if steered => {
                    if message.dispatch_to(self).await.is_break() {
                        steered = false;
                        lane.close();
                    }
                    control.set(mailbox.next());
                }
                taken = lane.recv_batch(&mut batch, BATCH_MAX) => {
                    if taken == 0 {
                        return;
                    }
                    for delivery in batch.drain(..) {
                        self.deliver(delivery).await;
                    }
                }
                () = tokio::time::sleep(pause) => {
                    if self.time_passed() {
                        lane.close();
                    }
                }
            }
        }
    }

    /// How long the actor may wait without looking at the clock.
    fn pause(&self) -> Duration {
        match self.state.next_deadline_ms() {
            None => self.around.idle_timeout,
            Some(deadline) => Duration::from_millis(u64::try_from(deadline - self.around.clock.now_ms()).unwrap_or(0)),
        }
    }

    /// Gives up requests; whether the actor is idle.
    fn time_passed(&mut self) -> bool {
        for reply in self.state.expired(self.around.clock.now_ms()) {
            let _ = reply.send(Err(RpcError::Timeout));
        }
        self.state.is_idle()
    }

    async fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Connected(session) => self.state.connected(session),
            Delivery::Disconnected(session) => self.state.disconnected(session),
            Delivery::Rpc(request) => self.rpc(request),
            Delivery::Push(news) => {
                // A device that is away asks for its attributes when it returns.
                let _ = self.state.tell(news);
            }
            Delivery::Uplink {
                session,
                uplink,
                received_ms,
                receipt,
            } => {
                self.uplinks += 1;
                self.state.last_activity_ms = received_ms;
                self.uplink(session, uplink, received_ms, receipt).await;
            }
        }
    }

    async fn uplink(&mut self, session: cluster::SessionLink, uplink: Uplink, received_ms: i64, receipt: Receipt) {
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
                let mut metadata = self.metadata(2);
                metadata.insert("requestId", id.to_string());
                metadata.insert("sessionId", session.id.0.to_string());
                let payload = Payload::new(serde_json::json!({ "method": &*method, "params": params.json() }));
                self.enter_chain(MessageKind::ToServerRpc, metadata, payload, received_ms, receipt)
                    .await;
            }
            Uplink::RpcReply { id, payload } => {
                if let Some(reply) = self.state.replied(id) {
                    let _ = reply.send(Ok(Some(payload)));
                }
                receipt.done();
            }
            Uplink::AttributeRequest {
                id,
                client_keys,
                shared_keys,
            } => {
                let all = client_keys.is_none() && shared_keys.is_none();
                let client = self.attributes(AttributeScope::ClientScope, client_keys.as_deref(), all).await;
                let shared = self.attributes(AttributeScope::SharedScope, shared_keys.as_deref(), all).await;
                match (client, shared) {
                    (Ok(client), Ok(shared)) => {
                        // A session that takes no more hears nothing; its device asks again.
                        let _ = session.tell(Downlink::AttributeResponse { id, client, shared });
                        receipt.done();
                    }
                    _ => receipt.fail(SettleError::NotDurable),
                }
            }
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
        metadata.insert("deviceName", Arc::clone(&self.facts.name));
        metadata.insert("deviceType", Arc::clone(&self.facts.device_type));
        metadata
    }

    async fn enter_chain(&mut self, kind: MessageKind, metadata: Metadata, payload: Payload, ts_ms: i64, receipt: Receipt) {
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
            receipt,
        };
        // Twice: the entrance kept from before may have closed.
        for _ in 0..2 {
            if self.entrance.as_ref().is_none_or(ChainLane::is_closed) {
                self.entrance = self.around.chains.entrance(self.device.tenant, self.facts.chain);
            }
            let Some(entrance) = &self.entrance else { break };
            match entrance.send(input).await {
                Ok(()) => return,
                Err(closed) => input = closed.0,
            }
        }
        input.receipt.fail(SettleError::NoRoute);
    }

    fn rpc(&mut self, request: RpcRequest) {
        let RpcRequest {
            method,
            params,
            timeout_ms,
            oneway,
            reply,
        } = request;
        if oneway {
            let sent = self.state.request(method, params, None);
            let _ = reply.send(sent.map(|_| None).map_err(|(unsent, _)| rpc_error(unsent)));
            return;
        }
        let deadline_ms = self.around.clock.now_ms().saturating_add(i64::from(timeout_ms));
        if let Err((unsent, Some(Pending { reply, .. }))) = self.state.request(method, params, Some(Pending { deadline_ms, reply })) {
            let _ = reply.send(Err(rpc_error(unsent)));
        }
    }
}

fn rpc_error(unsent: Unsent) -> RpcError {
    match unsent {
        Unsent::NotConnected => RpcError::NotConnected,
        Unsent::TooMany => RpcError::TooMany,
    }
}
