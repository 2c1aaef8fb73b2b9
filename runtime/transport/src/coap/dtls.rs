//! DTLS between the socket and the endpoint, as a machine without a socket: datagrams and time in, events out.
//!
//! A handshake has to show by a cookie that its client receives before anything costly is done, and stands in a small table of its own:
//! only a finished one takes the place of a session, so that nobody ends a session by forging a greeting. Must not know CoAP.

mod keys;
mod presented;
mod session;

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use keys::{DtlsKeys, KeysError, ServedKeys};
use session::{Guarded, Told};

/// Limits of a DTLS socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Handshakes at one time. Beyond: the oldest is given up.
    pub(super) handshakes_max: usize,
    /// Sessions. Beyond: a finished handshake is given up.
    pub(super) sessions_max: usize,
    /// A handshake that is not finished by then is given up.
    pub(super) handshake_timeout: Duration,
    /// A session in which nothing was heard for so long is forgotten.
    pub(super) idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            handshakes_max: 1_000,
            sessions_max: 50_000,
            handshake_timeout: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(86_400),
        }
    }
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Send a datagram.
    Send(SocketAddr, Vec<u8>),
    /// A client said something.
    Message(SocketAddr, Vec<u8>),
    /// What was with a client is over.
    Ended(SocketAddr),
}

/// All clients of one socket.
pub(super) struct Guards {
    keys: ServedKeys,
    limits: Limits,
    handshakes: HashMap<SocketAddr, Guarded>,
    /// Handshakes by when they began.
    begun: BTreeSet<(Instant, SocketAddr)>,
    sessions: HashMap<SocketAddr, Guarded>,
    timers: BTreeSet<(Instant, SocketAddr)>,
    events: Vec<Event>,
    told: Vec<Told>,
}

impl Guards {
    pub(super) fn new(keys: impl Into<ServedKeys>, limits: Limits) -> Self {
        Guards {
            keys: keys.into(),
            limits,
            handshakes: HashMap::new(),
            begun: BTreeSet::new(),
            sessions: HashMap::new(),
            timers: BTreeSet::new(),
            events: Vec::new(),
            told: Vec::new(),
        }
    }

    /// What is to be done, in order.
    pub(super) fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Sessions there are.
    pub(super) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// The certificates (DER) of a client: its own, whose key it has proved to have, then those that it says vouch for it.
    pub(super) fn certificates(&self, client: SocketAddr) -> Option<Arc<[Vec<u8>]>> {
        self.sessions.get(&client)?.certificates.clone()
    }

    /// A datagram came in.
    pub(super) fn datagram(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let greeting = is_greeting(datagram);
        // Whoever greets for the first time begins anew, whatever somebody began at this address before.
        let first = greeting && datagram.get(17..22) == Some(&[0; 5]);
        if first && let Some(before) = self.handshakes.remove(&from) {
            self.unschedule(from, &before);
            self.begun.remove(&(before.began, from));
        }
        if !greeting && let Some(mut session) = self.sessions.remove(&from) {
            self.unschedule(from, &session);
            let alive = session.datagram(now, datagram, &mut self.told);
            self.settle(now, from, session, alive);
        }
        if greeting && !self.handshakes.contains_key(&from) {
            self.begin(now, from, datagram);
        }
        if let Some(mut handshake) = self.handshakes.remove(&from) {
            self.unschedule(from, &handshake);
            self.begun.remove(&(handshake.began, from));
            let alive = handshake.datagram(now, datagram, &mut self.told);
            self.settle(now, from, handshake, alive);
        }
    }

    /// The endpoint says something to a client; nothing if there is no session any more.
    pub(super) fn send(&mut self, now: Instant, to: SocketAddr, message: &[u8]) {
        let Some(mut session) = self.sessions.remove(&to) else { return };
        self.unschedule(to, &session);
        let alive = session.send(now, message, &mut self.told);
        self.settle(now, to, session, alive);
    }

    /// When [`Guards::time`] has something to do next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.timers.first().map(|(due, _)| *due)
    }

    /// Time has passed.
    pub(super) fn time(&mut self, now: Instant) {
        while self.next_due().is_some_and(|due| due <= now)
            && let Some((due, client)) = self.timers.pop_first()
        {
            let is_due = |guarded: &mut Guarded| guarded.timer == Some(due);
            let found = match self.handshakes.get_mut(&client).is_some_and(is_due) {
                true => self.handshakes.remove(&client),
                false => self.sessions.remove(&client),
            };
            let Some(mut guarded) = found else { continue };
            self.begun.remove(&(guarded.began, client));
            let alive = guarded.time(now, &self.limits, &mut self.told);
            self.settle(now, client, guarded, alive);
        }
    }

    fn begin(&mut self, now: Instant, from: SocketAddr, greeting: &[u8]) {
        let Some(proof) = self.keys.for_greeting(greeting) else { return };
        if self.handshakes.len() >= self.limits.handshakes_max
            && let Some((_, oldest)) = self.begun.pop_first()
            && let Some(given_up) = self.handshakes.remove(&oldest)
        {
            self.unschedule(oldest, &given_up);
            count_given_up("too many");
        }
        self.handshakes.insert(from, Guarded::new(proof, now));
    }

    /// Passes on what a session told, and keeps it where it belongs.
    fn settle(&mut self, now: Instant, client: SocketAddr, mut guarded: Guarded, alive: bool) {
        let was_session = guarded.established;
        for told in self.told.drain(..) {
            match told {
                Told::Packet(packet) => self.events.push(Event::Send(client, packet)),
                Told::Message(message) if guarded.established => self.events.push(Event::Message(client, message)),
                Told::Message(_) => {}
                Told::Connected => guarded.established = true,
                Told::Certificates(certificates) => guarded.certificates = Some(certificates.into()),
            }
        }
        if guarded.established && !was_session {
            let replaced = self.sessions.remove(&client);
            if let Some(replaced) = replaced {
                self.unschedule(client, &replaced);
                self.events.push(Event::Ended(client));
            } else if self.sessions.len() >= self.limits.sessions_max {
                count_given_up("too many sessions");
                return;
            }
        }
        if !alive {
            if guarded.established {
                self.events.push(Event::Ended(client));
            } else {
                let is_late = now >= guarded.began + self.limits.handshake_timeout;
                count_given_up(if is_late { "slow" } else { "failed" });
            }
            return;
        }
        let due = guarded.next_due(now, &self.limits);
        guarded.timer = Some(due);
        self.timers.insert((due, client));
        if guarded.established {
            self.sessions.insert(client, guarded);
        } else {
            self.begun.insert((guarded.began, client));
            self.handshakes.insert(client, guarded);
        }
    }

    fn unschedule(&mut self, client: SocketAddr, guarded: &Guarded) {
        if let Some(due) = guarded.timer {
            self.timers.remove(&(due, client));
        }
    }
}

/// A handshake came to nothing.
fn count_given_up(why: &'static str) {
    metrics::counter!("coap_handshakes_given_up_total", "why" => why).increment(1);
}

/// Whether a datagram begins a handshake: a record of epoch 0 with a ClientHello (RFC 6347, 4.1 and 4.2.2).
fn is_greeting(datagram: &[u8]) -> bool {
    const HANDSHAKE: u8 = 22;
    const CLIENT_HELLO: u8 = 1;
    datagram.first() == Some(&HANDSHAKE) && datagram.get(3..5) == Some(&[0, 0]) && datagram.get(13) == Some(&CLIENT_HELLO)
}

#[cfg(test)]
mod tests;
