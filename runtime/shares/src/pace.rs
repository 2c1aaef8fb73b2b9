//! Whether calls of one kind are long, as far as can be told before they are made: by those that were. Pure.

use std::sync::atomic::{AtomicU8, Ordering};

/// After a call that was long so many are thought to be: who makes some long and some short holds up nobody more than who makes them all long.
const LONG_AFTER_ONE: u8 = 16;

/// How long calls of one kind are.
#[derive(Debug, Default)]
pub struct Pace {
    /// How many more are thought to be long.
    long: AtomicU8,
}

impl Pace {
    /// Whether the next call may be long.
    pub fn is_long(&self) -> bool {
        self.long.load(Ordering::Relaxed) > 0
    }

    /// A call is over.
    pub fn was(&self, long: bool) {
        let left = self.long.load(Ordering::Relaxed);
        let next = if long { LONG_AFTER_ONE } else { left.saturating_sub(1) };
        // Most calls are short, and follow short ones.
        if next != left {
            self.long.store(next, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_long_call_among_short_ones_is_remembered_for_a_while() {
        let pace = Pace::default();
        pace.was(false);
        assert!(!pace.is_long(), "nothing is held against the first");
        pace.was(true);
        for number in 0..LONG_AFTER_ONE {
            assert!(pace.is_long(), "{number}");
            pace.was(false);
        }
        assert!(!pace.is_long());
    }
}
