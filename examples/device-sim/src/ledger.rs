//! What one device has sent in a run and what of it was acknowledged, kept for the check after the run.
//!
//! Eight bytes a message, indexed by the message's number. Kept only when a check was asked for. Knows no store.

use crate::check::{Expected, Sent};

/// Messages a ledger can hold: 64 million are half a gigabyte for one device.
pub const LEDGER_MAX: usize = 64_000_000;

/// The messages of one device with rising numbers.
#[derive(Debug, Default)]
pub struct Ledger {
    first_seq: u64,
    /// The time of the message shifted left by one; the lowest bit says acknowledged.
    entries: Vec<u64>,
}

impl Ledger {
    /// An empty ledger whose first message will have the number `first_seq`.
    pub fn new(first_seq: u64) -> Ledger {
        Ledger {
            first_seq,
            entries: Vec::new(),
        }
    }

    /// True when no further message can be noted.
    pub fn is_full(&self) -> bool {
        self.entries.len() >= LEDGER_MAX
    }

    /// Notes the next message, sent with time `ts`.
    pub fn sent(&mut self, ts: u64) {
        self.entries.push(ts << 1);
    }

    /// Notes that `seq` was acknowledged.
    pub fn acknowledged(&mut self, seq: u64) {
        let place = seq.checked_sub(self.first_seq).and_then(|place| usize::try_from(place).ok());
        if let Some(entry) = place.and_then(|place| self.entries.get_mut(place)) {
            *entry |= 1;
        }
    }

    /// What the store should hold. The ledger knows everything that was sent, so any other point is invented.
    pub fn expected(&self) -> Expected {
        let sent = self.entries.iter().zip(self.first_seq..);
        let sent = sent
            .map(|(entry, seq)| Sent {
                seq,
                ts: entry >> 1,
                acknowledged: entry & 1 == 1,
            })
            .collect();
        Expected { sent, unlogged: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_times_and_acknowledgements_by_number() {
        let mut ledger = Ledger::new(10);
        for ts in [500, 501, 502] {
            ledger.sent(ts);
        }
        for seq in [11, 9, 99] {
            ledger.acknowledged(seq);
        }
        let expected = ledger.expected();
        let table: Vec<_> = expected.sent.iter().map(|sent| (sent.seq, sent.ts, sent.acknowledged)).collect();
        assert_eq!(table, [(10, 500, false), (11, 501, true), (12, 502, false)]);
        assert_eq!(expected.unlogged, 0);
    }
}
