//! Bodies of responses that one client fetches in blocks (RFC 7959, 2.4), kept so that all blocks are of one answer.

use bytes::Bytes;

use crate::Response;
use crate::budget::Budget;
use crate::config::Config;
use crate::request::TransferKey;

#[derive(Debug)]
struct Body {
    key: TransferKey,
    response: Response,
    until_ms: u64,
}

/// Responses too large for one message.
#[derive(Debug, Default)]
pub(crate) struct Bodies(Vec<Body>);

impl Bodies {
    /// Keeps a response, in place of an older one to the same request. Not kept if there is no room for all clients' bodies.
    pub(crate) fn keep(&mut self, key: TransferKey, response: &Response, now_ms: u64, config: &Config, budget: &mut Budget) {
        if let Some(at) = self.0.iter().position(|body| body.key == key) {
            self.remove(at, budget);
        }
        if self.0.len() >= config.limits.bodies_per_peer_max {
            self.remove(0, budget);
        }
        if budget.take(response.payload.len()) {
            self.0.push(Body {
                key,
                response: response.clone(),
                until_ms: now_ms + config.times.body_lifetime_ms,
            });
        }
    }

    /// The response that blocks of a request come from.
    pub(crate) fn get(&mut self, key: &TransferKey, now_ms: u64, config: &Config) -> Option<Response> {
        let at = self.0.iter().position(|body| body.key == *key)?;
        let mut body = self.0.remove(at);
        body.until_ms = now_ms + config.times.body_lifetime_ms;
        let response = body.response.clone();
        self.0.push(body);
        Some(response)
    }

    pub(crate) fn expire(&mut self, now_ms: u64, budget: &mut Budget) {
        while self.next_expiry().is_some_and(|until_ms| until_ms <= now_ms) {
            self.remove(0, budget);
        }
    }

    pub(crate) fn clear(&mut self, budget: &mut Budget) {
        self.expire(u64::MAX, budget);
    }

    pub(crate) fn next_expiry(&self) -> Option<u64> {
        self.0.first().map(|body| body.until_ms)
    }

    fn remove(&mut self, at: usize, budget: &mut Budget) {
        budget.give(self.0.remove(at).response.payload.len());
    }
}

/// Names a body, so that a client notices when blocks are of different ones (RFC 7959, 2.4).
pub(crate) fn etag(body: &Bytes) -> Vec<u8> {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    hasher.write(body);
    hasher.finish().to_be_bytes()[..4].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Code, Kind, Message, Token, option};

    #[test]
    fn bodies_are_kept_while_they_are_fetched() {
        let config = Config::default();
        let mut budget = Budget::new(100);
        let mut bodies = Bodies::default();
        let key = |path: u8| {
            let message = Message::new(Kind::Confirmable, Code::GET, 1, Token::default()).with(option::URI_PATH, vec![path]);
            TransferKey::of(&message, false)
        };
        let body = |length: usize| Response::json(Code::CONTENT, vec![b'x'; length].into());
        bodies.keep(key(1), &body(30), 0, &config, &mut budget);
        bodies.keep(key(1), &body(40), 0, &config, &mut budget);
        assert_eq!(budget.used(), 40, "the newer stands for the older");
        bodies.keep(key(2), &body(50), 10, &config, &mut budget);
        assert_eq!(bodies.get(&key(1), 20, &config).map(|response| response.payload.len()), Some(40));
        bodies.keep(key(3), &body(5), 30, &config, &mut budget);
        assert!(bodies.get(&key(2), 30, &config).is_none(), "longest not asked for");
        bodies.keep(key(4), &body(96), 30, &config, &mut budget);
        assert!(bodies.get(&key(4), 30, &config).is_none(), "no room in all");
        bodies.expire(30 + 60_000, &mut budget);
        assert_eq!((bodies.next_expiry(), budget.used()), (None, 0));
    }

    #[test]
    fn different_bodies_have_different_names() {
        assert_ne!(etag(&Bytes::from_static(b"a")), etag(&Bytes::from_static(b"b")));
        assert_eq!(etag(&Bytes::from_static(b"a")).len(), 4);
    }
}
