//! Between two chains: a message with its way back, and the place where a chain hears of messages that are inside others.
//!
//! Nobody waits for another chain's room: a call is taken or refused at once, and news of calls always find a place. Chains that call each
//! other cannot hold each other up, however full they are.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use actor::Lane;
use cluster::{Receipt, SettleError};
use model::{Message, TenantId};
use parking_lot::Mutex;
use tokio::sync::Notify;
use uuid::Uuid;

use super::BRANCHES_MAX;
use crate::journey::Journey;
use crate::step::Call;

/// Messages of other chains that may be inside a chain; more wait in [`CallLane`].
pub(super) const CALLED_MAX: usize = 2 * BRANCHES_MAX;
/// Messages of other chains that may wait at a chain; more are refused.
pub(super) const CALL_LANE_CAPACITY: usize = 2 * BRANCHES_MAX;
/// Messages that came back and are not taken yet, at most: more fail where they leave.
const BACK_MAX: usize = 65_536;

/// The entrance of a chain for messages of other chains.
pub type CallLane = Lane<Called>;

/// The other chains of a tenant.
pub trait Neighbours: Send + Sync + 'static {
    /// The entrance of a chain for messages of other chains. None: the tenant has no such chain.
    fn call_lane(&self, tenant: TenantId, chain: Uuid) -> Option<CallLane>;
}

/// A message from another chain.
#[derive(Debug)]
pub struct Called {
    pub(super) message: Arc<Message>,
    pub(super) journey: Journey,
    pub(super) caller: Caller,
}

/// What a chain hears of a message that is inside another.
#[derive(Debug)]
pub(super) enum News {
    /// A message came back, along a relation.
    Back(Arc<str>, Arc<Message>),
    /// It is done; whether all of it is durable.
    Left { durable: bool },
    /// It was not taken; why.
    NotEntered(String),
}

/// Where a chain hears of its calls.
#[derive(Debug, Default)]
pub(super) struct Home {
    news: Mutex<VecDeque<(Call, News)>>,
    came: Notify,
}

impl Home {
    fn push(&self, call: Call, news: News) -> Result<(), String> {
        {
            let mut all = self.news.lock();
            // The end of a call always finds a place: there is one for each.
            if matches!(news, News::Back(..)) && all.len() >= BACK_MAX {
                return Err("too many messages wait to come back to the rule chain that sent them".to_owned());
            }
            all.push_back((call, news));
        }
        self.came.notify_one();
        Ok(())
    }

    /// Waits for news, and takes at most so many. Cancelling loses nothing.
    pub(super) async fn take(&self, max: usize) -> Vec<(Call, News)> {
        loop {
            {
                let mut all = self.news.lock();
                if !all.is_empty() {
                    let count = all.len().min(max);
                    return all.drain(..count).collect();
                }
            }
            self.came.notified().await;
        }
    }
}

/// The way back to the chain that sent a message. Dropped before the message is done, it says so.
#[derive(Debug)]
pub(crate) struct Caller {
    home: Arc<Home>,
    call: Call,
    entered: bool,
    over: bool,
}

impl Caller {
    pub(super) fn new(home: Arc<Home>, call: Call) -> Self {
        Caller {
            home,
            call,
            entered: false,
            over: false,
        }
    }

    /// The message is inside.
    pub(super) fn entered(mut self) -> Self {
        self.entered = true;
        self
    }

    /// It was not sent at all.
    pub(super) fn forget(mut self) {
        self.over = true;
    }

    /// The message is not taken.
    pub(super) fn refuse(mut self, reason: String) {
        self.end(News::NotEntered(reason));
    }

    /// A message goes back.
    ///
    /// # Errors
    /// Why it cannot.
    pub(super) fn send_back(&self, relation: Arc<str>, message: Arc<Message>) -> Result<(), String> {
        self.home.push(self.call, News::Back(relation, message))
    }

    fn end(&mut self, news: News) {
        if !mem::replace(&mut self.over, true) {
            // Never refused.
            let _ = self.home.push(self.call, news);
        }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.end(if self.entered {
            News::Left { durable: false }
        } else {
            News::NotEntered("the rule chain ended before it took the message".to_owned())
        });
    }
}

/// Whom a chain owes an answer about a message.
#[derive(Debug)]
pub(super) enum Owed {
    /// Whoever waits for the message's acknowledgement.
    Receipt(Receipt),
    /// Another chain.
    Caller(Caller),
}

impl Owed {
    /// The message is done.
    pub(super) fn settle(self, durable: bool) {
        match self {
            Owed::Receipt(receipt) if durable => receipt.done(),
            Owed::Receipt(receipt) => receipt.fail(SettleError::NotDurable),
            Owed::Caller(mut caller) => caller.end(News::Left { durable }),
        }
    }
}
