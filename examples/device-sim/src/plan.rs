//! The timetable of a run: which message is due when, for all devices at once, as pure arithmetic.
//!
//! Message `k` of the run is due `k / rate` seconds after the start and belongs to device `k mod devices`. Every device can therefore
//! tell its own due times from the clock alone: nobody hands out work, and a device that was held up finds everything it owes. Knows
//! no socket and no real clock: times are nanoseconds since the start.

use std::time::Duration;

use crate::codec::Protocol;

/// What a run does and for how long.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How devices speak.
    pub protocol: Protocol,
    /// Number of devices, at least 1.
    pub devices: usize,
    /// Messages a second over all devices; 0 means closed loop.
    pub rate: u64,
    /// Messages due before this are sent but not measured.
    pub warmup: Duration,
    /// How long messages are measured, after the warm-up.
    pub measured: Duration,
    /// How long to wait for acknowledgements after the last due time.
    pub drain: Duration,
    /// Unacknowledged publishes a device may have, at least 1.
    pub window: usize,
    /// 0 or 1.
    pub qos: u8,
    /// Values in a payload, at least 1.
    pub keys: usize,
    /// The topic of every publish.
    pub topic: String,
    /// Come back after a lost connection.
    pub reconnect: bool,
    /// Seconds for CONNECT; 0 turns pings off.
    pub keep_alive: u16,
}

impl Plan {
    /// True if messages have due times.
    pub fn open_loop(&self) -> bool {
        self.rate > 0
    }

    /// Where the measurement begins, in nanoseconds since the start.
    pub fn measured_from(&self) -> u64 {
        self.warmup.as_nanos() as u64
    }

    /// Where sending ends, in nanoseconds since the start.
    pub fn end(&self) -> u64 {
        (self.warmup + self.measured).as_nanos() as u64
    }

    /// Where waiting for acknowledgements ends, in nanoseconds since the start.
    pub fn give_up(&self) -> u64 {
        (self.warmup + self.measured + self.drain).as_nanos() as u64
    }

    /// When message `k` of the whole run is due, in nanoseconds since the start; `None` from the end on, and in closed loop.
    pub fn due(&self, k: u64) -> Option<u64> {
        if self.rate == 0 {
            return None;
        }
        let due = u128::from(k) * 1_000_000_000 / u128::from(self.rate);
        (due < u128::from(self.end())).then_some(due as u64)
    }

    /// When the `turn`-th message of `device` is due, like [`Plan::due`].
    pub fn due_of(&self, device: usize, turn: u64) -> Option<u64> {
        self.due(turn.checked_mul(self.devices as u64)?.checked_add(device as u64)?)
    }

    /// How many messages are due at `now` or before; the first `k` that is still to come.
    pub fn due_until(&self, now: u64) -> u64 {
        if self.rate == 0 {
            return 0;
        }
        let last = now.min(self.end().saturating_sub(1));
        let mut k = (u128::from(last) * u128::from(self.rate) / 1_000_000_000) as u64;
        // Due times are rounded down, so the message after the computed one can be due already.
        while self.due(k).is_some_and(|due| due <= last) {
            k += 1;
        }
        k
    }

    /// Messages due in the whole run; 0 in closed loop.
    pub fn scheduled(&self) -> u64 {
        self.due_until(self.end())
    }

    /// A device sends more when it has fewer unacknowledged messages than this. In closed loop half a window must be free: if every
    /// acknowledgement caused a write, every message would cost two system calls on both sides.
    pub fn refill_below(&self) -> usize {
        if self.open_loop() { self.window } else { self.window.div_ceil(2) }
    }
}

#[cfg(test)]
pub(crate) fn example() -> Plan {
    Plan {
        protocol: Protocol::Mqtt,
        devices: 3,
        rate: 1000,
        warmup: Duration::from_millis(10),
        measured: Duration::from_millis(90),
        drain: Duration::from_secs(5),
        window: 8,
        qos: 1,
        keys: 2,
        topic: "v1/devices/me/telemetry".into(),
        reconnect: false,
        keep_alive: 60,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_share_the_timetable_evenly() {
        let plan = example();
        assert_eq!(plan.scheduled(), 100);
        let mut all: Vec<u64> = (0..3)
            .flat_map(|device| (0..).map_while(move |turn| example().due_of(device, turn)))
            .collect();
        all.sort_unstable();
        assert_eq!(all, (0..100).map(|k| k * 1_000_000).collect::<Vec<_>>());
    }

    #[test]
    fn counting_agrees_with_due_times_for_odd_rates() {
        for rate in [1, 3, 7, 999, 1_000_003] {
            let plan = Plan {
                rate,
                measured: Duration::from_millis(1990),
                ..example()
            };
            for now in [0, 1, 333_333_333, 333_333_334, 1_999_999_999, 2_000_000_000, 9_000_000_000] {
                let k = plan.due_until(now);
                assert!(plan.due(k).is_none_or(|due| due > now), "rate {rate} at {now}");
                assert!(k == 0 || plan.due(k - 1).is_some_and(|due| due <= now), "rate {rate} at {now}");
            }
        }
    }

    #[test]
    fn closed_loop_has_no_timetable() {
        let plan = Plan { rate: 0, ..example() };
        assert_eq!((plan.open_loop(), plan.due(0), plan.scheduled()), (false, None, 0));
    }

    #[test]
    fn closed_loop_refills_in_half_windows() {
        for (window, expected) in [(1, 1), (2, 1), (3, 2), (64, 32)] {
            assert_eq!(
                Plan {
                    rate: 0,
                    window,
                    ..example()
                }
                .refill_below(),
                expected
            );
            assert_eq!(Plan { window, ..example() }.refill_below(), window);
        }
    }
}
