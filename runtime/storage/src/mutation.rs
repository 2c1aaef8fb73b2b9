//! Changes the hot path makes, taken in batches, and the promise that a batch is durable.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use model::entity::{Alarm, Event, Relation, RelationGroup, Rpc};
use model::{AttributeScope, DeviceId, EntityId, NodeStateChange, RuleNodeId, TenantId, Value};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::StorageError;

/// Where values of a time series are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptIn {
    /// In the history, of which the reading with the largest time is the latest.
    Both,
    /// In no history: of each key there is one reading of these, the one that was written last. The latest value of a key is that one or the
    /// newest of its history, whichever has the larger time.
    Latest,
    /// In the history alone: the latest value of a key is none of these. Where the key has a reading of the same time that may be the latest
    /// one, that one stays and this one is not seen.
    History,
}

/// One change. Every mutation is a plain put or delete, so repeating it changes nothing (at-least-once is safe), and a batch needs no
/// transaction: a back end may make a batch durable in pieces, but completes its [`Commit`] only when all of it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Mutation {
    /// Values of an entity's time series at one time.
    Points {
        /// Whose.
        entity: EntityId,
        /// Milliseconds since 1970-01-01 UTC.
        ts_ms: i64,
        /// By key.
        values: Vec<(Arc<str>, Value)>,
        /// Seconds to keep them; 0: for ever.
        ttl_s: u32,
        /// Where they are kept.
        kept: KeptIn,
    },
    /// This is done, and who [watches](crate::Tap) is not to be told.
    Untold(Box<Mutation>),
    /// Who [watches](crate::Tap) is to be told this, and it is not done.
    OnlyTold(Box<Mutation>),
    /// Removes readings of a key with `from_ms <= time < to_ms`, the one that is in no history among them.
    DeletePoints {
        /// Whose.
        entity: EntityId,
        /// Key.
        key: Arc<str>,
        /// First time removed.
        from_ms: i64,
        /// First time kept.
        to_ms: i64,
    },
    /// Sets attributes.
    Attributes {
        /// Whose.
        entity: EntityId,
        /// Scope.
        scope: AttributeScope,
        /// Time of the change.
        ts_ms: i64,
        /// By key.
        values: Vec<(Arc<str>, Value)>,
    },
    /// Removes attributes.
    DeleteAttributes {
        /// Whose.
        entity: EntityId,
        /// Scope.
        scope: AttributeScope,
        /// Keys.
        keys: Vec<Arc<str>>,
    },
    /// Writes an alarm, whatever was there.
    PutAlarm(Arc<Alarm>),
    /// Writes a request to a device, whatever was there.
    PutRpc(Arc<Rpc>),
    /// Removes a request to a device.
    DeleteRpc {
        /// To which device.
        device: DeviceId,
        /// Which one.
        id: Uuid,
    },
    /// Has a device [thought of](crate::ReminderStore) when the server starts.
    Remind(DeviceId),
    /// Does not any more.
    Forget(DeviceId),
    /// Adds an event.
    AppendEvent(Arc<Event>),
    /// Changes what a rule node keeps.
    NodeState {
        /// Whose.
        node: RuleNodeId,
        /// What changes.
        change: Arc<NodeStateChange>,
    },
    /// Removes everything a rule node keeps.
    DropNodeState(RuleNodeId),
    /// Writes a relation, whatever was there.
    PutRelation {
        /// Whose both ends are.
        tenant: TenantId,
        /// The relation.
        relation: Arc<Relation>,
    },
    /// Removes a relation. Its additional data are of no account.
    DeleteRelation {
        /// Whose both ends are.
        tenant: TenantId,
        /// The relation.
        relation: Arc<Relation>,
    },
    /// Removes every relation of a group that starts or ends at an entity.
    DropRelations {
        /// Whose.
        entity: EntityId,
        /// Which.
        group: RelationGroup,
    },
}

/// Resolves when a batch is durable, or has failed. Dropping it does not undo the batch.
#[derive(Debug)]
pub struct Commit(oneshot::Receiver<Result<(), StorageError>>);

impl Commit {
    /// A promise, and the sender that keeps it.
    pub fn pending() -> (oneshot::Sender<Result<(), StorageError>>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Commit(receiver))
    }

    /// A promise already kept.
    pub fn done() -> Self {
        let (sender, commit) = Self::pending();
        // The receiver is alive, it is the value returned.
        let _ = sender.send(Ok(()));
        commit
    }
}

impl Future for Commit {
    type Output = Result<(), StorageError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|kept| kept.unwrap_or(Err(StorageError::Unavailable("the writer stopped"))))
    }
}
