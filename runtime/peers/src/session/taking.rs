//! Deliveries of the other peer for devices of this one: in order for each device, and without one that is busy or being moved holding up
//! the others.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actor::{Lane, LaneReceiver, lane};
use cluster::{
    Delivery, DeviceLane, Devices, Epoch, Place, Receipt, Ring, RouteError, RpcError, RpcReply, SessionId, SessionLink, Settled, Standing,
};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use model::{DeviceId, Payload};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::sending::asks;
use crate::CodecError;
use crate::codec::delivery::{self, Ends, Link};
use crate::port::{Telling, ToSession};
use crate::wire::{Deliver, done::Outcome};

/// Lanes of devices kept at hand; beyond, all are looked up again.
const LANES_MAX: usize = 4096;
/// Sessions remembered before those that nobody knows any more are forgotten.
const LINKS_SWEPT: usize = 1024;

type Answered = Result<Option<Payload>, RpcError>;
type Replies = FuturesUnordered<BoxFuture<'static, (u64, Answered)>>;

/// See the module.
pub(super) struct Taking {
    place: Place,
    devices: Arc<dyn Devices>,
    patience: Duration,
    lanes: HashMap<DeviceId, DeviceLane>,
    /// Of devices that a delivery waits for: those that come after it.
    queues: HashMap<DeviceId, VecDeque<Incoming>>,
    waiting: FuturesUnordered<BoxFuture<'static, (DeviceId, u64, Taken)>>,
    /// What the other side has still to hear of, by the numbers of its items.
    open: HashMap<u64, Awaited>,
    replies: Replies,
    settle: (Lane<Settled>, LaneReceiver<Settled>),
    links: HashMap<SessionId, Arc<AtomicBool>>,
    links_swept: usize,
    tell: Lane<Telling>,
}

/// What the other side waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    /// That the device's actor has it.
    Taken,
    /// That it is durable.
    Settled,
    /// That the device's actor has it, then an answer.
    Reply,
}

struct Incoming {
    number: u64,
    epoch: Epoch,
    delivery: Delivery,
}

enum Taken {
    By(DeviceLane),
    /// The delivery comes back, so that nobody takes the end of its receipt for a settlement.
    Not(Outcome, Box<Delivery>),
}

/// News for the other side.
pub(super) enum Report {
    Done(u64, Outcome),
    Reply(u64, Answered),
}

impl Taking {
    pub(super) fn new(place: Place, devices: Arc<dyn Devices>, tell: Lane<Telling>, patience: Duration, unsettled_max: usize) -> Self {
        Taking {
            place,
            devices,
            patience,
            lanes: HashMap::new(),
            queues: HashMap::new(),
            waiting: FuturesUnordered::new(),
            open: HashMap::new(),
            replies: FuturesUnordered::new(),
            settle: lane(unsettled_max),
            links: HashMap::new(),
            links_swept: 0,
            tell,
        }
    }

    /// Takes a delivery. Answers what became of it, if that is known at once.
    pub(super) fn take(&mut self, number: u64, deliver: Deliver) -> Result<Option<Report>, CodecError> {
        let (device, epoch) = delivery::address(&deliver)?;
        let mut ends = EndsHere {
            number,
            settle: &self.settle.0,
            replies: &self.replies,
            links: &mut self.links,
            tell: &self.tell,
        };
        let delivery = delivery::decode(deliver, &mut ends)?;
        if let Delivery::Disconnected(session) = &delivery {
            self.links.remove(session);
        }
        if self.links.len() > self.links_swept * 2 + LINKS_SWEPT {
            self.links.retain(|_, closed| Arc::strong_count(closed) > 1);
            self.links_swept = self.links.len();
        }
        self.open.insert(number, awaited(&delivery));
        let incoming = Incoming { number, epoch, delivery };
        if let Some(queue) = self.queues.get_mut(&device) {
            queue.push_back(incoming);
            return Ok(None);
        }
        let Some(incoming) = self.hand_over(device, incoming) else {
            return Ok(self.taken(number));
        };
        self.queues.insert(device, VecDeque::new());
        self.wait(device, incoming);
        Ok(None)
    }

    /// What the other side is to hear next. Cancelling loses nothing.
    pub(super) async fn report(&mut self) -> Option<Report> {
        tokio::select! {
            biased;
            settled = self.settle.1.recv() => {
                let Settled { sequence, result } = settled?;
                // Not open: it was refused, and its receipt has ended with it.
                let open = self.open.remove(&sequence)?;
                debug_assert_eq!(open, Awaited::Settled);
                Some(Report::Done(sequence, Outcome::Settled(crate::codec::answer::settled(result).into())))
            }
            Some((number, answer)) = self.replies.next(), if !self.replies.is_empty() => {
                self.open.remove(&number)?;
                Some(Report::Reply(number, answer))
            }
            Some((device, number, taken)) = self.waiting.next(), if !self.waiting.is_empty() => self.went_on(device, number, taken),
        }
    }

    /// A session of the other peer is gone.
    pub(super) fn gone(&mut self, session: SessionId) {
        if let Some(closed) = self.links.remove(&session) {
            closed.store(true, Ordering::Relaxed);
        }
    }

    /// The other side has forgotten everything, or is gone. What was taken is done all the same, and nobody hears of it; what waits is not
    /// done: it will be sent again.
    pub(super) fn forget(&mut self, unsettled_max: usize) {
        for closed in self.links.values() {
            closed.store(true, Ordering::Relaxed);
        }
        self.links.clear();
        self.open.clear();
        self.queues.clear();
        self.waiting = FuturesUnordered::new();
        self.replies = FuturesUnordered::new();
        // Receipts that are out speak into the old lane.
        self.settle = lane(unsettled_max);
    }

    fn went_on(&mut self, device: DeviceId, number: u64, taken: Taken) -> Option<Report> {
        let report = match taken {
            Taken::By(lane) => {
                if self.lanes.len() >= LANES_MAX {
                    self.lanes.clear();
                }
                self.lanes.insert(device, lane);
                self.taken(number)
            }
            Taken::Not(outcome, delivery) => {
                self.open.remove(&number);
                drop(delivery);
                Some(Report::Done(number, outcome))
            }
        };
        match self.queues.get_mut(&device).and_then(VecDeque::pop_front) {
            Some(next) => self.wait(device, next),
            None => drop(self.queues.remove(&device)),
        }
        report
    }

    /// The device's actor has a delivery.
    fn taken(&mut self, number: u64) -> Option<Report> {
        match self.open.get(&number)? {
            Awaited::Settled => return None,
            Awaited::Taken => drop(self.open.remove(&number)),
            Awaited::Reply => {}
        }
        Some(Report::Done(number, Outcome::Taken(true)))
    }

    /// Hands a delivery to the device's actor, if that is possible at once.
    fn hand_over(&mut self, device: DeviceId, incoming: Incoming) -> Option<Incoming> {
        let Some(lane) = self.lanes.get(&device) else {
            return Some(incoming);
        };
        if !matches!(self.place.standing_of(device, incoming.epoch), Ok(Standing::Here(_))) {
            self.lanes.remove(&device);
            return Some(incoming);
        }
        let Incoming { number, epoch, delivery } = incoming;
        let refused = lane.try_send(delivery).err()?;
        Some(Incoming {
            number,
            epoch,
            delivery: refused,
        })
    }

    fn wait(&self, device: DeviceId, incoming: Incoming) {
        let (place, devices, patience) = (self.place.clone(), Arc::clone(&self.devices), self.patience);
        self.waiting.push(Box::pin(async move {
            let number = incoming.number;
            let taken = deliver(&place, &*devices, device, incoming, Instant::now() + patience).await;
            (device, number, taken)
        }));
    }
}

/// Waits until the device's actor takes a delivery, or it is known that it will not.
async fn deliver(place: &Place, devices: &dyn Devices, device: DeviceId, incoming: Incoming, until: Instant) -> Taken {
    let Incoming { epoch, mut delivery, .. } = incoming;
    let not = |outcome, delivery| Taken::Not(outcome, Box::new(delivery));
    let mut changes = place.changes();
    loop {
        changes.mark_unchanged();
        match place.standing_of(device, epoch) {
            Err(newest) => return not(Outcome::Refused(newest.0), delivery),
            Ok(Standing::There(owner)) => return not(Outcome::Refused(owner.epoch.0), delivery),
            Ok(Standing::Soon(_)) => {
                if !matches!(tokio::time::timeout_at(until, changes.changed()).await, Ok(Ok(()))) {
                    return not(Outcome::Unavailable(true), delivery);
                }
            }
            Ok(Standing::Here(_)) => match devices.lane(device).await {
                Err(RouteError::NoDevice) => return not(Outcome::NoDevice(true), delivery),
                Err(RouteError::Unavailable(_)) => return not(Outcome::Unavailable(true), delivery),
                // It has moved while its actor was started, when all that had moved had been let go of.
                Ok(lane) if !matches!(place.standing_of(device, epoch), Ok(Standing::Here(_))) => {
                    drop(lane);
                    devices.release(&|other| other != device).await;
                }
                Ok(lane) => match lane.send(delivery).await {
                    Ok(()) => return Taken::By(lane),
                    // It went to sleep, or moves.
                    Err(closed) => delivery = closed.0,
                },
            },
        }
    }
}

fn awaited(delivery: &Delivery) -> Awaited {
    match delivery {
        Delivery::Uplink { .. } | Delivery::Presence { .. } => Awaited::Settled,
        other if asks(other) => Awaited::Reply,
        _ => Awaited::Taken,
    }
}

/// Ends on this peer, which lead back to the other one.
struct EndsHere<'a> {
    number: u64,
    settle: &'a Lane<Settled>,
    replies: &'a Replies,
    links: &'a mut HashMap<SessionId, Arc<AtomicBool>>,
    tell: &'a Lane<Telling>,
}

impl Ends for EndsHere<'_> {
    fn link(&mut self, session: Link) -> SessionLink {
        let Link { id, child, kinds, once } = session;
        let closed = Arc::clone(self.links.entry(id).or_default());
        let port = ToSession {
            session: id,
            out: self.tell.clone(),
            closed,
        };
        SessionLink {
            id,
            downlinks: Lane::to_port(Arc::new(port)),
            child,
            kinds,
            once,
        }
    }

    fn receipt(&mut self) -> Receipt {
        Receipt::new(self.settle.clone(), self.number)
    }

    fn reply(&mut self) -> RpcReply {
        let (reply, answer) = oneshot::channel();
        let number = self.number;
        // Whoever drops it has stopped in between.
        self.replies
            .push(Box::pin(async move { (number, answer.await.unwrap_or(Err(RpcError::Moved))) }));
        reply
    }

    fn told(&mut self) -> oneshot::Sender<Result<(), RpcError>> {
        let (told, answer) = oneshot::channel::<Result<(), RpcError>>();
        let number = self.number;
        self.replies.push(Box::pin(async move {
            let answer = answer.await.unwrap_or(Err(RpcError::Moved));
            (number, answer.map(|()| None))
        }));
        told
    }
}
