//! Lanes that lead to another peer: to a device's actor on its owner, and back to a session.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use actor::Lane;
use actor::lane::Port;
use cluster::{Delivery, Epoch, Owner, Place, Ring, SessionId, Standing};
use futures::FutureExt;
use futures::future::BoxFuture;
use model::{DeviceId, Downlink};

use crate::paths::{OnItsWay, Paths, Whereto};

/// A delivery to the owner of a device.
#[derive(Debug)]
pub struct Forward {
    /// To which device.
    pub device: DeviceId,
    /// By which ring the owner was found.
    pub epoch: Epoch,
    /// What.
    pub delivery: Delivery,
    /// Ends when it is done.
    pub on_its_way: OnItsWay,
}

/// A downlink for a session of another peer.
#[derive(Debug)]
pub struct Telling(pub SessionId, pub Downlink);

/// The way to a device's actor. Closed when the device moves, when the peer is gone, and when it has forgotten everything.
pub struct ToDevice {
    pub(crate) device: DeviceId,
    pub(crate) owner: Owner,
    pub(crate) place: Place,
    pub(crate) paths: Paths,
    pub(crate) out: Lane<Forward>,
    /// The session's generation, and the one that this lane is of.
    pub(crate) generation: (Arc<AtomicU64>, u64),
    pub(crate) unsettled_max: usize,
}

impl ToDevice {
    /// The newest epoch at which the device is still there.
    fn epoch(&self) -> Option<Epoch> {
        let (generation, own) = &self.generation;
        if generation.load(Ordering::Acquire) != *own {
            return None;
        }
        match self.place.standing(self.device) {
            Standing::There(now) if (now.peer, now.since) == (self.owner.peer, self.owner.since) => Some(now.epoch),
            _ => None,
        }
    }

    /// Whether it leads anywhere now.
    pub(crate) fn is_open(&self) -> bool {
        !self.out.is_closed() && self.epoch().is_some()
    }

    fn whereto(&self, epoch: Epoch) -> Whereto {
        Whereto::new(self.owner.peer, epoch, self.generation.1)
    }

    /// Waits until nothing of the device is on another way, but for what has to be sent again. Whether this one is open then.
    pub(crate) async fn quiet(&self) -> bool {
        let Some(epoch) = self.epoch() else { return false };
        self.paths.room(self.device, self.whereto(epoch), self.unsettled_max, true).await;
        self.is_open() && self.epoch() == Some(epoch)
    }

    /// One that has set out before.
    pub(crate) async fn send_again(&self, delivery: Delivery, order: u64) -> Result<(), Delivery> {
        self.send_on(delivery, Some(order)).await
    }

    async fn send_on(&self, delivery: Delivery, order: Option<u64>) -> Result<(), Delivery> {
        loop {
            let Some(epoch) = self.epoch() else { return Err(delivery) };
            let whereto = self.whereto(epoch);
            self.paths.room(self.device, whereto, self.unsettled_max, order.is_some()).await;
            // That may have taken a while.
            if self.epoch() == Some(epoch) {
                let sent = self.out.send(self.forward(delivery, epoch, order)).await;
                return sent.map_err(|closed| closed.0.delivery);
            }
        }
    }

    fn forward(&self, delivery: Delivery, epoch: Epoch, order: Option<u64>) -> Forward {
        let (paths, whereto) = (&self.paths, self.whereto(epoch));
        Forward {
            device: self.device,
            epoch,
            delivery,
            on_its_way: match order {
                Some(order) => paths.enter_again(self.device, whereto, order),
                None => paths.enter(self.device, whereto),
            },
        }
    }
}

impl Port<Delivery> for ToDevice {
    fn send(&self, delivery: Delivery) -> BoxFuture<'_, Result<(), Delivery>> {
        self.send_on(delivery, None).boxed()
    }

    fn try_send(&self, delivery: Delivery) -> Result<(), Delivery> {
        let Some(epoch) = self.epoch() else { return Err(delivery) };
        if !self.paths.has_room(self.device, self.whereto(epoch), self.unsettled_max) {
            return Err(delivery);
        }
        let sent = self.out.try_send(self.forward(delivery, epoch, None));
        sent.map_err(|forward| forward.delivery)
    }

    fn is_closed(&self) -> bool {
        !self.is_open()
    }

    fn len(&self) -> usize {
        self.paths.count(self.device)
    }
}

/// The way back to a session on another peer. Closed when that peer says so, or is gone.
pub struct ToSession {
    pub(crate) session: SessionId,
    pub(crate) out: Lane<Telling>,
    pub(crate) closed: Arc<AtomicBool>,
}

impl Port<Downlink> for ToSession {
    fn send(&self, downlink: Downlink) -> BoxFuture<'_, Result<(), Downlink>> {
        async move {
            if self.closed.load(Ordering::Relaxed) {
                return Err(downlink);
            }
            let sent = self.out.send(Telling(self.session, downlink)).await;
            sent.map_err(|closed| closed.0.1)
        }
        .boxed()
    }

    fn try_send(&self, downlink: Downlink) -> Result<(), Downlink> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(downlink);
        }
        self.out.try_send(Telling(self.session, downlink)).map_err(|refused| refused.1)
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed) || self.out.is_closed()
    }

    fn len(&self) -> usize {
        self.out.len()
    }
}
