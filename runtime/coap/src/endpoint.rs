//! All clients of one socket, as a pure machine: datagrams, answers and time in, [`Command`]s out. No socket, no clock, no randomness
//! but a seed.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::budget::Budget;
use crate::config::Config;
use crate::message::FormatError;
use crate::observers;
use crate::peer::Peer;
use crate::{Kind, Message, Request, Response, Token};

/// Clients looked at when one has to give way.
const LOOKED_AT_MAX: usize = 16;

/// A request that waits for the application's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Exchange {
    /// The client.
    pub peer: SocketAddr,
    pub(crate) number: u64,
    /// The token of the request: names the observation that it asks for, or asks to end.
    pub(crate) token: Token,
}

impl Exchange {
    /// The observation that the request asks for, or asks to end.
    pub fn observation(&self) -> Observation {
        Observation {
            peer: self.peer,
            token: self.token,
        }
    }
}

/// What a client observes, named by its address and the token of its request (RFC 7641, 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Observation {
    /// The client.
    pub peer: SocketAddr,
    pub(crate) token: Token,
}

/// Why an observation ended without the application's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// The client asked for it.
    Cancelled,
    /// The client does not know what it was told.
    Reset,
    /// The client did not acknowledge.
    Silent,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Send a datagram.
    Send {
        /// To whom.
        to: SocketAddr,
        /// What.
        datagram: Bytes,
    },
    /// Answer a request, by [`Endpoint::answer`].
    Request(Exchange, Request),
    /// An observation is over; nothing is to be told any more.
    Ended(Observation, Why),
    /// A notification was not sent: too many wait for the client, or it may not be sent so much.
    Dropped(Observation),
}

/// How many of what there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Clients remembered.
    pub peers: usize,
    /// Requests being answered.
    pub open: usize,
    /// Observations.
    pub observations: usize,
    /// Bytes of bodies in parts.
    pub body_bytes: usize,
}

/// All clients of one socket.
#[derive(Debug)]
pub struct Endpoint {
    peers: HashMap<SocketAddr, Peer>,
    /// When which client has something to be done.
    timers: BTreeSet<(u64, SocketAddr)>,
    shared: Shared,
}

/// What all clients share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) rng: StdRng,
    pub(crate) bodies: Budget,
    pub(crate) open: Budget,
    pub(crate) observations: Budget,
    pub(crate) exchanges: u64,
    pub(crate) commands: Vec<Command>,
}

impl Shared {
    /// How long to wait for the first acknowledgement (RFC 7252, 4.2).
    pub(crate) fn first_pause_ms(&mut self) -> u64 {
        let times = &self.config.times;
        let longest = times.ack_timeout_ms * times.ack_random_percent / 100;
        self.rng.random_range(times.ack_timeout_ms..=longest.max(times.ack_timeout_ms))
    }

    pub(crate) fn clock(&self, now_ms: u64) -> u32 {
        observers::clock(self.config.started_s, now_ms)
    }
}

impl Endpoint {
    /// Without clients. The seed makes numbers that cannot be foreseen; it must differ each time.
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        Endpoint {
            peers: HashMap::new(),
            timers: BTreeSet::new(),
            shared: Shared {
                rng: StdRng::from_seed(seed),
                bodies: Budget::new(config.limits.bodies_bytes_max),
                open: Budget::new(config.limits.open_max),
                observations: Budget::new(config.limits.observations_max),
                exchanges: 0,
                commands: Vec::new(),
                config,
            },
        }
    }

    /// What is to be done, in order.
    pub fn commands(&mut self) -> impl Iterator<Item = Command> {
        self.shared.commands.drain(..)
    }

    /// How many of what there are.
    pub fn counts(&self) -> Counts {
        Counts {
            peers: self.peers.len(),
            open: self.shared.open.used(),
            observations: self.shared.observations.used(),
            body_bytes: self.shared.bodies.used(),
        }
    }

    /// When [`Endpoint::time`] has something to do next.
    pub fn next_due_ms(&self) -> Option<u64> {
        self.timers.first().map(|(due_ms, _)| *due_ms)
    }

    /// A datagram came in.
    pub fn datagram(&mut self, now_ms: u64, from: SocketAddr, datagram: &[u8]) {
        let length = datagram.len();
        let message = match Message::read(datagram) {
            Ok(message) => message,
            Err(FormatError::Rejected(id)) => return self.reset(from, id),
            Err(FormatError::Ignored) => return,
        };
        match (message.kind, message.code) {
            (Kind::Acknowledgement, _) => self.known(now_ms, from, |peer, _| {
                peer.received(length);
                peer.acknowledged(message.id);
            }),
            (Kind::Reset, _) => self.known(now_ms, from, |peer, shared| {
                peer.received(length);
                peer.reset(message.id, shared);
            }),
            (_, code) if code.is_request() => self.request(now_ms, from, &message, datagram),
            // A ping (RFC 7252, 4.3), or a response to nothing that was asked (4.2).
            (Kind::Confirmable, _) => self.reset(from, message.id),
            (Kind::NonConfirmable, _) => {}
        }
    }

    /// The application answers a request. Not once more: later answers are ignored.
    pub fn answer(&mut self, now_ms: u64, exchange: Exchange, response: &Response) {
        self.known(now_ms, exchange.peer, |peer, shared| {
            peer.answer(now_ms, exchange.number, response, shared);
        });
    }

    /// The application tells an observer something.
    pub fn notify(&mut self, now_ms: u64, observation: Observation, response: &Response) {
        self.known(now_ms, observation.peer, |peer, shared| {
            peer.notify(now_ms, observation.token, response, shared);
        });
    }

    /// The application ends an observation, and tells the observer so.
    pub fn finish(&mut self, now_ms: u64, observation: Observation, response: &Response) {
        self.known(now_ms, observation.peer, |peer, shared| {
            peer.finish(observation.token, response, shared);
        });
    }

    /// Forgets a client whose connection ended. Its observations end.
    pub fn forget(&mut self, peer: SocketAddr) {
        if let Some(mut gone) = self.peers.remove(&peer) {
            gone.end(&mut self.shared);
            if let Some(due_ms) = gone.timer {
                self.timers.remove(&(due_ms, peer));
            }
        }
    }

    /// Time has passed.
    pub fn time(&mut self, now_ms: u64) {
        while self.next_due_ms().is_some_and(|due_ms| due_ms <= now_ms)
            && let Some((_, address)) = self.timers.pop_first()
        {
            self.known(now_ms, address, |peer, shared| {
                peer.timer = None;
                peer.time(now_ms, shared);
            });
        }
    }

    fn request(&mut self, now_ms: u64, from: SocketAddr, message: &Message, datagram: &[u8]) {
        if !self.peers.contains_key(&from) {
            if self.peers.len() >= self.shared.config.limits.peers_max && !self.make_room() {
                return;
            }
            let first_id = self.shared.rng.random();
            self.peers.insert(from, Peer::new(from, first_id, self.shared.config.proven));
        }
        self.known(now_ms, from, |peer, shared| {
            peer.received(datagram.len());
            peer.request(now_ms, message, datagram, shared);
        });
    }

    /// Has the client give way that has been silent longest, of those that wait for nothing.
    fn make_room(&mut self) -> bool {
        let oldest = self.timers.iter().take(LOOKED_AT_MAX).map(|(_, peer)| *peer);
        let idle = oldest.into_iter().find(|peer| self.peers.get(peer).is_some_and(Peer::is_idle));
        if let Some(peer) = idle {
            self.forget(peer);
        }
        idle.is_some()
    }

    /// Does something with a client that is known, and sets its timer anew. A client of which nothing is remembered is forgotten.
    fn known(&mut self, now_ms: u64, from: SocketAddr, work: impl FnOnce(&mut Peer, &mut Shared)) {
        let Some(peer) = self.peers.get_mut(&from) else { return };
        work(peer, &mut self.shared);
        peer.send_next(now_ms, &mut self.shared);
        let due = peer.next_due();
        if peer.timer != due {
            if let Some(before_ms) = peer.timer {
                self.timers.remove(&(before_ms, from));
            }
            self.timers.extend(due.map(|due_ms| (due_ms, from)));
            peer.timer = due;
        }
        if due.is_none() && !peer.observes() {
            self.peers.remove(&from);
        }
    }

    fn reset(&mut self, to: SocketAddr, id: u16) {
        // Four bytes for at least four bytes: no state, and no gain for who forges addresses.
        let datagram = Message::empty(Kind::Reset, id).write().into();
        self.shared.commands.push(Command::Send { to, datagram });
    }
}

#[cfg(test)]
mod tests;
