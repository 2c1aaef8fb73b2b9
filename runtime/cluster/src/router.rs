//! From a device to the lane of its actor, on whichever peer it lives.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::DeviceId;

use crate::ownership::{Pending, Standing};
use crate::{Changes, DeviceLane, Owner, Ring};

/// How long a device may be served by nobody before who asks for it is refused: as long as it takes to notice that a peer is gone, and
/// to let others take over.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which devices stay.
pub type Staying<'a> = &'a (dyn Fn(DeviceId) -> bool + Send + Sync);

/// The device actors of this peer.
#[async_trait]
pub trait Devices: Send + Sync + 'static {
    /// The lane of a device's actor; starts the actor if it sleeps. A lane can close later, when the actor goes to sleep: ask again.
    async fn lane(&self, device: DeviceId) -> Result<DeviceLane, RouteError>;

    /// Stops the actors of devices that are not to be kept. Answers when they have done what was in their lanes, and when what they handed
    /// to rule chains is settled: then another peer may serve these devices. Who runs alone releases nothing.
    async fn release(&self, _staying: Staying<'_>) {}
}

/// The device actors of other peers.
#[async_trait]
pub trait Remotes: Send + Sync + 'static {
    /// The lane to a device's actor on its owner. It closes when the device moves.
    async fn lane(&self, owner: Owner, device: DeviceId) -> Result<DeviceLane, RouteError>;

    /// Waits until nothing for a device is on its way but to this owner: what comes later must not pass it.
    async fn quiet(&self, device: DeviceId, except: Owner);
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
    remotes: Option<Arc<dyn Remotes>>,
}

impl Router {
    /// Routes on a server that runs alone: deliveries go to `local`.
    pub fn new(ring: Arc<dyn Ring>, local: Arc<dyn Devices>) -> Self {
        Router {
            ring,
            local,
            remotes: None,
        }
    }

    /// Routes by a ring: deliveries go to `local` or to other peers.
    pub fn among(ring: Arc<dyn Ring>, local: Arc<dyn Devices>, remotes: Arc<dyn Remotes>) -> Self {
        Router {
            ring,
            local,
            remotes: Some(remotes),
        }
    }

    /// Who serves a device now.
    pub fn standing(&self, device: DeviceId) -> Standing {
        self.ring.standing(device)
    }

    /// Changes whenever a standing or a lane may have changed. Ends at once on a server that runs alone.
    pub fn changes(&self) -> Changes {
        self.ring.changes()
    }

    /// Whether a lane that was got earlier does not lead to who serves the device now, or in a moment. The lane to an actor of this peer
    /// stays open for a while when its device goes elsewhere.
    pub fn has_moved(&self, device: DeviceId, lane: &DeviceLane) -> bool {
        lane.is_closed() || (!lane.is_port() && matches!(self.ring.standing(device), Standing::There(_)))
    }

    /// The lane of a device's actor. Hold it while you need the device, ask again when it is closed. While a device moves, this waits.
    /// What was sent into an earlier lane of the device comes before what is sent into this one.
    ///
    /// # Errors
    /// [`RouteError::NoDevice`], or [`RouteError::Unavailable`] when the owner cannot be reached.
    pub async fn lane(&self, device: DeviceId) -> Result<DeviceLane, RouteError> {
        match tokio::time::timeout(PATIENCE, self.find(device, true)).await {
            Ok(found) => found,
            Err(_) => Err(RouteError::Unavailable(self.reason(device))),
        }
    }

    /// As [`Router::lane`], for whoever carries what was on its way already, and waits as long as it takes.
    pub async fn lane_for_the_first(&self, device: DeviceId) -> Result<DeviceLane, RouteError> {
        self.find(device, false).await
    }

    async fn find(&self, device: DeviceId, quiet: bool) -> Result<DeviceLane, RouteError> {
        // Most servers run alone: no change is waited for before it is known that one is needed.
        if let (Standing::Here(_), None) = (self.ring.standing(device), &self.remotes) {
            return self.local.lane(device).await;
        }
        let mut changes = self.ring.changes();
        loop {
            changes.mark_unchanged();
            let standing = self.ring.standing(device);
            let owner = match standing {
                Standing::Here(owner) | Standing::There(owner) => owner,
                Standing::Soon(_) => {
                    let changed = changes.changed().await;
                    changed.map_err(|_| RouteError::Unavailable("the server is stopping".to_owned()))?;
                    continue;
                }
            };
            if let (true, Some(remotes)) = (quiet, &self.remotes) {
                remotes.quiet(device, owner).await;
            }
            let lane = match (standing, &self.remotes) {
                (Standing::Here(_), _) => self.local.lane(device).await?,
                (_, Some(remotes)) => remotes.lane(owner, device).await?,
                (_, None) => return Err(RouteError::Unavailable(format!("peer {} is not connected", owner.peer.0))),
            };
            // It may have moved meanwhile, after its actors were stopped here and before this one was started.
            match self.ring.standing(device) {
                Standing::Here(now) | Standing::There(now) if (now.peer, now.since) == (owner.peer, owner.since) => return Ok(lane),
                _ => {}
            }
            drop(lane);
            if matches!(standing, Standing::Here(_)) {
                self.local.release(&|other| other != device).await;
            }
        }
    }

    fn reason(&self, device: DeviceId) -> String {
        match self.ring.standing(device) {
            Standing::Soon(pending) => pending.as_str().to_owned(),
            Standing::Here(_) => Pending::Handover.as_str().to_owned(),
            Standing::There(owner) => format!("peer {} does not take it", owner.peer.0),
        }
    }
}

#[cfg(test)]
mod tests;
