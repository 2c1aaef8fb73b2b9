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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use openraft::error::{Fatal, InstallSnapshotError, RaftError};
    use openraft::raft::{
        AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse, VoteRequest, VoteResponse,
    };
    use openraft::{CommittedLeaderId, EntryPayload, Membership, Vote};
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::*;

    /// A cluster is upgraded server by server: meanwhile servers with another version of the library agree with each other, and read what was
    /// written before. Fields and names stand here as they are sent and stored.
    #[test]
    #[expect(clippy::result_large_err, reason = "openraft has its errors like that")]
    fn messages_of_the_agreement_never_change() {
        let log = |index| LogId::new(CommittedLeaderId::new(3, 1), index);
        let vote = Vote::new_committed(3, 1);
        let nodes: BTreeMap<u64, Node> = [(1, Node::new("a:1")), (2, Node::new("b:1"))].into();
        let members = Membership::new(vec![BTreeSet::from([1])], nodes);
        let entry = |index, payload| Entry {
            log_id: log(index),
            payload,
        };
        let entries = vec![
            entry(5, EntryPayload::Blank),
            entry(6, EntryPayload::Normal(Command::Raise(2))),
            entry(7, EntryPayload::Membership(members.clone())),
        ];
        let meta = SnapshotMeta {
            last_log_id: Some(log(7)),
            last_membership: StoredMembership::new(Some(log(7)), members),
            snapshot_id: "s".to_owned(),
        };
        same(
            AppendEntriesRequest::<TypeConfig> {
                vote,
                prev_log_id: Some(log(4)),
                entries,
                leader_commit: None,
            },
            r#"{"vote":{"leader_id":{"term":3,"node_id":1},"committed":true},"prev_log_id":{"leader_id":{"term":3,"node_id":1},"index":4},"entries":[{"log_id":{"leader_id":{"term":3,"node_id":1},"index":5},"payload":"Blank"},{"log_id":{"leader_id":{"term":3,"node_id":1},"index":6},"payload":{"Normal":{"Raise":2}}},{"log_id":{"leader_id":{"term":3,"node_id":1},"index":7},"payload":{"Membership":{"configs":[[1]],"nodes":{"1":{"addr":"a:1"},"2":{"addr":"b:1"}}}}}],"leader_commit":null}"#,
        );
        let answered = |answer| Ok::<_, RaftError<u64>>(answer);
        same(answered(AppendEntriesResponse::<u64>::Success), r#"{"Ok":"Success"}"#);
        same(
            answered(AppendEntriesResponse::PartialSuccess(Some(log(6)))),
            r#"{"Ok":{"PartialSuccess":{"leader_id":{"term":3,"node_id":1},"index":6}}}"#,
        );
        same(answered(AppendEntriesResponse::Conflict), r#"{"Ok":"Conflict"}"#);
        same(
            answered(AppendEntriesResponse::HigherVote(vote)),
            r#"{"Ok":{"HigherVote":{"leader_id":{"term":3,"node_id":1},"committed":true}}}"#,
        );
        same(
            VoteRequest::new(Vote::new(4, 2), Some(log(7))),
            r#"{"vote":{"leader_id":{"term":4,"node_id":2},"committed":false},"last_log_id":{"leader_id":{"term":3,"node_id":1},"index":7}}"#,
        );
        let granted = VoteResponse {
            vote: Vote::new(4, 2),
            vote_granted: true,
            last_log_id: None,
        };
        same(
            Ok::<_, RaftError<u64>>(granted),
            r#"{"Ok":{"vote":{"leader_id":{"term":4,"node_id":2},"committed":false},"vote_granted":true,"last_log_id":null}}"#,
        );
        let stopped = Err::<VoteResponse<u64>, _>(RaftError::<u64>::Fatal(Fatal::Stopped));
        same(stopped, r#"{"Err":{"Fatal":"Stopped"}}"#);
        let install = InstallSnapshotRequest::<TypeConfig> {
            vote,
            meta,
            offset: 0,
            data: vec![1, 255],
            done: true,
        };
        same(
            install,
            r#"{"vote":{"leader_id":{"term":3,"node_id":1},"committed":true},"meta":{"last_log_id":{"leader_id":{"term":3,"node_id":1},"index":7},"last_membership":{"log_id":{"leader_id":{"term":3,"node_id":1},"index":7},"membership":{"configs":[[1]],"nodes":{"1":{"addr":"a:1"},"2":{"addr":"b:1"}}}},"snapshot_id":"s"},"offset":0,"data":[1,255],"done":true}"#,
        );
        same(
            Ok::<_, RaftError<u64, InstallSnapshotError>>(InstallSnapshotResponse { vote }),
            r#"{"Ok":{"vote":{"leader_id":{"term":3,"node_id":1},"committed":true}}}"#,
        );
    }

    fn same<T: Serialize + DeserializeOwned>(message: T, text: &str) {
        let written = serde_json::to_string(&message).unwrap();
        assert_eq!(written, text);
        let read: T = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text, "it is read as it was written");
    }
}
