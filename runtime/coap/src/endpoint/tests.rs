//! The endpoint as its clients see it. Statements of the standards, and the test that covers each:
//!
//! | statement | test |
//! |---|---|
//! | RFC 7252, 4.2: what cannot be processed is reset; a ping is (4.3) | `what_makes_no_sense_is_reset` |
//! | RFC 7252, 4.5: duplicates are answered as the first was | `a_duplicate_is_answered_as_the_first_was_and_asks_nobody_again`, `another_message_with_a_known_id_is_no_duplicate` |
//! | RFC 7252, 4.8.2: for EXCHANGE_LIFETIME, NON_LIFETIME | `a_number_may_be_used_again_after_its_lifetime` |
//! | RFC 7252, 5.2.1, 5.2.2: piggybacked, separate | `an_answer_in_time_comes_with_the_acknowledgement`, `a_late_answer_comes_on_its_own` |
//! | RFC 7252, 5.2.3: non-confirmable | `a_request_that_needs_no_acknowledgement_gets_none` |
//! | RFC 7252, 4.2, 4.7: retransmission, NSTART | `an_answer_is_sent_again_until_it_is_acknowledged` and `outbox` |
//! | RFC 7252, 5.4.1, 5.4.5: critical, repeated options | `request`, `options_nobody_knows` |
//! | RFC 7252, 11.3: amplification | `nobody_is_sent_more_than_three_times_what_came_from_there`, `credit` |
//! | RFC 7641, 3.2: registration, last word | `an_observer_is_told_until_it_cancels`, `the_last_word_has_no_number` |
//! | RFC 7641, 3.4, 4.4: order | `observers` |
//! | RFC 7641, 3.6: reset, of confirmable and other notifications | `a_reset_ends_an_observation` |
//! | RFC 7641, 4.1: keyed by endpoint and token; refused by answering | `observations_are_named_by_address_and_token` |
//! | RFC 7641, 4.5: silent observers | `a_silent_observer_is_given_up` |
//! | RFC 7959, 2.3, 2.5: Block1, 2.31, 4.08, 4.13 | `a_body_in_blocks_is_put_together`, `assembly` |
//! | RFC 7959, 2.4: Block2 | `a_large_answer_is_fetched_in_blocks_of_one_body`, `cut` |
//! | RFC 7959, 2.6: Block2 of notifications | `the_rest_of_a_large_notification_is_fetched` |

#![allow(clippy::unwrap_used)]

mod limits;
mod observing;
mod requests;

use super::*;
use crate::block::Block;
use crate::{Code, Limits, option};

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

/// An endpoint, a clock, and clients that the test plays.
struct World {
    endpoint: Endpoint,
    now_ms: u64,
}

impl World {
    fn new() -> Self {
        World::with(Config::default())
    }

    fn with(config: Config) -> Self {
        World {
            endpoint: Endpoint::new(config, [7; 32]),
            now_ms: 0,
        }
    }

    /// All clients have shown that they receive.
    fn proven() -> Self {
        World::with(Config {
            proven: true,
            ..Config::default()
        })
    }

    /// What the endpoint does about a message.
    fn hears(&mut self, port: u16, message: &Message) -> Vec<Command> {
        self.endpoint.datagram(self.now_ms, address(port), &message.write());
        self.endpoint.commands().collect()
    }

    /// The message reaches the application.
    fn asks(&mut self, port: u16, message: &Message) -> (Exchange, Request) {
        match &self.hears(port, message)[..] {
            [Command::Request(exchange, request)] => (*exchange, request.clone()),
            other => panic!("{other:?}"),
        }
    }

    fn answers(&mut self, exchange: Exchange, response: &Response) -> Vec<Message> {
        self.endpoint.answer(self.now_ms, exchange, response);
        sent(self.endpoint.commands().collect())
    }

    fn notifies(&mut self, observation: Observation, response: &Response) -> Vec<Message> {
        self.endpoint.notify(self.now_ms, observation, response);
        sent(self.endpoint.commands().collect())
    }

    /// Time passes to the next thing due.
    fn waits(&mut self) -> Vec<Command> {
        self.now_ms = self.endpoint.next_due_ms().unwrap();
        self.endpoint.time(self.now_ms);
        self.endpoint.commands().collect()
    }

    fn passes(&mut self, ms: u64) -> Vec<Command> {
        self.now_ms += ms;
        self.endpoint.time(self.now_ms);
        self.endpoint.commands().collect()
    }

    /// A client observes; answers the observation and the id of what it was told first.
    fn observes(&mut self, port: u16, id: u16, token: &[u8]) -> Observation {
        let (exchange, request) = self.asks(port, &get(id, token).with(option::OBSERVE, vec![]));
        assert_eq!(request.observe, Some(crate::Observe::Register));
        let told = self.answers(exchange, &content(2).observing());
        assert!(told[0].option(option::OBSERVE).is_some(), "{told:?}");
        exchange.observation()
    }
}

/// Messages that were sent, and nothing else happened.
fn sent(commands: Vec<Command>) -> Vec<Message> {
    let message = |command| match command {
        Command::Send { datagram, .. } => Message::read(&datagram).unwrap(),
        other => panic!("{other:?}"),
    };
    commands.into_iter().map(message).collect()
}

fn request(kind: Kind, code: Code, id: u16, token: &[u8]) -> Message {
    Message::new(kind, code, id, Token::new(token).unwrap())
        .with(option::URI_PATH, b"api".to_vec())
        .with(option::URI_PATH, b"somewhere-rather-long".to_vec())
}

fn get(id: u16, token: &[u8]) -> Message {
    request(Kind::Confirmable, Code::GET, id, token)
}

fn post(id: u16, payload: &[u8]) -> Message {
    Message {
        payload: payload.to_vec().into(),
        ..request(Kind::Confirmable, Code::POST, id, b"p")
    }
}

fn content(bytes: usize) -> Response {
    let body: Vec<u8> = (0..bytes).map(|n| b'a' + u8::try_from(n / 16 % 26).unwrap()).collect();
    Response::json(Code::CONTENT, body.into())
}

fn block(number: u32, more: bool, exponent: u8) -> Vec<u8> {
    Block { number, more, exponent }.write()
}
