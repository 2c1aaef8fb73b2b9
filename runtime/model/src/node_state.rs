//! What a rule node keeps between messages: keys and values, and timers. Here only as data, on the way between a node and the store.
//!
//! What is written while a node decides about a device's message belongs to that device, and goes with it when another server serves it.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

/// Something of a name that a node keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept<T> {
    /// A key, or the name of a timer.
    pub name: Arc<str>,
    /// The value, or when the timer is due in milliseconds since 1970-01-01 UTC.
    pub value: T,
    /// The device that it belongs to; none: the node itself, or it is not known. Stores that one server has for itself do not keep it.
    pub device: Option<Uuid>,
}

impl<T> Kept<T> {
    /// Of no device.
    pub fn new(name: &str, value: T) -> Self {
        Kept {
            name: name.into(),
            value,
            device: None,
        }
    }
}

/// Everything a node keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeState {
    /// Names the form of what is kept.
    pub schema: Arc<str>,
    /// Values, sorted by key.
    pub entries: Vec<Kept<Bytes>>,
    /// When timers are due, sorted by name.
    pub timers: Vec<Kept<i64>>,
}

/// What one call of a node changes. Doing it twice changes nothing more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeStateChange {
    /// Everything kept so far goes first: from now on it is of this schema.
    pub replaces: Option<Arc<str>>,
    /// The device that new values and times belong to.
    pub device: Option<Uuid>,
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
