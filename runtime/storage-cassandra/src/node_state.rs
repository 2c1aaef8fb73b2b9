//! What rule nodes keep: one row for each key, each timer, and the schema.

use std::sync::Arc;

use async_trait::async_trait;
use model::{Kept, NodeState, RuleNodeId};
use storage::{NodeStateStore, StorageError};
use uuid::Uuid;

use crate::bind::tiny;
use crate::plan::{ENTRY, SCHEMA, TIMER};
use crate::queries::Query;
use crate::store::CassandraStore;

#[async_trait]
impl NodeStateStore for CassandraStore {
    /// Waits for what was handed over before: a node that starts again must not start behind its own changes.
    async fn node_state(&self, node: RuleNodeId) -> Result<Option<NodeState>, StorageError> {
        self.0.order.settled().await;
        let node = node.entity();
        let values = (node.tenant.0, tiny(node.kind.number()), node.id);
        let rows = self
            .0
            .driver
            .rows::<(i8, String, Vec<u8>, Option<Uuid>)>("what a rule node keeps", Query::NodeState, values);
        let rows = rows.await?;
        let (mut state, found) = (NodeState::default(), !rows.is_empty());
        for (part, name, value, device) in rows {
            let name: Arc<str> = name.into();
            // Of the node itself: the device that nobody has.
            let device = device.filter(|device| !device.is_nil());
            match part {
                SCHEMA => state.schema = schema(&value)?,
                ENTRY => state.entries.push(Kept {
                    name,
                    value: value.into(),
                    device,
                }),
                TIMER => state.timers.push(Kept {
                    name,
                    value: time(&value)?,
                    device,
                }),
                _ => return Err(StorageError::Corrupt("a rule node's state has an unknown part".into())),
            }
        }
        Ok(found.then_some(state))
    }
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
