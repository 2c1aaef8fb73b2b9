//! Who moves a device waits until what the device said before is settled: each message in a rule chain has a *hold* on its device.
//!
//! A counter with somebody who may wait for zero; small, because every device that is awake has one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Gives out holds.
#[derive(Debug, Default)]
pub struct Holds(Option<Arc<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    out: AtomicUsize,
    none: Notify,
}

/// Something is not settled yet, as long as this lives.
#[derive(Debug)]
pub struct Hold(Arc<Inner>);

impl Holds {
    /// One more.
    pub fn hold(&mut self) -> Hold {
        Hold::of(self.0.get_or_insert_with(Arc::default))
    }

    /// Waits until none is out.
    pub async fn none(&self) {
        let Some(inner) = &self.0 else { return };
        loop {
            let mut none = std::pin::pin!(inner.none.notified());
            none.as_mut().enable();
            if inner.out.load(Ordering::Acquire) == 0 {
                return;
            }
            none.await;
        }
    }
}

impl Hold {
    fn of(inner: &Arc<Inner>) -> Self {
        inner.out.fetch_add(1, Ordering::Relaxed);
        Hold(Arc::clone(inner))
    }
}

impl Clone for Hold {
    fn clone(&self) -> Self {
        Hold::of(&self.0)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.0.out.fetch_sub(1, Ordering::Release) == 1 {
            self.0.none.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Receipt;

    #[tokio::test]
    async fn all_copies_of_a_hold_are_waited_for() {
        let mut holds = Holds::default();
        holds.none().await;
        let receipt = Receipt::unclaimed().held(holds.hold());
        let share = receipt.share();
        receipt.done();
        let mut none = std::pin::pin!(holds.none());
        assert!(futures::poll!(&mut none).is_pending());
        share.done();
        none.await;
        holds.none().await;
    }
}
