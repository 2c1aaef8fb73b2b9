//! Deliveries that a peer has refused, or may not have got before it was gone: they are sent again to whoever owns their devices now, in
//! order for each device, and before anything that comes later ([`crate::paths`]).

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use actor::{LaneReceiver, Life};
use cluster::{Delivery, Router};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use model::DeviceId;

use crate::paths::OnItsWay;
use crate::port::Forward;

/// Deliveries that may wait for a new owner, of all devices. Beyond, they are not done, and whoever waits hears so.
pub const AGAIN_MAX: usize = 65_536;
/// How long one waits for a new owner.
const PATIENCE: Duration = Duration::from_secs(30);

/// A delivery to be sent again.
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
            on_its_way: forward.on_its_way.elsewhere(),
        }
    }
}

/// See the module.
pub struct Rerouter {
    router: Router,
    again: LaneReceiver<Again>,
    /// Of devices of which one is being sent: those that come after it.
    queues: HashMap<DeviceId, VecDeque<Again>>,
    sending: FuturesUnordered<BoxFuture<'static, DeviceId>>,
    waiting: usize,
}

impl Rerouter {
    /// Sends by a router what comes through the lane.
    pub fn new(router: Router, again: LaneReceiver<Again>) -> Self {
        Rerouter {
            router,
            again,
            queues: HashMap::new(),
            sending: FuturesUnordered::new(),
            waiting: 0,
        }
    }

    fn take(&mut self, again: Again) {
        if let Some(queue) = self.queues.get_mut(&again.device) {
            if self.waiting < AGAIN_MAX {
                self.waiting += 1;
                queue.push_back(again);
            } else {
                tracing::error!(device = %again.device, "too much has to be sent again: a delivery is not done");
            }
            return;
        }
        self.queues.insert(again.device, VecDeque::new());
        self.send(again);
    }

    fn sent(&mut self, device: DeviceId) {
        match self.queues.get_mut(&device).and_then(VecDeque::pop_front) {
            Some(next) => {
                self.waiting -= 1;
                self.send(next);
            }
            None => drop(self.queues.remove(&device)),
        }
    }

    fn send(&self, again: Again) {
        let router = self.router.clone();
        self.sending.push(Box::pin(async move {
            let device = again.device;
            if tokio::time::timeout(PATIENCE, send(&router, again)).await.is_err() {
                tracing::warn!(%device, "nobody took over a device in time: a delivery is not done");
            }
            device
        }));
    }
}

async fn send(router: &Router, again: Again) {
    let Again {
        device,
        mut delivery,
        on_its_way,
    } = again;
    loop {
        let lane = match router.lane_for_the_first(device).await {
            Ok(lane) => lane,
            Err(error) => {
                tracing::warn!(%device, %error, "a delivery cannot be sent again: it is not done");
                break;
            }
        };
        match lane.send(delivery).await {
            Ok(()) => break,
            Err(closed) => delivery = closed.0,
        }
    }
    // Only now: what comes later waited for it, and finds it before itself in the lane.
    drop(on_its_way);
}

impl Life for Rerouter {
    async fn live(&mut self) {
        loop {
            tokio::select! {
                Some(device) = self.sending.next(), if !self.sending.is_empty() => self.sent(device),
                again = self.again.recv() => match again {
                    Some(again) => self.take(again),
                    None => return,
                },
            }
        }
    }
}
