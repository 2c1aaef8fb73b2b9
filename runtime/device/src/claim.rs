//! A device lets itself be claimed: written down as a server attribute, durable before the device is answered. Who claims it, and
//! whether they may, is decided elsewhere.

use std::sync::Arc;

use cluster::{Receipt, SettleError};
use model::entity::{ClaimWindow, claim};
use model::{AttributeScope, DeviceId, Value};
use storage::{Mutation, StorageError, Store};

/// Opens a device to claims with a secret, from now on.
pub(crate) async fn open(store: &dyn Store, device: DeviceId, window: ClaimWindow, now_ms: i64, receipt: Receipt) {
    match write(store, device, &window, now_ms).await {
        Ok(()) => receipt.done(),
        Err(error) => {
            tracing::warn!(%device, %error, "a device could not be opened to claims");
            receipt.fail(SettleError::NotDurable);
        }
    }
}

async fn write(store: &dyn Store, device: DeviceId, window: &ClaimWindow, now_ms: i64) -> Result<(), StorageError> {
    let window = serde_json::to_value(window).map_err(|error| StorageError::Failed(error.to_string()))?;
    let values = Value::from_json(&window).map(|value| (Arc::from(claim::ATTRIBUTE), value));
    let mutation = Mutation::Attributes {
        entity: device.entity(),
        scope: AttributeScope::ServerScope,
        ts_ms: now_ms,
        values: values.into_iter().collect(),
    };
    store.submit(vec![mutation]).await?.await
}
