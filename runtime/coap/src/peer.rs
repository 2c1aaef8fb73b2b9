//! One client: its requests, what it observes, what it has to be sent.
//!
//! 1. here – requests and acknowledgements in,
//! 2. [`answer`] – responses out: piggybacked, separate, in blocks,
//! 3. [`push`] – notifications, and confirmable messages one at a time,
//! 4. [`time`] – what becomes due.

mod answer;
mod push;
mod time;

use std::collections::HashMap;
use std::net::SocketAddr;

use bytes::Bytes;

use crate::assembly::{Assemblies, Progress};
use crate::bodies::Bodies;
use crate::credit::Credit;
use crate::endpoint::{Command, Exchange, Observation, Shared, Why};
use crate::observers::Observers;
use crate::outbox::{Outbox, Purpose};
use crate::request::{Transfer, TransferKey};
use crate::seen::{Fate, Mark, Seen};
use crate::{Code, Kind, Message, Observe, Request, Response, Token};

/// A request on its way to an answer.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    confirmable: bool,
    id: u16,
    mark: Mark,
    token: Token,
    /// Bytes of the datagram that asked.
    length: usize,
    key: TransferKey,
    transfer: Transfer,
    /// The client asks to observe.
    register: bool,
    /// It was acknowledged without its response.
    acknowledged: bool,
    asked_ms: u64,
    /// When it is acknowledged without its response; then, when it is forgotten.
    due_ms: u64,
}

/// One client.
#[derive(Debug)]
pub(crate) struct Peer {
    address: SocketAddr,
    next_id: u16,
    credit: Credit,
    seen: Seen,
    open: HashMap<u64, Asked>,
    assemblies: Assemblies,
    bodies: Bodies,
    observers: Observers,
    outbox: Outbox,
    /// For when the endpoint has set its timer.
    pub(crate) timer: Option<u64>,
}

impl Peer {
    pub(crate) fn new(address: SocketAddr, first_id: u16, proven: bool) -> Self {
        Peer {
            address,
            next_id: first_id,
            credit: Credit::new(proven),
            seen: Seen::default(),
            open: HashMap::new(),
            assemblies: Assemblies::default(),
            bodies: Bodies::default(),
            observers: Observers::default(),
            outbox: Outbox::default(),
            timer: None,
        }
    }

    pub(crate) fn received(&mut self, bytes: usize) {
        self.credit.received(bytes);
    }

    /// Whether nobody waits for anything here.
    pub(crate) fn is_idle(&self) -> bool {
        self.open.is_empty() && self.outbox.is_empty() && !self.observes()
    }

    pub(crate) fn observes(&self) -> bool {
        self.observers.len() > 0
    }

    /// A request, new or not.
    pub(crate) fn request(&mut self, now_ms: u64, message: &Message, datagram: &[u8], shared: &mut Shared) {
        let confirmable = message.kind == Kind::Confirmable;
        let mark = Mark::of(message.id, datagram);
        if let Some(fate) = self.seen.get(mark, now_ms) {
            // A duplicate is answered as the first was (RFC 7252, 4.5), or not at all if it need not be.
            match fate.clone() {
                Fate::Answered(datagram) if confirmable => self.send(datagram, shared),
                Fate::Acknowledged if confirmable => self.acknowledge(message.id, shared),
                _ => {}
            }
            return;
        }
        let (times, limits) = (&shared.config.times, &shared.config.limits);
        let lifetime_ms = if confirmable {
            times.exchange_lifetime_ms
        } else {
            times.non_lifetime_ms
        };
        self.seen.insert(mark, now_ms + lifetime_ms, limits.seen_per_peer_max);
        let mut asked = Asked {
            confirmable,
            id: message.id,
            mark,
            token: message.token,
            length: datagram.len(),
            key: TransferKey::of(message, false),
            transfer: Transfer::default(),
            register: false,
            acknowledged: false,
            asked_ms: now_ms,
            due_ms: now_ms + times.piggyback_ms,
        };
        match Request::read(message) {
            Ok((request, transfer)) => {
                asked.transfer = transfer;
                if let Some(request) = self.whole(now_ms, request, &mut asked, message, shared) {
                    self.take(request, asked, shared);
                }
            }
            // What has an unknown critical option and need not be acknowledged is ignored (RFC 7252, 5.4.1).
            Err(Code::BAD_OPTION) if !confirmable => self.seen.became(mark, Fate::Silent),
            Err(code) => self.respond(now_ms, asked, &Response::new(code), None, shared),
        }
    }

    /// The request with its body, when the last block of it has come. Blocks of a response that is kept are answered from there.
    fn whole(&mut self, now_ms: u64, mut request: Request, asked: &mut Asked, message: &Message, shared: &mut Shared) -> Option<Request> {
        let Shared { config, bodies, .. } = shared;
        let refused = match asked.transfer.block1 {
            Some(block) => {
                let key = TransferKey::of(message, true);
                match self.assemblies.take(key, block, &message.payload, now_ms, config, bodies) {
                    Progress::Complete(body) => {
                        request.payload = body;
                        None
                    }
                    Progress::Continue => Some(Code::CONTINUE),
                    Progress::Refused(code) => Some(code),
                }
            }
            None => (message.payload.len() > config.limits.body_bytes_max).then_some(Code::REQUEST_ENTITY_TOO_LARGE),
        };
        if let Some(code) = refused {
            // More is to come: the client may send the next block (RFC 7959, 2.3).
            if let Some(block1) = &mut asked.transfer.block1 {
                block1.more = code == Code::CONTINUE;
            }
            asked.transfer.block2 = None;
            self.respond(now_ms, asked.clone(), &Response::new(code), None, shared);
            return None;
        }
        if asked.transfer.block2.is_some_and(|block| block.number > 0) {
            // Whoever asks for a later block has observed already (RFC 7959, 3.4).
            request.observe = None;
            let kept = self.bodies.get(&asked.key, now_ms, &shared.config);
            let answer = match kept {
                Some(response) => response,
                // Asking again does no harm.
                None if request.method == Code::GET => return Some(request),
                None => Response::new(Code::REQUEST_ENTITY_INCOMPLETE),
            };
            self.respond(now_ms, asked.clone(), &answer, None, shared);
            return None;
        }
        Some(request)
    }

    /// Hands a request to the application.
    fn take(&mut self, mut request: Request, mut asked: Asked, shared: &mut Shared) {
        let limits = &shared.config.limits;
        // Answers may come to wait behind each other for a client that acknowledges nothing: room is kept for them.
        let crowded = self.open.len() >= limits.open_per_peer_max || self.open.len() + self.outbox.len() >= limits.waiting_per_peer_max;
        if crowded || !shared.open.take(1) {
            return self.respond(asked.asked_ms, asked, &Response::busy(), None, shared);
        }
        match request.observe {
            Some(Observe::Deregister) => self.unobserve(asked.token, Some(Why::Cancelled), shared),
            Some(Observe::Register) => {
                asked.register = self.observers.contains(asked.token)
                    || (self.observers.len() < limits.observations_per_peer_max && shared.observations.used() < limits.observations_max);
                if !asked.register {
                    request.observe = None;
                }
            }
            None => {}
        }
        shared.exchanges += 1;
        let exchange = Exchange {
            peer: self.address,
            number: shared.exchanges,
            token: asked.token,
        };
        self.open.insert(exchange.number, asked);
        shared.commands.push(Command::Request(exchange, request));
    }

    /// The client has a confirmable message.
    pub(crate) fn acknowledged(&mut self, id: u16) {
        match self.outbox.settled(id) {
            Some(_) => self.credit.prove(),
            None => self.credit.guessed(),
        }
    }

    /// The client does not know what a message is about: an observation that it was of ends (RFC 7641, 3.6).
    pub(crate) fn reset(&mut self, id: u16, shared: &mut Shared) {
        let token = match self.outbox.settled(id) {
            Some(Purpose::Notification(token)) => Some(token),
            Some(Purpose::Answer) => None,
            None => self.observers.by_last_id(id),
        };
        if let Some(token) = token {
            self.unobserve(token, Some(Why::Reset), shared);
        }
    }

    /// Ends an observation, if there is one. `why`: the application is told.
    fn unobserve(&mut self, token: Token, why: Option<Why>, shared: &mut Shared) {
        if self.observers.remove(token).is_none() {
            return;
        }
        self.outbox.forget(token);
        shared.observations.give(1);
        if let Some(why) = why {
            let observation = self.observation(token);
            shared.commands.push(Command::Ended(observation, why));
        }
    }

    /// The client is forgotten.
    pub(crate) fn end(&mut self, shared: &mut Shared) {
        self.unobserve_all(shared);
        shared.open.give(self.open.len());
        self.open.clear();
        self.assemblies.clear(&mut shared.bodies);
        self.bodies.clear(&mut shared.bodies);
    }

    fn unobserve_all(&mut self, shared: &mut Shared) {
        self.outbox.clear();
        let tokens: Vec<Token> = self.observers.drain().collect();
        shared.observations.give(tokens.len());
        let ended = tokens.into_iter().map(|token| Command::Ended(self.observation(token), Why::Silent));
        shared.commands.extend(ended);
    }

    fn observation(&self, token: Token) -> Observation {
        Observation { peer: self.address, token }
    }

    fn take_id(&mut self) -> u16 {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        id
    }

    /// Sends if the client may be sent so much; else the client, if it is one, asks again.
    fn send(&mut self, datagram: Bytes, shared: &mut Shared) {
        if self.credit.spend(datagram.len()) {
            shared.commands.push(Command::Send {
                to: self.address,
                datagram,
            });
        }
    }

    fn acknowledge(&mut self, id: u16, shared: &mut Shared) {
        self.send(Message::empty(Kind::Acknowledgement, id).write().into(), shared);
    }
}
