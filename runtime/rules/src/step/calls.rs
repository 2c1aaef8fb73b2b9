//! Branches whose message is inside another chain. Each keeps its account open until the other chain is done with the message. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use model::Message;
use uuid::Uuid;

use super::{Branch, Command, Steps};
use crate::journey::Journey;

/// A message that is inside another chain, by a number that is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Call(u64);

/// Who waits for another chain. Bounded by the branches of a chain.
#[derive(Debug, Default)]
pub(super) struct Calls {
    last: u64,
    out: HashMap<Call, Branch>,
}

impl Calls {
    /// A message goes into another chain.
    pub(super) fn begin(&mut self, branch: Branch) -> Call {
        self.last += 1;
        let call = Call(self.last);
        self.out.insert(call, branch);
        call
    }

    /// The branch of a call that is under way.
    pub(super) fn of(&self, call: Call) -> Option<&Branch> {
        self.out.get(&call)
    }

    /// The call is over.
    pub(super) fn end(&mut self, call: Call) -> Option<Branch> {
        self.out.remove(&call)
    }
}

impl<R> Steps<R> {
    /// The message of a branch goes into another chain.
    pub(super) fn call(&mut self, branch: Branch, chain: Uuid, commands: &mut Vec<Command<R>>) {
        let own = self.graph.chain.id;
        let Some(open) = self.accounts[branch.account.0].as_mut() else {
            return;
        };
        let journey = open.journey.get_or_insert_with(|| Journey::begin(own, open.visits));
        match journey.onward(chain) {
            Err(reason) => self.fail(branch, reason, commands),
            Ok(journey) => {
                let message = Arc::clone(&branch.message);
                let call = self.calls.begin(branch);
                commands.push(Command::Enter {
                    call,
                    chain,
                    message,
                    journey,
                });
            }
        }
    }

    /// A message has come back from another chain: it leaves along a relation of the node that sent it there.
    pub fn came_back(&mut self, call: Call, relation: &str, message: Arc<Message>, commands: &mut Vec<Command<R>>) {
        if let Some(branch) = self.calls.of(call) {
            let back = Branch { message, ..branch.clone() };
            self.route(&back, relation, commands);
        }
    }

    /// Another chain is done with a message.
    pub fn left(&mut self, call: Call, durable: bool, commands: &mut Vec<Command<R>>) {
        if let Some(branch) = self.calls.end(call) {
            self.end(branch.account, durable, commands);
        }
    }

    /// Another chain did not take a message.
    pub fn not_entered(&mut self, call: Call, reason: String, commands: &mut Vec<Command<R>>) {
        if let Some(branch) = self.calls.end(call) {
            self.fail(branch, reason, commands);
        }
    }

    /// The message of a branch is on its way back, or ends here.
    pub fn sent_back(&mut self, branch: &Branch, commands: &mut Vec<Command<R>>) {
        self.end(branch.account, true, commands);
    }
}
