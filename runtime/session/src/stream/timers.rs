//! Which timer is due. Pure: told what time it is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

/// A timer runs at least this long.
const AFTER_MIN: Duration = Duration::from_millis(10);

/// Timers of all peers of an instance.
#[derive(Debug, Default)]
pub struct Timers {
    /// By peer and number.
    set: BTreeMap<(u32, u32), Instant>,
    due: BTreeSet<(Instant, u32, u32)>,
}

impl Timers {
    /// Starts a timer, or starts it anew.
    pub fn set(&mut self, peer: u32, timer: u32, now: Instant, after: Duration) {
        self.cancel(peer, timer);
        let at = now + after.max(AFTER_MIN);
        self.set.insert((peer, timer), at);
        self.due.insert((at, peer, timer));
    }

    /// Stops a timer.
    pub fn cancel(&mut self, peer: u32, timer: u32) {
        if let Some(at) = self.set.remove(&(peer, timer)) {
            self.due.remove(&(at, peer, timer));
        }
    }

    /// Stops all timers of a peer.
    pub fn forget(&mut self, peer: u32) {
        let timers: Vec<u32> = self.of(peer).collect();
        for timer in timers {
            self.cancel(peer, timer);
        }
    }

    /// Timers of a peer that run.
    pub fn of(&self, peer: u32) -> impl Iterator<Item = u32> {
        self.set.range((peer, 0)..=(peer, u32::MAX)).map(|((_, timer), _)| *timer)
    }

    /// When the next one runs out.
    pub fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, ..)| *at)
    }

    /// Takes one that has run out: peer and number.
    pub fn take_due(&mut self, now: Instant) -> Option<(u32, u32)> {
        let (at, peer, timer) = *self.due.first()?;
        if at > now {
            return None;
        }
        self.cancel(peer, timer);
        Some((peer, timer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_run_out_in_order_start_anew_and_go_with_their_peer() {
        let now = Instant::now();
        let at = |ms| now + Duration::from_millis(ms);
        let mut timers = Timers::default();
        for (peer, timer, ms) in [(1, 1, 300), (1, 2, 100), (2, 1, 200), (3, 7, 0)] {
            timers.set(peer, timer, now, Duration::from_millis(ms));
        }
        assert_eq!(
            (timers.next(), timers.take_due(at(9))),
            (Some(at(10)), None),
            "not sooner than 10 ms"
        );
        assert_eq!(timers.take_due(at(10)), Some((3, 7)));
        timers.set(1, 2, now, Duration::from_millis(250));
        assert_eq!(timers.of(1).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(timers.take_due(at(1000)), Some((2, 1)));
        timers.cancel(1, 1);
        assert_eq!(timers.take_due(at(1000)), Some((1, 2)));
        timers.set(1, 5, now, Duration::from_secs(1));
        timers.forget(1);
        assert_eq!((timers.next(), timers.take_due(at(9000))), (None, None));
    }
}
