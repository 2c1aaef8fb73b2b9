//! News about an entity, told to the rule chain that it concerns: a device's own, or the tenant's root chain.

use std::sync::Arc;

use cluster::{Notice, Receipt};
use device::Chains;
use model::{DeviceId, EntityId, Message};
use rules::ChainInput;
use uuid::Uuid;

use crate::App;

impl App {
    /// Tells a chain something about an entity. Nobody waits for what it makes of it; a tenant without chains hears nothing.
    pub async fn notice(&self, entity: EntityId, notice: Notice, now_ms: i64) {
        if let Ok(device) = DeviceId::try_from(entity) {
            self.effects().notice(device, notice).await;
            return;
        }
        if let Err(error) = self.ensure(entity.tenant).await {
            tracing::warn!(tenant = %entity.tenant, %error, "a chain was not told of a change");
            return;
        }
        let Some(entrance) = self.table().entrance(entity.tenant, None) else {
            return;
        };
        let Notice { kind, metadata, payload } = notice;
        let message = Message {
            id: Uuid::now_v7(),
            kind,
            originator: entity,
            customer: None,
            metadata,
            payload,
            ts_ms: now_ms,
        };
        let input = ChainInput {
            message: Arc::new(message),
            receipt: Receipt::unclaimed(),
        };
        // A chain that is going away hears nothing.
        let _ = entrance.send(input).await;
    }
}
