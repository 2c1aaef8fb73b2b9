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

    fn whereto(&self) -> Whereto {
        Whereto::from(self.owner)
    }

    fn forward(&self, delivery: Delivery, epoch: Epoch) -> Forward {
        Forward {
            device: self.device,
            epoch,
            delivery,
            on_its_way: self.paths.enter(self.device, self.whereto()),
        }
    }
}

impl Port<Delivery> for ToDevice {
    fn send(&self, delivery: Delivery) -> BoxFuture<'_, Result<(), Delivery>> {
        async move {
            self.paths.room(self.device, self.whereto(), self.unsettled_max).await;
            let Some(epoch) = self.epoch() else { return Err(delivery) };
            let sent = self.out.send(self.forward(delivery, epoch)).await;
            sent.map_err(|closed| closed.0.delivery)
        }
        .boxed()
    }

    fn try_send(&self, delivery: Delivery) -> Result<(), Delivery> {
        let Some(epoch) = self.epoch() else { return Err(delivery) };
        if self.paths.count(self.device, self.whereto()) >= self.unsettled_max {
            return Err(delivery);
        }
        let sent = self.out.try_send(self.forward(delivery, epoch));
        sent.map_err(|forward| forward.delivery)
    }

    fn is_closed(&self) -> bool {
        self.out.is_closed() || self.epoch().is_none()
    }

    fn len(&self) -> usize {
        self.paths.count(self.device, self.whereto())
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
