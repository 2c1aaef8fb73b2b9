//! A shell for the tables: keeps what the routing asks for, and puts it into words.

use std::sync::Arc;

use model::{EntityId, Message};
use plugins::{Content, Effect, Emission, Outcome, Relation, Retention};
use serde_json::json;
use smallvec::SmallVec;
use uuid::Uuid;

use super::super::{Account, Branch, Call, Command, Steps};
use crate::Graph;
use crate::journey::Journey;
use crate::testing::message;

/// The commands of a chain, in words, and the branches that wait for the shell.
pub(super) struct Shell {
    pub(super) steps: Steps<u32>,
    /// At nodes, being performed, being recorded.
    pub(super) running: Vec<Branch>,
    pub(super) performing: Vec<(Branch, SmallVec<[Emission; 1]>)>,
    pub(super) recording: Vec<Account>,
    pub(super) pausing: Vec<Branch>,
    /// Inside other chains, and on their way back.
    pub(super) calling: Vec<(Call, Arc<Message>)>,
    pub(super) returning: Vec<Branch>,
    entered: Vec<u32>,
    /// Messages with even receipts come from one, those with odd ones from another.
    originators: [EntityId; 2],
    pub(super) settled: Vec<(u32, bool)>,
}

/// Something happens. Branches are taken first come, first served at the node named.
#[derive(Clone, Debug)]
pub(super) enum Do {
    /// A message enters under this receipt.
    Enter(u32),
    /// The node lets the message leave along these relations.
    Leave(usize, &'static [&'static str]),
    /// The node refuses.
    Refuse(usize, &'static str),
    /// The node asks for so many effects, and then along these relations.
    Ask(usize, usize, &'static [&'static str]),
    /// Its effects are done: the last one says this relation.
    Done(usize, &'static str),
    /// Its effects failed.
    Failed(usize, &'static str),
    /// The oldest failure is recorded, or could not be.
    Recorded(bool),
    /// The longest pause is over.
    Again,
    /// The node sends the message into the other chain of this number.
    Call(usize, u128),
    /// Something comes back from the oldest call, along this relation.
    Back(&'static str),
    /// The oldest call is over, durable or not.
    Left(bool),
    /// The oldest call is not taken.
    NotEntered(&'static str),
    /// The node sends the message back, along a relation or one that is named as it.
    Output(usize, Option<&'static str>),
    /// It is on its way.
    SentBack,
    /// A message comes in from another chain, through these.
    EnterFrom(u32, &'static [u128]),
    /// There is no time for it.
    AtLast,
}

impl Shell {
    pub(super) fn new(graph: Arc<Graph>) -> Self {
        Shell {
            steps: Steps::new(graph),
            running: Vec::new(),
            performing: Vec::new(),
            recording: Vec::new(),
            pausing: Vec::new(),
            calling: Vec::new(),
            returning: Vec::new(),
            entered: Vec::new(),
            originators: [(); 2].map(|()| message(json!({})).originator),
            settled: Vec::new(),
        }
    }

    fn take_running(&mut self, node: usize) -> Branch {
        let at = self
            .running
            .iter()
            .position(|branch| branch.node == node)
            .expect("a message is at the node");
        self.running.remove(at)
    }

    fn take_performing(&mut self, node: usize) -> (Branch, SmallVec<[Emission; 1]>) {
        let at = self
            .performing
            .iter()
            .position(|(branch, _)| branch.node == node)
            .expect("effects of the node are being performed");
        self.performing.remove(at)
    }

    pub(super) fn happen(&mut self, what: Do) -> Vec<String> {
        let commands = &mut Vec::new();
        match what {
            Do::Enter(receipt) => {
                let entering = self.entering(receipt);
                self.steps.enter(entering, receipt, commands);
            }
            Do::EnterFrom(receipt, through) => {
                let entering = self.entering(receipt);
                let mut through = through.iter().map(|chain| Uuid::from_u128(*chain));
                let journey = Journey::begin(through.next().expect("it comes from somewhere"), 0);
                let journey = through.fold(journey, |journey, chain| journey.onward(chain).expect("a way"));
                let journey = journey.onward(self.steps.graph().chain.id).expect("a way here");
                self.steps.enter_from(entering, receipt, Some(journey), commands);
            }
            Do::Call(node, chain) => {
                let branch = self.take_running(node);
                let chain = Uuid::from_u128(chain);
                self.steps.decided(branch, only(Effect::EnterChain { chain }), commands);
            }
            Do::Back(relation) => {
                let (call, message) = self.calling[0].clone();
                self.steps.came_back(call, relation, message, commands);
            }
            Do::Left(durable) => {
                let (call, _) = self.calling.remove(0);
                self.steps.left(call, durable, commands);
                // Said twice, it is heard once.
                self.steps.left(call, !durable, commands);
            }
            Do::NotEntered(reason) => {
                let (call, _) = self.calling.remove(0);
                self.steps.not_entered(call, reason.to_owned(), commands);
            }
            Do::Output(node, relation) => {
                let branch = self.take_running(node);
                let relation = relation.map(Relation::from);
                self.steps.decided(branch, only(Effect::LeaveChain { relation }), commands);
            }
            Do::SentBack => {
                let branch = self.returning.remove(0);
                self.steps.sent_back(&branch, commands);
            }
            Do::Leave(node, relations) => {
                let branch = self.take_running(node);
                self.steps.decided(
                    branch,
                    Ok(Outcome {
                        emissions: along(relations),
                        effects: SmallVec::new(),
                    }),
                    commands,
                );
            }
            Do::Refuse(node, reason) => {
                let branch = self.take_running(node);
                self.steps.decided(branch, Err(reason.to_owned()), commands);
            }
            Do::Ask(node, count, relations) => {
                let branch = self.take_running(node);
                let effects = (0..count).map(|number| effect(&branch, number)).collect();
                self.steps.decided(
                    branch,
                    Ok(Outcome {
                        emissions: along(relations),
                        effects,
                    }),
                    commands,
                );
            }
            Do::Done(node, relation) => {
                let (branch, emissions) = self.take_performing(node);
                self.steps.performed(branch, Ok((relation, None)), emissions, commands);
            }
            Do::Failed(node, reason) => {
                let (branch, emissions) = self.take_performing(node);
                self.steps.performed(branch, Err(reason.to_owned()), emissions, commands);
            }
            Do::Recorded(durable) => {
                let account = self.recording.remove(0);
                self.steps.recorded(account, durable, commands);
            }
            Do::Again => {
                let branch = self.pausing.remove(0);
                self.steps.retry(branch, commands);
            }
            Do::AtLast => {
                let branch = self.pausing.remove(0);
                self.steps.retry_at_last(branch, commands);
            }
        }
        std::mem::take(commands).into_iter().map(|command| self.take(command)).collect()
    }

    /// A message that enters under a receipt.
    fn entering(&mut self, receipt: u32) -> Arc<Message> {
        self.entered.push(receipt);
        Arc::new(Message {
            originator: self.originators[receipt as usize % self.originators.len()],
            ..Message::clone(&message(json!({"t": receipt})))
        })
    }

    /// Keeps what a command is about, and puts it into words.
    fn take(&mut self, command: Command<u32>) -> String {
        match command {
            Command::Run(branch) => {
                let text = format!("run {}", branch.node);
                self.running.push(branch);
                text
            }
            Command::Perform {
                branch,
                effects,
                emissions,
            } => {
                let numbers: Vec<_> = effects.iter().map(number).collect();
                let text = format!("perform {} {numbers:?} then {}", branch.node, emissions.len());
                self.performing.push((branch, emissions));
                text
            }
            Command::Later { branch, pause } => {
                let text = format!("later {}: {} ms", branch.node, pause.as_millis());
                self.pausing.push(branch);
                text
            }
            Command::Record { branch, reason } => {
                let text = format!("record {}: {reason}", branch.node);
                self.recording.push(branch.account);
                text
            }
            Command::Enter { call, chain, message, .. } => {
                self.calling.push((call, message));
                format!("enter {}", chain.as_u128())
            }
            Command::SendBack { branch, relation } => {
                let text = format!("send back {} {}", branch.node, relation.as_ref().map_or("-", Relation::as_str));
                self.returning.push(branch);
                text
            }
            Command::Settle { receipt, durable } => {
                self.settled.push((receipt, durable));
                format!("settle {receipt} {durable}")
            }
        }
    }

    /// Nothing is left, and every receipt was settled exactly once.
    pub(super) fn assert_over(&self, context: &str) {
        assert_eq!(
            self.running.len()
                + self.performing.len()
                + self.recording.len()
                + self.pausing.len()
                + self.calling.len()
                + self.returning.len(),
            0,
            "{context}: the table leaves nothing open"
        );
        assert_eq!(self.steps.branches(), 0, "{context}");
        let mut settled: Vec<_> = self.settled.iter().map(|(receipt, _)| *receipt).collect();
        settled.sort_unstable();
        let mut entered = self.entered.clone();
        entered.sort_unstable();
        assert_eq!(settled, entered, "{context}");
    }
}

fn only(effect: Effect) -> Result<Outcome, String> {
    Ok(Outcome {
        emissions: SmallVec::new(),
        effects: SmallVec::from_iter([effect]),
    })
}

fn along(relations: &[&str]) -> SmallVec<[Emission; 1]> {
    relations
        .iter()
        .map(|relation| Emission {
            relation: Relation::from(*relation),
            message: None,
        })
        .collect()
}

/// An effect that can be told from others by its number.
fn effect(branch: &Branch, number: usize) -> Effect {
    Effect::SaveTimeSeries {
        entity: branch.message.originator,
        ts_ms: number as i64,
        ttl_s: 0,
        values: Content::Own(json!({})),
        keep: Retention::All,
        quiet: false,
    }
}

fn number(effect: &Effect) -> i64 {
    match effect {
        Effect::SaveTimeSeries { ts_ms, .. } => *ts_ms,
        other => panic!("{other:?}"),
    }
}
