//! Failed logins by e-mail address: after ten the address is closed for a minute. Whether there is such a user makes no difference.
//!
//! The table has a limit; when it is full, what is oldest is forgotten.

use std::collections::HashMap;

use parking_lot::Mutex;

/// Failures before an address is closed.
pub const FAILURES_MAX: u32 = 10;
/// How long it is closed, and for how long failures are remembered, milliseconds.
const WINDOW_MS: i64 = 60_000;
/// Addresses remembered at most.
const ADDRESSES_MAX: usize = 10_000;

/// The table.
#[derive(Default)]
pub struct Attempts(Mutex<HashMap<String, Failures>>);

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last_ms: i64,
}

impl Attempts {
    /// Whether an address is open; else the seconds until it is.
    ///
    /// # Errors
    /// Seconds to wait, 1 to 60.
    pub fn check(&self, email: &str, now_ms: i64) -> Result<(), u64> {
        let failures = self.0.lock().get(email).copied();
        match failures {
            Some(failures) if failures.count >= FAILURES_MAX && failures.lasts(now_ms) => {
                let left_ms = failures.last_ms.saturating_add(WINDOW_MS).saturating_sub(now_ms);
                Err(u64::try_from(left_ms).unwrap_or(0).div_ceil(1_000).clamp(1, 60))
            }
            _ => Ok(()),
        }
    }

    /// Counts a failure.
    pub fn failed(&self, email: &str, now_ms: i64) {
        let mut table = self.0.lock();
        if table.len() >= ADDRESSES_MAX && !table.contains_key(email) {
            make_room(&mut table, now_ms);
        }
        let failures = table.entry(email.to_owned()).or_insert(Failures { count: 0, last_ms: now_ms });
        if !failures.lasts(now_ms) {
            failures.count = 0;
        }
        *failures = Failures {
            count: failures.count.saturating_add(1),
            last_ms: now_ms,
        };
    }

    /// Forgets the failures of an address.
    pub fn succeeded(&self, email: &str) {
        self.0.lock().remove(email);
    }
}

impl Failures {
    fn lasts(self, now_ms: i64) -> bool {
        now_ms.saturating_sub(self.last_ms) < WINDOW_MS
    }
}

/// Forgets what is over, and if that is not enough a tenth of the rest, oldest first, so that this is done seldom.
fn make_room(table: &mut HashMap<String, Failures>, now_ms: i64) {
    table.retain(|_, failures| failures.lasts(now_ms));
    if table.len() < ADDRESSES_MAX {
        return;
    }
    let mut times: Vec<i64> = table.values().map(|failures| failures.last_ms).collect();
    let (_, limit, _) = times.select_nth_unstable(ADDRESSES_MAX / 10);
    let limit = *limit;
    table.retain(|_, failures| failures.last_ms > limit);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closes_after_ten_failures_for_a_minute() {
        let attempts = Attempts::default();
        for _ in 0..FAILURES_MAX {
            assert_eq!(attempts.check("a", 0), Ok(()));
            attempts.failed("a", 0);
        }
        assert_eq!(attempts.check("a", 0), Err(60));
        assert_eq!(attempts.check("a", 59_001), Err(1));
        assert_eq!(attempts.check("b", 0), Ok(()));
        assert_eq!(attempts.check("a", 60_000), Ok(()));
        attempts.failed("a", 60_000);
        assert_eq!(attempts.check("a", 60_000), Ok(()), "the count starts over");
    }

    #[test]
    fn a_success_forgets_failures() {
        let attempts = Attempts::default();
        (0..FAILURES_MAX).for_each(|_| attempts.failed("a", 0));
        attempts.succeeded("a");
        assert_eq!(attempts.check("a", 0), Ok(()));
    }

    #[test]
    fn the_table_stays_small_and_keeps_what_is_new() {
        let attempts = Attempts::default();
        for number in 0..ADDRESSES_MAX + 50 {
            attempts.failed(&number.to_string(), number as i64);
        }
        let table = attempts.0.lock();
        assert!(table.len() <= ADDRESSES_MAX, "{}", table.len());
        assert!(table.contains_key(&(ADDRESSES_MAX + 49).to_string()) && !table.contains_key("0"));
    }
}
