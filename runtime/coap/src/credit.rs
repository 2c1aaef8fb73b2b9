//! How much a client may be sent that has not shown that it receives at its address: a sender of forged addresses must not be able to
//! turn this server against somebody else (RFC 7252, 11.3).
//!
//! The rule: all that was sent is at most three times all that was received, until the client acknowledges a confirmable message of
//! ours, which it could not if it did not receive. Messages have numbers that cannot be foreseen, and who guesses is not believed.

/// Times what was received.
pub(crate) const FACTOR: u64 = 3;
/// Acknowledgements of nothing after which a client is not believed any more.
const GUESSES_MAX: u8 = 16;

#[derive(Debug)]
pub(crate) struct Credit {
    received: u64,
    sent: u64,
    proven: bool,
    guesses: u8,
}

impl Credit {
    pub(crate) fn new(proven: bool) -> Self {
        Credit {
            received: 0,
            sent: 0,
            proven,
            guesses: 0,
        }
    }

    pub(crate) fn received(&mut self, bytes: usize) {
        self.received += bytes as u64;
    }

    /// The client acknowledged what was sent to it.
    pub(crate) fn prove(&mut self) {
        self.proven |= self.guesses < GUESSES_MAX;
    }

    /// The client acknowledged what was never sent, or is long done.
    pub(crate) fn guessed(&mut self) {
        self.guesses = self.guesses.saturating_add(1);
    }

    pub(crate) fn is_proven(&self) -> bool {
        self.proven
    }

    /// Bytes that may be sent now.
    pub(crate) fn room(&self) -> usize {
        if self.proven {
            return usize::MAX;
        }
        usize::try_from((FACTOR * self.received).saturating_sub(self.sent)).unwrap_or(usize::MAX)
    }

    /// Whether so many bytes may be sent; counts them if so.
    pub(crate) fn spend(&mut self, bytes: usize) -> bool {
        let allowed = bytes <= self.room();
        if allowed {
            self.sent += bytes as u64;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_times_what_was_received_until_proven() {
        let mut credit = Credit::new(false);
        assert!(!credit.spend(1));
        credit.received(10);
        assert!(credit.spend(20) && credit.room() == 10 && !credit.spend(11) && credit.spend(10));
        credit.prove();
        assert!(credit.is_proven() && credit.spend(1 << 40));
    }

    #[test]
    fn who_guesses_is_not_believed() {
        let mut credit = Credit::new(false);
        (0..GUESSES_MAX).for_each(|_| credit.guessed());
        credit.prove();
        assert!(!credit.is_proven());
    }
}
