//! The publishes of one connection that the broker has not acknowledged, in the order they were sent.
//!
//! Packet identifiers are given in order, so a message is found by arithmetic, not by search. The ring never spans more than the window
//! it was made for. Knows no bytes and no clock.

use std::collections::VecDeque;

/// Identifiers run from 1 to this and start over.
const IDS: u16 = u16::MAX;
/// The largest window: a quarter of the identifiers, so that an old identifier is never taken for a new one.
pub const WINDOW_MAX: usize = 16_384;

/// One message on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// Counts the device's messages.
    pub seq: u64,
    /// The time in the payload, in milliseconds since 1970.
    pub ts: u64,
    /// When it was due, in nanoseconds since the start.
    pub due: u64,
    /// When it was written, in nanoseconds since the start.
    pub sent: u64,
}

#[derive(Debug)]
struct Slot {
    message: Message,
    done: bool,
}

/// Unacknowledged messages, oldest first.
#[derive(Debug)]
pub struct InFlight {
    ring: VecDeque<Slot>,
    front_id: u16,
    window: usize,
    waiting: usize,
}

impl InFlight {
    /// An empty ring for `window` messages, at least 1 and at most [`WINDOW_MAX`].
    pub fn new(window: usize) -> InFlight {
        let window = window.clamp(1, WINDOW_MAX);
        InFlight {
            ring: VecDeque::with_capacity(window),
            front_id: 1,
            window,
            waiting: 0,
        }
    }

    /// The same with another first identifier. Over CoAP a device that starts anew must not repeat what it used before from the same
    /// address (RFC 7252, 4.4).
    pub fn beginning_with(self, first: u16) -> InFlight {
        InFlight {
            front_id: first.max(1),
            ..self
        }
    }

    /// How many more messages may be sent now. An early acknowledgement frees its place only when all before it have come.
    pub fn room(&self) -> usize {
        self.window - self.ring.len()
    }

    /// How many messages wait for their acknowledgement.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// How much of the window is taken.
    pub fn taken(&self) -> usize {
        self.ring.len()
    }

    /// Takes a message and gives its packet identifier. The caller has checked [`InFlight::room`].
    pub fn push(&mut self, message: Message) -> u16 {
        debug_assert!(self.room() > 0);
        let id = id_after(self.front_id, self.ring.len());
        self.ring.push_back(Slot { message, done: false });
        self.waiting += 1;
        id
    }

    /// Settles the oldest message that waits; `None` if none does.
    pub fn acknowledge_oldest(&mut self) -> Option<Message> {
        let (id, _) = self.unacknowledged().next()?;
        self.acknowledge(id)
    }

    /// Settles a message; `None` if no message with this identifier waits.
    pub fn acknowledge(&mut self, id: u16) -> Option<Message> {
        let slot = self.ring.get_mut(distance(self.front_id, id)?)?;
        if std::mem::replace(&mut slot.done, true) {
            return None;
        }
        self.waiting -= 1;
        let message = slot.message;
        while self.ring.front().is_some_and(|slot| slot.done) {
            self.ring.pop_front();
            self.front_id = id_after(self.front_id, 1);
        }
        Some(message)
    }

    /// Every waiting message with its identifier, oldest first.
    pub fn unacknowledged(&self) -> impl Iterator<Item = (u16, &Message)> {
        let front = self.front_id;
        self.ring
            .iter()
            .enumerate()
            .filter(|(_, slot)| !slot.done)
            .map(move |(place, slot)| (id_after(front, place), &slot.message))
    }

    /// Takes out everything, for QoS 0 where nothing is acknowledged.
    pub fn drain(&mut self) -> impl Iterator<Item = Message> + '_ {
        self.front_id = id_after(self.front_id, self.ring.len());
        self.waiting = 0;
        self.ring.drain(..).map(|slot| slot.message)
    }
}

/// The identifier `steps` after `id`; identifiers skip 0.
fn id_after(id: u16, steps: usize) -> u16 {
    ((usize::from(id) - 1 + steps) % usize::from(IDS)) as u16 + 1
}

/// How many steps lead from `front` to `id`; `None` for the forbidden 0.
fn distance(front: u16, id: u16) -> Option<usize> {
    let id = usize::from(id).checked_sub(1)?;
    Some((id + usize::from(IDS) - (usize::from(front) - 1)) % usize::from(IDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(seq: u64) -> Message {
        Message {
            seq,
            ts: seq + 100,
            due: 0,
            sent: 0,
        }
    }

    #[test]
    fn acknowledgements_in_order_free_the_window() {
        let mut ring = InFlight::new(2);
        assert_eq!([ring.push(message(0)), ring.push(message(1))], [1, 2]);
        assert_eq!(ring.room(), 0);
        assert_eq!(ring.acknowledge(1), Some(message(0)));
        assert_eq!((ring.room(), ring.waiting()), (1, 1));
        assert_eq!(ring.push(message(2)), 3);
        assert_eq!(ring.acknowledge_oldest(), Some(message(1)));
        assert_eq!(ring.acknowledge_oldest(), Some(message(2)));
        assert_eq!(ring.acknowledge_oldest(), None);
    }

    #[test]
    fn an_early_acknowledgement_waits_for_the_earlier_ones() {
        let mut ring = InFlight::new(3);
        for seq in 0..3 {
            ring.push(message(seq));
        }
        assert_eq!(ring.acknowledge(2), Some(message(1)));
        assert_eq!((ring.room(), ring.waiting(), ring.taken()), (0, 2, 3));
        assert_eq!(
            ring.unacknowledged().map(|(id, message)| (id, message.seq)).collect::<Vec<_>>(),
            [(1, 0), (3, 2)]
        );
        assert_eq!(ring.acknowledge(1), Some(message(0)));
        assert_eq!((ring.room(), ring.taken()), (2, 1));
    }

    #[test]
    fn unknown_and_repeated_identifiers_settle_nothing() {
        let mut ring = InFlight::new(4);
        ring.push(message(0));
        ring.push(message(1));
        assert_eq!(ring.acknowledge(2), Some(message(1)));
        for id in [2, 0, 3, 65_535] {
            assert_eq!(ring.acknowledge(id), None, "{id}");
        }
        assert_eq!(ring.waiting(), 1);
    }

    #[test]
    fn identifiers_start_over_at_one() {
        let mut ring = InFlight::new(5);
        for seq in 0..200_000 {
            let id = ring.push(message(seq));
            assert_eq!(u64::from(id), seq % 65_535 + 1);
            if seq >= 4 {
                let oldest = (seq - 4) % 65_535 + 1;
                assert_eq!(ring.acknowledge(oldest as u16), Some(message(seq - 4)));
            }
        }
        assert_eq!(ring.waiting(), 4);
    }

    #[test]
    fn draining_empties_and_goes_on_with_new_identifiers() {
        let mut ring = InFlight::new(3);
        ring.push(message(0));
        ring.push(message(1));
        assert_eq!(ring.drain().map(|message| message.seq).collect::<Vec<_>>(), [0, 1]);
        assert_eq!((ring.room(), ring.waiting(), ring.push(message(2))), (3, 0, 3));
    }
}
