//! The part of a session that others can speak to: they look at it, and ask it to end.

use actor::Observe;
use model::DeviceId;
use serde::Serialize;
use xtra::{Actor, Context, Handler};

/// Why the server ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The device connected again.
    TakenOver,
    /// The device was deleted, or its credentials changed.
    Administrative,
    /// The server stops.
    ShuttingDown,
}

/// Asks a session to end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Close(pub(crate) CloseReason);

/// What can be seen of a session from outside.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionState {
    /// The device.
    pub device: uuid::Uuid,
    /// `mqtt`, `http`, `coap` or `stream`.
    pub transport: &'static str,
    /// Publishes taken.
    pub published: u64,
    /// Publishes whose effects are not durable yet.
    pub in_flight: usize,
}

/// The part of a session that others can speak to.
pub struct SessionActor {
    pub(super) state: SessionState,
    closing: Option<CloseReason>,
}

impl SessionActor {
    /// The part of a session that has just opened.
    pub(crate) fn new(device: DeviceId, transport: &'static str) -> Self {
        let state = SessionState {
            device: device.id,
            transport,
            published: 0,
            in_flight: 0,
        };
        SessionActor { state, closing: None }
    }

    /// Whether somebody asked for an end since the last call.
    pub(crate) fn take_closing(&mut self) -> Option<CloseReason> {
        self.closing.take()
    }

    /// What is shown to those who look.
    pub(crate) fn show(&mut self, published: u64, in_flight: usize) {
        (self.state.published, self.state.in_flight) = (published, in_flight);
    }
}

impl Actor for SessionActor {
    type Stop = ();
    async fn stopped(self) {}
}

impl Handler<Close> for SessionActor {
    type Return = ();
    async fn handle(&mut self, Close(reason): Close, _: &mut Context<Self>) {
        self.closing.get_or_insert(reason);
    }
}

impl Handler<Observe> for SessionActor {
    type Return = SessionState;
    async fn handle(&mut self, _: Observe, _: &mut Context<Self>) -> SessionState {
        self.state.clone()
    }
}
