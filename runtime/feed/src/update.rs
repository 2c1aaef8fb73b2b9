//! What can be told of an entity. An update is made once and shared by all who are told.

use std::sync::Arc;

use model::{AttributeScope, EntityId, Value};
use storage::Mutation;

/// Bytes that an update takes beside its keys and values, about.
const UPDATE_BYTES: usize = 96;
/// The same for a value and its key.
const VALUE_BYTES: usize = 64;

/// Something about an entity.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// Whose.
    pub entity: EntityId,
    /// What.
    pub news: News,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// Values of time series were saved.
    Points {
        /// Milliseconds since 1970-01-01 UTC.
        ts_ms: i64,
        /// By key.
        values: Vec<(Arc<str>, Value)>,
    },
    /// Attributes were set.
    Attributes {
        /// Scope.
        scope: AttributeScope,
        /// When.
        ts_ms: i64,
        /// By key.
        values: Vec<(Arc<str>, Value)>,
    },
    /// Attributes were removed.
    AttributesRemoved {
        /// Scope.
        scope: AttributeScope,
        /// Keys.
        keys: Vec<Arc<str>>,
    },
    /// Readings of a key were removed. Which one is the newest now has to be read.
    PointsRemoved {
        /// Key.
        key: Arc<str>,
    },
    /// Some of what was saved was not told. What is newest has to be read.
    Missed,
    /// The entity's record was changed or removed: who watches may not be allowed to any more.
    Record,
}

/// Whose time series or attributes a mutation changes; none: it changes none.
pub fn subject(mutation: &Mutation) -> Option<EntityId> {
    match mutation {
        Mutation::OnlyTold(one) => subject(one),
        Mutation::Points { entity, .. }
        | Mutation::DeletePoints { entity, .. }
        | Mutation::Attributes { entity, .. }
        | Mutation::DeleteAttributes { entity, .. } => Some(*entity),
        _ => None,
    }
}

impl Update {
    /// Of an entity.
    pub fn new(entity: EntityId, news: News) -> Self {
        Update { entity, news }
    }

    /// What a mutation means to those who watch its [`subject`].
    pub fn of(mutation: &Mutation) -> Option<Self> {
        let (entity, news) = match mutation {
            Mutation::OnlyTold(one) => return Update::of(one),
            Mutation::Points { entity, ts_ms, values, .. } => (
                entity,
                News::Points {
                    ts_ms: *ts_ms,
                    values: values.clone(),
                },
            ),
            Mutation::DeletePoints { entity, key, .. } => (entity, News::PointsRemoved { key: Arc::clone(key) }),
            Mutation::Attributes {
                entity,
                scope,
                ts_ms,
                values,
            } => (
                entity,
                News::Attributes {
                    scope: *scope,
                    ts_ms: *ts_ms,
                    values: values.clone(),
                },
            ),
            Mutation::DeleteAttributes { entity, scope, keys } => (
                entity,
                News::AttributesRemoved {
                    scope: *scope,
                    keys: keys.clone(),
                },
            ),
            _ => return None,
        };
        Some(Update::new(*entity, news))
    }

    /// Bytes it takes in memory, about.
    pub fn bytes(&self) -> usize {
        let of_values = |values: &[(Arc<str>, Value)]| -> usize {
            let each = values.iter().map(|(key, value)| VALUE_BYTES + key.len() + value.heap_len());
            each.sum()
        };
        UPDATE_BYTES
            + match &self.news {
                News::Points { values, .. } | News::Attributes { values, .. } => of_values(values),
                News::AttributesRemoved { keys, .. } => keys.iter().map(|key| VALUE_BYTES + key.len()).sum(),
                News::PointsRemoved { key } => key.len(),
                News::Missed | News::Record => 0,
            }
    }
}
