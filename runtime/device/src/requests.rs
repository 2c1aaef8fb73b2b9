//! Requests to a device, as pure decisions: what is sent when, what becomes of it, and whom to tell.
//!
//! ```text
//!            sent           delivered            replied
//! Waiting ─────────→ Sent ─────────────→ Delivered ─────────→ over
//!    ↑                 │ session gone, or silent
//!    └─ kept ones ─────┘                              time over, in every state → over
//! ```
//!
//! A request that somebody waits for is sent once: who sends it again could make the device do it twice. A kept one is sent again, as
//! often as it may be. Both wait for a session as long as they have time.

use std::sync::Arc;

use cluster::{RpcError, SessionId};
use model::Payload;
use model::entity::{Rpc, RpcStatus};

#[cfg(test)]
mod tests;

/// Requests that may be open for one device.
pub const REQUESTS_MAX: usize = 100;
/// How long a session may take to tell that the device has a kept request.
pub const DELIVERY_MS: i64 = 10_000;

/// Who asks.
#[derive(Debug)]
pub enum Asked<R> {
    /// Somebody who waits.
    Waiting(R),
    /// Nobody any more: the request is kept.
    Kept(Rpc),
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub enum Command<R> {
    /// Tell who waits.
    Answer(R, Result<Option<Payload>, RpcError>),
    /// Store how far a kept request has come.
    Keep(Rpc),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Waiting,
    Sent(SessionId, i64),
    Delivered,
}

#[derive(Debug)]
struct Request<R> {
    number: u32,
    method: Arc<str>,
    params: Payload,
    expires_ms: i64,
    oneway: bool,
    asked: Asked<R>,
    phase: Phase,
    /// Whether a session ever took it.
    was_sent: bool,
    /// How often it may be sent again.
    retries: u32,
}

/// A request to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Next {
    /// By which the device knows it.
    pub number: u32,
    /// What is wanted.
    pub method: Arc<str>,
    /// Any JSON.
    pub params: Payload,
}

/// The requests, the oldest first.
#[derive(Debug)]
pub struct Requests<R> {
    open: Vec<Request<R>>,
    next_number: u32,
}

impl<R> Default for Requests<R> {
    fn default() -> Self {
        Requests {
            open: Vec::new(),
            next_number: 0,
        }
    }
}

impl<R> Requests<R> {
    /// Whether another one is taken.
    pub fn has_room(&self) -> bool {
        self.open.len() < REQUESTS_MAX
    }

    /// The number of the next request. Numbers stay within what devices parse as a signed 32-bit integer.
    pub fn take_number(&mut self) -> u32 {
        loop {
            let number = self.next_number;
            self.next_number = (self.next_number + 1) & 0x7fff_ffff;
            if self.open.iter().all(|request| request.number != number) {
                return number;
            }
        }
    }

    /// Somebody asks, and waits. Only when there [is room](Requests::has_room).
    pub fn ask(&mut self, reply: R, method: Arc<str>, params: Payload, expires_ms: i64, oneway: bool) {
        let number = self.take_number();
        self.open.push(Request {
            number,
            method,
            params,
            expires_ms,
            oneway,
            asked: Asked::Waiting(reply),
            phase: Phase::Waiting,
            was_sent: false,
            retries: 0,
        });
    }

    /// A request is kept, or was kept when the actor woke up. One that the device has already, and that is waited for, is not sent
    /// again.
    pub fn keep(&mut self, rpc: Rpc) {
        self.next_number = self.next_number.max((rpc.request_number + 1) & 0x7fff_ffff);
        self.open.push(Request {
            number: rpc.request_number,
            method: rpc.request.body.method.as_str().into(),
            params: Payload::new(rpc.request.body.params.clone()),
            expires_ms: rpc.expiration_time,
            oneway: rpc.request.oneway,
            phase: if rpc.status == RpcStatus::Delivered {
                Phase::Delivered
            } else {
                Phase::Waiting
            },
            was_sent: false,
            retries: rpc.request.retries,
            asked: Asked::Kept(rpc),
        });
    }

    /// The next request to be sent.
    pub fn next(&self) -> Option<Next> {
        let request = self.open.iter().find(|request| request.phase == Phase::Waiting)?;
        Some(Next {
            number: request.number,
            method: Arc::clone(&request.method),
            params: request.params.clone(),
        })
    }

    /// A session took a request. One that wants no reply is done with it, if somebody waits.
    pub fn sent(&mut self, number: u32, session: SessionId, now_ms: i64) -> Option<Command<R>> {
        let at = self.position(number)?;
        let request = &mut self.open[at];
        (request.phase, request.was_sent) = (Phase::Sent(session, now_ms), true);
        match &mut request.asked {
            Asked::Waiting(_) if !request.oneway => None,
            Asked::Waiting(_) => self.finish(at, Ok(None)),
            Asked::Kept(rpc) => Some(changed(rpc, RpcStatus::Sent)),
        }
    }

    /// The device has a request. A kept one that wants no reply is over.
    pub fn delivered(&mut self, session: SessionId, number: u32) -> Option<Command<R>> {
        let at = self.position(number)?;
        let request = &mut self.open[at];
        if !matches!(request.phase, Phase::Sent(to, _) if to == session) {
            return None;
        }
        request.phase = Phase::Delivered;
        let Asked::Kept(rpc) = &mut request.asked else { return None };
        let command = changed(rpc, RpcStatus::Delivered);
        if request.oneway {
            self.open.remove(at);
        }
        Some(command)
    }

    /// The device replies. None: nobody waits for it (any more).
    pub fn replied(&mut self, number: u32, payload: Payload) -> Option<Command<R>> {
        let at = self.position(number)?;
        if let Asked::Kept(rpc) = &mut self.open[at].asked {
            rpc.response = Some(payload.json().clone());
            let command = changed(rpc, RpcStatus::Successful);
            self.open.remove(at);
            return Some(command);
        }
        self.finish(at, Ok(Some(payload)))
    }

    /// A session is gone: what it took and the device may not have got.
    pub fn session_gone(&mut self, session: SessionId) -> Vec<Command<R>> {
        self.lost(|phase| matches!(phase, Phase::Sent(to, _) if to == session))
    }

    /// Time has passed: gives up what is over, and what no session tells of.
    pub fn time_passed(&mut self, now_ms: i64) -> Vec<Command<R>> {
        let mut commands = Vec::new();
        while let Some(at) = self.open.iter().position(|request| request.expires_ms <= now_ms) {
            let request = &mut self.open[at];
            if let Asked::Kept(rpc) = &mut request.asked {
                commands.push(changed(rpc, RpcStatus::Expired));
                self.open.remove(at);
            } else {
                let error = if request.was_sent {
                    RpcError::Timeout
                } else {
                    RpcError::NotConnected
                };
                commands.extend(self.finish(at, Err(error)));
            }
        }
        commands.extend(self.lost(|phase| matches!(phase, Phase::Sent(_, since_ms) if since_ms + DELIVERY_MS <= now_ms)));
        commands
    }

    /// Somebody removes a kept request. None: it is not open.
    pub fn removed(&mut self, id: uuid::Uuid) -> Option<Rpc> {
        let is_it = |request: &Request<R>| matches!(&request.asked, Asked::Kept(rpc) if rpc.id.id == id);
        let at = self.open.iter().position(is_it)?;
        match self.open.remove(at).asked {
            Asked::Kept(rpc) => Some(rpc),
            Asked::Waiting(_) => None,
        }
    }

    /// The device is gone, and what was kept for it.
    pub fn forget_kept(&mut self) {
        self.open.retain(|request| matches!(request.asked, Asked::Waiting(_)));
    }

    /// When time has to be looked at next, milliseconds since 1970-01-01 UTC.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        let deadlines = self.open.iter().map(|request| match (&request.asked, request.phase) {
            (Asked::Kept(_), Phase::Sent(_, since_ms)) => request.expires_ms.min(since_ms + DELIVERY_MS),
            _ => request.expires_ms,
        });
        deadlines.min()
    }

    /// Requests open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether somebody waits here: what is only kept can be read again.
    pub fn is_waited_for(&self) -> bool {
        self.open.iter().any(|request| matches!(request.asked, Asked::Waiting(_)))
    }

    /// Kept requests of which the device may not have got the last sending wait again, or have failed.
    fn lost(&mut self, is_lost: impl Fn(Phase) -> bool) -> Vec<Command<R>> {
        let mut commands = Vec::new();
        let mut failed = Vec::new();
        for request in self.open.iter_mut().filter(|request| is_lost(request.phase)) {
            let Asked::Kept(rpc) = &mut request.asked else { continue };
            if request.retries == 0 {
                commands.push(changed(rpc, RpcStatus::Failed));
                failed.push(request.number);
                continue;
            }
            (request.retries, request.phase) = (request.retries - 1, Phase::Waiting);
            commands.push(changed(rpc, RpcStatus::Timeout));
        }
        self.open.retain(|request| !failed.contains(&request.number));
        commands
    }

    fn position(&self, number: u32) -> Option<usize> {
        self.open.iter().position(|request| request.number == number)
    }

    fn finish(&mut self, at: usize, answer: Result<Option<Payload>, RpcError>) -> Option<Command<R>> {
        match self.open.remove(at).asked {
            Asked::Waiting(reply) => Some(Command::Answer(reply, answer)),
            Asked::Kept(_) => None,
        }
    }
}

fn changed<R>(rpc: &mut Rpc, status: RpcStatus) -> Command<R> {
    rpc.status = status;
    Command::Keep(rpc.clone())
}
