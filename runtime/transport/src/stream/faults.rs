//! How often an adapter failed, and how long its listener takes nobody new for it.
//!
//! One fault costs one connection, or one shard of UDP peers. Many in a short time say that the adapter is broken: making instances
//! only to lose them would take time from others.

use std::time::Duration;

use actor::Backoff;
use parking_lot::Mutex;
use tokio::time::Instant;

/// Faults that cost nobody else anything.
const FREE: u32 = 8;
/// Time without a fault after which earlier ones are forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

/// Faults of one listener.
#[derive(Debug)]
pub struct Faults(Mutex<Counted>);

#[derive(Debug)]
struct Counted {
    total: u64,
    recent: u32,
    last: Option<(Instant, String)>,
    backoff: Backoff,
    paused_until: Option<Instant>,
}

impl Default for Faults {
    fn default() -> Self {
        Faults(Mutex::new(Counted {
            total: 0,
            recent: 0,
            last: None,
            backoff: Backoff::new(Duration::from_millis(100), Duration::from_secs(10)),
            paused_until: None,
        }))
    }
}

impl Faults {
    /// The adapter failed.
    pub fn count(&self, now: Instant, reason: String) {
        let mut counted = self.0.lock();
        if counted.last.as_ref().is_none_or(|(at, _)| now - *at >= FORGOTTEN_AFTER) {
            counted.recent = 0;
            counted.backoff.succeeded();
        }
        counted.total += 1;
        counted.recent += 1;
        counted.last = Some((now, reason));
        if counted.recent > FREE {
            counted.paused_until = Some(now + counted.backoff.failed());
        }
    }

    /// Until when nobody new is taken.
    pub fn paused(&self, now: Instant) -> Option<Instant> {
        self.0.lock().paused_until.filter(|until| *until > now)
    }

    /// How many there were, and the last one.
    pub fn seen(&self) -> (u64, Option<String>) {
        let counted = self.0.lock();
        (counted.total, counted.last.as_ref().map(|(_, reason)| reason.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_faults_pause_the_listener_longer_and_longer_and_are_forgotten() {
        let start = Instant::now();
        let faults = Faults::default();
        for _ in 0..FREE {
            faults.count(start, "trap".to_owned());
        }
        assert_eq!(faults.paused(start), None);
        faults.count(start, "trap".to_owned());
        assert_eq!(faults.paused(start), Some(start + Duration::from_millis(100)));
        faults.count(start, "last".to_owned());
        assert_eq!(faults.paused(start), Some(start + Duration::from_millis(200)));
        let later = start + FORGOTTEN_AFTER;
        faults.count(later, "late".to_owned());
        assert_eq!(faults.paused(later), None);
        assert_eq!(faults.seen(), (11, Some("late".to_owned())));
    }
}
