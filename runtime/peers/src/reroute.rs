//! Deliveries that a peer has refused, or may not have got before it was gone: they are sent again to whoever owns their devices now, in
//! order for each device, and before anything that comes later ([`crate::paths`]).
//!
//! One that is sent again may come back again, while those behind it have still to go: each keeps the place it set out with, and the first is
//! the next to go. Before it goes another way than the one before it, nothing is left on that one: all of it was taken, or is here.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use actor::{LaneReceiver, Life};
use cluster::{Delivery, DeviceLane, Ring, RouteError, Router, Standing};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use model::DeviceId;

use crate::Peers;
use crate::paths::{OnItsWay, Whereto};
use crate::port::{Forward, ToDevice};

/// Deliveries that may wait for a new owner, of all devices. Beyond, they are not done, and whoever waits hears so.
pub const AGAIN_MAX: usize = 65_536;
/// How long one waits for a new owner.
const PATIENCE: Duration = Duration::from_secs(30);
/// When is looked again for the session of an owner whose session has just ended.
const SOON: Duration = Duration::from_millis(10);

/// A delivery to be sent again. It is on its former way until it is taken: who waits for that to be quiet waits for this one.
#[derive(Debug)]
pub struct Again {
    device: DeviceId,
    delivery: Delivery,
    on_its_way: OnItsWay,
}

impl Again {
    /// One that was sent.
    pub fn of(forward: Forward) -> Self {
        Again {
            device: forward.device,
            delivery: forward.delivery,
            on_its_way: forward.on_its_way,
        }
    }
}

/// See the module.
pub struct Rerouter {
    peers: Peers,
    router: Router,
    again: LaneReceiver<Again>,
    /// Of devices that somebody is at work for: those that wait, by their places.
    queues: HashMap<DeviceId, BTreeMap<u64, Again>>,
    /// One for each of these devices.
    working: FuturesUnordered<BoxFuture<'static, (DeviceId, Step)>>,
    waiting: usize,
}

/// What was done for a device.
#[allow(clippy::large_enum_variant, reason = "it is moved once, and a box would cost more")]
enum Step {
    /// Where its deliveries go. None: nobody has taken over.
    Found(Option<Way>),
    /// One was sent, was given up, or has to be sent another way.
    Sent(Option<Again>),
}

enum Way {
    Here(DeviceLane),
    There(Box<ToDevice>),
}

impl Rerouter {
    /// Sends over the sessions of peers, or to this one's devices by a router, what comes through the lane.
    pub fn new(peers: Peers, router: Router, again: LaneReceiver<Again>) -> Self {
        Rerouter {
            peers,
            router,
            again,
            queues: HashMap::new(),
            working: FuturesUnordered::new(),
            waiting: 0,
        }
    }

    fn take(&mut self, again: Again) {
        let device = again.device;
        if self.waiting >= AGAIN_MAX {
            tracing::error!(%device, "too much has to be sent again: a delivery is not done");
            return;
        }
        self.waiting += 1;
        let again = Again {
            on_its_way: again.on_its_way.elsewhere(),
            ..again
        };
        let place = again.on_its_way.order();
        match self.queues.entry(device) {
            Entry::Occupied(mut queue) => drop(queue.get_mut().insert(place, again)),
            Entry::Vacant(vacant) => {
                vacant.insert(BTreeMap::from([(place, again)]));
                self.find(device);
            }
        }
    }

    fn go_on(&mut self, device: DeviceId, step: Step) {
        let Some(queue) = self.queues.get_mut(&device) else { return };
        match step {
            Step::Found(way) => {
                if let Some((_, first)) = queue.pop_first() {
                    self.waiting -= 1;
                    match way {
                        Some(way) => return self.send(first, way),
                        None => tracing::warn!(%device, "nobody took over a device in time: a delivery is not done"),
                    }
                }
            }
            Step::Sent(None) => {}
            Step::Sent(Some(back)) => {
                self.waiting += 1;
                queue.insert(back.on_its_way.order(), back);
            }
        }
        if queue.is_empty() {
            self.queues.remove(&device);
        } else {
            self.find(device);
        }
    }

    fn find(&self, device: DeviceId) {
        let (peers, router) = (self.peers.clone(), self.router.clone());
        self.working.push(Box::pin(async move {
            let found = tokio::time::timeout(PATIENCE, find(&peers, &router, device)).await;
            let way = match found {
                Ok(Ok(way)) => Some(way),
                Ok(Err(error)) => {
                    tracing::warn!(%device, %error, "a delivery cannot be sent again");
                    None
                }
                Err(_) => None,
            };
            (device, Step::Found(way))
        }));
    }

    fn send(&self, again: Again, way: Way) {
        self.working.push(Box::pin(async move {
            let device = again.device;
            let sent = tokio::time::timeout(PATIENCE, send(again, way)).await;
            if sent.is_err() {
                tracing::warn!(%device, "a device takes nothing: a delivery is not done");
            }
            (device, Step::Sent(sent.unwrap_or_default()))
        }));
    }
}

/// Waits until it is known who owns a device, and until nothing is on its way to it but to there.
async fn find(peers: &Peers, router: &Router, device: DeviceId) -> Result<Way, RouteError> {
    let (place, paths) = (peers.place(), peers.paths());
    let mut changes = place.changes();
    loop {
        changes.mark_unchanged();
        match place.standing(device) {
            Standing::Here(owner) => {
                // Nothing is on its way to this peer itself: on no way, but for what has to be sent again.
                paths.room(device, Whereto::new(owner.peer, owner.epoch, 0), 1, true).await;
                let lane = router.lane_for_the_first(device).await?;
                if !lane.is_port() {
                    return Ok(Way::Here(lane));
                }
            }
            Standing::There(owner) => {
                if let Some(way) = peers.way(owner, device)
                    && way.quiet().await
                {
                    return Ok(Way::There(Box::new(way)));
                }
                tokio::time::sleep(SOON).await;
            }
            Standing::Soon(_) => {
                let changed = changes.changed().await;
                changed.map_err(|_| RouteError::Unavailable("the server is stopping".to_owned()))?;
            }
        }
    }
}

/// Sends one; it comes back when the way is closed.
async fn send(again: Again, way: Way) -> Option<Again> {
    let Again {
        device,
        delivery,
        on_its_way,
    } = again;
    let sent = match way {
        Way::Here(lane) => lane.send(delivery).await.map_err(|closed| closed.0),
        Way::There(way) => way.send_again(delivery, on_its_way.order()).await,
    };
    // Only now it leaves: what comes later waited for it, and finds it before itself in the lane.
    sent.err().map(|delivery| Again {
        device,
        delivery,
        on_its_way,
    })
}

impl Life for Rerouter {
    async fn live(&mut self) {
        loop {
            tokio::select! {
                // What has ended first: it makes room. A fixed order also lets a simulation repeat itself.
                biased;
                Some((device, step)) = self.working.next(), if !self.working.is_empty() => {
                    // What came back from the way that is quiet now is before what is here.
                    while let Some(again) = self.again.try_recv() {
                        self.take(again);
                    }
                    self.go_on(device, step);
                }
                again = self.again.recv() => match again {
                    Some(again) => self.take(again),
                    None => return,
                },
            }
        }
    }
}
