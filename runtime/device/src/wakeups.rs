//! When devices that sleep have to be woken though nobody speaks to them: to become inactive, to give a request up.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{Clock, DeviceId};
use tokio::sync::Notify;

/// Times by device. One for each device that sleeps with something left to do: as many as there are devices at most. Clones share
/// everything.
#[derive(Clone, Default)]
pub struct Wakeups(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Held for a moment, never while waiting.
    due: Mutex<Due>,
    earlier: Notify,
}

#[derive(Default)]
struct Due {
    by_time: BTreeSet<(i64, DeviceId)>,
    by_device: HashMap<DeviceId, i64>,
}

impl Wakeups {
    /// Nobody is to be woken.
    pub fn new() -> Self {
        Wakeups::default()
    }

    /// Wakes a device at a time, in milliseconds since 1970-01-01 UTC; not at the one that was set before.
    pub fn set(&self, device: DeviceId, at_ms: i64) {
        let is_first = self.with(|due| {
            due.forget(device);
            due.by_device.insert(device, at_ms);
            due.by_time.insert((at_ms, device));
            due.by_time.first() == Some(&(at_ms, device))
        });
        if is_first {
            self.0.earlier.notify_one();
        }
    }

    /// Wakes a device at a time, unless one was set before.
    pub fn set_if_none(&self, device: DeviceId, at_ms: i64) {
        if !self.with(|due| due.by_device.contains_key(&device)) {
            self.set(device, at_ms);
        }
    }

    /// Forgets devices that are not to be kept: others wake them.
    pub fn keep(&self, is_kept: impl Fn(DeviceId) -> bool) {
        let known: Vec<DeviceId> = self.with(|due| due.by_device.keys().copied().collect());
        // Asked without the lock.
        for device in known.into_iter().filter(|device| !is_kept(*device)) {
            self.forget(device);
        }
    }

    /// The device is awake.
    pub fn forget(&self, device: DeviceId) {
        self.with(|due| due.forget(device));
    }

    /// Waits until a device is to be woken. For one caller at a time.
    pub async fn next(&self, clock: &dyn Clock) -> DeviceId {
        loop {
            let first = self.with(|due| due.by_time.first().copied());
            let Some((at_ms, device)) = first else {
                self.0.earlier.notified().await;
                continue;
            };
            let wait_ms = u64::try_from(at_ms.saturating_sub(clock.now_ms())).unwrap_or(0);
            if wait_ms == 0 {
                self.forget(device);
                return device;
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(wait_ms)) => {}
                () = self.0.earlier.notified() => {}
            }
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Due) -> T) -> T {
        act(&mut self.0.due.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Due {
    fn forget(&mut self, device: DeviceId) {
        if let Some(at_ms) = self.by_device.remove(&device) {
            self.by_time.remove(&(at_ms, device));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::TenantId;
    use tokio::time::Instant;

    struct RuntimeClock(Instant);

    impl Clock for RuntimeClock {
        fn now_ms(&self) -> i64 {
            self.0.elapsed().as_millis() as i64
        }
    }

    #[tokio::test(start_paused = true)]
    async fn devices_are_woken_in_time_once_each() {
        let (wakeups, clock) = (Wakeups::new(), RuntimeClock(Instant::now()));
        let [late, early, never, moved] = [0; 4].map(|_| DeviceId::generate(TenantId::generate()));
        for (device, at_ms) in [(late, 500), (never, 50), (moved, 10), (early, 100), (moved, 300)] {
            wakeups.set(device, at_ms);
        }
        wakeups.forget(never);
        for (device, at_ms) in [(early, 100), (moved, 300), (late, 500)] {
            assert_eq!(wakeups.next(&clock).await, device);
            assert_eq!(clock.now_ms(), at_ms);
        }
        // What is set is not set again by whoever only wants to be sure; what is not kept is nobody's.
        wakeups.set_if_none(late, 700);
        wakeups.set_if_none(late, 5);
        wakeups.set_if_none(never, 600);
        wakeups.keep(|device| device != never);
        assert_eq!((wakeups.next(&clock).await, clock.now_ms()), (late, 700));
        // Who waits hears of an earlier one.
        wakeups.set(late, 10_000);
        let waiting = wakeups.clone();
        let next = ::actor::spawn("test", async move { waiting.next(&clock).await });
        tokio::task::yield_now().await;
        wakeups.set(early, 800);
        assert_eq!(next.await.expect("ends"), early);
    }
}
