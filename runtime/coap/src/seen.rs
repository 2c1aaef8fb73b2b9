//! Messages of one client that were seen, so that a duplicate is found and answered as the first was (RFC 7252, 4.5).

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

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

/// Messages by id, forgotten in the order they came.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    fates: HashMap<u16, (u64, Fate)>,
    order: VecDeque<(u64, u16)>,
}

impl Seen {
    pub(crate) fn get(&self, id: u16, now_ms: u64) -> Option<&Fate> {
        self.fates.get(&id).filter(|(until_ms, _)| *until_ms > now_ms).map(|(_, fate)| fate)
    }

    /// Remembers a message until a time. Beyond `max` the oldest is forgotten.
    pub(crate) fn insert(&mut self, id: u16, until_ms: u64, max: usize) {
        if self.order.len() >= max {
            self.forget_oldest();
        }
        self.fates.insert(id, (until_ms, Fate::Working));
        // Two lifetimes run here: an earlier end behind a later one keeps its place until then, and is not found any more.
        self.order.push_back((until_ms, id));
    }

    /// Changes what is remembered; nothing if it was forgotten.
    pub(crate) fn became(&mut self, id: u16, fate: Fate) {
        if let Some((_, known)) = self.fates.get_mut(&id) {
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
        let Some((until_ms, id)) = self.order.pop_front() else { return };
        // The id may stand for a newer message by now.
        if self.fates.get(&id).is_some_and(|(known, _)| *known == until_ms) {
            self.fates.remove(&id);
        }
    }

    pub(crate) fn next_expiry(&self) -> Option<u64> {
        self.order.front().map(|(until_ms, _)| *until_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_remembered_for_their_time_and_as_many_as_allowed() {
        let mut seen = Seen::default();
        for id in 1..=3 {
            seen.insert(id, 100 + u64::from(id), 3);
        }
        seen.became(2, Fate::Acknowledged);
        assert_eq!((seen.get(2, 0), seen.get(9, 0)), (Some(&Fate::Acknowledged), None));
        seen.insert(4, 104, 3);
        assert_eq!((seen.get(1, 0), seen.get(2, 0).is_some()), (None, true), "the oldest gave way");
        seen.expire(103);
        assert_eq!(
            (seen.get(3, 103), seen.get(4, 103).is_some(), seen.next_expiry()),
            (None, true, Some(104))
        );
        seen.became(3, Fate::Silent);
        assert_eq!(seen.get(3, 103), None);
        seen.insert(5, 200, 3);
        seen.insert(6, 150, 3);
        assert_eq!(seen.get(6, 150), None, "its own time counts");
        seen.expire(200);
        assert!(seen.order.is_empty() && seen.fates.is_empty());
    }
}
