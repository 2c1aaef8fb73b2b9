//! Telemetry and attributes.

use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Value;

/// A value of a key at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Name of the time series.
    pub key: Arc<str>,
    /// Milliseconds since 1970-01-01 UTC.
    pub ts_ms: i64,
    /// Value.
    pub value: Value,
}

/// A stored value with its time: a reading of a time series, or an attribute with the time of its last change.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Milliseconds since 1970-01-01 UTC.
    pub ts_ms: i64,
    /// Value.
    pub value: Value,
}

/// Who may write an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[repr(u8)]
pub enum AttributeScope {
    /// Written by the device.
    ClientScope = 1,
    /// Written by the server, seen by the device.
    SharedScope = 2,
    /// Written by the server, hidden from the device.
    ServerScope = 3,
}

impl AttributeScope {
    /// Every scope.
    pub const ALL: [AttributeScope; 3] = [
        AttributeScope::ClientScope,
        AttributeScope::SharedScope,
        AttributeScope::ServerScope,
    ];

    /// The name in the REST API.
    pub fn as_str(self) -> &'static str {
        match self {
            AttributeScope::ClientScope => "CLIENT_SCOPE",
            AttributeScope::SharedScope => "SHARED_SCOPE",
            AttributeScope::ServerScope => "SERVER_SCOPE",
        }
    }
}

impl FromStr for AttributeScope {
    type Err = UnknownScope;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == name)
            .ok_or_else(|| UnknownScope(name.to_owned()))
    }
}

/// A name that is no [`AttributeScope`].
#[derive(Debug, thiserror::Error)]
#[error("unknown attribute scope {0:?}")]
pub struct UnknownScope(pub String);
