//! The actor of one node: owns the component instance, calls it, restarts it.
//!
//! A guest's fault costs the instance, never the actor: the message leaves along `Failure`, and so do those that arrive during the
//! pause before the next instance. The pause grows while faults repeat, which also bounds how much time a bad node can burn.
//!
//! Another version of the component takes over between two messages: its instance was opened beside, in [`open`]. Work is done in slices,
//! for which its tenant takes turns, in [`life`]. A node without work for long gives its instance back.

mod keeping;
mod life;
mod open;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use actor::{Backoff, Control, Lane, Observe, lane};
use model::{Clock, NodeStateChange, RuleNodeId, TenantId};
use plugins::{LogSink, Outcome, ProcessError, Release, SharedMemory, Source};
use serde::Serialize;
use shares::{Pace, Share, Shares, Turn};
use storage::NodeStateStore;
use tokio::time::Instant;
use xtra::{Actor, Context, Handler};

use crate::graph::Graph;
use crate::step::Branch;
use crate::whereabouts::Whereabouts;

use life::NodeLife;
pub use open::{OpenNode, open_node};

/// Of so many messages, one is timed.
const TIMED_EVERY: u64 = 16;
/// Pause after the first fault, and the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LONGEST: Duration = Duration::from_secs(30);
/// A node without fault for this long starts over with the first pause.
const FAULTS_FORGOTTEN: Duration = Duration::from_secs(60);
/// Pause after what a node keeps could not be read.
const PAUSE_UNREAD: Duration = Duration::from_secs(1);
/// How often a node that runs on another server looks whether it still does.
const PAUSE_ELSEWHERE: Duration = Duration::from_secs(1);
/// How often a node without timers looks at them.
const NO_TIMER_MS: i64 = 3_600_000;
/// A node without work for so long gives its instance back, unless something else is asked for.
pub const IDLE_AFTER: Duration = Duration::from_secs(600);

/// What a node tells its chain.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "nearly all are decisions: a box for each would cost more")]
pub enum Report {
    /// It decided about a message.
    Decided(Decided),
    /// A timer of it is due: the chain sends it back as a branch of its own.
    Due {
        /// Who.
        node: RuleNodeId,
        /// Its place in the chain.
        index: usize,
        /// Name.
        timer: Arc<str>,
    },
}

/// What a node decided about a message.
#[derive(Debug)]
pub struct Decided {
    /// The message and its place.
    pub branch: Branch,
    /// Where it goes, or why it failed.
    pub outcome: Result<Outcome, String>,
    /// What the node keeps from now on; to be durable before the message is settled.
    pub kept: Option<NodeStateChange>,
}

/// What every node of a tenant is given.
#[derive(Clone)]
pub struct NodeSurroundings {
    /// Stored values.
    pub readings: Source,
    /// What nodes keep.
    pub states: Arc<dyn NodeStateStore>,
    /// Where log lines go.
    pub log: Arc<dyn LogSink>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Who runs when.
    pub shares: Shares,
    /// Where devices are served, and nodes run of which there is one.
    pub whereabouts: Arc<dyn Whereabouts>,
    /// How long a node without work keeps its instance.
    pub idle_after: Duration,
}

/// What can be seen of a node from outside.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeState {
    /// Messages decided about.
    pub processed: u64,
    /// Of these, failed.
    pub failed: u64,
    /// Instances lost to a fault of the guest.
    pub faults: u64,
    /// The last fault, in words.
    pub last_fault: Option<String>,
    /// Whether an instance is serving.
    pub running: bool,
}

/// The way to a node.
#[derive(Debug)]
pub struct NodeHandle {
    /// Messages for it. Holds as many as a chain lets out, so the chain never waits here.
    pub work: Lane<Branch>,
    /// Its control.
    pub control: Control<NodeActor>,
}

/// The actor.
pub struct NodeActor {
    graph: Arc<Graph>,
    index: usize,
    tenant: TenantId,
    around: NodeSurroundings,
    share: Arc<Share>,
    /// What it keeps. Outlives the instance.
    memory: SharedMemory,
    /// Whether its type keeps something, and whether that was read.
    keeps: bool,
    remembers: bool,
    /// When that was: what the whereabouts said of arrivals.
    read_in: u64,
    read_again_at: Instant,
    /// Timers that the chain was told of.
    due: HashSet<Arc<str>>,
    /// Those of them that are another server's, as it was when they were due.
    passed: Vec<Arc<str>>,
    instance: Option<OpenNode>,
    /// When it last had work.
    worked_at: Instant,
    /// How long its calls are.
    pace: Pace,
    /// Whether an instance was asked about the last message. While a node that failed pauses, none is.
    asked: bool,
    /// What its last call took, if it was not made in this thread.
    ran: Option<Duration>,
    pause_until: Option<Instant>,
    last_fault_at: Option<Instant>,
    backoff: Backoff,
    state: NodeState,
}

impl Actor for NodeActor {
    type Stop = ();
    async fn stopped(self) {}
}

impl Handler<Observe> for NodeActor {
    type Return = NodeState;
    async fn handle(&mut self, _: Observe, _: &mut Context<Self>) -> NodeState {
        NodeState {
            running: self.instance.is_some(),
            ..self.state.clone()
        }
    }
}

/// Takes over what another version of the chain's components is at work with.
#[derive(Debug)]
pub(crate) struct Renew {
    /// The same chain.
    pub(crate) graph: Arc<Graph>,
    /// The instance that takes over; none: this node's component stays.
    pub(crate) opened: Option<OpenNode>,
}

impl Handler<Renew> for NodeActor {
    type Return = ();
    async fn handle(&mut self, Renew { graph, opened }: Renew, _: &mut Context<Self>) {
        self.graph = graph;
        if let Some(opened) = opened {
            // The old instance ends here, between two messages. What its type keeps stays, if the new version has the same schema.
            let schema = self.schema();
            self.keeps = !schema.is_empty();
            if self.remembers && *self.memory.look().schema() != *schema {
                self.memory = SharedMemory::restore(&schema, None);
                self.due.clear();
                self.begin();
            }
            // It was opened without anything kept: a type that keeps something is opened once more, with it.
            self.instance = (!self.keeps).then_some(opened);
            self.pause_until = None;
            self.last_fault_at = None;
            self.backoff.succeeded();
        }
    }
}

/// Something the node keeps could not be stored: it starts again from what is.
#[derive(Debug)]
pub struct Forget;

impl Handler<Forget> for NodeActor {
    type Return = ();
    async fn handle(&mut self, _: Forget, _: &mut Context<Self>) {
        self.forget();
    }
}

/// Starts the actor of a node. It ends when its handle is dropped and its work is done.
pub fn start_node(
    graph: &Arc<Graph>,
    index: usize,
    tenant: TenantId,
    around: &NodeSurroundings,
    work_max: usize,
    done: Lane<Report>,
) -> NodeHandle {
    let (work, receiver) = lane(work_max);
    let (control, mailbox) = Control::mailbox();
    let actor = NodeActor {
        graph: Arc::clone(graph),
        index,
        tenant,
        around: around.clone(),
        share: around.shares.of(tenant),
        memory: SharedMemory::default(),
        keeps: !graph.nodes[index].node_type.descriptor().state_schema.is_empty(),
        remembers: false,
        read_in: 0,
        read_again_at: Instant::now(),
        due: HashSet::new(),
        passed: Vec::new(),
        instance: None,
        worked_at: Instant::now(),
        pace: Pace::default(),
        asked: false,
        ran: None,
        pause_until: None,
        last_fault_at: None,
        backoff: Backoff::new(PAUSE_FIRST, PAUSE_LONGEST),
        state: NodeState::default(),
    };
    let mut life = NodeLife::new(actor, receiver, mailbox, done);
    actor::spawn("rule node", async move { actor::supervise("rule node", &mut life).await });
    NodeHandle { work, control }
}

impl NodeActor {
    /// What the chain is told about a message.
    fn report(&self, branch: Branch, outcome: Result<Outcome, String>) -> Report {
        let kept = if self.keeps { self.memory.look().changes() } else { None };
        Report::Decided(Decided { branch, outcome, kept })
    }

    /// Decides about a message, in a turn of its tenant. The turn is given back when the node has to wait for something.
    async fn decide(&mut self, branch: &Branch, turn: &mut Option<Turn>) -> Result<Outcome, String> {
        self.state.processed += 1;
        if let Some(timer) = &branch.timer {
            self.due.remove(timer);
        }
        let release = self.release().cloned();
        let outcome = match release.as_ref().and_then(|release| release.suspended()) {
            Some(reason) => {
                self.instance = None;
                self.spend(branch);
                Err(reason.to_string())
            }
            None => self.process(branch, turn).await,
        };
        self.state.failed += u64::from(outcome.is_err());
        if let Some(release) = release {
            release.decided(outcome.is_ok());
        }
        outcome
    }

    async fn process(&mut self, branch: &Branch, turn: &mut Option<Turn>) -> Result<Outcome, String> {
        let timed = self.state.processed.is_multiple_of(TIMED_EVERY);
        if let Err(reason) = self.serve(turn).await {
            self.spend(branch);
            return Err(reason);
        }
        let (Some(node), share) = (self.instance.as_mut(), &self.share) else {
            return Err("the rule node has no instance".to_owned());
        };
        if turn.is_none() && !node.waits() {
            *turn = Some(share.turn().await);
        }
        self.asked = true;
        let decided = if node.waits() {
            turn.take();
            share.run(node.process_awaiting(branch, timed)).await
        } else if let Some(turn) = turn.as_mut().filter(|_| self.pace.is_long()) {
            self.decide_aside(branch, timed, turn).await
        } else {
            node.process(branch, timed)
        };
        match decided {
            Ok(outcome) => Ok(outcome),
            Err(ProcessError::Rejected(reason)) => Err(reason),
            Err(ProcessError::Broken(fault)) => {
                let blamed = fault.is_its_own();
                let fault = self.broke(fault.to_string());
                if let Some(release) = self.release().filter(|_| blamed) {
                    release.faulted(&fault);
                }
                Err(fault)
            }
        }
    }

    /// Decides in a thread for long calls: workers have other nodes to serve.
    async fn decide_aside(&mut self, branch: &Branch, timed: bool, turn: &mut Turn) -> Result<Outcome, ProcessError> {
        let lost = || ProcessError::Rejected("the platform failed while the rule node decided".to_owned());
        let mut node = self.instance.take().ok_or_else(lost)?;
        let branch = branch.clone();
        let call = move || {
            let decided = node.process(&branch, timed);
            (node, decided)
        };
        let ((node, decided), ran) = turn.aside(call).await.ok_or_else(lost)?;
        self.instance = Some(node);
        self.ran = Some(ran);
        decided
    }

    /// The form of what its type keeps; empty: nothing.
    fn schema(&self) -> Arc<str> {
        self.graph.nodes[self.index].node_type.descriptor().state_schema.clone()
    }

    /// The uploaded version it works with; none for a shipped component.
    fn release(&self) -> Option<&Arc<Release>> {
        self.graph.nodes[self.index].node_type.release()
    }

    /// Sees to it that there is an instance: started if there is none and the pause is over.
    async fn serve(&mut self, turn: &mut Option<Turn>) -> Result<(), String> {
        if self.keeps && !self.knows() {
            turn.take();
            self.remember().await?;
        }
        if self.instance.is_none() {
            if self.pause_until.is_some_and(|until| Instant::now() < until) {
                let fault = self.state.last_fault.as_deref().unwrap_or("it failed to start");
                return Err(format!("the rule node is being restarted: {fault}"));
            }
            // Opening is charged by itself.
            turn.take();
            match self.open().await {
                Ok(instance) => self.instance = Some(instance),
                Err(reason) => return Err(self.broke(reason)),
            }
        }
        Ok(())
    }

    /// When to give the instance back.
    fn idle_at(&self) -> Instant {
        self.worked_at + self.around.idle_after
    }

    /// Gives the instance back. What the node keeps stays, in memory and in the store.
    fn rest(&mut self) {
        self.instance = None;
        metrics::counter!("rules_node_rests_total").increment(1);
    }

    fn node(&self) -> RuleNodeId {
        self.graph.nodes[self.index].id
    }

    /// Opens an instance on a thread that may block: a guest can use up its budget here.
    async fn open(&self) -> Result<OpenNode, String> {
        let (graph, index, tenant, around) = (Arc::clone(&self.graph), self.index, self.tenant, self.around.clone());
        let memory = self.memory.clone();
        let share = Arc::clone(&self.share);
        let open = move || {
            let began = shares::thread_time();
            let opened = open_node(&graph, index, tenant, &around, memory);
            share.charge(shares::thread_time().saturating_sub(began));
            opened
        };
        match tokio::task::spawn_blocking(open).await {
            Ok(result) => result,
            Err(_) => Err("starting the instance was interrupted".to_owned()),
        }
    }

    /// Counts a fault; the next instance starts after a pause. Answers the reason for the message in hand.
    fn broke(&mut self, fault: String) -> String {
        let now = Instant::now();
        if self.last_fault_at.is_some_and(|at| now - at > FAULTS_FORGOTTEN) {
            self.backoff.succeeded();
        }
        let pause = self.backoff.failed();
        self.instance = None;
        self.pause_until = Some(now + pause);
        self.last_fault_at = Some(now);
        self.state.faults += 1;
        metrics::counter!("rules_node_faults_total").increment(1);
        let spec = &self.graph.nodes[self.index];
        tracing::warn!(node = %spec.id, name = %spec.name, fault, pause_ms = pause.as_millis() as u64, "rule node failed");
        self.state.last_fault = Some(fault.clone());
        fault
    }
}
