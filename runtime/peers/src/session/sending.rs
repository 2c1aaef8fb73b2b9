//! What this peer has sent to the owner of devices and waits for: deliveries that are not done, answers. Also the sessions that the owner
//! may want to tell something.

use std::collections::{BTreeMap, HashMap};

use actor::Lane;
use cluster::{Delivery, RpcError, RpcReply, SessionId, SessionLink};
use model::{Downlink, Payload};
use tokio::sync::oneshot;

use crate::codec::answer;
use crate::port::Forward;
use crate::wire::done::Outcome;

/// Sessions remembered before those that are gone are looked for.
const LINKS_SWEPT: usize = 1024;

/// See the module.
#[derive(Default)]
pub(super) struct Sending {
    /// By the numbers of their items: in the order they were sent.
    sent: BTreeMap<u64, Forward>,
    waiting: HashMap<u64, ReplyTo>,
    links: HashMap<SessionId, Lane<Downlink>>,
    swept: usize,
}

/// Who waits for an answer.
enum ReplyTo {
    Answer(RpcReply),
    Told(oneshot::Sender<Result<(), RpcError>>),
}

impl ReplyTo {
    fn of(delivery: Delivery) -> Option<Self> {
        match delivery {
            Delivery::Rpc(request) => Some(ReplyTo::Answer(request.reply)),
            Delivery::Call(call) => Some(ReplyTo::Answer(call.reply)),
            Delivery::Answer(answer) => Some(ReplyTo::Told(answer.told)),
            Delivery::Remove(_, done) => Some(ReplyTo::Told(done)),
            _ => None,
        }
    }

    /// Who is gone waits for nothing.
    fn send(self, answer: Result<Option<Payload>, RpcError>) {
        match self {
            ReplyTo::Answer(reply) => drop(reply.send(answer)),
            ReplyTo::Told(told) => drop(told.send(answer.map(drop))),
        }
    }
}

impl Sending {
    /// Deliveries that are not done.
    pub(super) fn unsettled(&self) -> usize {
        self.sent.len()
    }

    /// A delivery is sent under a number.
    pub(super) fn sent(&mut self, number: u64, forward: Forward) {
        match &forward.delivery {
            Delivery::Connected(session) | Delivery::Uplink { session, .. } => self.remember(session),
            Delivery::Disconnected(session) => drop(self.links.remove(session)),
            _ => {}
        }
        self.sent.insert(number, forward);
    }

    /// What became of a delivery. Answers it when it has to be sent again.
    pub(super) fn done(&mut self, number: u64, outcome: &Outcome, waiting_max: usize) -> Option<Forward> {
        let forward = self.sent.remove(&number)?;
        match outcome {
            Outcome::Refused(_) => return Some(forward),
            Outcome::Settled(settled) => {
                if let Delivery::Uplink { receipt, .. } | Delivery::Presence { receipt, .. } = forward.delivery {
                    match answer::settled_of(*settled) {
                        Ok(()) => receipt.done(),
                        Err(error) => receipt.fail(error),
                    }
                }
            }
            Outcome::Taken(_) => {
                if let Some(reply) = ReplyTo::of(forward.delivery) {
                    if self.waiting.len() < waiting_max {
                        self.waiting.insert(number, reply);
                    } else {
                        reply.send(Err(RpcError::TooMany));
                    }
                }
            }
            // What the device said is not settled well: its receipt is dropped here.
            Outcome::NoDevice(_) | Outcome::Unavailable(_) => {
                if let Some(reply) = ReplyTo::of(forward.delivery) {
                    reply.send(Err(RpcError::NotConnected));
                }
            }
        }
        None
    }

    /// An answer came, be it before it was told that the delivery was taken.
    pub(super) fn replied(&mut self, number: u64, answer: Result<Option<Payload>, RpcError>) {
        let early = self.sent.remove(&number).and_then(|forward| ReplyTo::of(forward.delivery));
        if let Some(reply) = early.or_else(|| self.waiting.remove(&number)) {
            reply.send(answer);
        }
    }

    /// The other side has forgotten everything, or is gone. Answers what has to be sent again, in order. Requests are not: it is not known
    /// whether the device has got them. Those who wait hear that the device is being moved.
    pub(super) fn lost(&mut self) -> Vec<Forward> {
        self.waiting.clear();
        self.links.clear();
        let sent = std::mem::take(&mut self.sent).into_values();
        sent.filter(|forward| !asks(&forward.delivery)).collect()
    }

    /// The way to a session of this peer; none: it is gone.
    pub(super) fn link(&self, session: SessionId) -> Option<&Lane<Downlink>> {
        self.links.get(&session).filter(|link| !link.is_closed())
    }

    fn remember(&mut self, session: &SessionLink) {
        self.links.entry(session.id).or_insert_with(|| session.downlinks.clone());
        if self.links.len() > self.swept * 2 + LINKS_SWEPT {
            self.links.retain(|_, link| !link.is_closed());
            self.swept = self.links.len();
        }
    }
}

/// The other side would not understand it: whoever waits hears that it was not done.
pub(super) fn unsent(forward: Forward) {
    if let Some(reply) = ReplyTo::of(forward.delivery) {
        reply.send(Err(RpcError::NotConnected));
    }
}

/// Whether somebody waits for an answer to it.
pub(super) fn asks(delivery: &Delivery) -> bool {
    match delivery {
        Delivery::Rpc(_) | Delivery::Call(_) | Delivery::Answer(_) | Delivery::Remove(..) => true,
        Delivery::Connected(_)
        | Delivery::Disconnected(_)
        | Delivery::Uplink { .. }
        | Delivery::Heard(_)
        | Delivery::Presence { .. }
        | Delivery::Delivered(..)
        | Delivery::Notice(_)
        | Delivery::Push(_) => false,
    }
}
