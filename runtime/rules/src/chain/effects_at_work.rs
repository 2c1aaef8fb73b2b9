//! Effects that a chain has asked for and that are not done yet.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use effects::{EffectError, Effects, Performed, Planned, plan};
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, FuturesUnordered, StreamExt};
use model::{EntityId, Message};
use plugins::{Effect, Emission};
use smallvec::SmallVec;
use storage::Mutation;

use crate::step::{Account, Branch};

/// Batches at the store before the next one waits to grow.
const COMMITS_MAX: usize = 2;
/// Writes of a batch, or finished effects taken at one time.
const BATCH_MAX: usize = 4096;
/// Effects for devices' actors – requests, answers, presence – that wait at most: more fail their message. Each keeps a branch of the chain
/// open, and the actors may wait until the chain, which takes in only so many, lets their next message in.
const TO_DEVICES_MAX: usize = 1024;
/// Originators whose effects wait in turn, and effects that wait for one originator, at most: more fail their message.
const WAITING_MAX: usize = 10_000;

type Emissions = SmallVec<[Emission; 1]>;
/// Whom an effect takes turns with: effects of the same kind for the same originator. Servers outside may be slow; they must not hold up
/// the originator's alarms and attributes.
type Turn = (Beside, EntityId);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Beside {
    Store,
    Outside,
}

type Result3 = (Branch, Result<Performed, EffectError>, Emissions);

/// Effects of a branch that were performed beside.
struct Performance {
    turn: Option<Turn>,
    to_device: bool,
    result: Result3,
}

/// What has become of effects.
pub(super) enum Finished {
    /// Performed one by one.
    Effects(Vec<Result3>),
    /// Written as a batch, or not.
    Batch {
        /// Messages whose values were in the batch.
        written: Vec<(Branch, Emissions)>,
        /// Accounts whose failures were in the batch.
        recorded: Vec<Account>,
        /// Accounts for which nodes keep something, and which nodes.
        kept: Vec<(Account, usize)>,
        /// Why it was not written.
        error: Option<String>,
    },
}

/// A batch in the making.
#[derive(Default)]
struct Batch {
    mutations: Vec<Mutation>,
    written: Vec<(Branch, Emissions)>,
    recorded: Vec<Account>,
    kept: Vec<(Account, usize)>,
}

struct Job {
    branch: Branch,
    effects: SmallVec<[Effect; 1]>,
    emissions: Emissions,
    /// Whether one of the effects waits for a device's actor.
    to_device: bool,
}

impl Job {
    fn new(branch: Branch, effects: SmallVec<[Effect; 1]>, emissions: Emissions) -> Self {
        let waits = |effect: &Effect| {
            matches!(
                effect,
                Effect::SendRpc { .. } | Effect::ReplyRpc { .. } | Effect::ReportPresence { .. }
            )
        };
        Job {
            to_device: effects.iter().any(waits),
            branch,
            effects,
            emissions,
        }
    }
}

/// Effects at work.
pub(super) struct AtWork {
    effects: Effects,
    batch: Batch,
    /// Batches at the store, in the order they were handed over.
    commits: FuturesOrdered<BoxFuture<'static, Finished>>,
    /// Effects that read or wait.
    slow: FuturesUnordered<BoxFuture<'static, Performance>>,
    waiting: HashMap<Turn, VecDeque<Job>>,
    waiting_len: usize,
    /// Jobs with effects that wait for a device's actor, at work or not yet.
    to_devices: usize,
    now_ms: i64,
}

impl AtWork {
    pub(super) fn new(effects: Effects) -> Self {
        let now_ms = effects.now_ms();
        AtWork {
            effects,
            batch: Batch::default(),
            commits: FuturesOrdered::new(),
            slow: FuturesUnordered::new(),
            waiting: HashMap::new(),
            waiting_len: 0,
            to_devices: 0,
            now_ms,
        }
    }

    pub(super) fn effects(&self) -> &Effects {
        &self.effects
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Whether there is nothing to wait for.
    pub(super) fn is_empty(&self) -> bool {
        self.commits.is_empty() && self.slow.is_empty()
    }

    /// Starts effects. Plain writes join the batch that [`AtWork::submit`] hands over.
    ///
    /// # Errors
    /// The branch and the reason, when nothing was started.
    pub(super) fn perform(&mut self, branch: Branch, effects: SmallVec<[Effect; 1]>, emissions: Emissions) -> Result<(), (Branch, String)> {
        if effects.len() != 1 {
            return self.start(Job::new(branch, effects, emissions));
        }
        let Some(effect) = effects.into_iter().next() else { return Ok(()) };
        match plan(effect, self.now_ms) {
            Err(error) => Err((branch, error.to_string())),
            Ok(Planned::Write(mutation)) => {
                self.batch.mutations.push(mutation);
                self.batch.written.push((branch, emissions));
                Ok(())
            }
            // Goes with the batch all the same, so that messages of a device stay in order.
            Ok(Planned::Nothing) => {
                self.batch.written.push((branch, emissions));
                Ok(())
            }
            Ok(Planned::Perform(effect)) => self.start(Job::new(branch, SmallVec::from_iter([effect]), emissions)),
        }
    }

    /// Adds a failure's event to the batch.
    pub(super) fn record(&mut self, account: Account, event: Mutation) {
        self.batch.mutations.push(event);
        self.batch.recorded.push(account);
    }

    /// Adds what a node keeps to the batch.
    pub(super) fn keep(&mut self, account: Account, node: usize, change: Mutation) {
        self.batch.mutations.push(change);
        self.batch.kept.push((account, node));
    }

    /// Adds a change that nobody waits for to the batch.
    pub(super) fn tidy(&mut self, change: Mutation) {
        self.batch.mutations.push(change);
    }

    /// Hands the batch to the store; waits while the store's queue is full.
    pub(super) async fn submit(&mut self) {
        self.now_ms = self.effects.now_ms();
        if self.batch.written.is_empty() && self.batch.mutations.is_empty() {
            return;
        }
        // While enough is at the store, the batch grows: one large batch costs less than many small ones, and is durable as soon.
        if self.commits.len() >= COMMITS_MAX && self.batch.mutations.len() < BATCH_MAX {
            return;
        }
        let Batch {
            mutations,
            written,
            recorded,
            kept,
        } = std::mem::take(&mut self.batch);
        let submitted = self.effects.store().submit(mutations).await;
        self.commits.push_back(Box::pin(async move {
            let result = match submitted {
                Ok(commit) => commit.await,
                Err(error) => Err(error),
            };
            let error = result.err().map(|error| EffectError::from(error).to_string());
            Finished::Batch {
                written,
                recorded,
                kept,
                error,
            }
        }));
    }

    /// Waits for something to be done. Cancelling loses nothing.
    pub(super) async fn finished(&mut self) -> Finished {
        tokio::select! {
            Some(batch) = self.commits.next(), if !self.commits.is_empty() => batch,
            Some(done) = self.slow.next(), if !self.slow.is_empty() => {
                let mut results = vec![self.done(done)];
                // Most are done at once, such as clearing an alarm that is not there.
                while results.len() < BATCH_MAX {
                    let Some(Some(done)) = self.slow.next().now_or_never() else { break };
                    let result = self.done(done);
                    results.push(result);
                }
                Finished::Effects(results)
            }
            else => Finished::Effects(Vec::new()),
        }
    }

    fn start(&mut self, job: Job) -> Result<(), (Branch, String)> {
        if job.to_device && self.to_devices >= TO_DEVICES_MAX {
            return Err((job.branch, "too many requests to devices, or answers to theirs, wait".to_owned()));
        }
        let to_device = job.to_device;
        self.queue(job)?;
        self.to_devices += usize::from(to_device);
        Ok(())
    }

    fn queue(&mut self, job: Job) -> Result<(), (Branch, String)> {
        // Requests to a device may wait for a minute; they must not hold up the device's alarms and attributes.
        if job.effects.iter().any(|effect| matches!(effect, Effect::SendRpc { .. })) {
            self.slow.push(perform(self.effects.clone(), job, None));
            return Ok(());
        }
        let outside = job
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::HttpRequest(_) | Effect::Publish(_)));
        let beside = if outside { Beside::Outside } else { Beside::Store };
        let turn = (beside, job.branch.message.originator);
        if let Some(queue) = self.waiting.get_mut(&turn) {
            if self.waiting_len >= WAITING_MAX {
                return Err((job.branch, "too many effects wait to be performed".to_owned()));
            }
            self.waiting_len += 1;
            queue.push_back(job);
        } else {
            self.waiting.insert(turn, VecDeque::new());
            self.slow.push(perform(self.effects.clone(), job, Some(turn)));
        }
        Ok(())
    }

    fn done(&mut self, done: Performance) -> Result3 {
        self.to_devices -= usize::from(done.to_device);
        self.start_next(done.turn);
        done.result
    }

    /// An effect is done: the next one has its turn.
    fn start_next(&mut self, turn: Option<Turn>) {
        let Some(turn) = turn else { return };
        let next = self.waiting.get_mut(&turn).and_then(VecDeque::pop_front);
        match next {
            Some(job) => {
                self.waiting_len -= 1;
                self.slow.push(perform(self.effects.clone(), job, Some(turn)));
            }
            None => {
                self.waiting.remove(&turn);
            }
        }
    }
}

fn perform(effects: Effects, job: Job, turn: Option<Turn>) -> BoxFuture<'static, Performance> {
    Box::pin(async move {
        let Job {
            branch,
            effects: wanted,
            emissions,
            to_device,
        } = job;
        let message: Arc<Message> = Arc::clone(&branch.message);
        let result = effects.perform(wanted, message).await;
        Performance {
            turn,
            to_device,
            result: (branch, result, emissions),
        }
    })
}
