//! Where deliveries go while devices move.

use actor::{LaneReceiver, lane};
use model::TenantId;
use parking_lot::Mutex;
use tokio::sync::Notify;
use uuid::Uuid;

use super::*;
use crate::members::{Members, PeerRecord, PeerState, WEIGHT};
use crate::{Delivery, Epoch, PeerId, Place};

const DEVICE: DeviceId = DeviceId {
    tenant: TenantId::SYSTEM,
    id: Uuid::nil(),
};

/// Plays this peer's devices and the other peer.
#[derive(Default)]
struct Played {
    asked: Mutex<Vec<&'static str>>,
    open: Mutex<Vec<LaneReceiver<Delivery>>>,
    /// Waited for before it is quiet.
    noise: Mutex<Option<Arc<Notify>>>,
    /// Done when a lane is asked for.
    meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Played {
    fn lane(&self, name: &'static str) -> DeviceLane {
        self.asked.lock().push(name);
        let (sender, receiver) = lane(1);
        self.open.lock().push(receiver);
        let meanwhile = self.meanwhile.lock().take();
        meanwhile.into_iter().for_each(|act| act());
        sender
    }

    fn asked(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.asked.lock())
    }
}

struct Here(Arc<Played>);
struct There(Arc<Played>);

#[async_trait]
impl Devices for Here {
    async fn lane(&self, _: DeviceId) -> Result<DeviceLane, RouteError> {
        Ok(self.0.lane("here"))
    }

    async fn release(&self, staying: Staying<'_>) {
        self.0.asked.lock().push(if staying(DEVICE) { "stays" } else { "released" });
    }
}

#[async_trait]
impl Remotes for There {
    async fn lane(&self, _: Owner, _: DeviceId) -> Result<DeviceLane, RouteError> {
        Ok(self.0.lane("there"))
    }

    async fn quiet(&self, _: DeviceId, _: Owner) {
        let noise = self.0.noise.lock().clone();
        if let Some(noise) = noise {
            noise.notified().await;
        }
        self.0.asked.lock().push("quiet");
    }
}

fn among() -> (Router, Place, Arc<Played>) {
    let (place, played) = (Place::new(PeerId(1)), Arc::new(Played::default()));
    let router = Router::among(
        Arc::new(place.clone()),
        Arc::new(Here(Arc::clone(&played))),
        Arc::new(There(Arc::clone(&played))),
    );
    place.renewed(0, 60_000);
    (router, place, played)
}

fn only(place: &Place, epoch: u64, peer: u64) {
    let record = PeerRecord {
        address: String::new(),
        version: String::new(),
        state: PeerState::Up,
        weight: WEIGHT,
        since: Epoch(epoch),
    };
    place.agreed(&Members {
        epoch: Epoch(epoch),
        peers: [(PeerId(peer), record)].into(),
    });
}

#[tokio::test(start_paused = true)]
async fn a_delivery_goes_to_the_owner() {
    let (router, place, played) = among();
    only(&place, 1, 1);
    place.settled(Epoch(1));
    assert!(router.lane(DEVICE).await.is_ok());
    only(&place, 2, 2);
    assert!(router.lane(DEVICE).await.is_ok());
    assert_eq!(played.asked(), ["quiet", "here", "quiet", "there"]);
    assert!(router.lane_for_the_first(DEVICE).await.is_ok());
    assert_eq!(played.asked(), ["there"], "what was on its way already waits for nothing");
}

#[tokio::test(start_paused = true)]
async fn it_waits_until_the_former_owner_has_let_go_and_not_for_ever() {
    let (router, place, played) = among();
    let refused = router.lane(DEVICE).await.map(drop).unwrap_err();
    assert!(
        matches!(&refused, RouteError::Unavailable(reason) if reason.contains("no server")),
        "{refused}"
    );
    only(&place, 1, 1);
    let refused = router.lane(DEVICE).await.map(drop).unwrap_err();
    assert!(
        matches!(&refused, RouteError::Unavailable(reason) if reason.contains("let go")),
        "{refused}"
    );
    let mut waiting = std::pin::pin!(router.lane(DEVICE));
    assert!(futures::poll!(&mut waiting).is_pending());
    place.settled(Epoch(1));
    assert!(waiting.await.is_ok());
    assert_eq!(played.asked(), ["quiet", "here"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_comes_first() {
    let (router, place, played) = among();
    let noise = Arc::new(Notify::new());
    *played.noise.lock() = Some(Arc::clone(&noise));
    only(&place, 1, 2);
    let mut waiting = std::pin::pin!(router.lane(DEVICE));
    assert!(futures::poll!(&mut waiting).is_pending());
    assert_eq!(played.asked(), [""; 0]);
    noise.notify_one();
    assert!(waiting.await.is_ok());
    assert_eq!(played.asked(), ["quiet", "there"]);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_moves_while_it_starts_is_stopped_again() {
    let (router, place, played) = among();
    only(&place, 1, 1);
    place.settled(Epoch(1));
    let moving = place.clone();
    *played.meanwhile.lock() = Some(Box::new(move || only(&moving, 2, 2)));
    assert!(router.lane(DEVICE).await.is_ok());
    assert_eq!(played.asked(), ["quiet", "here", "released", "quiet", "there"]);
}
