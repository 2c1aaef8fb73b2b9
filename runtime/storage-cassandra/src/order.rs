//! The order of batches. Each gets a place: times that rise from mutation to mutation, and a link to the batch before it.
//!
//! Cassandra keeps, of two writes to a cell, the one with the later time. So the times alone decide what comes out, and batches may be
//! carried out side by side and repeated; the links make their commits complete in order, and let a batch that has to read wait for
//! those before it.
//!
//! Times are microseconds of this machine's clock, pushed forward where it does not rise. Between peers their clocks decide: they must
//! differ by less than the time in which a device moves from one peer to another.

use std::sync::Arc;

use model::Clock;
use parking_lot::Mutex;
use storage::StorageError;
use tokio::sync::oneshot;

/// Hands out places.
pub(crate) struct Order {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
}

struct State {
    last_us: i64,
    /// Completes with the last place handed out.
    last: Option<Link>,
    closed: bool,
}

/// Resolves when a place is over. One that is given up before its turn sends what it was waiting for itself.
struct Link(oneshot::Receiver<Link>);

/// A place in the order. The next one follows when it is dropped, and those before it are over.
pub(crate) struct Place {
    /// The first of the times asked for; the others follow it one by one.
    pub(crate) stamp_us: i64,
    before: Option<Link>,
    after: Option<oneshot::Sender<Link>>,
}

impl Place {
    /// Waits until everything before is over, done or failed.
    pub(crate) async fn first(&mut self) {
        while let Some(Link(before)) = &mut self.before {
            self.before = before.await.ok();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let (Some(before), Some(after)) = (self.before.take(), self.after.take()) {
            // Nobody may be waiting.
            let _ = after.send(before);
        }
    }
}

impl Order {
    /// By a clock.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Order {
            state: Mutex::new(State {
                last_us: i64::MIN,
                last: None,
                closed: false,
            }),
            clock,
        }
    }

    /// The next place, with so many times.
    pub(crate) fn place(&self, stamps: usize) -> Result<Place, StorageError> {
        let mut state = self.state.lock();
        match state.closed {
            true => Err(closed()),
            false => Ok(self.next(&mut state, stamps)),
        }
    }

    /// Times for changes that are in no batch.
    pub(crate) fn stamp(&self) -> i64 {
        self.take(&mut self.state.lock(), 1)
    }

    /// Waits until everything that has a place now is over.
    pub(crate) async fn settled(&self) {
        let mut place = self.next(&mut self.state.lock(), 0);
        place.first().await;
    }

    /// Gives no more places, and waits until everything is over.
    pub(crate) async fn close(&self) {
        self.state.lock().closed = true;
        self.settled().await;
    }

    /// Refuses when closed.
    pub(crate) fn check_open(&self) -> Result<(), StorageError> {
        if self.state.lock().closed { Err(closed()) } else { Ok(()) }
    }

    fn next(&self, state: &mut State, stamps: usize) -> Place {
        let (after, last) = oneshot::channel();
        Place {
            stamp_us: self.take(state, stamps),
            before: state.last.replace(Link(last)),
            after: Some(after),
        }
    }

    fn take(&self, state: &mut State, stamps: usize) -> i64 {
        let now_us = self.clock.now_ms().saturating_mul(1000);
        let first = now_us.max(state.last_us.saturating_add(1));
        state.last_us = first.saturating_add(i64::try_from(stamps).unwrap_or(i64::MAX).max(1) - 1);
        first
    }
}

fn closed() -> StorageError {
    StorageError::Unavailable("the store is closed")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use futures::FutureExt as _;

    use super::*;

    struct Hand(AtomicI64);

    impl Clock for Hand {
        fn now_ms(&self) -> i64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn times_rise_although_the_clock_does_not() {
        let hand = Arc::new(Hand(AtomicI64::new(5)));
        let order = Order::new(hand.clone());
        assert_eq!(order.place(3).expect("open").stamp_us, 5000);
        assert_eq!(order.place(0).expect("open").stamp_us, 5003);
        hand.0.store(2, Ordering::Relaxed);
        assert_eq!(order.stamp(), 5004);
        hand.0.store(6, Ordering::Relaxed);
        assert_eq!(order.stamp(), 6000);
    }

    #[test]
    fn a_place_waits_for_those_before_it() {
        let order = Order::new(Arc::new(Hand(AtomicI64::new(0))));
        let mut first = order.place(1).expect("open");
        let mut second = order.place(1).expect("open");
        assert!(first.first().now_or_never().is_some());
        assert!(second.first().now_or_never().is_none());
        drop(order.place(1));
        let third = order.settled();
        let mut third = std::pin::pin!(third);
        drop(first);
        assert!(third.as_mut().now_or_never().is_none(), "the second is not over");
        drop(second);
        assert!(third.now_or_never().is_some());
        order.close().now_or_never().expect("nothing is left");
        assert!(order.place(1).is_err() && order.check_open().is_err());
    }
}
