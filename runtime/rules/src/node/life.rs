//! The life of a node's actor: control, timers, and work in slices. A slice is what the node does in one turn of its tenant.

use std::collections::VecDeque;

use actor::{Lane, LaneReceiver, Life};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time::{Instant, sleep_until};
use xtra::Mailbox;

use super::{NodeActor, Report};
use crate::step::Branch;

/// Messages a node takes from its lane at one time.
const BATCH_MAX: usize = 64;

pub(super) struct NodeLife {
    actor: NodeActor,
    work: LaneReceiver<Branch>,
    mailbox: Mailbox<NodeActor>,
    done: Lane<Report>,
    /// Taken from the lane, not decided about yet.
    queue: VecDeque<Branch>,
    /// Being decided about. Still there after a panic: then it fails, so that its message is settled.
    in_hand: Option<Branch>,
    /// Whether a call may keep its thread: there are others.
    threads: bool,
}

impl NodeLife {
    pub(super) fn new(actor: NodeActor, work: LaneReceiver<Branch>, mailbox: Mailbox<NodeActor>, done: Lane<Report>) -> Self {
        NodeLife {
            actor,
            work,
            mailbox,
            done,
            queue: VecDeque::new(),
            in_hand: None,
            threads: Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread,
        }
    }
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
            threads,
        } = self;
        if let Some(branch) = in_hand.take() {
            let report = actor.report(branch, Err("the rule node's actor failed".to_owned()));
            let _ = done.send(report).await;
        }
        let mut batch = Vec::new();
        let mut control = std::pin::pin!(mailbox.next());
        let mut moved = actor.around.whereabouts.changed();
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
                () = sleep_until(actor.wakes_at()), if actor.keeps => actor.wake(done).await,
                // There may be more to read now.
                () = &mut moved, if actor.keeps => moved = actor.around.whereabouts.changed(),
                taken = work.recv_batch(&mut batch, BATCH_MAX), if queue.is_empty() => {
                    if taken == 0 {
                        return;
                    }
                    queue.extend(batch.drain(..));
                }
                () = std::future::ready(()), if !queue.is_empty() => {}
                () = sleep_until(actor.idle_at()), if actor.instance.is_some() => actor.rest(),
            }
            if !queue.is_empty() && !slice(actor, queue, in_hand, done, *threads).await {
                return;
            }
        }
    }
}

/// Decides about messages for one turn. False: the chain is gone.
async fn slice(
    actor: &mut NodeActor,
    queue: &mut VecDeque<Branch>,
    in_hand: &mut Option<Branch>,
    done: &Lane<Report>,
    threads: bool,
) -> bool {
    let mut turn = Some(actor.share.turn().await);
    while let Some(branch) = queue.pop_front() {
        let outcome = actor.decide(in_hand.insert(branch), &mut turn).await;
        let Some(branch) = in_hand.take() else { continue };
        if let Err(report) = done.try_send(actor.report(branch, outcome)) {
            // Nobody's turn passes in waiting.
            drop(turn);
            return done.send(report).await.is_ok();
        }
        // A turn that was given back is over. It may also be another one than before this message.
        let Some(current) = turn.as_mut() else { break };
        let ran = current.lap();
        // Nothing is learned from messages that no instance was asked about.
        if std::mem::take(&mut actor.asked) {
            let ran = actor.ran.take().unwrap_or(ran);
            actor.pace.was(threads && actor.share.is_long(ran));
        }
        if current.lapped() >= shares::SLICE {
            drop(turn);
            tokio::task::yield_now().await;
            break;
        }
    }
    actor.worked_at = Instant::now();
    true
}
