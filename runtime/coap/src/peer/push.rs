//! Notifications (RFC 7641, 4), and confirmable messages one at a time.

use crate::cut::{Cut, Frame, cut};
use crate::endpoint::{Command, Shared};
use crate::outbox::Purpose;
use crate::peer::Peer;
use crate::{Kind, Response, Token};

impl Peer {
    /// Tells an observer something; an unsuccessful result ends the observation (RFC 7641, 4.2).
    pub(crate) fn notify(&mut self, now_ms: u64, token: Token, response: &Response, shared: &mut Shared) {
        if !response.code.is_success() {
            return self.finish(token, response, shared);
        }
        let clock = shared.clock(now_ms);
        let Some(observer) = self.observers.get_mut(token) else { return };
        let (sequence, confirm) = observer.next(clock, now_ms, shared.config.times.notification_distance_ms);
        let key = observer.key.clone();
        let Some(Cut { mut message, more }) = self.cut_notification(token, response, Some(sequence)) else {
            return self.dropped(token, shared);
        };
        if more {
            let Shared { config, bodies, .. } = shared;
            self.bodies.keep(key, response, now_ms, config, bodies);
        }
        // Who has not shown that it receives is asked to; and nothing overtakes what waits.
        if confirm || !self.credit.is_proven() || !self.outbox.is_empty() {
            let max = shared.config.limits.waiting_per_peer_max;
            if !self.outbox.push(message, Purpose::Notification(token), max) {
                self.dropped(token, shared);
            }
            return;
        }
        (message.kind, message.id) = (Kind::NonConfirmable, self.take_id());
        let id = message.id;
        if let Some(observer) = self.observers.get_mut(token) {
            observer.last_id = Some(id);
        }
        self.send(message.write().into(), shared);
    }

    /// Ends an observation with a last word, which carries no number: so the client knows that it is the last (RFC 7641, 3.2).
    pub(crate) fn finish(&mut self, token: Token, response: &Response, shared: &mut Shared) {
        if !self.observers.contains(token) {
            return;
        }
        self.unobserve(token, None, shared);
        if let Some(Cut { message, .. }) = self.cut_notification(token, response, None) {
            // A client that takes nothing does not hear the last word either.
            let max = shared.config.limits.waiting_per_peer_max;
            self.outbox.push(message, Purpose::Answer, max);
        }
    }

    /// Sends the next confirmable message, if none is on its way.
    pub(crate) fn send_next(&mut self, now_ms: u64, shared: &mut Shared) {
        if !self.outbox.can_start() {
            return;
        }
        let (id, pause_ms) = (self.take_id(), shared.first_pause_ms());
        if let Some(datagram) = self.outbox.start(now_ms, id, pause_ms) {
            self.send(datagram, shared);
        }
    }

    fn cut_notification(&self, token: Token, response: &Response, sequence: Option<u32>) -> Option<Cut> {
        let frame = Frame {
            token,
            sequence,
            ..Frame::default()
        };
        cut(response, frame, self.credit.room())
    }

    fn dropped(&mut self, token: Token, shared: &mut Shared) {
        let observation = self.observation(token);
        shared.commands.push(Command::Dropped(observation));
    }
}
