//! What a connection to a broker needs of a protocol: what to say, and what was heard. Pure; a [`super::link`] gives it time and bytes.
//!
//! A broker is a stranger: what it says has a size, and what does not belong to the conversation ends it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::window::IN_FLIGHT_MAX;
use super::{amqp, kafka, smpp, smtp};

/// After so long without a word of its own a side says something.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(30);

/// What is sent.
pub(super) enum Letter {
    Mqtt { topic: String, payload: Bytes, retain: bool },
    Kafka(kafka::Ask),
    Amqp(amqp::Message),
    Smtp(smtp::Mail),
    Smpp(smpp::Text),
}

/// What a broker says to a letter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// It has it.
    Acknowledged,
    /// It has it, at this place of its partition.
    At(i64),
    /// It did not take it: another broker is to be asked, or this one later. Why, in words.
    Moved(&'static str),
    /// Who has the partitions of a topic.
    Topic(kafka::Topic),
}

/// What was heard.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Heard {
    /// From here on the conversation is to be secret.
    Secret,
    /// The login is done.
    LetIn,
    /// It is not: why, in words.
    Refused(String),
    /// The letter with this number was answered; an error says in words why the broker does not have it.
    Answered(u16, Result<Answer, String>),
    /// The other side is there.
    Alive,
}

/// One side of a conversation. An error ends it.
pub(super) trait Speech: Send {
    /// The first words.
    fn greet(&mut self, out: &mut BytesMut);

    /// Understands one thing that was heard, and says what is to be said to it at once. None: it is not complete.
    fn hear(&mut self, heard: &mut BytesMut, out: &mut BytesMut) -> Result<Option<Heard>, String>;

    /// The conversation has become secret, as was [told](Heard::Secret).
    fn secret(&mut self, _: &mut BytesMut) {}

    /// Letters that may be without an answer, when the login is done.
    fn in_flight_max(&self) -> u16 {
        IN_FLIGHT_MAX
    }

    /// Why the other side would not take a letter, in words: it is not sent. None: it may.
    fn refuses(&self, _: &Letter) -> Option<String> {
        None
    }

    /// Sends a letter under a number that no other has until it is answered.
    fn say(&mut self, number: u16, letter: &Letter, out: &mut BytesMut) -> Result<(), String>;

    /// After so long without a word of its own this side says something.
    fn silence_max(&self) -> Duration {
        SILENCE_MAX
    }

    /// A conversation that is as old ends when all its letters are answered; what comes later begins another. None: it goes on.
    fn lasts(&self) -> Option<Duration> {
        None
    }

    /// Asks whether the other side is there; it says something within so long.
    fn ping(&mut self, out: &mut BytesMut) -> Duration;

    /// The last words.
    fn leave(&mut self, out: &mut BytesMut);
}

/// A letter that the connection it was given to does not understand.
pub(super) fn strange<T>() -> Result<T, String> {
    Err("a letter of another protocol".to_owned())
}
