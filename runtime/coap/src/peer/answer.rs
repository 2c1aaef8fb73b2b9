//! Responses: in the acknowledgement while it is time, else on their own (RFC 7252, 5.2), in blocks where they are too large.

use crate::credit::FACTOR;
use crate::cut::{Cut, Frame, cut};
use crate::endpoint::Shared;
use crate::outbox::Purpose;
use crate::peer::{Asked, Peer};
use crate::seen::Fate;
use crate::{Kind, Response};

impl Peer {
    /// The application's answer. Nothing if it has come already, or too late.
    pub(crate) fn answer(&mut self, now_ms: u64, number: u64, response: &Response, shared: &mut Shared) {
        let Some(asked) = self.open.remove(&number) else { return };
        shared.open.give(1);
        let observes = response.observing && asked.register && response.code.is_success();
        let sequence = observes.then(|| {
            let clock = shared.clock(now_ms);
            let (sequence, new) = self
                .observers
                .register(asked.token, asked.key.clone(), asked.confirmable, clock, now_ms);
            if new {
                shared.observations.take(1);
            }
            sequence
        });
        if asked.register && sequence.is_none() {
            // An observation with this token that was there before does not go on (RFC 7641, 4.1).
            self.unobserve(asked.token, None, shared);
        }
        self.respond(now_ms, asked, response, sequence, shared);
    }

    /// Sends a response in the way that is left.
    pub(super) fn respond(&mut self, now_ms: u64, asked: Asked, response: &Response, sequence: Option<u32>, shared: &mut Shared) {
        let frame = Frame {
            token: asked.token,
            block1: asked.transfer.block1,
            block2: asked.transfer.block2,
            sequence,
        };
        let mut bytes_max = self.credit.room();
        if !self.credit.is_proven() {
            bytes_max = bytes_max.min(usize::try_from(FACTOR).unwrap_or(1) * asked.length);
        }
        let Some(Cut { mut message, more }) = cut(response, frame, bytes_max) else {
            self.seen.became(asked.mark, Fate::Silent);
            return;
        };
        if more && frame.block2.is_none_or(|block| block.number == 0) {
            let Shared { config, bodies, .. } = shared;
            self.bodies.keep(asked.key, response, now_ms, config, bodies);
        }
        if asked.confirmable && asked.acknowledged {
            self.seen.became(asked.mark, Fate::Acknowledged);
            // It finds a place: requests are refused before there is none.
            let max = 2 * shared.config.limits.waiting_per_peer_max;
            self.outbox.push(message, Purpose::Answer, max);
        } else if asked.confirmable {
            (message.kind, message.id) = (Kind::Acknowledgement, asked.id);
            let datagram = bytes::Bytes::from(message.write());
            self.seen.became(asked.mark, Fate::Answered(datagram.clone()));
            self.send(datagram, shared);
        } else {
            (message.kind, message.id) = (Kind::NonConfirmable, self.take_id());
            self.seen.became(asked.mark, Fate::Silent);
            self.send(message.write().into(), shared);
        }
    }
}
