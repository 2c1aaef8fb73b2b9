//! What is agreed on, as far as this server has heard: entries of the log in, a [`ClusterState`] and the peer's [`Place`] out.

#![allow(clippy::result_large_err, reason = "the library's error is as large as it is")]

#[cfg(test)]
mod tests;

use std::io::Cursor;
use std::sync::Arc;

use cluster::Place;
use openraft::storage::RaftStateMachine;
use openraft::{EntryPayload, ErrorSubject, ErrorVerb, OptionalSend, RaftSnapshotBuilder, StorageIOError};
use parking_lot::RwLock;
use peers::handshake::FIRST;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::MembershipError;
use crate::log_store::LogStore;
use crate::raft::{LogId, Snapshot, SnapshotMeta, StorageError, StoredMembership, TypeConfig};
use crate::state::{Answer, ClusterState};

const SNAPSHOT: &str = "snapshot";

/// Clones share everything.
#[derive(Clone)]
pub(crate) struct Machine {
    applied: Arc<RwLock<Applied>>,
    place: Place,
    store: LogStore,
    /// What the cluster speaks.
    version: watch::Sender<u32>,
}

/// The version of the cluster as it stands in a folder, be it that it is not agreed on yet: what follows may be in words of that version.
pub(crate) fn known_version(store: &LogStore) -> Result<u32, MembershipError> {
    let Applied { last, mut state, .. } = store.record(SNAPSHOT)?.unwrap_or_default();
    for entry in store.readable()?.into_iter().filter(|entry| Some(entry.log_id) > last) {
        if let EntryPayload::Normal(command) = entry.payload {
            state.apply(&command);
        }
    }
    Ok(state.version())
}

/// All there is, up to an entry. Small: a snapshot is a copy of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Applied {
    last: Option<LogId>,
    membership: StoredMembership,
    state: ClusterState,
}

impl Machine {
    /// As the last snapshot says. The log after it is applied again.
    pub(crate) fn open(store: LogStore, place: Place) -> Result<Self, MembershipError> {
        let applied: Applied = store.record(SNAPSHOT)?.unwrap_or_default();
        place.agreed(&applied.state.members);
        let machine = Machine {
            applied: Arc::new(RwLock::new(applied)),
            place,
            store,
            version: watch::channel(FIRST).0,
        };
        machine.speaks(machine.state().version());
        Ok(machine)
    }

    /// What the cluster speaks, and whenever it is raised.
    pub(crate) fn version(&self) -> watch::Receiver<u32> {
        self.version.subscribe()
    }

    fn speaks(&self, version: u32) {
        self.version.send_if_modified(|known| {
            let rises = version > *known;
            *known = version.max(*known);
            metrics::gauge!("cluster_version").set(f64::from(*known));
            rises
        });
    }

    pub(crate) fn state(&self) -> ClusterState {
        self.applied.read().state.clone()
    }
}

impl Applied {
    fn meta(&self) -> SnapshotMeta {
        let last = self
            .last
            .map_or_else(String::new, |last| format!("{}-{}", last.leader_id.term, last.index));
        SnapshotMeta {
            last_log_id: self.last,
            last_membership: self.membership.clone(),
            snapshot_id: last,
        }
    }

    fn snapshot(&self) -> Result<Snapshot, StorageError> {
        let bytes = serde_json::to_vec(self).map_err(|error| StorageIOError::read_snapshot(None, &error))?;
        Ok(Snapshot {
            meta: self.meta(),
            snapshot: Box::new(Cursor::new(bytes)),
        })
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Machine {
    async fn build_snapshot(&mut self) -> Result<Snapshot, StorageError> {
        let applied = self.applied.read().clone();
        let snapshot = applied.snapshot()?;
        self.store
            .blocking(ErrorSubject::Snapshot(None), ErrorVerb::Write, move |store| {
                Ok(store.put_record(SNAPSHOT, &applied)?)
            })
            .await?;
        Ok(snapshot)
    }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotBuilder = Machine;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), StorageError> {
        let applied = self.applied.read();
        Ok((applied.last, applied.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Answer>, StorageError>
    where
        I: IntoIterator<Item = crate::raft::Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut applied = self.applied.write();
        let mut answers = Vec::new();
        for entry in entries {
            applied.last = Some(entry.log_id);
            answers.push(match entry.payload {
                EntryPayload::Blank => Answer::Unchanged,
                EntryPayload::Membership(membership) => {
                    applied.membership = StoredMembership::new(Some(entry.log_id), membership);
                    Answer::Unchanged
                }
                EntryPayload::Normal(command) => {
                    let answer = applied.state.apply(&command);
                    tracing::info!(?command, ?answer, epoch = applied.state.members.epoch.0, "agreed");
                    self.speaks(applied.state.version());
                    // After each one: no epoch must be missed.
                    self.place.agreed(&applied.state.members);
                    answer
                }
            });
        }
        Ok(answers)
    }

    async fn get_snapshot_builder(&mut self) -> Machine {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError> {
        Ok(Box::default())
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: Box<Cursor<Vec<u8>>>) -> Result<(), StorageError> {
        let parsed = serde_json::from_slice(snapshot.get_ref());
        let applied: Applied = parsed.map_err(|error| StorageIOError::read_snapshot(Some(meta.signature()), &error))?;
        let kept = applied.clone();
        self.store
            .blocking(ErrorSubject::Snapshot(Some(meta.signature())), ErrorVerb::Write, move |store| {
                Ok(store.put_record(SNAPSHOT, &kept)?)
            })
            .await?;
        self.speaks(applied.state.version());
        self.place.agreed(&applied.state.members);
        *self.applied.write() = applied;
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, StorageError> {
        let kept: Option<Applied> = self
            .store
            .blocking(ErrorSubject::Snapshot(None), ErrorVerb::Read, |store| Ok(store.record(SNAPSHOT)?))
            .await?;
        kept.map(|applied| applied.snapshot()).transpose()
    }
}
