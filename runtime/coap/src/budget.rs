//! Bytes that all clients share.

/// A sum with a limit.
#[derive(Debug)]
pub(crate) struct Budget {
    used: usize,
    max: usize,
}

impl Budget {
    pub(crate) fn new(max: usize) -> Self {
        Budget { used: 0, max }
    }

    /// Takes so many; false: not so many are left, and none are taken.
    pub(crate) fn take(&mut self, amount: usize) -> bool {
        let fits = amount <= self.max - self.used;
        if fits {
            self.used += amount;
        }
        fits
    }

    pub(crate) fn give(&mut self, amount: usize) {
        self.used = self.used.saturating_sub(amount);
    }

    pub(crate) fn used(&self) -> usize {
        self.used
    }
}
