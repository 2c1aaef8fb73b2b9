//! Failed attempts by whom they come from, an e-mail address or a network address: after some the door is closed for a minute. Whether
//! there is such a user or device makes no difference.
//!
//! The table has a limit; when it is full, what is oldest is forgotten.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

use parking_lot::Mutex;

/// How long somebody is kept out, and for how long failures are remembered, milliseconds.
const WINDOW_MS: i64 = 60_000;
/// Addresses remembered at most.
const ADDRESSES_MAX: usize = 10_000;

/// The table.
pub struct Attempts<K> {
    failures_max: u32,
    table: Mutex<HashMap<K, Failures>>,
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last_ms: i64,
}

impl<K: Hash + Eq + Clone> Attempts<K> {
    /// Nobody has failed. `failures_max`: how often somebody may.
    pub fn new(failures_max: u32) -> Self {
        Attempts {
            failures_max,
            table: Mutex::new(HashMap::new()),
        }
    }

    /// Whether somebody may try; else the seconds until then.
    ///
    /// # Errors
    /// Seconds to wait, 1 to 60.
    pub fn check<Q: Hash + Eq + ?Sized>(&self, from: &Q, now_ms: i64) -> Result<(), u64>
    where
        K: Borrow<Q>,
    {
        let failures = self.table.lock().get(from).copied();
        match failures {
            Some(failures) if failures.count >= self.failures_max && failures.lasts(now_ms) => {
                let left_ms = failures.last_ms.saturating_add(WINDOW_MS).saturating_sub(now_ms);
                Err(u64::try_from(left_ms).unwrap_or(0).div_ceil(1_000).clamp(1, 60))
            }
            _ => Ok(()),
        }
    }

    /// Counts a failure.
    pub fn failed<Q: Hash + Eq + ToOwned<Owned = K> + ?Sized>(&self, from: &Q, now_ms: i64)
    where
        K: Borrow<Q>,
    {
        let mut table = self.table.lock();
        if table.len() >= ADDRESSES_MAX && !table.contains_key(from) {
            make_room(&mut table, now_ms);
        }
        let failures = table.entry(from.to_owned()).or_insert(Failures { count: 0, last_ms: now_ms });
        if !failures.lasts(now_ms) {
            failures.count = 0;
        }
        *failures = Failures {
            count: failures.count.saturating_add(1),
            last_ms: now_ms,
        };
    }

    /// Forgets the failures of somebody.
    pub fn succeeded<Q: Hash + Eq + ?Sized>(&self, from: &Q)
    where
        K: Borrow<Q>,
    {
        self.table.lock().remove(from);
    }
}

impl Failures {
    fn lasts(self, now_ms: i64) -> bool {
        now_ms.saturating_sub(self.last_ms) < WINDOW_MS
    }
}

/// Forgets what is over, and if that is not enough a tenth of the rest, oldest first, so that this is done seldom.
fn make_room<K: Hash + Eq>(table: &mut HashMap<K, Failures>, now_ms: i64) {
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

    const FAILURES_MAX: u32 = 10;

    fn attempts() -> Attempts<String> {
        Attempts::new(FAILURES_MAX)
    }

    #[test]
    fn closes_after_ten_failures_for_a_minute() {
        let attempts = attempts();
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
        let attempts = attempts();
        (0..FAILURES_MAX).for_each(|_| attempts.failed("a", 0));
        attempts.succeeded("a");
        assert_eq!(attempts.check("a", 0), Ok(()));
    }

    #[test]
    fn the_table_stays_small_and_keeps_what_is_new() {
        let attempts = attempts();
        for number in 0..ADDRESSES_MAX + 50 {
            attempts.failed(number.to_string().as_str(), number as i64);
        }
        let table = attempts.table.lock();
        assert!(table.len() <= ADDRESSES_MAX, "{}", table.len());
        assert!(table.contains_key(&(ADDRESSES_MAX + 49).to_string()) && !table.contains_key("0"));
    }
}
