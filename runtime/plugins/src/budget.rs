//! The time a guest may use for one call. What counts is processor time of its thread: a guest that waits for its turn on a busy machine
//! has done nothing wrong, and a guest that spins cannot hide behind the wait.
//!
//! A call costs nothing extra: the guest clock (see [`crate::engine`]) only asks here when a call has lasted for some ticks.

use std::time::Duration;

use shares::thread_time;
use wasmtime::{Store, UpdateDeadline};

use crate::engine::TICK_MS;
use crate::guest::Guest;

/// Ticks after which a call is looked at first. Most are over long before.
const FIRST_LOOK_TICKS: u64 = 2;

/// What a call may use, and what it has used.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    allowed: Duration,
    /// Processor time of the thread when the call was looked at first. What it used before is not charged: at most some ticks.
    since: Option<Duration>,
}

/// Looks at every long call of a store. Once, when the store is made.
pub(crate) fn watch(store: &mut Store<Guest>) {
    store.epoch_deadline_callback(|mut context| Ok(context.data_mut().budget.look(thread_time())));
}

/// Allows the next call its milliseconds.
pub(crate) fn allow(store: &mut Store<Guest>, budget_ms: u32) {
    store.data_mut().budget = Budget {
        allowed: Duration::from_millis(u64::from(budget_ms)),
        since: None,
    };
    store.set_epoch_deadline(FIRST_LOOK_TICKS);
}

impl Budget {
    fn look(&mut self, now: Duration) -> UpdateDeadline {
        let since = *self.since.get_or_insert(now);
        let left = self.allowed.saturating_sub(now.saturating_sub(since));
        if left.is_zero() {
            return UpdateDeadline::Interrupt;
        }
        let ticks = left.as_millis() as u64 / u64::from(TICK_MS);
        UpdateDeadline::Continue(ticks.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(budget: &mut Budget, now_ms: u64) -> Option<u64> {
        match budget.look(Duration::from_millis(now_ms)) {
            UpdateDeadline::Continue(ticks) => Some(ticks),
            _ => None,
        }
    }

    #[test]
    fn time_counts_from_the_first_look_and_only_while_the_thread_runs() {
        let mut budget = Budget {
            allowed: Duration::from_millis(20),
            since: None,
        };
        assert_eq!(verdict(&mut budget, 1_000), Some(10), "looked at first");
        assert_eq!(verdict(&mut budget, 1_000), Some(10), "its thread waited");
        assert_eq!(verdict(&mut budget, 1_015), Some(2), "5 ms are left");
        assert_eq!(verdict(&mut budget, 1_019), Some(1), "less than a tick is left");
        assert_eq!(verdict(&mut budget, 1_020), None, "used up");
    }
}
