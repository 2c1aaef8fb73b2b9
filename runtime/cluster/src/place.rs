//! This peer's place among the others: the [`Ring`] of a cluster. What [`Ownership`] decides, shared by everybody who asks.

use std::sync::Arc;

use model::DeviceId;
use parking_lot::RwLock;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::members::Members;
use crate::ownership::{Ownership, Standing};
use crate::{Changes, Epoch, News, PeerId, Ring};

/// Clones share everything.
#[derive(Clone)]
pub struct Place(Arc<Inner>);

struct Inner {
    local: PeerId,
    ownership: RwLock<Ownership>,
    members: watch::Sender<Arc<Members>>,
    changes: News,
    start: Instant,
}

impl Place {
    /// A peer that knows nobody yet, and owns nothing.
    pub fn new(local: PeerId) -> Self {
        Place(Arc::new(Inner {
            local,
            ownership: RwLock::new(Ownership::new(local)),
            members: watch::channel(Arc::default()).0,
            changes: News::default(),
            start: Instant::now(),
        }))
    }

    /// The peer's own time, milliseconds: monotonic, and nobody else's.
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.0.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The cluster has agreed on members. To be called for every epoch, in order. What was owned and is not any more is served no longer
    /// when this returns; it is still to be [released](crate::Devices::release).
    pub fn agreed(&self, members: &Members) {
        self.0.ownership.write().members(members);
        self.0.members.send_replace(Arc::new(members.clone()));
        self.changed();
    }

    /// Everybody has let go of what it did not own at an epoch.
    pub fn settled(&self, epoch: Epoch) {
        if self.0.ownership.write().settle(epoch) {
            self.changed();
        }
    }

    /// The leader answered a sign of life that was sent at a time of [`Place::now_ms`].
    pub fn renewed(&self, sent_ms: u64, lease_ms: u64) {
        let now_ms = self.now_ms();
        let mut ownership = self.0.ownership.write();
        let held = ownership.lease().holds(now_ms);
        ownership.lease().renew(sent_ms, lease_ms);
        let news = held != ownership.lease().holds(now_ms);
        drop(ownership);
        if news {
            self.changed();
        }
    }

    /// This peer was told that it does not belong to the cluster now.
    pub fn cast_out(&self) {
        self.0.ownership.write().lease().end();
        self.changed();
    }

    /// The newest epoch known here, and the newest that is settled.
    pub fn epochs(&self) -> (Epoch, Epoch) {
        let ownership = self.0.ownership.read();
        (ownership.epoch(), ownership.settled())
    }

    /// Whether this peer may own devices now.
    pub fn holds_lease(&self) -> bool {
        let now_ms = self.now_ms();
        self.0.ownership.read().holds_lease(now_ms)
    }

    /// How long this peer may own devices without hearing of the leader; 0: it may not.
    pub fn lease_left_ms(&self) -> u64 {
        let now_ms = self.now_ms();
        self.0.ownership.write().lease().left_ms(now_ms)
    }

    /// The members, and when they change.
    pub fn members(&self) -> watch::Receiver<Arc<Members>> {
        self.0.members.subscribe()
    }

    /// Whether this peer owns a device by the newest ring and its lease, be it that others have still to let go.
    pub fn owns(&self, device: DeviceId) -> bool {
        let local = self.0.local;
        match self.standing(device) {
            Standing::Here(owner) => owner.peer == local,
            Standing::Soon(pending) => pending == crate::Pending::Handover,
            Standing::There(_) => false,
        }
    }

    /// What becomes of a delivery that another peer sent by the ring of an epoch.
    ///
    /// # Errors
    /// The newest epoch, when it is to be sent again by that.
    pub fn standing_of(&self, device: DeviceId, sent: Epoch) -> Result<Standing, Epoch> {
        let now_ms = self.now_ms();
        self.0.ownership.read().standing_of(device, sent, now_ms)
    }

    /// Lanes to another peer were closed, though devices stayed where they are: whoever has one looks for another.
    pub fn lanes_closed(&self) {
        self.changed();
    }

    fn changed(&self) {
        self.0.changes.tell();
    }
}

impl Ring for Place {
    fn standing(&self, device: DeviceId) -> Standing {
        let now_ms = self.now_ms();
        self.0.ownership.read().standing(device, now_ms)
    }

    fn local(&self) -> PeerId {
        self.0.local
    }

    fn changes(&self) -> Changes {
        self.0.changes.changes()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::TenantId;
    use uuid::Uuid;

    use super::*;
    use crate::members::{PeerRecord, PeerState, WEIGHT};
    use crate::{Owner, Pending};

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_hear_of_every_change() {
        let place = Place::new(PeerId(1));
        let device = DeviceId::new(TenantId::SYSTEM, Uuid::from_u128(1));
        let mut changes = place.changes();
        let record = PeerRecord {
            address: String::new(),
            version: String::new(),
            state: PeerState::Up,
            weight: WEIGHT,
            since: Epoch(1),
        };
        place.agreed(&Members {
            epoch: Epoch(1),
            peers: [(PeerId(1), record)].into(),
        });
        changes.changed().await.unwrap();
        assert_eq!(place.standing(device), Standing::Soon(Pending::NoLease));
        place.renewed(place.now_ms(), 1_000);
        changes.changed().await.unwrap();
        assert_eq!(place.standing(device), Standing::Soon(Pending::Handover));
        assert!(place.owns(device));
        place.settled(Epoch(1));
        changes.changed().await.unwrap();
        let owner = Owner {
            peer: PeerId(1),
            epoch: Epoch(1),
            since: Epoch(1),
        };
        assert_eq!(place.standing(device), Standing::Here(owner));
        tokio::time::advance(Duration::from_millis(500)).await;
        place.renewed(place.now_ms() - 100, 1_000);
        assert!(!changes.has_changed(), "a renewal is no news");
        assert_eq!(place.lease_left_ms(), 900);
        tokio::time::advance(Duration::from_millis(901)).await;
        assert_eq!(place.standing(device), Standing::Soon(Pending::NoLease));
        assert!(!place.owns(device));
        place.cast_out();
        changes.changed().await.unwrap();
    }
}
