//! A device's state, as pure decisions: who is connected, which requests wait for an answer.

use std::collections::BTreeMap;

use cluster::{SessionId, SessionLink};
use model::{Downlink, Payload};
use std::sync::Arc;

/// Requests that may wait for one device.
pub const PENDING_MAX: usize = 100;
/// Sessions of one device at most; the oldest gives way.
pub const SESSIONS_MAX: usize = 8;

/// A request that waits, with the answer's way back.
#[derive(Debug)]
pub struct Pending<R> {
    /// When it is given up, milliseconds since 1970-01-01 UTC.
    pub deadline_ms: i64,
    /// The answer's way back.
    pub reply: R,
}

/// What a device's actor remembers.
#[derive(Debug)]
pub struct State<R> {
    sessions: Vec<SessionLink>,
    pending: BTreeMap<u32, Pending<R>>,
    next_request: u32,
    /// When the device last said something, milliseconds since 1970-01-01 UTC; 0: never since the actor woke up.
    pub last_activity_ms: i64,
}

/// Why a request was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsent {
    /// No session takes it.
    NotConnected,
    /// Too many wait already.
    TooMany,
}

impl<R> Default for State<R> {
    fn default() -> Self {
        State {
            sessions: Vec::new(),
            pending: BTreeMap::new(),
            next_request: 0,
            last_activity_ms: 0,
        }
    }
}

impl<R> State<R> {
    /// A session is there.
    pub fn connected(&mut self, session: SessionLink) {
        self.sessions.retain(|known| known.id != session.id && !known.downlinks.is_closed());
        if self.sessions.len() >= SESSIONS_MAX {
            self.sessions.remove(0);
        }
        self.sessions.push(session);
    }

    /// A session is gone.
    pub fn disconnected(&mut self, session: SessionId) {
        self.sessions.retain(|known| known.id != session);
    }

    /// Sessions there are.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Whether nothing would be lost if the actor slept.
    pub fn is_idle(&mut self) -> bool {
        self.sessions.retain(|known| !known.downlinks.is_closed());
        self.sessions.is_empty() && self.pending.is_empty()
    }

    /// Requests waiting.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Tells the newest session something.
    pub fn tell(&mut self, downlink: Downlink) -> Result<(), Unsent> {
        self.sessions.retain(|known| !known.downlinks.is_closed());
        let Some(session) = self.sessions.last() else {
            return Err(Unsent::NotConnected);
        };
        session.tell(downlink).map_err(|_| Unsent::NotConnected)
    }

    /// Sends a request to the device. The reply comes through [`State::replied`]; none is expected when `waiting` is none.
    ///
    /// # Errors
    /// [`Unsent`] and the way back.
    pub fn request(&mut self, method: Arc<str>, params: Payload, waiting: Option<Pending<R>>) -> Result<u32, (Unsent, Option<Pending<R>>)> {
        if waiting.is_some() && self.pending.len() >= PENDING_MAX {
            return Err((Unsent::TooMany, waiting));
        }
        let id = self.next_request;
        if let Err(unsent) = self.tell(Downlink::RpcRequest { id, method, params }) {
            return Err((unsent, waiting));
        }
        // Numbers stay within what devices parse as a signed 32-bit integer.
        self.next_request = (self.next_request + 1) & 0x7fff_ffff;
        if let Some(waiting) = waiting {
            self.pending.insert(id, waiting);
        }
        Ok(id)
    }

    /// The device answers a request. None: nobody waits for it (any more).
    pub fn replied(&mut self, id: u32) -> Option<R> {
        self.pending.remove(&id).map(|pending| pending.reply)
    }

    /// Requests given up by now.
    pub fn expired(&mut self, now_ms: i64) -> Vec<R> {
        let late: Vec<u32> = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.deadline_ms <= now_ms)
            .map(|(id, _)| *id)
            .collect();
        late.into_iter().filter_map(|id| self.replied(id)).collect()
    }

    /// When the next request is given up.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        self.pending.values().map(|pending| pending.deadline_ms).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::actor::{LaneReceiver, lane};
    use serde_json::json;

    fn session() -> (SessionLink, LaneReceiver<Downlink>) {
        let (downlinks, receiver) = lane(2);
        (
            SessionLink {
                id: SessionId::generate(),
                downlinks,
                child: None,
            },
            receiver,
        )
    }

    fn ask(state: &mut State<&'static str>, deadline_ms: i64, reply: &'static str) -> Result<u32, Unsent> {
        state
            .request("m".into(), Payload::new(json!({})), Some(Pending { deadline_ms, reply }))
            .map_err(|(unsent, _)| unsent)
    }

    #[test]
    fn requests_are_numbered_answered_once_and_given_up() {
        let mut state = State::default();
        assert_eq!(ask(&mut state, 10, "a"), Err(Unsent::NotConnected));
        let (link, mut downlinks) = session();
        state.connected(link.clone());
        assert_eq!(ask(&mut state, 10, "a"), Ok(0));
        assert_eq!(ask(&mut state, 20, "b"), Ok(1));
        assert_eq!(ask(&mut state, 20, "c"), Err(Unsent::NotConnected), "the session's queue is full");
        assert!(matches!(downlinks.try_recv(), Some(Downlink::RpcRequest { id: 0, .. })));
        assert_eq!(state.replied(1), Some("b"));
        assert_eq!(state.replied(1), None);
        assert_eq!(state.next_deadline_ms(), Some(10));
        assert_eq!(state.expired(9), Vec::<&str>::new());
        assert_eq!(state.expired(10), ["a"]);
        assert!(!state.is_idle());
        state.disconnected(link.id);
        assert!(state.is_idle());
    }

    #[test]
    fn the_newest_session_is_told_and_dead_ones_are_forgotten() {
        let mut state: State<()> = State::default();
        let (old, mut old_downlinks) = session();
        let (new, new_downlinks) = session();
        state.connected(old);
        state.connected(new);
        state.tell(Downlink::AttributesRemoved(vec![])).expect("told");
        assert!(old_downlinks.try_recv().is_none());
        drop(new_downlinks);
        state
            .tell(Downlink::AttributesRemoved(vec![]))
            .expect("the older one is still there");
        assert!(old_downlinks.try_recv().is_some());
    }
}
