//! What one tenant's guests have used, and what follows from it. Pure: time comes in as the time since some beginning.

use std::time::Duration;

/// Use is looked at in windows of so long.
const WINDOW: Duration = Duration::from_millis(100);
/// A tenant that uses more of one processor than this is heavy, in thousandths.
const HEAVY_PERMILLE: u128 = 250;

/// Use of a tenant.
#[derive(Debug, Default)]
pub struct Meter {
    /// Number of the present window.
    window: u128,
    /// Used in the present window, and in the one before.
    used: [Duration; 2],
    total: Duration,
    slices: u64,
    allowance: Option<Allowance>,
}

/// Processor time for each second. Unused time is kept for one second.
#[derive(Debug)]
struct Allowance {
    per_second: Duration,
    /// May be negative: a slice ends when it ends.
    left_ns: i128,
    filled_at: Duration,
}

/// What can be seen of a tenant's use from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Processor time of its guests since the server started, milliseconds.
    pub cpu_ms: u64,
    /// Slices it ran.
    pub slices: u64,
    /// Milliseconds its guests use in a second, at present.
    pub cpu_ms_per_second: u64,
    /// Milliseconds it may use in a second; none: as much as there is.
    pub allowance_ms_per_second: Option<u64>,
    /// Whether it shares processors with others that use much.
    pub heavy: bool,
    /// Time its guests waited for a turn since the server started, milliseconds.
    pub waited_ms: u64,
}

impl Meter {
    /// Nothing used. With an allowance for each second, or without.
    pub fn new(allowance: Option<Duration>) -> Self {
        let mut meter = Meter::default();
        meter.allow(allowance, Duration::ZERO);
        meter
    }

    /// Changes the allowance. The one it has already stays as far as it is spent.
    pub fn allow(&mut self, allowance: Option<Duration>, now: Duration) {
        if allowance == self.allowance.as_ref().map(|present| present.per_second) {
            return;
        }
        self.allowance = allowance.map(|per_second| Allowance {
            per_second,
            left_ns: nanos(per_second),
            filled_at: now,
        });
    }

    /// Charges a slice that ends now.
    pub fn charge(&mut self, used: Duration, now: Duration) {
        self.turn_over(now);
        self.used[0] += used;
        self.total += used;
        self.slices += 1;
        if let Some(allowance) = &mut self.allowance {
            allowance.fill(now);
            allowance.left_ns -= nanos(used);
        }
    }

    /// Use of one processor in the last windows, in thousandths.
    pub fn permille(&mut self, now: Duration) -> u128 {
        self.turn_over(now);
        let since = now.saturating_sub(window_start(self.window.saturating_sub(1)));
        let used = self.used[0] + self.used[1];
        used.as_nanos() * 1_000 / since.max(WINDOW).as_nanos()
    }

    /// Whether it uses so much that it should share.
    pub fn is_heavy(&mut self, now: Duration) -> bool {
        self.permille(now) > HEAVY_PERMILLE
    }

    /// How long to wait until there is allowance again; none: not at all.
    pub fn debt(&mut self, now: Duration) -> Option<Duration> {
        let allowance = self.allowance.as_mut()?;
        allowance.fill(now);
        if allowance.left_ns > 0 {
            return None;
        }
        let per_second = nanos(allowance.per_second).max(1);
        let wait_ns = (1 - allowance.left_ns) * NANOS_PER_SECOND / per_second;
        // At most a second at a time: the allowance may be changed meanwhile.
        let wait = Duration::from_nanos(u64::try_from(wait_ns).unwrap_or(u64::MAX));
        Some(wait.clamp(Duration::from_millis(1), Duration::from_secs(1)))
    }

    /// What can be seen.
    pub fn usage(&mut self, now: Duration) -> Usage {
        Usage {
            cpu_ms: millis(self.total),
            slices: self.slices,
            cpu_ms_per_second: u64::try_from(self.permille(now)).unwrap_or(u64::MAX),
            allowance_ms_per_second: self.allowance.as_ref().map(|allowance| millis(allowance.per_second)),
            ..Usage::default()
        }
    }

    fn turn_over(&mut self, now: Duration) {
        let window = now.as_nanos() / WINDOW.as_nanos();
        match window.saturating_sub(self.window) {
            0 => return,
            1 => self.used = [Duration::ZERO, self.used[0]],
            _ => self.used = [Duration::ZERO; 2],
        }
        self.window = window;
    }
}

impl Allowance {
    fn fill(&mut self, now: Duration) {
        let since = nanos(now.saturating_sub(self.filled_at));
        self.filled_at = now;
        let per_second = nanos(self.per_second);
        self.left_ns = (self.left_ns + since * per_second / NANOS_PER_SECOND).min(per_second);
    }
}

const NANOS_PER_SECOND: i128 = 1_000_000_000;

fn nanos(time: Duration) -> i128 {
    i128::try_from(time.as_nanos()).unwrap_or(i128::MAX / 2)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn window_start(window: u128) -> Duration {
    Duration::from_nanos(u64::try_from(window * WINDOW.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_tenant_is_heavy_while_it_uses_much() {
        let mut meter = Meter::new(None);
        for (now, used, heavy) in [
            (1_000, 10, false), // 10 ms of 100
            (1_050, 30, true),  // 40 ms of 150
            (1_150, 0, true),   // the same: since 1 000
            (1_170, 0, false),  // 40 ms of 170
            (1_190, 60, true),  // 100 ms of 190
            (1_299, 0, true),   // 60 ms of 199
            (1_300, 0, false),  // two windows later all is forgotten
            (9_000, 26, true),
            (20_000, 0, false),
        ] {
            meter.charge(ms(used), ms(now));
            assert_eq!(meter.is_heavy(ms(now)), heavy, "at {now}: {}", meter.permille(ms(now)));
        }
        assert_eq!(meter.usage(ms(20_000)).cpu_ms, 126);
    }

    #[test]
    fn an_allowance_is_spent_owed_and_earned() {
        let mut meter = Meter::new(Some(ms(100)));
        meter.charge(ms(99), ms(0));
        assert_eq!(meter.debt(ms(0)), None);
        meter.charge(ms(21), ms(0));
        assert_eq!(
            meter.debt(ms(0)),
            Some(ms(200) + Duration::from_nanos(10)),
            "20 ms are owed, and come back in 200 ms"
        );
        assert_eq!(meter.debt(ms(201)), None);
        // Ten idle seconds earn one second's allowance.
        assert_eq!(meter.debt(ms(10_000)), None);
        meter.charge(ms(101), ms(10_000));
        assert!(meter.debt(ms(10_000)).is_some());
        // A long debt is waited for in parts, and ends when the allowance is lifted.
        meter.charge(ms(10_000), ms(10_000));
        assert_eq!(meter.debt(ms(10_000)), Some(ms(1_000)));
        meter.allow(None, ms(10_001));
        assert_eq!(meter.debt(ms(10_001)), None);
    }

    #[test]
    fn no_allowance_at_all_is_waited_for_in_parts() {
        let mut meter = Meter::new(Some(Duration::ZERO));
        assert_eq!(meter.debt(ms(5)), Some(ms(1_000)));
    }
}
