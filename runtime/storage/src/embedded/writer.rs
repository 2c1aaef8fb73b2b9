//! The one thread that writes. It takes what is queued as a group, applies it, syncs once, and then keeps the promises of the group in
//! order. While it syncs, the next group gathers.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{self, error::TryRecvError};
use tokio::sync::{oneshot, watch};

use super::apply;
use super::change::Change;
use super::tables::Sync;
use crate::{Mutation, StorageError, Tap};

/// Jobs of a group at most.
const GROUP_JOBS_MAX: usize = 1024;
/// Values of a group at most; the batch that goes beyond still belongs to it.
const GROUP_VALUES_MAX: usize = 10_000;
/// Groups begin at least this far apart. A lone batch waits for nothing; under load more batches share a sync, which costs far more
/// than they do.
const GROUP_INTERVAL: Duration = Duration::from_micros(500);
/// Groups after which removed readings are swept although there is other work.
const GROUPS_PER_SWEEP: u32 = 64;

/// Work for the writer.
pub(super) enum Job {
    /// Changes that depend on nothing.
    Batch {
        /// What to change.
        mutations: Vec<Mutation>,
        /// Who waits for it to be durable.
        done: oneshot::Sender<Result<(), StorageError>>,
    },
    /// A check and a change that depends on it.
    Command(Command),
    /// Finishes everything handed over, and ends the writer.
    Close,
}

/// Stages its changes, and answers with how to tell its caller of the sync.
type Command = Box<dyn FnOnce(&mut Change) -> Finish + Send>;
/// Tells a caller that the group is durable, or why it is not.
type Finish = Box<dyn FnOnce(&Result<(), StorageError>) + Send>;

/// What is owed when the group is durable, or is not.
enum Owed {
    /// To who handed a batch over, and to the tap.
    Batch {
        mutations: Vec<Mutation>,
        staged: Result<(), StorageError>,
        done: oneshot::Sender<Result<(), StorageError>>,
    },
    Answer(Finish),
}

impl Job {
    /// A command, and its answer. An error of the command takes back what it has staged.
    pub(super) fn command<T: Send + 'static>(
        command: impl FnOnce(&mut Change) -> Result<T, StorageError> + Send + 'static,
    ) -> (Self, oneshot::Receiver<Result<T, StorageError>>) {
        let (sender, receiver) = oneshot::channel();
        let job = Job::Command(Box::new(move |change| {
            // What others have staged is not this command's to take back.
            let answer = change.apply().and_then(|()| command(change));
            match &answer {
                Ok(_) => drop(change.apply()),
                Err(_) => change.take_back(),
            }
            Box::new(move |synced| {
                // A caller that went away needs no answer.
                let _ = sender.send(synced.clone().and(answer));
            })
        }));
        (job, receiver)
    }

    fn weight(&self) -> usize {
        match self {
            Job::Batch { mutations, .. } => apply::weight(mutations),
            Job::Command(_) | Job::Close => 1,
        }
    }
}

/// The thread's state.
pub(super) struct Writer {
    change: Change,
    queue: mpsc::Receiver<Job>,
    sync: Sync,
    closing: bool,
    groups: u32,
    failure: Arc<OnceLock<StorageError>>,
    tap: Option<Arc<dyn Tap>>,
    /// Last, so that it tells of the end when everything else is gone.
    end: watch::Sender<bool>,
}

impl Writer {
    /// A writer to be run on a thread of its own.
    pub(super) fn new(
        change: Change,
        queue: mpsc::Receiver<Job>,
        sync: Sync,
        failure: Arc<OnceLock<StorageError>>,
        end: watch::Sender<bool>,
        tap: Option<Arc<dyn Tap>>,
    ) -> Self {
        Writer {
            change,
            queue,
            sync,
            closing: false,
            groups: 0,
            failure,
            tap,
            end,
        }
    }

    /// Works until the store is closed, dropped or broken.
    pub(super) fn run(mut self) {
        let mut last: Option<Instant> = None;
        while let Some(first) = self.next() {
            if let Some(early) = last.and_then(|last| GROUP_INTERVAL.checked_sub(last.elapsed())) {
                std::thread::sleep(early);
            }
            last = Some(Instant::now());
            let group = self.gather(first);
            if let Err(error) = self.commit(group) {
                tracing::error!(%error, "the store takes no more changes");
                // Set before the queue closes: whoever is refused is told why.
                let _ = self.failure.set(error.clone());
                self.change.give_up(&error);
                self.refuse_all(&error);
                return;
            }
            if self.closing {
                self.queue.close();
            }
        }
        self.end.send_replace(true);
    }

    /// The next job; none when nobody can hand over any more. Tidies up while there is none.
    fn next(&mut self) -> Option<Job> {
        loop {
            let due = self.groups >= GROUPS_PER_SWEEP;
            if !self.change.has_garbage() || self.closing {
                return self.queue.blocking_recv();
            }
            if !due {
                match self.queue.try_recv() {
                    Ok(job) => return Some(job),
                    Err(TryRecvError::Disconnected) => return None,
                    Err(TryRecvError::Empty) => {}
                }
            }
            self.groups = 0;
            if let Err(error) = apply::sweep(&mut self.change) {
                // What cannot be read stays; a failed write shows up with the next group.
                tracing::error!(%error, "removed readings keep their space");
                self.change.take_back();
                self.change.swept();
            }
        }
    }

    fn gather(&mut self, first: Job) -> Vec<Job> {
        let mut values = first.weight();
        let mut group = vec![first];
        while group.len() < GROUP_JOBS_MAX && values < GROUP_VALUES_MAX {
            let Ok(job) = self.queue.try_recv() else { break };
            values += job.weight();
            group.push(job);
        }
        group
    }

    /// Writes a group and keeps its promises. An error: the group has failed, and so will all others.
    fn commit(&mut self, group: Vec<Job>) -> Result<(), StorageError> {
        let started = Instant::now();
        self.groups += 1;
        let mut mutations = 0;
        let mut owed: Vec<Owed> = Vec::with_capacity(group.len());
        for job in group {
            match job {
                Job::Batch { mutations: batch, done } => {
                    mutations += batch.len() as u64;
                    let staged = apply::batch(&mut self.change, &batch);
                    owed.push(Owed::Batch {
                        mutations: batch,
                        staged,
                        done,
                    });
                }
                Job::Command(command) => owed.push(Owed::Answer(command(&mut self.change))),
                Job::Close => self.closing = true,
            }
        }
        let synced = self.make_durable();
        for owed in owed {
            self.tell(owed, &synced);
        }
        metrics::counter!("storage_commits_total").increment(1);
        metrics::counter!("storage_mutations_total").increment(mutations);
        metrics::histogram!("storage_commit_seconds").record(started.elapsed().as_secs_f64());
        synced
    }

    fn tell(&self, owed: Owed, synced: &Result<(), StorageError>) {
        match owed {
            Owed::Answer(finish) => finish(synced),
            Owed::Batch { mutations, staged, done } => {
                let result = synced.clone().and(staged);
                if let (Ok(()), Some(tap)) = (&result, &self.tap) {
                    tap.saved(&mutations);
                }
                // Whoever dropped the promise does not want to know.
                let _ = done.send(result);
            }
        }
    }

    fn make_durable(&mut self) -> Result<(), StorageError> {
        self.change.apply()?;
        if let Some(broken) = self.change.broken() {
            return Err(broken.clone());
        }
        if self.change.unsynced() {
            (self.sync)()?;
            self.change.synced();
        }
        Ok(())
    }

    fn refuse_all(&mut self, error: &StorageError) {
        self.queue.close();
        while let Some(job) = self.queue.blocking_recv() {
            match job {
                // As above: nobody has to wait for the answer.
                Job::Batch { done, .. } => drop(done.send(Err(error.clone()))),
                // It does nothing: the change has given up.
                Job::Command(command) => command(&mut self.change)(&Err(error.clone())),
                Job::Close => {}
            }
        }
    }
}
