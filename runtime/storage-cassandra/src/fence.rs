//! Whether a process may still write batches: one that has lost touch with its cluster must not, because others do now what it did.
//!
//! A batch gets its times first, then the fence is asked. So whatever is written later, be it by a process that stood still in between,
//! has times at which the fence held, and loses against everything that others have written since.

use std::sync::atomic::{AtomicBool, Ordering};

use storage::StorageError;

/// Says whether this process may write batches now.
pub trait Fence: Send + Sync + 'static {
    /// Whether it may.
    fn holds(&self) -> bool;
}

/// A fence, and whether somebody stood before it last time.
#[derive(Default)]
pub(crate) struct Fenced {
    fence: Option<std::sync::Arc<dyn Fence>>,
    refused: AtomicBool,
}

impl Fenced {
    pub(crate) fn by(fence: Option<std::sync::Arc<dyn Fence>>) -> Self {
        Fenced {
            fence,
            refused: AtomicBool::new(false),
        }
    }

    /// To be asked after a batch got its times.
    pub(crate) fn check(&self) -> Result<(), StorageError> {
        let Some(fence) = &self.fence else { return Ok(()) };
        if fence.holds() {
            self.refused.store(false, Ordering::Relaxed);
            return Ok(());
        }
        metrics::counter!("storage_fenced_total").increment(1);
        if !self.refused.swap(true, Ordering::Relaxed) {
            tracing::warn!("fenced: nothing is written as long as this server has lost touch with its cluster");
        }
        Err(StorageError::Unavailable("this server has lost touch with its cluster"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    struct Hand(AtomicBool);

    impl Fence for Hand {
        fn holds(&self) -> bool {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn who_may_not_write_is_refused_until_it_may() {
        assert!(Fenced::default().check().is_ok(), "without a fence everybody may");
        let hand = Arc::new(Hand(AtomicBool::new(true)));
        let fenced = Fenced::by(Some(hand.clone()));
        assert!(fenced.check().is_ok());
        hand.0.store(false, Ordering::Relaxed);
        assert!(matches!(fenced.check(), Err(StorageError::Unavailable(_))));
        hand.0.store(true, Ordering::Relaxed);
        assert!(fenced.check().is_ok());
    }
}
