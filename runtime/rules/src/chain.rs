//! The actor of a rule chain: carries out the commands of [`crate::step`].
//!
//! Messages come in through one lane, in order, and only while fewer than [`BRANCHES_MAX`] branches are open: that is the back-pressure.
//! Nodes answer through another lane. Plain writes of all messages at hand travel to the store as one batch; the chain goes on with
//! other messages until the batch is durable. Effects that wait (alarms, requests to devices) are performed beside, in order for each
//! originator. A new version of the chain is taken over when no branch is open: nothing in flight is lost or reordered.
//!
//! Messages of other chains come in through a lane of their own. They are taken whatever else is inside, up to a limit: those who wait for
//! them hold up their own entrances.

mod between;
mod calls;
mod effects_at_work;
mod later;

use std::sync::Arc;
use std::time::Duration;

use actor::{Control, Lane, LaneReceiver, Life, Observe, lane};
use cluster::Receipt;
use effects::Effects;
use model::{Message, RuleNodeId, TenantId};
use plugins::{Relation, timer_message};
use serde::Serialize;
use storage::Mutation;
use tokio::time::{Instant, sleep_until};
use xtra::{Actor, Context, Handler, Mailbox};

use crate::failure::Failures;
use crate::graph::Graph;
use crate::node::{Decided, Forget, NodeHandle, NodeState, NodeSurroundings, OpenNode, Renew, Report, start_node};
use crate::step::{Command, Steps};
use calls::{CALL_LANE_CAPACITY, CALLED_MAX, Called, Home, Owed};
use effects_at_work::{AtWork, Finished};
use later::Later;

pub use calls::{CallLane, Neighbours};

/// Messages that may wait at the entrance of a chain.
pub const CHAIN_LANE_CAPACITY: usize = 1024;
/// Branches that may be open before the entrance closes.
pub const BRANCHES_MAX: usize = 4096;
/// Messages taken at one turn.
const BATCH_MAX: usize = 256;
/// Messages that may wait for a node: all that can be inside.
const WORK_MAX: usize = 2 * BRANCHES_MAX + CALLED_MAX;
/// How long messages of other chains wait while another version waits for its turn. Then they are refused: two chains may wait for each
/// other.
const REPLACED_WITHIN: Duration = Duration::from_secs(5);

/// A message at the entrance of a chain.
#[derive(Debug)]
pub struct ChainInput {
    /// What.
    pub message: Arc<Message>,
    /// Settled when all its effects are durable.
    pub receipt: Receipt,
}

/// The entrance of a chain. Stays the same when the chain changes.
pub type ChainLane = Lane<ChainInput>;

/// The way to a chain.
#[derive(Clone, Debug)]
pub struct ChainHandle {
    /// Its entrance.
    pub lane: ChainLane,
    /// Its entrance for messages of other chains.
    pub calls: CallLane,
    /// Its control.
    pub control: Control<ChainActor>,
}

/// What can be seen of a chain from outside.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainState {
    /// Name.
    pub name: String,
    /// Messages that entered.
    pub entered: u64,
    /// Messages settled as durable.
    pub settled: u64,
    /// Messages whose effects could not be made durable.
    pub not_durable: u64,
    /// Branches open now.
    pub open_branches: usize,
    /// Its nodes, by name.
    pub nodes: Vec<(String, NodeState)>,
}

/// Takes over another version of the chain at the next message border.
#[derive(Debug)]
pub struct Replace(pub Arc<Graph>);

/// Takes over other versions of components, while messages are on their way: each node switches between two of its messages.
#[derive(Debug)]
pub struct Swap {
    /// The same chain, with the new versions.
    pub graph: Arc<Graph>,
    /// Instances that wait for their turn, by node.
    pub opened: Vec<(usize, OpenNode)>,
}

/// The actor.
pub struct ChainActor {
    tenant: TenantId,
    around: NodeSurroundings,
    neighbours: Arc<dyn Neighbours>,
    steps: Steps<Owed>,
    /// Where news of messages inside other chains arrive.
    home: Arc<Home>,
    /// Messages of other chains inside.
    called: usize,
    nodes: Vec<NodeHandle>,
    next: Option<Arc<Graph>>,
    /// When a version that waits has waited long.
    late_at: Option<Instant>,
    done: Lane<Report>,
    at_work: AtWork,
    later: Later,
    failures: Failures,
    commands: Vec<Command<Owed>>,
    entered: u64,
    settled: u64,
    not_durable: u64,
}

/// Starts the actor of a chain. It ends when the last lane to it is dropped and its work is done.
pub fn start_chain(
    graph: Arc<Graph>,
    tenant: TenantId,
    effects: Effects,
    neighbours: Arc<dyn Neighbours>,
    around: NodeSurroundings,
) -> ChainHandle {
    let (input, inputs) = lane(CHAIN_LANE_CAPACITY);
    let (call, calls) = lane(CALL_LANE_CAPACITY);
    let (done, decided) = lane(2 * BRANCHES_MAX);
    let (control, mailbox) = Control::mailbox();
    let mut actor = ChainActor {
        tenant,
        around,
        neighbours,
        steps: Steps::new(Arc::clone(&graph)),
        home: Arc::default(),
        called: 0,
        nodes: Vec::new(),
        next: None,
        late_at: None,
        done,
        at_work: AtWork::new(effects),
        later: Later::default(),
        failures: Failures::default(),
        commands: Vec::new(),
        entered: 0,
        settled: 0,
        not_durable: 0,
    };
    actor.start_nodes();
    let mut life = ChainLife {
        actor,
        inputs,
        calls,
        decided,
        mailbox,
        lived: false,
    };
    actor::spawn("rule chain", async move { actor::supervise("rule chain", &mut life).await });
    ChainHandle {
        lane: input,
        calls: call,
        control,
    }
}

impl Actor for ChainActor {
    type Stop = ();
    async fn stopped(self) {}
}

impl Handler<Replace> for ChainActor {
    type Return = ();
    async fn handle(&mut self, Replace(graph): Replace, _: &mut Context<Self>) {
        self.next = Some(graph);
        self.hurry();
    }
}

impl Handler<Swap> for ChainActor {
    type Return = ();
    async fn handle(&mut self, Swap { graph, opened }: Swap, _: &mut Context<Self>) {
        // A version of the chain that waits for its turn is what the swap is about: it starts with the new components.
        if self.next.is_some() || !graph.has_shape_of(self.steps.graph()) {
            self.next = Some(graph);
            self.hurry();
            return;
        }
        let mut opened: Vec<Option<OpenNode>> = by_index(opened, self.nodes.len());
        self.steps.renew(Arc::clone(&graph));
        for (node, opened) in self.nodes.iter().zip(opened.iter_mut()) {
            let renew = Renew {
                graph: Arc::clone(&graph),
                opened: opened.take(),
            };
            // A node whose actor gave up is started anew with the chain.
            let _ = node.control.tell(renew).await;
        }
    }
}

fn by_index(opened: Vec<(usize, OpenNode)>, len: usize) -> Vec<Option<OpenNode>> {
    let mut all: Vec<Option<OpenNode>> = (0..len).map(|_| None).collect();
    for (index, node) in opened {
        if let Some(place) = all.get_mut(index) {
            *place = Some(node);
        }
    }
    all
}

impl Handler<Observe> for ChainActor {
    type Return = ChainState;
    async fn handle(&mut self, _: Observe, _: &mut Context<Self>) -> ChainState {
        let mut nodes = Vec::with_capacity(self.nodes.len());
        for (node, spec) in self.nodes.iter().zip(&self.steps.graph().nodes) {
            // A node that is inside a long call cannot answer now; its numbers are left out rather than waited for.
            if let Ok(Ok(state)) = tokio::time::timeout(Duration::from_millis(200), node.control.ask(Observe)).await {
                nodes.push((spec.name.to_string(), state));
            }
        }
        ChainState {
            name: self.steps.graph().name.to_string(),
            entered: self.entered,
            settled: self.settled,
            not_durable: self.not_durable,
            open_branches: self.steps.branches(),
            nodes,
        }
    }
}

struct ChainLife {
    actor: ChainActor,
    inputs: LaneReceiver<ChainInput>,
    calls: LaneReceiver<Called>,
    decided: LaneReceiver<Report>,
    mailbox: Mailbox<ChainActor>,
    /// Not for the first time: there was a panic.
    lived: bool,
}

impl Life for ChainLife {
    async fn live(&mut self) {
        let ChainLife {
            actor,
            inputs,
            calls,
            decided,
            mailbox,
            lived,
        } = self;
        if std::mem::replace(lived, true) {
            *decided = actor.start_over();
        }
        let mut entering = Vec::with_capacity(BATCH_MAX);
        let mut answers = Vec::with_capacity(BATCH_MAX);
        let mut control = std::pin::pin!(mailbox.next());
        let mut called = Vec::with_capacity(BATCH_MAX);
        let (mut entrance_open, mut calls_open) = (true, true);
        // A mailbox that nobody can reach any more is always ready: listened to further, it would starve everything else.
        let mut steered = true;
        loop {
            actor.take_over_when_empty();
            let room = BRANCHES_MAX.saturating_sub(actor.steps.branches()).min(BATCH_MAX);
            if !entrance_open && !calls_open && actor.steps.branches() == 0 {
                return;
            }
            tokio::select! {
                biased;
                message = &mut control, if steered => {
                    // Breaks when asked to stop, or when nobody holds the control any more; the entrance decides about the end.
                    if message.dispatch_to(actor).await.is_break() {
                        steered = false;
                        inputs.close();
                        calls.close();
                    }
                    control.set(mailbox.next());
                }
                _ = decided.recv_batch(&mut answers, BATCH_MAX) => {
                    for report in answers.drain(..) {
                        match report {
                            Report::Decided(decided) => actor.decided(decided),
                            Report::Due { node, index, timer } => actor.due(node, index, timer),
                        }
                    }
                }
                branch = actor.later.next(), if !actor.later.is_empty() => actor.steps.retry(branch, &mut actor.commands),
                finished = actor.at_work.finished(), if !actor.at_work.is_empty() => actor.take_back(finished).await,
                // Looks again: messages of other chains are refused from now on.
                () = sleep_until(actor.late_at.unwrap_or_else(Instant::now)), if actor.is_replaced_soon() => {}
                news = actor.home.take(BATCH_MAX) => actor.hear(news),
                taken = calls.recv_batch(&mut called, BATCH_MAX), if calls_open && actor.called < CALLED_MAX && !actor.is_replaced_soon() => {
                    calls_open = taken > 0;
                    called.drain(..).for_each(|one| actor.take_in(one));
                    // Devices have their turn, too, however many messages of other chains come.
                    let room = if actor.next.is_none() { room } else { 0 };
                    entering.extend(std::iter::from_fn(|| inputs.try_recv()).take(room));
                    actor.enter(&mut entering);
                }
                taken = inputs.recv_batch(&mut entering, room), if entrance_open && room > 0 && actor.next.is_none() => {
                    entrance_open = taken > 0;
                    actor.enter(&mut entering);
                }
            }
            actor.carry_out().await;
        }
    }
}

impl ChainActor {
    fn start_nodes(&mut self) {
        let graph = Arc::clone(self.steps.graph());
        self.nodes = (0..graph.nodes.len())
            .map(|index| start_node(&graph, index, self.tenant, &self.around, WORK_MAX, self.done.clone()))
            .collect();
    }

    /// Messages of devices enter.
    fn enter(&mut self, entering: &mut Vec<ChainInput>) {
        self.entered += entering.len() as u64;
        for ChainInput { message, receipt } in entering.drain(..) {
            self.steps.enter(message, Owed::Receipt(receipt), &mut self.commands);
        }
    }

    /// Forgets everything in flight: its receipts say so, and devices send again. Answers where the new nodes report.
    fn start_over(&mut self) -> LaneReceiver<Report> {
        let (done, decided) = lane(2 * BRANCHES_MAX);
        self.done = done;
        self.commands.clear();
        self.steps = Steps::new(Arc::clone(self.steps.graph()));
        // News of messages that are forgotten go nowhere.
        self.home = Arc::default();
        self.called = 0;
        self.at_work = AtWork::new(self.at_work.effects().clone());
        self.later = Later::default();
        self.start_nodes();
        decided
    }

    fn decided(&mut self, Decided { branch, outcome, kept }: Decided) {
        if let Some(change) = kept {
            let node = self.steps.graph().nodes[branch.node].id;
            let change = Arc::new(change);
            self.steps.recording(branch.account);
            self.at_work.keep(branch.account, branch.node, Mutation::NodeState { node, change });
        }
        self.steps.decided(branch, outcome, &mut self.commands);
    }

    fn due(&mut self, node: RuleNodeId, index: usize, timer: Arc<str>) {
        // A node of a version that is gone, or that goes now: its successor finds the timer in what is stored.
        let present = self.steps.graph().nodes.get(index).is_some_and(|spec| spec.id == node);
        if !present || self.next.is_some() {
            return;
        }
        let message = timer_message(node, &timer, self.at_work.now_ms());
        self.steps
            .due(index, timer, message, Owed::Receipt(Receipt::unclaimed()), &mut self.commands);
    }

    /// Another version of the chain waits until no message is on its way: those that would be tried again are tried a last time now.
    fn hurry(&mut self) {
        self.late_at.get_or_insert_with(|| Instant::now() + REPLACED_WITHIN);
        for branch in self.later.all() {
            self.steps.retry_at_last(branch, &mut self.commands);
        }
    }

    /// Whether another version waits for its turn, and not for long yet.
    fn is_replaced_soon(&self) -> bool {
        self.next.is_some() && self.late_at.is_some_and(|late_at| Instant::now() < late_at)
    }

    fn take_over_when_empty(&mut self) {
        if self.steps.branches() == 0
            && let Some(graph) = self.next.take()
        {
            for gone in &self.steps.graph().nodes {
                if graph.nodes.iter().all(|node| node.id != gone.id) {
                    self.at_work.tidy(Mutation::DropNodeState(gone.id));
                }
            }
            self.late_at = None;
            tracing::info!(chain = %graph.chain, name = %graph.name, nodes = graph.nodes.len(), "rule chain replaced");
            self.steps.replace(graph);
            self.start_nodes();
        }
    }

    async fn take_back(&mut self, finished: Finished) {
        match finished {
            Finished::Effects(all) => {
                for (branch, result, emissions) in all {
                    let result = match &result {
                        Ok(performed) => Ok((performed.relation, performed.message.clone())),
                        Err(error) => Err(error.to_string()),
                    };
                    self.steps.performed(branch, result, emissions, &mut self.commands);
                }
            }
            Finished::Batch {
                written,
                recorded,
                kept,
                error,
            } => {
                for (branch, emissions) in written {
                    let result = match &error {
                        None => Ok(("Success", None)),
                        Some(text) => Err(text.clone()),
                    };
                    self.steps.performed(branch, result, emissions, &mut self.commands);
                }
                for (account, node) in kept {
                    if error.is_some() {
                        // A node that is gone has nothing to forget.
                        let _ = self.nodes[node].control.tell(Forget).await;
                    }
                    self.steps.recorded(account, error.is_none(), &mut self.commands);
                }
                for account in recorded {
                    self.steps.recorded(account, error.is_none(), &mut self.commands);
                }
            }
        }
    }

    /// Carries out commands until none is left; then hands the writes they asked for to the store, as one batch.
    async fn carry_out(&mut self) {
        while !self.commands.is_empty() {
            for command in std::mem::take(&mut self.commands) {
                match command {
                    Command::Run(branch) => {
                        let node = &self.nodes[branch.node];
                        if let Err(branch) = node.work.try_send(branch) {
                            let reason = "too many messages wait for the rule node".to_owned();
                            self.steps.decided(branch, Err(reason), &mut self.commands);
                        }
                    }
                    Command::Perform {
                        branch,
                        effects,
                        emissions,
                    } => {
                        if let Err((branch, reason)) = self.at_work.perform(branch, effects, emissions) {
                            self.steps.decided(branch, Err(reason), &mut self.commands);
                        }
                    }
                    // Another version waits: see `hurry`.
                    Command::Later { branch, .. } if self.next.is_some() => self.steps.retry_at_last(branch, &mut self.commands),
                    Command::Later { branch, pause } => self.later.push(branch, pause),
                    Command::Record { branch, reason } => {
                        let node = &self.steps.graph().nodes[branch.node];
                        match self.failures.record(node, &branch.message, &reason, self.at_work.now_ms()) {
                            Some(event) => self.at_work.record(branch.account, event),
                            None => self.steps.recorded(branch.account, true, &mut self.commands),
                        }
                    }
                    Command::Enter {
                        call,
                        chain,
                        message,
                        journey,
                    } => self.send_in(call, chain, message, journey),
                    Command::SendBack { branch, relation } => self.send_back(branch, relation.as_ref().map(Relation::as_str)),
                    Command::Settle { receipt, durable } => {
                        self.settled += u64::from(durable);
                        self.not_durable += u64::from(!durable);
                        self.called -= usize::from(matches!(receipt, Owed::Caller(_)));
                        receipt.settle(durable);
                    }
                }
            }
        }
        self.at_work.submit().await;
    }
}
