//! What one client observes (RFC 7641): observations by token, their sequence numbers, and when a notification has to be confirmed.

use std::collections::HashMap;

use crate::Token;
use crate::request::TransferKey;

/// Sequence numbers have 24 bits (RFC 7641, 3.4).
const SEQUENCE_BITS: u32 = 24;
const SEQUENCE_MASK: u32 = (1 << SEQUENCE_BITS) - 1;
/// Of so many notifications one is confirmed, so that a client that is gone is noticed (RFC 7641, 4.5).
const CONFIRM_EVERY: u32 = 10;

/// One observation.
#[derive(Debug)]
pub(crate) struct Observer {
    /// The request that a client repeats for the rest of a large notification.
    pub(crate) key: TransferKey,
    /// The client asked with a confirmable message: it is told by confirmable messages.
    pub(crate) confirmable: bool,
    /// Id of the last notification that was not to be confirmed; a reset of it ends the observation.
    pub(crate) last_id: Option<u16>,
    sequence: u32,
    told_ms: u64,
    unconfirmed: u32,
}

/// Observations of one client.
#[derive(Debug, Default)]
pub(crate) struct Observers(HashMap<Token, Observer>);

impl Observers {
    /// The client observes from now on; the same token again stands for the same observation (RFC 7641, 4.1). Answers the sequence
    /// number of the first notification, and whether the observation is new.
    pub(crate) fn register(&mut self, token: Token, key: TransferKey, confirmable: bool, clock: u32, now_ms: u64) -> (u32, bool) {
        let known = self.0.get(&token).map(|observer| observer.sequence);
        let sequence = next_sequence(known, clock);
        let observer = Observer {
            key,
            confirmable,
            last_id: None,
            sequence,
            told_ms: now_ms,
            unconfirmed: 0,
        };
        self.0.insert(token, observer);
        (sequence, known.is_none())
    }

    pub(crate) fn get_mut(&mut self, token: Token) -> Option<&mut Observer> {
        self.0.get_mut(&token)
    }

    pub(crate) fn contains(&self, token: Token) -> bool {
        self.0.contains_key(&token)
    }

    pub(crate) fn remove(&mut self, token: Token) -> Option<Observer> {
        self.0.remove(&token)
    }

    /// The observation whose last unconfirmed notification had this id.
    pub(crate) fn by_last_id(&self, id: u16) -> Option<Token> {
        self.0
            .iter()
            .find(|(_, observer)| observer.last_id == Some(id))
            .map(|(token, _)| *token)
    }

    /// Ends all.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Token> {
        self.0.drain().map(|(token, _)| token)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Observer {
    /// The next notification's number, and whether it has to be confirmed.
    pub(crate) fn next(&mut self, clock: u32, now_ms: u64, distance_ms: u64) -> (u32, bool) {
        self.sequence = next_sequence(Some(self.sequence), clock);
        let soon = now_ms < self.told_ms + distance_ms;
        let confirm = self.confirmable || soon || self.unconfirmed + 1 >= CONFIRM_EVERY;
        self.told_ms = now_ms;
        self.unconfirmed = if confirm { 0 } else { self.unconfirmed + 1 };
        (self.sequence, confirm)
    }
}

/// The clock that sequence numbers follow: steps of 16 ms, so that they go on after a restart and come around after three days.
pub(crate) fn clock(started_s: u64, now_ms: u64) -> u32 {
    u32::try_from((started_s.wrapping_mul(1_000).wrapping_add(now_ms) / 16) & u64::from(SEQUENCE_MASK)).unwrap_or_default()
}

/// The clock, or the number after the last where the clock is not past it.
fn next_sequence(last: Option<u32>, clock: u32) -> u32 {
    match last {
        Some(last) if !is_newer(clock, last) => (last + 1) & SEQUENCE_MASK,
        _ => clock,
    }
}

/// How a client decides which of two notifications is the newer one (RFC 7641, 3.4).
fn is_newer(number: u32, than: u32) -> bool {
    let half = 1 << (SEQUENCE_BITS - 1);
    (than < number && number - than < half) || (than > number && than - number > half)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{Code, Kind, Message};

    #[test]
    fn sequence_numbers_rise_and_come_around() {
        for (last, clock, next) in [
            (None, 7, 7),
            (Some(7), 7, 8),
            (Some(7), 9, 9),
            (Some(9), 7, 10),
            (Some(SEQUENCE_MASK), SEQUENCE_MASK, 0),
            (Some(SEQUENCE_MASK), 3, 3),
            (Some(2), SEQUENCE_MASK, 3),
        ] {
            assert_eq!(next_sequence(last, clock), next, "{last:?} {clock}");
            assert!(last.is_none_or(|last| is_newer(next, last)), "{last:?} {clock}");
        }
        assert_eq!(clock(0, 160), 10);
        assert!(clock(u64::MAX, u64::MAX) <= SEQUENCE_MASK);
    }

    #[test]
    fn notifications_are_confirmed_when_asked_for_soon_or_every_so_often() {
        let key = || TransferKey::of(&Message::new(Kind::Confirmable, Code::GET, 1, Token::default()), false);
        let mut observers = Observers::default();
        let token = Token::new(b"a").unwrap();
        assert_eq!(observers.register(token, key(), true, 1, 0), (1, true));
        assert!(observers.get_mut(token).unwrap().next(5, 10_000, 3_000).1);
        assert_eq!(observers.register(token, key(), false, 1, 0), (6, false), "the same token goes on");
        let observer = observers.get_mut(token).unwrap();
        assert!(observer.next(1, 2_999, 3_000).1, "too soon after the last");
        let confirmed = (1..=20).map(|n| observer.next(1, 3_000 + n * 3_000, 3_000).1);
        assert_eq!(confirmed.filter(|confirm| *confirm).count(), 2);
    }
}
