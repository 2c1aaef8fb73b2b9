//! The log, and what else a server must not forget, in a folder of its own. A write is synced before anybody hears that it is done.
//!
//! Two keyspaces: `log`, by the entry's number; `records`, by name. Entries are JSON text: there are few, and people may have to read them.

use std::fmt::Debug;
use std::ops::{Bound, RangeBounds};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{ErrorSubject, ErrorVerb, LogState, OptionalSend, RaftLogReader, StorageIOError, Vote};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::MembershipError;
use crate::raft::{Entry, LogId, StorageError, TypeConfig};

const VOTE: &str = "vote";
const COMMITTED: &str = "committed";
const PURGED: &str = "purged";
/// Bytes of memory for writes: there are few.
const WRITE_BUFFER_BYTES: u64 = 8 << 20;

/// Clones share everything.
#[derive(Clone)]
pub struct LogStore(Arc<Inner>);

struct Inner {
    dir: PathBuf,
    database: Database,
    log: Keyspace,
    records: Keyspace,
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

impl LogStore {
    /// Opens the folder, or makes it.
    ///
    /// # Errors
    /// [`MembershipError::Store`].
    pub fn open(dir: &Path) -> Result<Self, MembershipError> {
        let open = || -> fjall::Result<Inner> {
            let database = Database::builder(dir).open()?;
            let small = || KeyspaceCreateOptions::default().max_memtable_size(WRITE_BUFFER_BYTES);
            let (log, records) = (database.keyspace("log", small)?, database.keyspace("records", small)?);
            Ok(Inner {
                dir: dir.to_owned(),
                database,
                log,
                records,
            })
        };
        let inner = open().map_err(|error| MembershipError::Store(dir.to_owned(), error))?;
        Ok(LogStore(Arc::new(inner)))
    }

    /// A record; none: it was never written.
    ///
    /// # Errors
    /// [`MembershipError`] when it cannot be read.
    pub fn record<T: DeserializeOwned>(&self, name: &'static str) -> Result<Option<T>, MembershipError> {
        let found = self.0.records.get(name).map_err(|error| self.failed(error))?;
        let parsed = found.map(|bytes| serde_json::from_slice(&bytes)).transpose();
        parsed.map_err(|error| MembershipError::Record(name, error))
    }

    /// Writes a record durably. Blocks.
    ///
    /// # Errors
    /// [`MembershipError`] when it cannot be written.
    pub fn put_record(&self, name: &'static str, record: &impl Serialize) -> Result<(), MembershipError> {
        let bytes = serde_json::to_vec(record).map_err(|error| MembershipError::Record(name, error))?;
        let written = self.0.records.insert(name, bytes);
        written.and_then(|()| self.sync()).map_err(|error| self.failed(error))
    }

    /// The entries of the log, up to the first that this program cannot read: a newer one may have written it.
    pub(crate) fn readable(&self) -> Result<Vec<Entry>, MembershipError> {
        let mut entries = Vec::new();
        for guard in self.0.log.iter() {
            let bytes = guard.value().map_err(|error| self.failed(error))?;
            match serde_json::from_slice(&bytes) {
                Ok(entry) => entries.push(entry),
                Err(_) => break,
            }
        }
        Ok(entries)
    }

    /// An entry as another program would write it.
    #[cfg(test)]
    pub(crate) fn put_raw(&self, index: u64, text: &str) -> fjall::Result<()> {
        self.0.log.insert(index.to_be_bytes(), text)
    }

    fn failed(&self, error: fjall::Error) -> MembershipError {
        MembershipError::Store(self.0.dir.clone(), error)
    }

    fn sync(&self) -> fjall::Result<()> {
        self.0.database.persist(PersistMode::SyncData)
    }

    /// Does something that waits for the disk, on a thread that may.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        subject: ErrorSubject<u64>,
        verb: ErrorVerb,
        work: impl FnOnce(&LogStore) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, StorageError> {
        let store = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        let done = done.map_err(Failed::from).and_then(|done| done);
        done.map_err(|error| StorageIOError::new(subject, verb, openraft::AnyError::error(error)).into())
    }

    fn entries(&self, range: (Bound<u64>, Bound<u64>)) -> Result<Vec<Entry>, Failed> {
        let key = |bound: Bound<u64>| bound.map(u64::to_be_bytes);
        let found = self.0.log.range::<[u8; 8], _>((key(range.0), key(range.1)));
        found.map(|guard| Ok(serde_json::from_slice(&guard.value()?)?)).collect()
    }

    fn last(&self) -> Result<Option<Entry>, Failed> {
        let last = self.0.log.last_key_value();
        last.map(|guard| Ok(serde_json::from_slice(&guard.value()?)?)).transpose()
    }

    /// Removes entries, and writes a record with them.
    fn remove(&self, range: (Bound<u64>, Bound<u64>), purged: Option<LogId>) -> Result<(), Failed> {
        let mut batch = self.0.database.batch();
        for entry in self.entries(range)? {
            batch.remove(&self.0.log, entry.log_id.index.to_be_bytes());
        }
        if let Some(purged) = purged {
            batch.insert(&self.0.records, PURGED, serde_json::to_vec(&purged)?);
        }
        batch.commit()?;
        Ok(self.sync()?)
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry>, StorageError> {
        let range = (range.start_bound().cloned(), range.end_bound().cloned());
        self.blocking(ErrorSubject::Logs, ErrorVerb::Read, move |store| store.entries(range))
            .await
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, StorageError> {
        self.blocking(ErrorSubject::Logs, ErrorVerb::Read, |store| {
            let last_purged_log_id = store.record(PURGED)?;
            Ok(LogState {
                last_purged_log_id,
                last_log_id: store.last()?.map(|entry| entry.log_id).or(last_purged_log_id),
            })
        })
        .await
    }

    async fn get_log_reader(&mut self) -> LogStore {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<u64>) -> Result<(), StorageError> {
        let vote = *vote;
        self.blocking(
            ErrorSubject::Vote,
            ErrorVerb::Write,
            move |store| Ok(store.put_record(VOTE, &vote)?),
        )
        .await
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<u64>>, StorageError> {
        self.blocking(ErrorSubject::Vote, ErrorVerb::Read, |store| Ok(store.record(VOTE)?))
            .await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), StorageError> {
        // Not synced: who forgets it hears it again from the leader.
        self.blocking(ErrorSubject::Store, ErrorVerb::Write, move |store| {
            Ok(store.0.records.insert(COMMITTED, serde_json::to_vec(&committed)?)?)
        })
        .await
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, StorageError> {
        self.blocking(ErrorSubject::Store, ErrorVerb::Read, |store| {
            Ok(store.record::<Option<LogId>>(COMMITTED)?.flatten())
        })
        .await
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<TypeConfig>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        self.blocking(ErrorSubject::Logs, ErrorVerb::Write, move |store| {
            let mut batch = store.0.database.batch();
            for entry in entries {
                batch.insert(&store.0.log, entry.log_id.index.to_be_bytes(), serde_json::to_vec(&entry)?);
            }
            batch.commit()?;
            Ok(store.sync()?)
        })
        .await?;
        callback.log_io_completed(Ok(()));
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.blocking(ErrorSubject::Logs, ErrorVerb::Delete, move |store| {
            store.remove((Bound::Included(log_id.index), Bound::Unbounded), None)
        })
        .await
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.blocking(ErrorSubject::Logs, ErrorVerb::Delete, move |store| {
            store.remove((Bound::Unbounded, Bound::Included(log_id.index)), Some(log_id))
        })
        .await
    }
}
