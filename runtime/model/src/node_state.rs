//! What a rule node keeps between messages: keys and values, and timers. Here only as data, on the way between a node and the store.

use std::sync::Arc;

use bytes::Bytes;

/// Everything a node keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeState {
    /// Names the form of what is kept.
    pub schema: Arc<str>,
    /// Values by key, sorted by key.
    pub entries: Vec<(Arc<str>, Bytes)>,
    /// When timers are due, in milliseconds since 1970-01-01 UTC, sorted by name.
    pub timers: Vec<(Arc<str>, i64)>,
}

/// What one call of a node changes. Doing it twice changes nothing more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeStateChange {
    /// Everything kept so far goes first: from now on it is of this schema.
    pub replaces: Option<Arc<str>>,
    /// New values; none: the key goes.
    pub entries: Vec<(Arc<str>, Option<Bytes>)>,
    /// New times; none: the timer goes.
    pub timers: Vec<(Arc<str>, Option<i64>)>,
}

impl NodeStateChange {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.replaces.is_none() && self.entries.is_empty() && self.timers.is_empty()
    }
}
