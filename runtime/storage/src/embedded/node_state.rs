//! What rule nodes keep: one row for each key, each timer, and the schema. The part of the key after the node says which.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use model::{EntityId, Kept, NodeState, NodeStateChange, RuleNodeId};

use super::change::Change;
use super::tables::Table;
use super::{EmbeddedStore, keys};
use crate::{NodeStateStore, StorageError};

/// Parts of what is kept, in keys: they never change.
const SCHEMA: u8 = 0;
const ENTRY: u8 = 1;
const TIMER: u8 = 2;

#[async_trait]
impl NodeStateStore for EmbeddedStore {
    /// On the writer thread, so that changes that are still queued come first.
    async fn node_state(&self, node: RuleNodeId) -> Result<Option<NodeState>, StorageError> {
        self.command(move |change| read(change, node)).await
    }
}

fn read(change: &mut Change, node: RuleNodeId) -> Result<Option<NodeState>, StorageError> {
    let prefix = keys::entity(node.entity());
    let mut state = NodeState::default();
    let mut found = false;
    for row in change.prefix(Table::NodeStates, &prefix)? {
        let (key, value) = row?;
        found = true;
        let text = keys::text(&key, prefix.len() + 1)?;
        match key.get(prefix.len()) {
            Some(&SCHEMA) => state.schema = schema(&value)?,
            Some(&ENTRY) => state.entries.push(Kept::new(text, Bytes::copy_from_slice(&value))),
            Some(&TIMER) => state.timers.push(Kept::new(text, time(&value)?)),
            _ => return Err(StorageError::Corrupt("a rule node's state has an unknown part".into())),
        }
    }
    Ok(found.then_some(state))
}

/// Stages a change.
pub(super) fn change(change: &mut Change, node: RuleNodeId, kept: &NodeStateChange) -> Result<(), StorageError> {
    let key = |part, text: &str| keys::node_state(node.entity(), part, text);
    if let Some(schema) = &kept.replaces {
        remove(change, node.entity())?;
        change.put(Table::NodeStates, key(SCHEMA, ""), schema.as_bytes());
    }
    for (name, value) in &kept.entries {
        match value {
            Some(value) => change.put(Table::NodeStates, key(ENTRY, name), &**value),
            None => change.remove(Table::NodeStates, key(ENTRY, name)),
        }
    }
    for (name, due_ms) in &kept.timers {
        match due_ms {
            Some(due_ms) => change.put(Table::NodeStates, key(TIMER, name), due_ms.to_be_bytes()),
            None => change.remove(Table::NodeStates, key(TIMER, name)),
        }
    }
    Ok(())
}

/// Stages the removal of everything a node keeps.
pub(super) fn remove(change: &mut Change, node: EntityId) -> Result<(), StorageError> {
    for row in change.prefix(Table::NodeStates, &keys::entity(node))? {
        change.remove(Table::NodeStates, row?.0);
    }
    Ok(())
}

fn schema(bytes: &[u8]) -> Result<Arc<str>, StorageError> {
    std::str::from_utf8(bytes)
        .map(Arc::from)
        .map_err(|_| StorageError::Corrupt("the schema of a rule node's state is no text".into()))
}

fn time(bytes: &[u8]) -> Result<i64, StorageError> {
    bytes
        .try_into()
        .map(i64::from_be_bytes)
        .map_err(|_| StorageError::Corrupt("a timer's time is not 8 bytes".into()))
}
