//! Messages of one client that were seen, so that a duplicate is found and answered as the first was (RFC 7252, 4.5).

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;

/// What a message and its duplicates have in common: the id, and every other byte. Addresses change hands within the lifetime of an
/// exchange, as behind a translator of addresses, or when a client starts anew with the same ids: another message with a known id is
/// no duplicate, and answering it as one would acknowledge what nobody has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mark {
    id: u16,
    digest: u64,
}

impl Mark {
    pub(crate) fn of(id: u16, datagram: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        datagram.hash(&mut hasher);
        Mark {
            id,
            digest: hasher.finish(),
        }
    }
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Its answer is being made.
    Working,
    /// It was acknowledged; its response is on its own way.
    Acknowledged,
    /// It was answered with this datagram.
    Answered(Bytes),
    /// It gets no answer by its id.
    Silent,
}

/// Messages by mark, forgotten in the order they came.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    fates: HashMap<Mark, (u64, Fate)>,
    order: VecDeque<(u64, Mark)>,
}

impl Seen {
    pub(crate) fn get(&self, mark: Mark, now_ms: u64) -> Option<&Fate> {
        self.fates
            .get(&mark)
            .filter(|(until_ms, _)| *until_ms > now_ms)
            .map(|(_, fate)| fate)
    }

    /// Remembers a message until a time. Beyond `max` the oldest is forgotten.
    pub(crate) fn insert(&mut self, mark: Mark, until_ms: u64, max: usize) {
        if self.order.len() >= max {
            self.forget_oldest();
        }
        self.fates.insert(mark, (until_ms, Fate::Working));
        // Two lifetimes run here: an earlier end behind a later one keeps its place until then, and is not found any more.
        self.order.push_back((until_ms, mark));
    }

    /// Changes what is remembered; nothing if it was forgotten.
    pub(crate) fn became(&mut self, mark: Mark, fate: Fate) {
        if let Some((_, known)) = self.fates.get_mut(&mark) {
            *known = fate;
        }
    }

    /// Forgets what is old.
    pub(crate) fn expire(&mut self, now_ms: u64) {
        while self.order.front().is_some_and(|(until_ms, _)| *until_ms <= now_ms) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((until_ms, mark)) = self.order.pop_front() else { return };
        // It may have come anew after its time.
        if self.fates.get(&mark).is_some_and(|(known, _)| *known == until_ms) {
            self.fates.remove(&mark);
        }
    }

    pub(crate) fn next_expiry(&self) -> Option<u64> {
        self.order.front().map(|(until_ms, _)| *until_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(id: u16) -> Mark {
        Mark::of(id, b"")
    }

    #[test]
    fn the_same_id_with_other_bytes_is_another_message() {
        let mut seen = Seen::default();
        seen.insert(Mark::of(1, b"one"), 100, 3);
        seen.became(Mark::of(1, b"one"), Fate::Acknowledged);
        assert_eq!(seen.get(Mark::of(1, b"two"), 0), None);
        seen.insert(Mark::of(1, b"two"), 200, 3);
        assert_eq!(seen.get(Mark::of(1, b"one"), 0), Some(&Fate::Acknowledged));
        assert_eq!(seen.get(Mark::of(1, b"two"), 0), Some(&Fate::Working));
        seen.expire(100);
        assert_eq!(seen.get(Mark::of(1, b"two"), 100), Some(&Fate::Working));
    }

    #[test]
    fn messages_are_remembered_for_their_time_and_as_many_as_allowed() {
        let mut seen = Seen::default();
        for id in 1..=3 {
            seen.insert(mark(id), 100 + u64::from(id), 3);
        }
        seen.became(mark(2), Fate::Acknowledged);
        assert_eq!((seen.get(mark(2), 0), seen.get(mark(9), 0)), (Some(&Fate::Acknowledged), None));
        seen.insert(mark(4), 104, 3);
        assert_eq!(
            (seen.get(mark(1), 0), seen.get(mark(2), 0).is_some()),
            (None, true),
            "the oldest gave way"
        );
        seen.expire(103);
        assert_eq!(
            (seen.get(mark(3), 103), seen.get(mark(4), 103).is_some(), seen.next_expiry()),
            (None, true, Some(104))
        );
        seen.became(mark(3), Fate::Silent);
        assert_eq!(seen.get(mark(3), 103), None);
        seen.insert(mark(5), 200, 3);
        seen.insert(mark(6), 150, 3);
        assert_eq!(seen.get(mark(6), 150), None, "its own time counts");
        seen.expire(200);
        assert!(seen.order.is_empty() && seen.fates.is_empty());
    }
}
