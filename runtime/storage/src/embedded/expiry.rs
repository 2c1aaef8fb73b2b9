//! Frees the space of readings whose time is up, while the database rewrites its files anyway. Readers skip such readings by
//! themselves; this only decides when their bytes go.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use fjall::compaction::filter::{CompactionFilter, CompactionFilterResult, Context, Factory, ItemAccessor, Verdict};
use model::Clock;

use crate::value_codec;

/// Makes the filter for one rewrite.
pub(super) struct DropExpired {
    /// A clock is only read: a panic elsewhere cannot leave it half changed.
    clock: AssertUnwindSafe<Arc<dyn Clock>>,
}

impl DropExpired {
    /// By a clock.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        DropExpired {
            clock: AssertUnwindSafe(clock),
        }
    }
}

impl Factory for DropExpired {
    fn name(&self) -> &str {
        "expired readings"
    }

    fn make_filter(&self, _: &Context) -> Box<dyn CompactionFilter> {
        Box::new(Until {
            now_ms: self.clock.now_ms(),
        })
    }
}

struct Until {
    now_ms: i64,
}

impl CompactionFilter for Until {
    fn filter_item(&mut self, item: ItemAccessor<'_>, _: &Context) -> CompactionFilterResult {
        let expired = value_codec::has_expired(&item.value()?, self.now_ms);
        // `Remove` leaves a marker behind that hides older readings of the same time.
        Ok(if expired { Verdict::Remove } else { Verdict::Keep })
    }
}
