//! Adapters from the ports of the lower layers to what this binary has.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use cluster::{DeviceLane, Devices, RouteError, Staying};
use model::{DeviceId, TenantId};
use plugins::{LogLevel, LogSink};
use tenant::LocalDevices;

/// Guests' log lines, as lines of the server's log.
pub struct GuestLog;

impl LogSink for GuestLog {
    fn line(&self, tenant: TenantId, source: &str, level: LogLevel, text: &str) {
        match level {
            LogLevel::Debug => tracing::debug!(target: "guest", %tenant, source, text),
            LogLevel::Info => tracing::info!(target: "guest", %tenant, source, text),
            LogLevel::Warn => tracing::warn!(target: "guest", %tenant, source, text),
            LogLevel::Error => tracing::error!(target: "guest", %tenant, source, text),
        }
    }
}

/// The devices of this server. Effects reach devices and devices' chains perform effects: one of the two has to be known later.
#[derive(Clone, Default)]
pub struct LateDevices(Arc<OnceLock<LocalDevices>>);

impl LateDevices {
    /// Now they are known.
    pub fn set(&self, devices: LocalDevices) {
        let _ = self.0.set(devices);
    }
}

#[async_trait]
impl Devices for LateDevices {
    async fn lane(&self, device: DeviceId) -> Result<DeviceLane, RouteError> {
        match self.0.get() {
            Some(devices) => devices.lane(device).await,
            None => Err(RouteError::Unavailable("the server is starting".to_owned())),
        }
    }

    async fn release(&self, staying: Staying<'_>) {
        if let Some(devices) = self.0.get() {
            devices.release(staying).await;
        }
    }
}
