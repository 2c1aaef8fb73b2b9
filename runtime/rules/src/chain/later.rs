//! Messages that are tried again later, by the time when.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::step::Branch;

/// Who waits until when. Bounded by the branches that a chain may have.
#[derive(Default)]
pub(super) struct Later {
    waiting: BTreeMap<(Instant, u64), Branch>,
    number: u64,
}

impl Later {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn push(&mut self, branch: Branch, pause: Duration) {
        self.number += 1;
        self.waiting.insert((Instant::now() + pause, self.number), branch);
    }

    /// Waits for the next one; for ever when there is none. Cancelling loses nothing.
    pub(super) async fn next(&mut self) -> Branch {
        loop {
            let Some(entry) = self.waiting.first_entry() else {
                std::future::pending::<()>().await;
                continue;
            };
            let (due, _) = *entry.key();
            if due <= Instant::now() {
                return entry.remove();
            }
            sleep_until(due).await;
        }
    }

    /// All of them, in their order: there is no time left.
    pub(super) fn all(&mut self) -> impl Iterator<Item = Branch> {
        std::mem::take(&mut self.waiting).into_values()
    }
}
