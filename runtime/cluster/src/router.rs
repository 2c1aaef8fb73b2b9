//! From a device to the lane of its actor.

use std::sync::Arc;

use async_trait::async_trait;
use model::DeviceId;

use crate::{DeviceLane, Ring};

/// The device actors of this peer.
#[async_trait]
pub trait Devices: Send + Sync + 'static {
    /// The lane of a device's actor; starts the actor if it sleeps. A lane can close later, when the actor goes to sleep: ask again.
    async fn lane(&self, device: DeviceId) -> Result<DeviceLane, RouteError>;
}

/// Why there is no way to a device's actor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The device does not exist.
    #[error("no such device")]
    NoDevice,
    /// The owner cannot be reached, or the server is stopping: try again.
    #[error("the device cannot be served now: {0}")]
    Unavailable(String),
}

/// Finds the lane of a device's actor on its owner.
#[derive(Clone)]
pub struct Router {
    ring: Arc<dyn Ring>,
    local: Arc<dyn Devices>,
}

impl Router {
    /// Routes by a ring; deliveries to this peer go to `local`.
    pub fn new(ring: Arc<dyn Ring>, local: Arc<dyn Devices>) -> Self {
        Router { ring, local }
    }

    /// The lane of a device's actor. Hold it while you need the device, ask again when it is closed.
    ///
    /// # Errors
    /// [`RouteError::NoDevice`], or [`RouteError::Unavailable`] when the owner cannot be reached.
    pub async fn lane(&self, device: DeviceId) -> Result<DeviceLane, RouteError> {
        let owner = self.ring.owner(device);
        if owner.peer != self.ring.local() {
            return Err(RouteError::Unavailable(format!("peer {} is not connected", owner.peer.0)));
        }
        self.local.lane(device).await
    }
}
