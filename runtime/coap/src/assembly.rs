//! Bodies of one client's requests that arrive in blocks (RFC 7959, 2.3 and 2.5).

use bytes::Bytes;

use crate::Code;
use crate::block::Block;
use crate::budget::Budget;
use crate::config::Config;
use crate::request::TransferKey;

#[derive(Debug)]
struct Assembly {
    key: TransferKey,
    bytes: Vec<u8>,
    until_ms: u64,
}

/// Bodies not complete yet.
#[derive(Debug, Default)]
pub(crate) struct Assemblies(Vec<Assembly>);

/// What a block led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// More is expected: 2.31.
    Continue,
    /// The body is there.
    Complete(Bytes),
    /// Not this time.
    Refused(Code),
}

impl Assemblies {
    /// Takes a block. Blocks come in order: a client sends the next when the last was answered.
    pub(crate) fn take(
        &mut self,
        key: TransferKey,
        block: Block,
        payload: &Bytes,
        now_ms: u64,
        config: &Config,
        budget: &mut Budget,
    ) -> Progress {
        let known = self.0.iter().position(|assembly| assembly.key == key);
        let mut assembly = match (known, block.number) {
            // The first block begins anew, whatever was there (RFC 7959, 2.5).
            (known, 0) => {
                if let Some(at) = known {
                    self.remove(at, budget);
                }
                if self.0.len() >= config.limits.bodies_per_peer_max {
                    self.remove(0, budget);
                }
                Assembly {
                    key,
                    bytes: Vec::new(),
                    until_ms: 0,
                }
            }
            (Some(at), _) => {
                let assembly = self.0.remove(at);
                budget.give(assembly.bytes.len());
                assembly
            }
            (None, _) => return Progress::Refused(Code::REQUEST_ENTITY_INCOMPLETE),
        };
        if assembly.bytes.len() != block.offset() {
            return Progress::Refused(Code::REQUEST_ENTITY_INCOMPLETE);
        }
        // Every block but the last is full.
        if payload.len() > block.size() || (block.more && payload.len() != block.size()) {
            return Progress::Refused(Code::BAD_REQUEST);
        }
        if assembly.bytes.len() + payload.len() > config.limits.body_bytes_max {
            return Progress::Refused(Code::REQUEST_ENTITY_TOO_LARGE);
        }
        assembly.bytes.extend_from_slice(payload);
        if !block.more {
            return Progress::Complete(assembly.bytes.into());
        }
        if !budget.take(assembly.bytes.len()) {
            return Progress::Refused(Code::SERVICE_UNAVAILABLE);
        }
        assembly.until_ms = now_ms + config.times.body_lifetime_ms;
        // The one that was advanced last stands last: they expire in order.
        self.0.push(assembly);
        Progress::Continue
    }

    /// Drops what was given up.
    pub(crate) fn expire(&mut self, now_ms: u64, budget: &mut Budget) {
        while self.next_expiry().is_some_and(|until_ms| until_ms <= now_ms) {
            self.remove(0, budget);
        }
    }

    pub(crate) fn clear(&mut self, budget: &mut Budget) {
        self.expire(u64::MAX, budget);
    }

    pub(crate) fn next_expiry(&self) -> Option<u64> {
        self.0.first().map(|assembly| assembly.until_ms)
    }

    fn remove(&mut self, at: usize, budget: &mut Budget) {
        budget.give(self.0.remove(at).bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Limits, Message, Token, option};

    struct World {
        assemblies: Assemblies,
        budget: Budget,
        config: Config,
    }

    impl World {
        fn new() -> Self {
            World {
                assemblies: Assemblies::default(),
                budget: Budget::new(200),
                config: Config {
                    limits: Limits {
                        body_bytes_max: 100,
                        ..Limits::default()
                    },
                    ..Config::default()
                },
            }
        }

        /// A block of 16 bytes at most.
        fn block(&mut self, path: &str, number: u32, more: bool, bytes: usize) -> Progress {
            let message = Message::new(Kind::Confirmable, Code::POST, 1, Token::default()).with(option::URI_PATH, path.as_bytes().to_vec());
            let block = Block { number, more, exponent: 0 };
            let payload = Bytes::from(vec![u8::try_from(number).unwrap_or(0); bytes]);
            let key = TransferKey::of(&message, true);
            self.assemblies.take(key, block, &payload, 0, &self.config, &mut self.budget)
        }
    }

    #[test]
    fn blocks_in_order_make_a_body() {
        let mut world = World::new();
        assert_eq!(world.block("a", 0, true, 16), Progress::Continue);
        assert_eq!(world.block("b", 0, true, 16), Progress::Continue);
        assert_eq!(world.block("a", 1, true, 16), Progress::Continue);
        let body = [[0; 16], [1; 16]].concat();
        assert_eq!(world.block("a", 2, false, 0), Progress::Complete(body.into()));
        assert_eq!(world.block("c", 0, false, 3), Progress::Complete(vec![0; 3].into()));
        assert_eq!(world.budget.used(), 16);
        world.assemblies.clear(&mut world.budget);
        assert_eq!(world.budget.used(), 0);
    }

    #[test]
    fn a_body_that_cannot_become_whole_is_refused() {
        let incomplete = Progress::Refused(Code::REQUEST_ENTITY_INCOMPLETE);
        let mut world = World::new();
        assert_eq!(world.block("a", 1, true, 16), incomplete, "without the first");
        world.block("a", 0, true, 16);
        assert_eq!(world.block("a", 2, true, 16), incomplete, "with a gap");
        assert_eq!(world.block("a", 1, true, 16), incomplete, "it is gone");
        world.block("a", 0, true, 16);
        assert_eq!(world.block("a", 1, true, 15), Progress::Refused(Code::BAD_REQUEST), "not full");
        assert_eq!(world.block("a", 0, false, 17), Progress::Refused(Code::BAD_REQUEST), "too full");
        assert_eq!(world.budget.used(), 0);
    }

    #[test]
    fn limits_are_kept() {
        let mut world = World::new();
        for number in 0..6 {
            assert_eq!(world.block("a", number, true, 16), Progress::Continue);
        }
        assert_eq!(world.block("a", 6, true, 16), Progress::Refused(Code::REQUEST_ENTITY_TOO_LARGE));
        for path in ["a", "b", "c"] {
            world.block(path, 0, true, 16);
        }
        let gone = world.block("a", 1, true, 16);
        assert_eq!(
            gone,
            Progress::Refused(Code::REQUEST_ENTITY_INCOMPLETE),
            "the oldest of three gave way"
        );
        world.budget.take(200 - 32);
        assert_eq!(world.block("b", 1, true, 16), Progress::Refused(Code::SERVICE_UNAVAILABLE));
        world.assemblies.expire(60_000, &mut world.budget);
        assert_eq!((world.assemblies.next_expiry(), world.budget.used()), (None, 200 - 32));
    }
}
