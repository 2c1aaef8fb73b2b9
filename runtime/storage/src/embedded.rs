//! The embedded store: one process, one folder, one writer thread, and a commit for many batches at once.
//!
//! ```text
//! submit, save_… → bounded queue → writer thread: a group of batches → database → one fsync → Commits resolve, in order
//! reads          → database, at once; scans on the blocking pool
//! ```
//!
//! Reading order: `keys` and [`value_codec`](crate::value_codec) (what is on disk), `tables` (where), `change`, `apply` and `writer` (how it gets
//! there), then one file for each port. Readings show up for readers when they are written, a moment before they are durable; a
//! [`Commit`](crate::Commit) and every `save_…` answer only when they are.

mod alarms;
mod apply;
mod attributes;
mod change;
mod components;
mod credentials;
mod entities;
mod events;
mod expiry;
mod folder;
#[cfg(test)]
mod golden;
mod keys;
mod node_state;
mod now;
mod relations;
mod rpcs;
mod series;
mod series_ids;
mod small;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use async_trait::async_trait;
use model::{Clock, SystemClock};
use tokio::sync::{mpsc, watch};

use crate::{Commit, Journal, Mutation, StorageError, Tap};
use change::Change;
use tables::Tables;
use writer::{Job, Writer};

/// How an embedded store works.
#[derive(Clone)]
#[non_exhaustive]
pub struct EmbeddedConfig {
    /// Folder that belongs to the store; created if need be.
    pub dir: PathBuf,
    /// Batches that wait for the writer at most; whoever submits more waits as well.
    pub queue_len_max: usize,
    /// Bytes of stored data kept in memory for reading.
    pub cache_bytes: u64,
    /// Time series whose numbers the writer keeps in memory, about 150 bytes each. Others cost it a look-up.
    pub series_cached_max: usize,
    /// Tells when readings expire.
    pub clock: Arc<dyn Clock>,
    /// Who is told of what has become durable.
    pub tap: Option<Arc<dyn Tap>>,
}

impl EmbeddedConfig {
    /// The defaults, for a folder.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        EmbeddedConfig {
            dir: dir.into(),
            queue_len_max: 1024,
            cache_bytes: 64 * 1024 * 1024,
            series_cached_max: 200_000,
            clock: Arc::new(SystemClock),
            tap: None,
        }
    }
}

impl std::fmt::Debug for EmbeddedConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedConfig")
            .field("dir", &self.dir)
            .field("queue_len_max", &self.queue_len_max)
            .field("cache_bytes", &self.cache_bytes)
            .field("series_cached_max", &self.series_cached_max)
            .finish_non_exhaustive()
    }
}

/// The default back end. Clones share it. The last clone dropped finishes what is queued and gives the folder free.
#[derive(Clone)]
pub struct EmbeddedStore(Arc<Inner>);

struct Inner {
    tables: Tables,
    clock: Arc<dyn Clock>,
    /// None only while being dropped.
    jobs: Option<mpsc::Sender<Job>>,
    /// Why the writer gave up.
    failure: Arc<OnceLock<StorageError>>,
    /// Closes when the writer has ended; true: after it has done everything.
    ended: watch::Receiver<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.jobs = None;
        // The folder must be free when this returns. The writer ends by itself as nobody can hand over any more.
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's writer panicked");
        }
    }
}

impl std::fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedStore")
            .field("failure", &self.0.failure.get())
            .finish_non_exhaustive()
    }
}

impl EmbeddedStore {
    /// Opens the store of a folder, and creates it if there is none. Blocks while the database recovers what the last process left.
    ///
    /// # Errors
    /// [`StorageError::Failed`] when the folder is in use, cannot be written, or holds another form of data;
    /// [`StorageError::Corrupt`] when what is there cannot be read.
    pub fn open(config: EmbeddedConfig) -> Result<Self, StorageError> {
        let tables = Tables::open(&config)?;
        let sync = tables.sync();
        Self::start(tables, &config, sync)
    }

    fn start(tables: Tables, config: &EmbeddedConfig, sync: tables::Sync) -> Result<Self, StorageError> {
        let clock = Arc::clone(&config.clock);
        let failure = Arc::new(OnceLock::new());
        let (jobs, queue) = mpsc::channel(config.queue_len_max.max(1));
        let (end, ended) = watch::channel(false);
        let change = Change::new(tables.clone(), Arc::clone(&clock), config.series_cached_max)?;
        let writer = Writer::new(change, queue, sync, Arc::clone(&failure), end, config.tap.clone());
        let thread = std::thread::Builder::new().name("store-writer".into()).spawn(move || writer.run());
        let thread = thread.map_err(|error| StorageError::Failed(format!("cannot start the writer thread: {error}")))?;
        Ok(EmbeddedStore(Arc::new(Inner {
            tables,
            clock,
            jobs: Some(jobs),
            failure,
            ended,
            thread: Some(thread),
        })))
    }

    /// Hands a job to the writer, waiting for a place.
    async fn hand_over(&self, job: Job) -> Result<(), StorageError> {
        let closed = || {
            self.0
                .failure
                .get()
                .cloned()
                .unwrap_or(StorageError::Unavailable("the store is closed"))
        };
        let jobs = self.0.jobs.as_ref().ok_or_else(closed)?;
        jobs.send(job).await.map_err(|_| closed())
    }

    /// Runs a check and the change that depends on it on the writer thread, so that nothing comes in between. Answers when the change
    /// is durable. An error of the command takes back what it has changed.
    async fn command<T: Send + 'static>(
        &self,
        command: impl FnOnce(&mut Change) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (job, answer) = Job::command(command);
        self.hand_over(job).await?;
        answer.await.unwrap_or(Err(StorageError::Unavailable("the writer stopped")))
    }

    /// Reads something long on the blocking pool.
    async fn scan<T: Send + 'static>(
        &self,
        scan: impl FnOnce(&Tables) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let tables = self.0.tables.clone();
        tokio::task::spawn_blocking(move || scan(&tables))
            .await
            .unwrap_or_else(|error| match error.is_panic() {
                true => Err(StorageError::Failed("a scan panicked".into())),
                false => Err(StorageError::Unavailable("the runtime is stopping")),
            })
    }
}

#[async_trait]
impl Journal for EmbeddedStore {
    async fn submit(&self, batch: Vec<Mutation>) -> Result<Commit, StorageError> {
        crate::text::check_batch(&batch)?;
        let (done, commit) = Commit::pending();
        self.hand_over(Job::Batch { mutations: batch, done }).await?;
        Ok(commit)
    }

    async fn close(&self) -> Result<(), StorageError> {
        // Refused when the writer is ending already: its end is what this waits for.
        let _ = self.hand_over(Job::Close).await;
        let mut ended = self.0.ended.clone();
        while ended.changed().await.is_ok() {}
        match self.0.failure.get() {
            Some(failure) => Err(failure.clone()),
            None if *ended.borrow() => Ok(()),
            None => Err(StorageError::Unavailable("the writer stopped")),
        }
    }
}
