//! The actors of a server's devices, played by the rules of `device/registry.rs`: never two for a device; who is let go of finishes what it
//! has, waits until that is durable, and leaves. What they take is made durable by one writer, in order, after a while.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actor::{Lane, LaneReceiver, lane, quiet_lane, spawn};
use async_trait::async_trait;
use cluster::{Delivery, DeviceLane, Devices, Holds, Place, Receipt, RouteError, Staying};
use model::{DeviceId, Uplink};
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};

use crate::chance::fate;
use crate::store::{Said, Store};

/// Deliveries that may wait for one device. Few, so that it is full at times.
const LANE_MAX: usize = 4;
/// An actor that hears nothing for so long goes to sleep.
const IDLE: Duration = Duration::from_millis(200);
/// How long making things durable may take.
const WRITE_MS_MAX: u64 = 40;
/// How long starting an actor may take: it reads the store.
const START_MS_MAX: u64 = 30;

#[derive(Clone)]
pub struct Actors(Arc<Inner>);

struct Inner {
    seed: u64,
    at: usize,
    store: Store,
    slots: Mutex<BTreeMap<DeviceId, Slot>>,
    writes: Lane<Write>,
}

#[derive(Clone)]
struct Slot {
    lane: DeviceLane,
    stop: Arc<Notify>,
    left: Arc<Semaphore>,
    in_hand: Arc<AtomicUsize>,
}

struct Write {
    said: Said,
    receipt: Receipt,
    _in_hand: InHand,
}

/// Counted as long as it lives.
struct InHand(Arc<AtomicUsize>);

impl InHand {
    fn of(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        InHand(Arc::clone(count))
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Actors {
    /// Starts the writer; no actor is awake.
    pub fn start(seed: u64, at: usize, place: Place, store: Store) -> Self {
        let (writes, receiver) = lane(64);
        spawn("played writer", write(seed, at, place, store.clone(), receiver));
        Actors(Arc::new(Inner {
            seed,
            at,
            store,
            slots: Mutex::default(),
            writes,
        }))
    }

    /// Whether something of a device waits to be made durable here.
    pub fn has_in_hand(&self, device: DeviceId) -> bool {
        let slots = self.0.slots.lock();
        slots
            .get(&device)
            .is_some_and(|slot| !slot.lane.is_empty() || slot.in_hand.load(Ordering::Relaxed) > 0)
    }

    fn wake(&self, device: DeviceId) -> DeviceLane {
        let (sender, receiver) = quiet_lane(LANE_MAX);
        let slot = Slot {
            lane: sender.clone(),
            stop: Arc::default(),
            left: Arc::new(Semaphore::new(0)),
            in_hand: Arc::default(),
        };
        self.0.slots.lock().insert(device, slot.clone());
        let actors = self.clone();
        spawn("played device", async move {
            live(&actors.0.writes, device, &slot, receiver).await;
            actors.0.slots.lock().remove(&device);
            slot.left.close();
        });
        sender
    }
}

#[async_trait]
impl Devices for Actors {
    async fn lane(&self, device: DeviceId) -> Result<DeviceLane, RouteError> {
        let mut has_read = false;
        loop {
            let known = self.0.slots.lock().get(&device).cloned();
            match known {
                Some(slot) if !slot.lane.is_closed() => return Ok(slot.lane),
                // Ends with an error when it is closed: that is what is waited for.
                Some(slot) => drop(slot.left.acquire().await),
                None if has_read => return Ok(self.wake(device)),
                None => {
                    let about = [1, self.0.at as u64, device.id.as_u128() as u64, self.0.store.now_ms()];
                    tokio::time::sleep(Duration::from_millis(fate(self.0.seed, &about, START_MS_MAX))).await;
                    has_read = true;
                }
            }
        }
    }

    async fn release(&self, staying: Staying<'_>) {
        let slots = self.0.slots.lock().clone();
        let going: Vec<Slot> = slots
            .into_iter()
            .filter(|(device, _)| !staying(*device))
            .map(|(_, slot)| slot)
            .collect();
        going.iter().for_each(|slot| slot.stop.notify_one());
        for slot in going {
            drop(slot.left.acquire().await);
        }
    }
}

/// An actor: everything in order, and not gone before all of it is durable.
async fn live(writes: &Lane<Write>, device: DeviceId, slot: &Slot, mut receiver: LaneReceiver<Delivery>) {
    let mut holds = Holds::default();
    let mut stops = false;
    loop {
        let delivery = tokio::select! {
            biased;
            () = slot.stop.notified(), if !stops => None,
            delivery = receiver.recv() => match delivery {
                Some(delivery) => Some(delivery),
                None => break,
            },
            () = tokio::time::sleep(IDLE), if !stops => None,
        };
        let Some(delivery) = delivery else {
            receiver.close();
            stops = true;
            continue;
        };
        if let Delivery::Uplink {
            session, uplink, receipt, ..
        } = delivery
        {
            let Uplink::Telemetry { values, .. } = uplink else {
                panic!("nobody says this")
            };
            let said = Said {
                device,
                session: session.id.0.as_u128() as u64,
                number: values.json()["n"].as_u64().unwrap(),
            };
            let write = Write {
                said,
                receipt: receipt.held(holds.hold()),
                _in_hand: InHand::of(&slot.in_hand),
            };
            // Nobody takes it only when the server ends.
            let _ = writes.send(write).await;
        }
    }
    holds.none().await;
}

/// Batch by batch, as the embedded store does; and fenced, as Cassandra's is.
async fn write(seed: u64, at: usize, place: Place, store: Store, mut writes: LaneReceiver<Write>) {
    let mut batch = Vec::new();
    while writes.recv_batch(&mut batch, 64).await > 0 {
        let about = [2, at as u64, store.now_ms()];
        tokio::time::sleep(Duration::from_millis(fate(seed, &about, WRITE_MS_MAX))).await;
        let holds = place.holds_lease();
        for write in batch.drain(..) {
            // Without a lease, receipts are dropped: what was said is not durable.
            if holds {
                store.write(at, write.said);
                write.receipt.done();
            } else {
                store.give_up(write.said);
            }
        }
    }
}
