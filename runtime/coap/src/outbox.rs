//! Confirmable messages for one client: one at a time (NSTART, RFC 7252, 4.7), sent again with growing pauses until it is acknowledged
//! or given up (4.2).

use std::collections::VecDeque;

use bytes::Bytes;

use crate::config::Times;
use crate::{Kind, Message, Token};

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Answers a request that was acknowledged without its response.
    Answer,
    /// Tells an observer something.
    Notification(Token),
}

#[derive(Debug)]
struct Flight {
    id: u16,
    datagram: Bytes,
    purpose: Purpose,
    sent_again: u32,
    pause_ms: u64,
    due_ms: u64,
}

/// Messages on their way, and waiting.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    flight: Option<Flight>,
    waiting: VecDeque<(Message, Purpose)>,
}

/// What time brings.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    Again(Bytes),
    GivenUp,
}

impl Outbox {
    /// Appends a message; false: too many wait already.
    pub(crate) fn push(&mut self, message: Message, purpose: Purpose, max: usize) -> bool {
        let fits = self.waiting.len() < max;
        if fits {
            self.waiting.push_back((message, purpose));
        }
        fits
    }

    /// Sends the next one, if none is on its way. `id` numbers it, `pause_ms` is how long to wait for its acknowledgement.
    pub(crate) fn start(&mut self, now_ms: u64, id: u16, pause_ms: u64) -> Option<Bytes> {
        if self.flight.is_some() {
            return None;
        }
        let (mut message, purpose) = self.waiting.pop_front()?;
        (message.kind, message.id) = (Kind::Confirmable, id);
        let datagram = Bytes::from(message.write());
        self.flight = Some(Flight {
            id,
            datagram: datagram.clone(),
            purpose,
            sent_again: 0,
            pause_ms,
            due_ms: now_ms + pause_ms,
        });
        Some(datagram)
    }

    /// The client acknowledged, or reset, a message. None: not the one that is on its way.
    pub(crate) fn settled(&mut self, id: u16) -> Option<Purpose> {
        self.flight.take_if(|flight| flight.id == id).map(|flight| flight.purpose)
    }

    /// Sends again, or gives up.
    pub(crate) fn time(&mut self, now_ms: u64, times: &Times) -> Due {
        let Some(flight) = self.flight.as_mut().filter(|flight| flight.due_ms <= now_ms) else {
            return Due::Nothing;
        };
        if flight.sent_again >= times.retransmissions_max {
            self.flight = None;
            return Due::GivenUp;
        }
        flight.sent_again += 1;
        flight.pause_ms *= 2;
        flight.due_ms = now_ms + flight.pause_ms;
        Due::Again(flight.datagram.clone())
    }

    /// What an observer that is gone was to be told is not told; what is on its way ends by itself.
    pub(crate) fn forget(&mut self, token: Token) {
        self.waiting.retain(|(_, purpose)| *purpose != Purpose::Notification(token));
    }

    /// Nothing is sent any more.
    pub(crate) fn clear(&mut self) {
        *self = Outbox::default();
    }

    /// Whether another message could start now.
    pub(crate) fn can_start(&self) -> bool {
        self.flight.is_none() && !self.waiting.is_empty()
    }

    /// Messages on their way, and waiting.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + usize::from(self.flight.is_some())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.flight.is_none() && self.waiting.is_empty()
    }

    pub(crate) fn next_due(&self) -> Option<u64> {
        self.flight.as_ref().map(|flight| flight.due_ms)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::Code;

    fn message() -> Message {
        Message::new(Kind::Confirmable, Code::CONTENT, 0, Token::default())
    }

    #[test]
    fn a_message_is_sent_five_times_with_doubling_pauses_and_then_given_up() {
        let (mut outbox, times) = (Outbox::default(), Times::default());
        assert!(outbox.push(message(), Purpose::Answer, 1));
        assert!(outbox.start(0, 7, 2_000).is_some());
        let mut sent = Vec::new();
        let given_up = loop {
            let now_ms = outbox.next_due().unwrap();
            assert_eq!(outbox.time(now_ms - 1, &times), Due::Nothing);
            match outbox.time(now_ms, &times) {
                Due::Again(datagram) => sent.push((now_ms, datagram[3])),
                Due::GivenUp => break now_ms,
                Due::Nothing => unreachable!(),
            }
        };
        assert_eq!(sent, [(2_000, 7), (6_000, 7), (14_000, 7), (30_000, 7)]);
        assert_eq!(given_up, 62_000);
        assert!(outbox.is_empty());
    }

    #[test]
    fn one_at_a_time() {
        let mut outbox = Outbox::default();
        let token = Token::new(b"t").unwrap();
        assert!(outbox.push(message(), Purpose::Notification(token), 2));
        assert!(outbox.start(0, 1, 10).is_some());
        assert!(outbox.push(message(), Purpose::Answer, 2) && outbox.push(message(), Purpose::Notification(token), 2));
        assert!(!outbox.push(message(), Purpose::Answer, 2), "two wait already");
        assert!(outbox.start(0, 2, 10).is_none() && !outbox.can_start());
        assert_eq!(outbox.settled(9), None);
        assert_eq!(outbox.settled(1), Some(Purpose::Notification(token)));
        outbox.forget(token);
        assert!(outbox.can_start() && outbox.start(0, 2, 10).is_some());
        assert_eq!(outbox.settled(2), Some(Purpose::Answer));
        assert!(outbox.is_empty());
    }
}
