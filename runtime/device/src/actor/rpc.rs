//! The actor and requests in both directions: carries out what [`crate::requests`] and [`crate::questions`] decide.

use cluster::{Answer, Call, Keep, Receipt, RpcError, RpcReply, RpcRequest, SessionLink};
use model::entity::{IdRef, MethodCall, Rpc, RpcBody, RpcStatus};
use model::{Downlink, DownlinkKind, EntityKind, MessageKind, Metadata, Payload};
use serde_json::json;
use storage::{Mutation, StorageError};
use tokio::sync::oneshot;

use super::DeviceActor;
use crate::requests::Command;

/// When a request is tried again that a session had no room for.
const FULL_MS: i64 = 100;
/// What a device is told that asked and was not answered in time.
const UNANSWERED: &str = r#"{"error":"timeout"}"#;

impl DeviceActor {
    /// Reads the requests that were kept when the device was last awake.
    pub(super) async fn remember_requests(&mut self) {
        match self.around.store.open_rpcs(self.device).await {
            Ok(open) => open.into_iter().for_each(|rpc| self.requests.keep(rpc)),
            Err(error) => tracing::error!(device = %self.device, %error, "requests that are kept for the device could not be read"),
        }
    }

    /// A node of a chain asks something of the device.
    pub(super) async fn request(&mut self, mut request: RpcRequest) {
        if !self.requests.has_room() {
            // A node that is gone waits for nothing.
            let _ = request.reply.send(Err(RpcError::TooMany));
            return;
        }
        if let Some(keep) = request.keep.take() {
            self.keep(request, keep).await;
        } else {
            let RpcRequest {
                method,
                params,
                expires_ms,
                oneway,
                reply,
                ..
            } = request;
            self.requests.ask(reply, method, params, expires_ms, oneway);
        }
        self.send_requests().await;
    }

    /// Keeps a request. It is sent when it is durable, so that nothing happens at the device that nobody knows of afterwards.
    async fn keep(&mut self, request: RpcRequest, keep: Keep) {
        let rpc = Rpc {
            id: IdRef::new(EntityKind::Rpc, request.id),
            created_time: self.now_ms(),
            tenant_id: IdRef::tenant(self.device.tenant),
            device_id: self.device.into(),
            expiration_time: request.expires_ms,
            request: RpcBody {
                body: MethodCall {
                    method: request.method.to_string(),
                    params: request.params.json().clone(),
                },
                oneway: request.oneway,
                retries: keep.retries,
            },
            response: None,
            status: RpcStatus::Queued,
            additional_info: keep.additional_info.map(|info| info.json().clone()),
            request_number: self.requests.take_number(),
        };
        let id = request.id;
        let kept = match self.around.store.rpc(self.device.tenant, id).await {
            Ok(None) => self.keep_new(rpc).await,
            // Asked again, by somebody who does not know whether it was kept: it was.
            Ok(Some(stored)) if stored.device_id == rpc.device_id => Ok(()),
            Ok(Some(_)) => Err(RpcError::NotKept),
            Err(error) => Err(self.not_kept(&error)),
        };
        let _ = request
            .reply
            .send(kept.map(|()| Some(Payload::new(json!({ "rpcId": id.to_string() })))));
    }

    async fn keep_new(&mut self, rpc: Rpc) -> Result<(), RpcError> {
        self.remind().await;
        self.store(Mutation::PutRpc(rpc.clone().into())).await?;
        self.requests.keep(rpc.clone());
        self.tell_chain(&rpc).await;
        Ok(())
    }

    /// Somebody outside asks: the chain decides what becomes of it.
    pub(super) async fn call(&mut self, call: Call) {
        let Call {
            id,
            kind,
            mut metadata,
            payload,
            reply,
        } = call;
        let calls = self.around.calls.clone();
        calls.wait(self.device.tenant, id, reply);
        self.name_in(&mut metadata);
        let now_ms = self.now_ms();
        if !self.enter_chain(kind, metadata, payload, now_ms, Receipt::unclaimed()).await {
            calls.answer(self.device.tenant, id, Err(RpcError::NoRoute));
        }
    }

    /// The device asks something: the chain answers, or nobody does.
    pub(super) async fn question(
        &mut self,
        session: SessionLink,
        id: u32,
        method: &str,
        params: &Payload,
        received_ms: i64,
        receipt: Receipt,
    ) {
        let mut metadata = self.metadata(3);
        metadata.insert("requestId", id.to_string());
        metadata.insert("sessionId", session.id.0.to_string());
        metadata.insert("serviceId", SERVICE);
        let payload = Payload::new(json!({ "method": method, "params": params.json() }));
        let now_ms = self.now_ms();
        if let Some(gave_way) = self.questions.asked(&session, id, now_ms) {
            leave_unanswered(&gave_way);
        }
        self.enter_chain(MessageKind::ToServerRpc, metadata, payload, received_ms, receipt)
            .await;
    }

    /// A node answers what the device asked.
    pub(super) fn answer(&mut self, answer: Answer) {
        let Answer {
            session,
            id,
            payload,
            told,
        } = answer;
        let result = match self.questions.answered(session, id) {
            None => Err(RpcError::NotAsked),
            Some(link) => {
                let sent = link.tell(Downlink::RpcResponse { id, payload });
                sent.map_err(|_| RpcError::NotConnected)
            }
        };
        let _ = told.send(result);
    }

    pub(super) fn give_up_questions(&mut self, now_ms: i64) {
        self.questions.expired(now_ms).iter().for_each(leave_unanswered);
    }

    /// Somebody removes a request that is kept.
    pub(super) async fn remove(&mut self, rpc: Rpc, done: oneshot::Sender<Result<(), RpcError>>) {
        let mut rpc = self.requests.removed(rpc.id.id).unwrap_or(rpc);
        let removed = self
            .store(Mutation::DeleteRpc {
                device: self.device,
                id: rpc.id.id,
            })
            .await;
        let is_removed = removed.is_ok();
        let _ = done.send(removed);
        if is_removed {
            rpc.status = RpcStatus::Deleted;
            self.tell_chain(&rpc).await;
        }
    }

    /// Sends what waits to the session that takes it, in order, as long as it has room. What is over by now is not sent.
    pub(super) async fn send_requests(&mut self) {
        let over = self.requests.time_passed(self.now_ms());
        self.carry_out(over).await;
        while let Some(next) = self.requests.next() {
            let request = Downlink::RpcRequest {
                id: next.number,
                method: next.method,
                params: next.params,
            };
            let Some(session) = self.sessions.send(request) else { return };
            let commands = self.requests.sent(next.number, session, self.now_ms());
            self.carry_out(commands).await;
        }
    }

    /// When what a session had no room for is tried again.
    pub(super) fn send_again_ms(&self) -> Option<i64> {
        let waits = self.requests.next().is_some() && self.sessions.take(DownlinkKind::RpcRequest);
        waits.then(|| self.now_ms() + FULL_MS)
    }

    pub(super) async fn carry_out(&mut self, commands: impl IntoIterator<Item = Command<RpcReply>>) {
        for command in commands {
            match command {
                // A node that is gone waits for nothing.
                Command::Answer(reply, answer) => drop(reply.send(answer)),
                Command::Keep(rpc) => {
                    // Not waited for: batches take effect in order, and what a crash takes back is done again.
                    if let Err(error) = self.around.store.submit(vec![Mutation::PutRpc(rpc.clone().into())]).await {
                        self.not_kept(&error);
                    }
                    self.tell_chain(&rpc).await;
                }
            }
        }
    }

    /// Tells the chain how far a request has come. Nobody waits for what it makes of it.
    async fn tell_chain(&mut self, rpc: &Rpc) {
        let Ok(payload) = serde_json::to_value(rpc) else { return };
        let kind = MessageKind::from(&*["RPC_", rpc.status.as_str()].concat());
        let (metadata, now_ms): (Metadata, i64) = (self.metadata(0), self.now_ms());
        self.enter_chain(kind, metadata, Payload::new(payload), now_ms, Receipt::unclaimed())
            .await;
    }

    /// Writes, and waits until it is durable.
    async fn store(&self, mutation: Mutation) -> Result<(), RpcError> {
        let committed = async { self.around.store.submit(vec![mutation]).await?.await };
        committed.await.map_err(|error| self.not_kept(&error))
    }

    fn not_kept(&self, error: &StorageError) -> RpcError {
        tracing::error!(device = %self.device, %error, "a request to the device could not be stored");
        RpcError::NotKept
    }
}

/// What stands for this server in messages.
const SERVICE: &str = "pacificsoft";

/// Tells a device that its question stays without an answer. A session that takes no more hears nothing.
fn leave_unanswered((session, id): &(SessionLink, u32)) {
    let payload = Payload::new(serde_json::from_str(UNANSWERED).unwrap_or_default());
    let _ = session.tell(Downlink::RpcResponse { id: *id, payload });
}
