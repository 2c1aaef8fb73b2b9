//! The device actors of this peer, as sessions and other peers reach them.

use async_trait::async_trait;
use cluster::{DeviceLane, Devices, RouteError, Staying};
use device::{DeviceError, Registry};
use model::DeviceId;

use crate::app::App;

/// Starts the tenant if need be, then the device.
#[derive(Clone)]
pub struct LocalDevices {
    app: App,
    registry: Registry,
}

impl LocalDevices {
    /// Joins tenants and devices.
    pub fn new(app: App, registry: Registry) -> Self {
        LocalDevices { app, registry }
    }
}

#[async_trait]
impl Devices for LocalDevices {
    async fn lane(&self, device: DeviceId) -> Result<DeviceLane, RouteError> {
        if !self.app.table().serves(device.tenant) {
            self.app
                .ensure(device.tenant)
                .await
                .map_err(|error| RouteError::Unavailable(error.to_string()))?;
        }
        self.registry.lane(device).await.map_err(|error| match error {
            DeviceError::NotFound => RouteError::NoDevice,
            other => RouteError::Unavailable(other.to_string()),
        })
    }

    async fn release(&self, staying: Staying<'_>) {
        self.registry.release(staying).await;
    }
}
