//! Messages that nobody's connection brings: news about an entity, told to the rule chain that it concerns – a device's own, or the tenant's root
//! chain –, and requests of somebody outside to the root chain.

use std::sync::Arc;

use cluster::{Call, Notice, Receipt, RpcError};
use device::Chains;
use model::{CustomerId, EntityId, Message};
use rules::ChainInput;
use uuid::Uuid;

use crate::App;

impl App {
    /// Tells a chain something about an entity. Nobody waits for what it makes of it, nor for room there; a tenant without chains hears
    /// nothing.
    pub async fn notice(&self, entity: EntityId, notice: Notice) {
        self.effects().notice(entity, notice).await;
    }

    /// Tells the tenant's root chain something about an entity that has no actor, when there is room.
    pub async fn enter(&self, entity: EntityId, notice: Notice, now_ms: i64) {
        self.enter_root((entity, None), notice, now_ms).await;
    }

    /// A request of somebody outside to the tenant's root chain, about an entity that has no actor. The answer comes back by the call.
    pub async fn ask(&self, originator: EntityId, customer: Option<CustomerId>, call: Call) {
        let (effects, tenant) = (self.effects(), originator.tenant);
        // Before anybody can answer.
        effects.calls().wait(tenant, call.id, call.reply);
        let notice = Notice {
            kind: call.kind,
            metadata: call.metadata,
            payload: call.payload,
        };
        if !self.enter_root((originator, customer), notice, effects.now_ms()).await {
            effects.calls().answer(tenant, call.id, Err(RpcError::NoRoute));
        }
    }

    /// Sends a message into the tenant's root chain; false: there is none that takes it.
    async fn enter_root(&self, (originator, customer): (EntityId, Option<CustomerId>), notice: Notice, ts_ms: i64) -> bool {
        let tenant = originator.tenant;
        if let Err(error) = self.ensure(tenant).await {
            tracing::warn!(%tenant, %error, "a message did not reach the tenant's chain");
            return false;
        }
        let Some(entrance) = self.table().entrance(tenant, None) else {
            return false;
        };
        let Notice { kind, metadata, payload } = notice;
        let message = Message {
            id: Uuid::now_v7(),
            kind,
            originator,
            customer,
            metadata,
            payload,
            ts_ms,
        };
        let input = ChainInput {
            message: Arc::new(message),
            receipt: Receipt::unclaimed(),
        };
        // A chain that is going away takes nothing.
        entrance.send(input).await.is_ok()
    }
}
