//! The actor of one node: owns the component instance, calls it, restarts it.
//!
//! A guest's fault costs the instance, never the actor: the message leaves along `Failure`, and so do those that arrive during the
//! pause before the next instance. The pause grows while faults repeat, which also bounds how much time a bad node can burn.
//!
//! Another version of the component takes over between two messages: its instance was opened beside, in [`open`].

mod open;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actor::{Backoff, Control, Lane, LaneReceiver, Life, Observe, lane};
use model::{Clock, TenantId};
use plugins::{LogSink, Outcome, ProcessError, Readings, Release};
use serde::Serialize;
use tokio::time::Instant;
use xtra::{Actor, Context, Handler, Mailbox};

use crate::graph::Graph;
use crate::step::Branch;

pub use open::{OpenNode, open_node};

/// Messages a node takes at one turn.
const BATCH_MAX: usize = 64;
/// Of so many messages, one is timed.
const TIMED_EVERY: u64 = 16;
/// Pause after the first fault, and the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LONGEST: Duration = Duration::from_secs(30);
/// A node without fault for this long starts over with the first pause.
const FAULTS_FORGOTTEN: Duration = Duration::from_secs(60);

/// What a node decided about a message.
#[derive(Debug)]
pub struct Decided {
    /// The message and its place.
    pub branch: Branch,
    /// Where it goes, or why it failed.
    pub outcome: Result<Outcome, String>,
}

/// What every node of a tenant is given.
#[derive(Clone)]
pub struct NodeSurroundings {
    /// Stored values.
    pub readings: Arc<dyn Readings>,
    /// Where log lines go.
    pub log: Arc<dyn LogSink>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
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
    instance: Option<OpenNode>,
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
            // The old instance ends here, between two messages. What it kept in its memory goes with it.
            self.instance = Some(opened);
            self.pause_until = None;
            self.last_fault_at = None;
            self.backoff.succeeded();
        }
    }
}

/// Starts the actor of a node. It ends when its handle is dropped and its work is done.
pub fn start_node(
    graph: &Arc<Graph>,
    index: usize,
    tenant: TenantId,
    around: &NodeSurroundings,
    work_max: usize,
    done: Lane<Decided>,
) -> NodeHandle {
    let (work, receiver) = lane(work_max);
    let (control, mailbox) = Control::mailbox();
    let actor = NodeActor {
        graph: Arc::clone(graph),
        index,
        tenant,
        around: around.clone(),
        instance: None,
        pause_until: None,
        last_fault_at: None,
        backoff: Backoff::new(PAUSE_FIRST, PAUSE_LONGEST),
        state: NodeState::default(),
    };
    let mut life = NodeLife {
        actor,
        work: receiver,
        mailbox,
        done,
        queue: VecDeque::new(),
        in_hand: None,
    };
    actor::spawn("rule node", async move { actor::supervise("rule node", &mut life).await });
    NodeHandle { work, control }
}

struct NodeLife {
    actor: NodeActor,
    work: LaneReceiver<Branch>,
    mailbox: Mailbox<NodeActor>,
    done: Lane<Decided>,
    /// Taken from the lane, not decided about yet.
    queue: VecDeque<Branch>,
    /// Being decided about. Still there after a panic: then it fails, so that its message is settled.
    in_hand: Option<Branch>,
}

impl Life for NodeLife {
    async fn live(&mut self) {
        let NodeLife {
            actor,
            work,
            mailbox,
            done,
            queue,
            in_hand,
        } = self;
        if let Some(branch) = in_hand.take() {
            let outcome = Err("the rule node's actor failed".to_owned());
            let _ = done.send(Decided { branch, outcome }).await;
        }
        let mut batch = Vec::new();
        let mut control = std::pin::pin!(mailbox.next());
        // A mailbox that nobody can reach any more is always ready: listened to further, it would starve the work.
        let mut steered = true;
        loop {
            tokio::select! {
                biased;
                message = &mut control, if steered => {
                    // A node outlives its control: it ends when its work lane closes.
                    steered = message.dispatch_to(actor).await.is_continue();
                    control.set(mailbox.next());
                }
                taken = work.recv_batch(&mut batch, BATCH_MAX), if queue.is_empty() => {
                    if taken == 0 {
                        return;
                    }
                    queue.extend(batch.drain(..));
                }
                () = std::future::ready(()), if !queue.is_empty() => {}
            }
            while let Some(branch) = queue.pop_front() {
                let outcome = actor.decide(in_hand.insert(branch)).await;
                let Some(branch) = in_hand.take() else { continue };
                if done.send(Decided { branch, outcome }).await.is_err() {
                    return;
                }
            }
        }
    }
}

impl NodeActor {
    async fn decide(&mut self, branch: &Branch) -> Result<Outcome, String> {
        self.state.processed += 1;
        let release = self.release().cloned();
        let outcome = match release.as_ref().and_then(|release| release.suspended()) {
            Some(reason) => {
                self.instance = None;
                Err(reason.to_string())
            }
            None => self.process(branch).await,
        };
        self.state.failed += u64::from(outcome.is_err());
        if let Some(release) = release {
            release.decided(outcome.is_ok());
        }
        outcome
    }

    async fn process(&mut self, branch: &Branch) -> Result<Outcome, String> {
        let timed = self.state.processed.is_multiple_of(TIMED_EVERY);
        let node = self.serving().await?;
        match node.process(&branch.message, timed) {
            Ok(outcome) => Ok(outcome),
            Err(ProcessError::Rejected(reason)) => Err(reason),
            Err(ProcessError::Broken(fault)) => {
                let fault = self.broke(fault.to_string());
                if let Some(release) = self.release() {
                    release.faulted(&fault);
                }
                Err(fault)
            }
        }
    }

    /// The uploaded version it works with; none for a shipped component.
    fn release(&self) -> Option<&Arc<Release>> {
        self.graph.nodes[self.index].node_type.release()
    }

    /// The instance, started if there is none and the pause is over.
    async fn serving(&mut self) -> Result<&mut OpenNode, String> {
        if self.instance.is_none() {
            if self.pause_until.is_some_and(|until| Instant::now() < until) {
                let fault = self.state.last_fault.as_deref().unwrap_or("it failed to start");
                return Err(format!("the rule node is being restarted: {fault}"));
            }
            match self.open().await {
                Ok(instance) => self.instance = Some(instance),
                Err(reason) => return Err(self.broke(reason)),
            }
        }
        self.instance.as_mut().ok_or_else(|| "the rule node has no instance".to_owned())
    }

    /// Opens an instance on a thread that may block: a guest can use up its budget here.
    async fn open(&self) -> Result<OpenNode, String> {
        let (graph, index, tenant, around) = (Arc::clone(&self.graph), self.index, self.tenant, self.around.clone());
        match tokio::task::spawn_blocking(move || open_node(&graph, index, tenant, &around)).await {
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
