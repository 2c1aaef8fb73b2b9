//! The types of the agreement.

use std::io::Cursor;

use crate::state::{Answer, Command};

openraft::declare_raft_types!(
    /// What the servers agree on, for openraft.
    pub TypeConfig:
        D = Command,
        R = Answer,
        NodeId = u64,
        Node = openraft::BasicNode,
        Entry = openraft::Entry<TypeConfig>,
        SnapshotData = Cursor<Vec<u8>>,
);

/// A server's part of the agreement.
pub type Raft = openraft::Raft<TypeConfig>;
pub(crate) type Node = openraft::BasicNode;
pub(crate) type Entry = openraft::Entry<TypeConfig>;
pub(crate) type LogId = openraft::LogId<u64>;
pub(crate) type StorageError = openraft::StorageError<u64>;
pub(crate) type StoredMembership = openraft::StoredMembership<u64, Node>;
pub(crate) type SnapshotMeta = openraft::SnapshotMeta<u64, Node>;
pub(crate) type Snapshot = openraft::Snapshot<TypeConfig>;
