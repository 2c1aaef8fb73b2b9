//! One actor for a device: started at the first message, asleep again when idle. *Invariant: never two actors for a device.*
//!
//! An actor that goes to sleep first closes its lane, then finishes what is in it, then leaves the registry. Who finds a closed lane
//! waits until the actor has left, and starts the next one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::actor::{Control, LaneReceiver, Life, Stop, quiet_lane};
use cluster::{DEVICE_LANE_CAPACITY, Delivery, DeviceLane, Staying};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use effects::Calls;
use model::{Clock, DeviceId, TenantId};
use storage::Store;
use tokio::sync::Semaphore;
use xtra::Mailbox;

use crate::DeviceError;
use crate::actor::{DeviceActor, Refresh, Surroundings};
use crate::profile::{Chains, load_facts};
use crate::wakeups::Wakeups;

/// Limits of a registry.
#[derive(Clone, Debug)]
pub struct RegistryConfig {
    /// An actor without sessions and messages for this long goes to sleep.
    pub idle_timeout: Duration,
    /// Actors awake at most.
    pub actors_max: usize,
    /// Whether is kept which devices are active, and told to their chains.
    pub keeps_presence: bool,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        RegistryConfig {
            idle_timeout: Duration::from_secs(60),
            actors_max: 1_000_000,
            keeps_presence: true,
        }
    }
}

/// The device actors of this peer.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    slots: DashMap<DeviceId, Slot>,
    awake: AtomicUsize,
    around: Surroundings,
    actors_max: usize,
}

#[derive(Clone)]
struct Slot {
    lane: DeviceLane,
    control: Control<DeviceActor>,
    left: Left,
}

/// Whether an actor has left the registry: closed then, and never with a permit.
#[derive(Clone)]
struct Left(Arc<Semaphore>);

impl Left {
    async fn wait(&self) {
        // Ends with an error when it is closed: that is what is waited for.
        let _ = self.0.acquire().await;
    }
}

/// Says so when dropped, whatever the actor ends by.
struct Leaving(Left);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.0.close();
    }
}

struct DeviceLife {
    actor: DeviceActor,
    lane: LaneReceiver<Delivery>,
    mailbox: Mailbox<DeviceActor>,
}

impl Life for DeviceLife {
    async fn live(&mut self) {
        self.actor.run(&mut self.lane, &self.mailbox).await;
    }
}

impl Registry {
    /// No device is awake.
    pub fn new(store: Arc<dyn Store>, chains: Arc<dyn Chains>, calls: Calls, clock: Arc<dyn Clock>, config: RegistryConfig) -> Self {
        let around = Surroundings {
            store,
            chains,
            calls,
            wakeups: Wakeups::new(),
            presence_since_ms: config.keeps_presence.then(|| clock.now_ms()),
            clock,
            idle_timeout: config.idle_timeout,
        };
        Registry(Arc::new(Inner {
            slots: DashMap::new(),
            awake: AtomicUsize::new(0),
            around,
            actors_max: config.actors_max,
        }))
    }

    /// The lane of a device's actor, which is started if it sleeps.
    ///
    /// # Errors
    /// [`DeviceError`] when the device does not exist or cannot be loaded.
    pub async fn lane(&self, device: DeviceId) -> Result<DeviceLane, DeviceError> {
        loop {
            let known = self.0.slots.get(&device).map(|slot| slot.clone());
            match known {
                Some(slot) if !slot.lane.is_closed() => return Ok(slot.lane),
                Some(slot) => slot.left.wait().await,
                None => {
                    let facts = load_facts(&*self.0.around.store, device).await?;
                    self.start(device, facts)?;
                }
            }
        }
    }

    /// Stops the actors of devices that do not stay. Answers when they have left: then what was in their lanes is done, and what they
    /// handed to chains is settled.
    pub async fn release(&self, staying: Staying<'_>) {
        let going = self.0.slots.iter().filter(|slot| !staying(*slot.key()));
        let going: Vec<Slot> = going.map(|slot| slot.value().clone()).collect();
        for slot in &going {
            // One that is gone already has stopped.
            let _ = slot.control.tell(Stop).await;
        }
        for slot in going {
            slot.left.wait().await;
        }
    }

    /// Tells a device's actor, if it is awake, that its record has changed.
    pub async fn refresh(&self, device: DeviceId) {
        let control = self.0.slots.get(&device).map(|slot| slot.control.clone());
        if let Some(control) = control {
            let _ = control.tell(Refresh).await;
        }
    }

    /// The control of a device's actor, if it is awake.
    pub fn control(&self, device: DeviceId) -> Option<Control<DeviceActor>> {
        self.0.slots.get(&device).map(|slot| slot.control.clone())
    }

    /// When devices that sleep are to be woken.
    pub fn wakeups(&self) -> &Wakeups {
        &self.0.around.wakeups
    }

    /// Waits until a device that sleeps has something to do: whoever asks for its lane wakes it. For one caller at a time.
    pub async fn next_wakeup(&self) -> DeviceId {
        self.0.around.wakeups.next(&*self.0.around.clock).await
    }

    /// Devices whose actors are awake: of a tenant, or all.
    pub fn awake_of(&self, tenant: Option<TenantId>) -> Vec<DeviceId> {
        let of = |device: &DeviceId| tenant.is_none_or(|tenant| tenant == device.tenant);
        self.0.slots.iter().map(|slot| *slot.key()).filter(of).collect()
    }

    /// Wakes a device at a time, in milliseconds since 1970-01-01 UTC, unless it is awake or will be woken anyway.
    pub fn wake_if_forgotten(&self, device: DeviceId, at_ms: i64) {
        if !self.0.slots.contains_key(&device) {
            self.wakeups().set_if_none(device, at_ms);
        }
    }

    /// Actors awake.
    pub fn awake(&self) -> usize {
        self.0.awake.load(Ordering::Relaxed)
    }

    fn start(&self, device: DeviceId, facts: crate::DeviceFacts) -> Result<(), DeviceError> {
        if self.awake() >= self.0.actors_max {
            return Err(DeviceError::TooMany);
        }
        let Entry::Vacant(place) = self.0.slots.entry(device) else {
            return Ok(());
        };
        let (sender, receiver) = quiet_lane(DEVICE_LANE_CAPACITY);
        let (control, mailbox) = Control::mailbox();
        let left = Left(Arc::new(Semaphore::new(0)));
        let leaving = Leaving(left.clone());
        place.insert(Slot {
            lane: sender,
            control,
            left,
        });
        self.0.awake.fetch_add(1, Ordering::Relaxed);
        let inner = Arc::clone(&self.0);
        let mut life = DeviceLife {
            actor: DeviceActor::new(device, facts, inner.around.clone()),
            lane: receiver,
            mailbox,
        };
        ::actor::spawn("device", async move {
            ::actor::supervise("device", &mut life).await;
            inner.slots.remove(&device);
            inner.awake.fetch_sub(1, Ordering::Relaxed);
            drop(leaving);
        });
        Ok(())
    }
}
