//! How a sender learns that everything it handed over is durable. *Invariant: acknowledgement after durability* – a transport answers a
//! device only when the receipt of its publish is settled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actor::Lane;

use crate::Hold;

/// What became of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The number the session gave it.
    pub sequence: u64,
    /// Whether every effect is durable.
    pub result: Result<(), SettleError>,
}

/// Why a publish must not be acknowledged: the device will send it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    /// The store did not take it, or a part of the server that held it was restarted.
    #[error("the message could not be made durable")]
    NotDurable,
    /// The tenant has no rule chain that could take it.
    #[error("the tenant has no rule chain for it")]
    NoRoute,
}

/// One claim on the acknowledgement of a publish. Clones share it: when the last one is gone the publish is settled, as failed if any
/// of them was [failed](Receipt::fail) or dropped without [`Receipt::done`].
#[derive(Debug)]
pub struct Receipt {
    shared: Arc<Shared>,
    done: bool,
    /// Of the device that was spoken of, which stays where it is as long.
    hold: Option<Hold>,
}

#[derive(Debug)]
struct Shared {
    settlements: Lane<Settled>,
    sequence: u64,
    failed: AtomicBool,
    no_route: AtomicBool,
}

impl Receipt {
    /// A claim whose settlement goes to `settlements`. The lane must have room for every receipt that is out:
    /// settlements never wait.
    pub fn new(settlements: Lane<Settled>, sequence: u64) -> Self {
        Receipt {
            shared: Arc::new(Shared {
                settlements,
                sequence,
                failed: AtomicBool::new(false),
                no_route: AtomicBool::new(false),
            }),
            done: false,
            hold: None,
        }
    }

    /// A claim that nobody waits for: what it stands for began in this server.
    pub fn unclaimed() -> Self {
        let (settlements, _) = actor::lane(1);
        Receipt::new(settlements, 0)
    }

    /// Another claim on the same publish.
    pub fn share(&self) -> Self {
        Receipt {
            shared: Arc::clone(&self.shared),
            done: false,
            hold: self.hold.clone(),
        }
    }

    /// The same claim, with a hold that ends with it and with all its shares.
    pub fn held(mut self, hold: Hold) -> Self {
        self.hold = Some(hold);
        self
    }

    /// Everything this claim stood for is durable.
    pub fn done(mut self) {
        self.done = true;
    }

    /// It is not, and will not be.
    pub fn fail(self, error: SettleError) {
        if error == SettleError::NoRoute {
            self.shared.no_route.store(true, Ordering::Relaxed);
        }
        drop(self);
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if !self.done {
            self.shared.failed.store(true, Ordering::Release);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let result = if !*self.failed.get_mut() {
            Ok(())
        } else if *self.no_route.get_mut() {
            Err(SettleError::NoRoute)
        } else {
            Err(SettleError::NotDurable)
        };
        // A session that is gone needs no answer. A full lane would be a broken promise of the session: the publish stays
        // unacknowledged, which is safe.
        let _ = self.settlements.try_send(Settled {
            sequence: self.sequence,
            result,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(act: impl FnOnce(Receipt)) -> Option<Result<(), SettleError>> {
        let (settlements, mut receiver) = actor::lane(1);
        act(Receipt::new(settlements, 7));
        receiver.try_recv().map(|settled: Settled| {
            assert_eq!(settled.sequence, 7);
            settled.result
        })
    }

    #[test]
    fn settles_once_when_all_claims_are_done() {
        assert_eq!(settle(Receipt::done), Some(Ok(())));
        assert_eq!(
            settle(|receipt| {
                let second = receipt.share();
                receipt.done();
                second.done();
            }),
            Some(Ok(()))
        );
    }

    #[test]
    fn a_claim_dropped_or_failed_fails_the_publish() {
        assert_eq!(settle(drop), Some(Err(SettleError::NotDurable)));
        assert_eq!(
            settle(|receipt| {
                receipt.share().fail(SettleError::NoRoute);
                receipt.done();
            }),
            Some(Err(SettleError::NoRoute))
        );
    }

    #[test]
    fn nothing_is_settled_while_a_claim_is_out() {
        let (settlements, mut receiver) = actor::lane(1);
        let receipt = Receipt::new(settlements, 1);
        let second = receipt.share();
        receipt.done();
        assert!(receiver.try_recv().is_none());
        second.done();
        assert!(receiver.try_recv().is_some());
    }
}
