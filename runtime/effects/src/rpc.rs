//! Requests to devices, and answers to theirs.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cluster::{Answer, Call, Delivery, Receipt, Router, RpcError, RpcRequest, SessionId, SettleError};
use model::{DeviceId, EntityId, Message, Payload, PresenceEvent};
use tokio::sync::oneshot;

use crate::{Calls, EffectError, Performed};

/// How long an effect waits for a device's actor. That may itself wait until a chain lets its next message in, and the chain for the effect:
/// somebody has to give up.
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of a request.
type Answered = Result<Option<Payload>, RpcError>;

/// Reaches devices.
#[derive(Clone)]
pub(crate) struct Rpc {
    pub(crate) router: Router,
    pub(crate) calls: Calls,
}

impl Rpc {
    /// Sends a request, waits for what becomes of it, and tells whoever waits for it outside.
    pub(crate) async fn request(
        &self,
        device: DeviceId,
        request: RpcRequest,
        answer: oneshot::Receiver<Answered>,
        message: &Message,
    ) -> Result<Performed, EffectError> {
        let id = request.id;
        let answered = match self.deliver(device, Delivery::Rpc(request)).await {
            Ok(()) => answer.await.unwrap_or(Err(RpcError::Moved)),
            Err(error) => Err(error),
        };
        self.calls.answer(device.tenant, id, answered.clone());
        let next = answered?.map(|payload| {
            Arc::new(Message {
                payload,
                ..Message::clone(message)
            })
        });
        Ok(Performed {
            relation: "Success",
            message: next,
        })
    }

    /// Answers a request of a device.
    pub(crate) async fn reply(&self, device: DeviceId, session: SessionId, id: u32, payload: Payload) -> Result<Performed, EffectError> {
        let (told, answer) = oneshot::channel();
        let delivery = Delivery::Answer(Answer {
            session,
            id,
            payload,
            told,
        });
        self.deliver(device, delivery).await?;
        patiently(answer).await?.unwrap_or(Err(RpcError::Moved))?;
        Ok(Performed::SUCCESS)
    }

    /// Hands a request from outside over. Its way back tells when it is not taken.
    pub(crate) async fn call(&self, device: DeviceId, call: Call) {
        match self.router.lane(device).await {
            // A lane that closes drops the call, and with it the way back: the caller hears of that too.
            Ok(lane) => drop(lane.send(Delivery::Call(call)).await),
            // The caller may have left.
            Err(_) => drop(call.reply.send(Err(RpcError::NotConnected))),
        }
    }

    /// Removes a request that is kept.
    pub(crate) async fn remove(&self, device: DeviceId, rpc: model::entity::Rpc) -> Result<(), RpcError> {
        let (done, removed) = oneshot::channel();
        self.deliver(device, Delivery::Remove(Box::new(rpc), done)).await?;
        removed.await.unwrap_or(Err(RpcError::Moved))
    }

    /// Says whether a device is there, and waits until that is durable.
    pub(crate) async fn presence(&self, device: DeviceId, event: PresenceEvent, at_ms: i64) -> Result<Performed, EffectError> {
        let (settle, mut settled) = actor::lane(1);
        let receipt = Receipt::new(settle, 0);
        self.deliver(device, Delivery::Presence { event, at_ms, receipt }).await?;
        match settled.recv().await {
            Some(settled) => settled.result.map(|()| Performed::SUCCESS).map_err(EffectError::from),
            None => Err(SettleError::NotDurable.into()),
        }
    }

    async fn deliver(&self, device: DeviceId, delivery: Delivery) -> Result<(), RpcError> {
        let lane = self.router.lane(device).await.map_err(|_| RpcError::NotConnected)?;
        patiently(lane.send(delivery)).await?.map_err(|_| RpcError::Moved)
    }
}

/// Waits, but not for ever.
async fn patiently<T>(awaited: impl Future<Output = T>) -> Result<T, RpcError> {
    tokio::time::timeout(PATIENCE, awaited).await.map_err(|_| RpcError::TooMany)
}

/// An entity as a device.
pub(crate) fn device_of(entity: EntityId) -> Result<DeviceId, EffectError> {
    DeviceId::try_from(entity).map_err(|other| EffectError::Invalid(format!("{other:?} is not a device")))
}
