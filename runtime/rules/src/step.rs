//! The routing of messages, as a pure function of state and event: no clock, no lane, no component.
//!
//! A message that enters opens an *account*. Each copy of it on its way through the chain is a *branch*; a branch is at a node, being
//! performed, being recorded as a failure, waiting to be tried again, or inside another chain. When the last branch of an account ends, the
//! account's receipt is settled.
//!
//! Nodes that decide by what they have saved take the messages of an originator in turn: no two of them are at such nodes, or have effects
//! under way that such nodes have asked for.
//!
//! A message that goes into another chain opens an account there, and its branch here stays open until that account is closed: what is
//! settled here is settled there before. What fails there fails there; what comes back is another branch here.

mod calls;
mod held;

use std::sync::Arc;
use std::time::Duration;

use model::Message;
use plugins::{Effect, Emission, Outcome, Relation};
use smallvec::SmallVec;
use uuid::Uuid;

use crate::Graph;
use crate::journey::Journey;
use crate::policy::Last;
use calls::Calls;
use held::{Held, Line};

pub use calls::Call;
pub use held::HELD_MAX;

#[cfg(test)]
mod tests;

/// Visits of nodes by one message and its descendants at most: a loop that never ends ends here.
pub const VISITS_MAX: u32 = 10_000;

/// An open account. Slots are used again, but only when no branch knows them any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account(usize);

/// A branch at a node.
#[derive(Clone, Debug)]
pub struct Branch {
    /// Whose account.
    pub account: Account,
    /// At which node.
    pub node: usize,
    /// The message there.
    pub message: Arc<Message>,
    /// The timer that is due there; none: a message has arrived.
    pub timer: Option<Arc<str>>,
    /// How often it was tried again there.
    pub attempts: u8,
    /// The line in which others of the same originator wait behind it.
    holds: Option<Line>,
}

/// What the shell is to do.
#[derive(Debug)]
pub enum Command<R> {
    /// Let a node decide.
    Run(Branch),
    /// Perform effects, then report [`Steps::performed`].
    Perform {
        /// At the node that asked.
        branch: Branch,
        /// In this order.
        effects: SmallVec<[Effect; 1]>,
        /// What leaves afterwards; empty: the message itself, along the relation the last effect reports.
        emissions: SmallVec<[Emission; 1]>,
    },
    /// Try a message again after a pause: report [`Steps::retry`] then.
    Later {
        /// At the node where it failed.
        branch: Branch,
        /// How long.
        pause: Duration,
    },
    /// Record durably that a message failed and nobody took its `Failure`, then report [`Steps::recorded`].
    Record {
        /// Where it failed.
        branch: Branch,
        /// Why.
        reason: String,
    },
    /// Send a message into another chain, then report [`Steps::came_back`] for each that comes back and [`Steps::left`] at the end; or only
    /// [`Steps::not_entered`].
    Enter {
        /// Who waits here.
        call: Call,
        /// Which chain.
        chain: Uuid,
        /// What.
        message: Arc<Message>,
        /// With the other chain in it.
        journey: Journey,
    },
    /// Send the message of a branch back to where its account comes from, if that is a chain, then report [`Steps::sent_back`], or that
    /// its node [`Steps::decided`] badly.
    SendBack {
        /// At the node that said so.
        branch: Branch,
        /// None: the relation is named as the node.
        relation: Option<Relation>,
    },
    /// The account is closed: everything is durable, or not.
    Settle {
        /// The receipt given at the entrance.
        receipt: R,
        /// Whether everything is durable.
        durable: bool,
    },
}

/// Where messages are.
#[derive(Debug)]
pub struct Steps<R> {
    graph: Arc<Graph>,
    accounts: Vec<Option<Open<R>>>,
    free: Vec<usize>,
    branches: usize,
    held: Held,
    calls: Calls,
}

#[derive(Debug)]
struct Open<R> {
    receipt: R,
    branches: u32,
    /// Nodes visited, unless that is counted on the journey.
    visits: u32,
    /// The way of a message that has been in more than one chain.
    journey: Option<Journey>,
    durable: bool,
}

impl<R> Open<R> {
    /// One more node is visited; how many there are now.
    fn visit(&mut self) -> u32 {
        match &self.journey {
            Some(journey) => journey.visit(),
            None => {
                self.visits += 1;
                self.visits
            }
        }
    }
}

impl<R> Steps<R> {
    /// An empty chain.
    pub fn new(graph: Arc<Graph>) -> Self {
        Steps {
            graph,
            accounts: Vec::new(),
            free: Vec::new(),
            branches: 0,
            held: Held::default(),
            calls: Calls::default(),
        }
    }

    /// The receipt of an open account.
    pub fn receipt(&self, account: Account) -> Option<&R> {
        self.accounts.get(account.0)?.as_ref().map(|open| &open.receipt)
    }

    /// Branches on their way.
    pub fn branches(&self) -> usize {
        self.branches
    }

    /// The chain.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// Takes another version of the chain. Only when no branch is on its way: branches name nodes by index.
    pub fn replace(&mut self, graph: Arc<Graph>) {
        debug_assert_eq!(self.branches, 0, "a chain is replaced between messages");
        self.graph = graph;
    }

    /// Takes the same chain with other versions of its components, at any time: every branch finds the ways it would have found.
    pub fn renew(&mut self, graph: Arc<Graph>) {
        debug_assert!(graph.has_shape_of(&self.graph), "only components are renewed");
        self.graph = graph;
    }

    /// A message enters.
    pub fn enter(&mut self, message: Arc<Message>, receipt: R, commands: &mut Vec<Command<R>>) {
        self.enter_from(message, receipt, None, commands);
    }

    /// A message enters, from another chain if it has come a way.
    pub fn enter_from(&mut self, message: Arc<Message>, receipt: R, journey: Option<Journey>, commands: &mut Vec<Command<R>>) {
        match self.graph.first {
            Some(first) => self.open((first, message, None), receipt, journey, commands),
            None => commands.push(Command::Settle { receipt, durable: true }),
        }
    }

    /// A timer of a node is due. `message` stands for it.
    pub fn due(&mut self, node: usize, timer: Arc<str>, message: Arc<Message>, receipt: R, commands: &mut Vec<Command<R>>) {
        self.open((node, message, Some(timer)), receipt, None, commands);
    }

    /// Opens an account with a branch at a node.
    fn open(
        &mut self,
        (node, message, timer): (usize, Arc<Message>, Option<Arc<str>>),
        receipt: R,
        journey: Option<Journey>,
        commands: &mut Vec<Command<R>>,
    ) {
        let mut open = Open {
            receipt,
            branches: 1,
            visits: 0,
            journey,
            durable: true,
        };
        open.visit();
        let slot = match self.free.pop() {
            Some(slot) => {
                self.accounts[slot] = Some(open);
                slot
            }
            None => {
                self.accounts.push(Some(open));
                self.accounts.len() - 1
            }
        };
        self.branches += 1;
        let branch = Branch {
            account: Account(slot),
            node,
            message,
            timer,
            attempts: 0,
            holds: None,
        };
        self.arrive(branch, commands);
    }

    /// A branch has come to a node.
    fn arrive(&mut self, branch: Branch, commands: &mut Vec<Command<R>>) {
        let in_turn = self.graph.nodes[branch.node].in_turn;
        match self.held.arrive(branch, in_turn) {
            Ok(Some(branch)) => commands.push(Command::Run(branch)),
            Ok(None) => {}
            Err((branch, reason)) => self.fail(branch, reason, commands),
        }
    }

    /// The pause of a branch is over.
    pub fn retry(&mut self, mut branch: Branch, commands: &mut Vec<Command<R>>) {
        // One that there was no room for still waits for its turn.
        if self.graph.nodes[branch.node].in_turn && branch.holds != Some(Line::Turn) {
            self.through(&mut branch, commands);
            self.arrive(branch, commands);
            return;
        }
        commands.push(Command::Run(branch));
    }

    /// There is no time for the pause of a branch: it is tried once more, and what comes of that counts.
    pub fn retry_at_last(&mut self, branch: Branch, commands: &mut Vec<Command<R>>) {
        self.retry(
            Branch {
                attempts: u8::MAX,
                ..branch
            },
            commands,
        );
    }

    /// A branch is through at its node: the next one that waits behind it comes to its turn.
    fn through(&mut self, branch: &mut Branch, commands: &mut Vec<Command<R>>) {
        if let Some(next) = self.held.release(branch) {
            commands.push(Command::Run(next));
        }
    }

    /// A node has decided about a message.
    pub fn decided(&mut self, mut branch: Branch, outcome: Result<Outcome, String>, commands: &mut Vec<Command<R>>) {
        // Who is through with its turn is so when what it asked for is done: the next one may decide by that. What is inside another chain may
        // be there for long, and come back here.
        let is_asking = |outcome: &Outcome| match outcome.effects.first() {
            None | Some(Effect::EnterChain { .. } | Effect::LeaveChain { .. }) => false,
            Some(_) => true,
        };
        if outcome
            .as_ref()
            .is_ok_and(|outcome| branch.holds != Some(Line::Turn) || !is_asking(outcome))
        {
            self.through(&mut branch, commands);
        }
        match outcome {
            Err(reason) => self.fail(branch, reason, commands),
            Ok(Outcome { emissions, effects }) if effects.is_empty() => self.leave(branch, emissions, commands),
            Ok(Outcome { emissions, mut effects }) => match effects.pop() {
                // Each stands alone.
                Some(Effect::EnterChain { chain }) => self.call(branch, chain, commands),
                Some(Effect::LeaveChain { relation }) => commands.push(Command::SendBack { branch, relation }),
                last => {
                    effects.extend(last);
                    commands.push(Command::Perform {
                        branch,
                        effects,
                        emissions,
                    });
                }
            },
        }
    }

    /// The effects of a branch are durable, or failed.
    pub fn performed(
        &mut self,
        mut branch: Branch,
        result: Result<(&str, Option<Arc<Message>>), String>,
        emissions: SmallVec<[Emission; 1]>,
        commands: &mut Vec<Command<R>>,
    ) {
        if result.is_ok() {
            self.through(&mut branch, commands);
        }
        match result {
            Err(reason) => self.fail(branch, reason, commands),
            // An effect may report `Failure` with a message that says more: nothing else happens then, either.
            Ok((relation, message)) if emissions.is_empty() || relation == "Failure" => {
                if let Some(message) = message {
                    branch.message = message;
                }
                self.forward(branch, relation, commands);
            }
            Ok(_) => self.leave(branch, emissions, commands),
        }
    }

    /// Something beside the messages is to be made durable for an account: it stays open until [`Steps::recorded`].
    pub fn recording(&mut self, account: Account) {
        if let Some(open) = self.accounts[account.0].as_mut() {
            open.branches += 1;
            self.branches += 1;
        }
    }

    /// What was to be recorded for an account is durable, or could not be.
    pub fn recorded(&mut self, account: Account, durable: bool, commands: &mut Vec<Command<R>>) {
        self.end(account, durable, commands);
    }

    /// Emissions leave a node.
    fn leave(&mut self, branch: Branch, emissions: SmallVec<[Emission; 1]>, commands: &mut Vec<Command<R>>) {
        for Emission { relation, message } in emissions {
            let message = message.unwrap_or_else(|| Arc::clone(&branch.message));
            self.route(&Branch { message, ..branch.clone() }, relation.as_str(), commands);
        }
        self.end(branch.account, true, commands);
    }

    /// The message of a branch leaves along one relation.
    fn forward(&mut self, branch: Branch, relation: &str, commands: &mut Vec<Command<R>>) {
        self.route(&branch, relation, commands);
        self.end(branch.account, true, commands);
    }

    /// A message has failed: what becomes of it is up to the node's policy.
    fn fail(&mut self, mut branch: Branch, reason: String, commands: &mut Vec<Command<R>>) {
        let graph = Arc::clone(&self.graph);
        let policy = &graph.nodes[branch.node].failure;
        // A timer has fired, whatever came of it.
        if branch.timer.is_none()
            && let Some(pause) = policy.pause(branch.attempts)
        {
            branch.attempts += 1;
            self.held.hold(&mut branch);
            commands.push(Command::Later { branch, pause });
            return;
        }
        self.through(&mut branch, commands);
        match &policy.last {
            Last::Relation => self.leave_along_failure(branch, reason, commands),
            Last::Drop => {
                metrics::counter!("rules_failures_dropped_total").increment(1);
                self.end(branch.account, true, commands);
            }
            Last::Open(relation) => {
                metrics::counter!("rules_failures_passed_total").increment(1);
                self.forward(branch, relation, commands);
            }
        }
    }

    /// The message of a branch leaves along `Failure` with the reason in its metadata; where nobody takes it, it is recorded.
    fn leave_along_failure(&mut self, branch: Branch, reason: String, commands: &mut Vec<Command<R>>) {
        if self.graph.nodes[branch.node].targets("Failure").is_empty() {
            commands.push(Command::Record { branch, reason });
            return;
        }
        let mut message = Message::clone(&branch.message);
        message.metadata.insert("error", reason);
        self.forward(
            Branch {
                message: Arc::new(message),
                ..branch
            },
            "Failure",
            commands,
        );
    }

    /// Starts a branch at every node a relation leads to.
    fn route(&mut self, from: &Branch, relation: &str, commands: &mut Vec<Command<R>>) {
        let graph = Arc::clone(&self.graph);
        let targets = graph.nodes[from.node].targets(relation);
        if targets.is_empty() && relation == "Failure" {
            if let Some(open) = self.accounts[from.account.0].as_mut() {
                open.branches += 1;
                self.branches += 1;
                let reason = from
                    .message
                    .metadata
                    .get("error")
                    .unwrap_or("the node sent the message along Failure")
                    .to_owned();
                commands.push(Command::Record {
                    branch: from.clone(),
                    reason,
                });
            }
            return;
        }
        for target in targets {
            let Some(open) = self.accounts[from.account.0].as_mut() else {
                continue;
            };
            let visits = open.visit();
            open.branches += 1;
            self.branches += 1;
            let branch = Branch {
                account: from.account,
                node: *target,
                message: Arc::clone(&from.message),
                timer: None,
                attempts: 0,
                holds: None,
            };
            if visits > VISITS_MAX {
                let reason = format!("the message was processed by more than {VISITS_MAX} rule nodes");
                commands.push(Command::Record { branch, reason });
                return;
            }
            self.arrive(branch, commands);
        }
    }

    /// A branch has ended.
    fn end(&mut self, account: Account, durable: bool, commands: &mut Vec<Command<R>>) {
        let Some(open) = self.accounts[account.0].as_mut() else { return };
        open.branches -= 1;
        open.durable &= durable;
        self.branches -= 1;
        if open.branches == 0 {
            self.free.push(account.0);
            if let Some(Open { receipt, durable, .. }) = self.accounts[account.0].take() {
                commands.push(Command::Settle { receipt, durable });
            }
        }
    }
}
