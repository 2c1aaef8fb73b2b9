//! The time a guest may use for one call. What counts is processor time of its thread: a guest that waits for its turn on a busy machine
//! has done nothing wrong, and a guest that spins cannot hide behind the wait.
//!
//! A call costs nothing extra: the guest clock (see [`crate::engine`]) only asks here when a call has lasted for some ticks.
//!
//! A call that is put aside while an answer is on its way goes on in any thread. Its time is what it ran, piece by piece ([`Ran`]). Such
//! a call also lets others run when it has run for long.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
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
    /// Of a call that may be put aside: how long it has run.
    ran: Option<Arc<Ran>>,
}

/// How long a call has run that may be put aside, in nanoseconds of processor time.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    /// In pieces that are over.
    before: AtomicU64,
    /// The thread's time when the present piece began.
    since: AtomicU64,
}

fn thread_ns() -> u64 {
    u64::try_from(thread_time().as_nanos()).unwrap_or(u64::MAX)
}

impl Ran {
    /// Asked by the guest's own thread, while it runs.
    fn so_far(&self) -> Duration {
        let piece = thread_ns().saturating_sub(self.since.load(Ordering::Relaxed));
        Duration::from_nanos(self.before.load(Ordering::Relaxed).saturating_add(piece))
    }

    /// One piece of a call.
    fn piece<T>(&self, call: Pin<&mut impl Future<Output = T>>, context: &mut Context<'_>) -> Poll<T> {
        let began = thread_ns();
        self.since.store(began, Ordering::Relaxed);
        let polled = call.poll(context);
        self.before.fetch_add(thread_ns().saturating_sub(began), Ordering::Relaxed);
        polled
    }

    /// Runs a call, and counts.
    pub(crate) async fn count<T>(&self, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        std::future::poll_fn(|context| self.piece(call.as_mut(), context)).await
    }
}

/// Looks at every long call of a store. Once, when the store is made.
pub(crate) fn watch(store: &mut Store<Guest>) {
    store.epoch_deadline_callback(|mut context| Ok(context.data_mut().budget.verdict()));
}

/// Allows the next call its milliseconds.
pub(crate) fn allow(store: &mut Store<Guest>, budget_ms: u32) {
    store.data_mut().budget = Budget {
        allowed: Duration::from_millis(u64::from(budget_ms)),
        since: None,
        ran: None,
    };
    store.set_epoch_deadline(FIRST_LOOK_TICKS);
}

/// Allows the next call its milliseconds, which may be put aside. Its future has to be run by [`Ran::count`].
pub(crate) fn allow_in_pieces(store: &mut Store<Guest>, budget_ms: u32) -> Arc<Ran> {
    allow(store, budget_ms);
    let ran = Arc::new(Ran::default());
    store.data_mut().budget.ran = Some(Arc::clone(&ran));
    ran
}

impl Budget {
    fn verdict(&mut self) -> UpdateDeadline {
        let Some(ran) = &self.ran else {
            return self.look(thread_time());
        };
        match self.look(ran.so_far()) {
            // Others wait for this thread.
            UpdateDeadline::Continue(ticks) => UpdateDeadline::Yield(ticks.min(FIRST_LOOK_TICKS)),
            over => over,
        }
    }

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
            ran: None,
        };
        assert_eq!(verdict(&mut budget, 1_000), Some(10), "looked at first");
        assert_eq!(verdict(&mut budget, 1_000), Some(10), "its thread waited");
        assert_eq!(verdict(&mut budget, 1_015), Some(2), "5 ms are left");
        assert_eq!(verdict(&mut budget, 1_019), Some(1), "less than a tick is left");
        assert_eq!(verdict(&mut budget, 1_020), None, "used up");
    }
}
