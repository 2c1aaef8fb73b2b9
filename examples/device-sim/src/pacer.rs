//! The clock tick of an open-loop run.
//!
//! The runtime's timers fire at whole milliseconds and late, which would add a millisecond or two to every latency. So one thread sleeps
//! until the next message is due and wakes the workers; each worker then wakes the devices whose messages are due. Ticks are at least
//! [`TICK_MIN`] apart, so that high rates go out in small batches. Knows no socket.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use crate::plan::Plan;

/// The shortest time between two ticks. At most this much is added to a latency by waiting for the tick.
pub const TICK_MIN: Duration = Duration::from_micros(200);
/// The longest sleep, so that an aborted run ends soon.
const SLEEP_MAX: Duration = Duration::from_millis(50);

/// What a run is doing. When the sender of phases is dropped, everything stops at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Devices connect.
    Connecting,
    /// Devices send; the run began at this instant.
    Running(Instant),
}

/// Nanoseconds since `start`.
pub fn nanos_since(start: Instant) -> u64 {
    start.elapsed().as_nanos() as u64
}

/// Ticks until the last message is due or the run is over. Blocks its thread.
pub fn tick(plan: &Plan, start: Instant, workers: &[Arc<Notify>], phase: &watch::Receiver<Phase>) {
    loop {
        if phase.has_changed().is_err() {
            return;
        }
        let now = nanos_since(start);
        workers.iter().for_each(|worker| worker.notify_one());
        let Some(next) = plan.due(plan.due_until(now)) else { return };
        sleep_until(now, next);
    }
}

fn sleep_until(now: u64, next: u64) {
    std::thread::sleep(Duration::from_nanos(next.saturating_sub(now)).clamp(TICK_MIN, SLEEP_MAX));
}

/// Wakes those of a worker's devices that have messages due, on every tick, until the last message is due. `devices` are those with
/// `index % workers == worker`, in order.
pub async fn wake_devices(plan: &Plan, start: Instant, ticks: &Notify, devices: &[Notify], worker: usize, workers: usize) {
    let mut woken = 0;
    while plan.due(woken).is_some() {
        ticks.notified().await;
        let until = plan.due_until(nanos_since(start));
        if until - woken >= plan.devices as u64 {
            devices.iter().for_each(Notify::notify_one);
        } else {
            for device in (woken..until)
                .map(|k| (k % plan.devices as u64) as usize)
                .filter(|device| device % workers == worker)
            {
                if let Some(device) = devices.get(device / workers) {
                    device.notify_one();
                }
            }
        }
        woken = until;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::example;

    #[tokio::test]
    async fn every_device_is_woken_and_the_ticks_end() {
        let plan = Plan {
            devices: 5,
            rate: 1000,
            warmup: Duration::ZERO,
            measured: Duration::from_millis(20),
            ..example()
        };
        let (phase, receiver) = watch::channel(Phase::Connecting);
        let (start, ticks) = (Instant::now(), Arc::new(Notify::new()));
        let ticker = std::thread::spawn({
            let (plan, ticks) = (plan.clone(), ticks.clone());
            move || tick(&plan, start, &[ticks], &receiver)
        });
        // Worker 1 of 2 has devices 1 and 3.
        let devices = [Notify::new(), Notify::new()];
        let woken = async { tokio::join!(devices[0].notified(), devices[1].notified()) };
        tokio::join!(wake_devices(&plan, start, &ticks, &devices, 1, 2), woken);
        ticker.join().expect("ticker");
        drop(phase);
    }

    #[test]
    fn an_aborted_run_stops_ticking() {
        let plan = Plan {
            rate: 1,
            measured: Duration::from_secs(3600),
            ..example()
        };
        let (phase, receiver) = watch::channel(Phase::Connecting);
        drop(phase);
        tick(&plan, Instant::now(), &[], &receiver);
    }
}
