//! What happened to an entity, for the people who look after it.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::EntityId;

/// Kinds of events, with the names of the REST API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum EventKind {
    /// A message at a node; above all one that failed there and whose `Failure` nobody took.
    #[serde(rename = "DEBUG_RULE_NODE")]
    DebugRuleNode = 1,
    /// A message at a chain.
    #[serde(rename = "DEBUG_RULE_CHAIN")]
    DebugRuleChain = 2,
    /// Something was started, stopped, failed to start.
    #[serde(rename = "LC_EVENT")]
    LifeCycle = 3,
    /// Something went wrong outside of a message's way.
    #[serde(rename = "ERROR")]
    Error = 4,
    /// Counts.
    #[serde(rename = "STATS")]
    Stats = 5,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Sorts by time.
    pub id: Uuid,
    /// What it is about.
    pub entity: EntityId,
    /// Kind.
    pub kind: EventKind,
    /// Milliseconds since 1970-01-01 UTC.
    pub ts_ms: i64,
    /// Fields by kind.
    pub body: Json,
}
