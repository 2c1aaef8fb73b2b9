//! Whether the cluster answers, for the operator: told when it changes, not with every request.

use std::sync::atomic::{AtomicBool, Ordering};

/// What was last seen.
#[derive(Default)]
pub(crate) struct Health {
    failing: AtomicBool,
}

impl Health {
    /// A request had an answer.
    pub(crate) fn answered(&self) {
        // Nearly always: no write to memory that all requests share.
        if self.failing.load(Ordering::Relaxed) && self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!("the database answers again");
        }
    }

    /// A request had none, for this reason.
    pub(crate) fn failed(&self, why: &str) {
        if !self.failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                why,
                "the database does not answer: requests are repeated, nothing is acknowledged meanwhile"
            );
        }
    }
}
