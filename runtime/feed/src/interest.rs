//! What a watcher wants to be told of an entity. Pure.

use std::collections::HashSet;
use std::sync::Arc;

use model::AttributeScope;

use crate::News;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interest {
    /// Of what.
    pub wanted: Wanted,
    /// These keys; none: all.
    pub keys: Option<HashSet<Arc<str>>>,
}

/// Time series or attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Values of time series of this time and later, milliseconds since 1970-01-01 UTC.
    Series {
        /// The first time wanted.
        from_ms: i64,
    },
    /// Attributes of a scope; none: of all.
    Attributes(Option<AttributeScope>),
}

impl Interest {
    /// Of keys; none: of all.
    pub fn new(wanted: Wanted, keys: Option<&[Arc<str>]>) -> Self {
        Interest {
            wanted,
            keys: keys.map(|keys| keys.iter().cloned().collect()),
        }
    }

    /// Whether a key is wanted.
    pub fn has_key(&self, key: &str) -> bool {
        self.keys.as_ref().is_none_or(|keys| keys.contains(key))
    }

    /// Whether attributes of a scope are wanted.
    pub fn has_scope(&self, scope: AttributeScope) -> bool {
        match self.wanted {
            Wanted::Series { .. } => false,
            Wanted::Attributes(wanted) => wanted.is_none_or(|wanted| wanted == scope),
        }
    }

    /// Whether values of time series at a time are wanted.
    pub fn has_time(&self, ts_ms: i64) -> bool {
        matches!(self.wanted, Wanted::Series { from_ms } if from_ms <= ts_ms)
    }

    /// Whether there is something in it for the watcher.
    pub fn concerns(&self, news: &News) -> bool {
        match news {
            News::Points { ts_ms, values } => self.has_time(*ts_ms) && values.iter().any(|(key, _)| self.has_key(key)),
            News::Attributes { scope, values, .. } => self.has_scope(*scope) && values.iter().any(|(key, _)| self.has_key(key)),
            News::AttributesRemoved { scope, keys } => self.has_scope(*scope) && keys.iter().any(|key| self.has_key(key)),
            News::PointsRemoved { key } => matches!(self.wanted, Wanted::Series { .. }) && self.has_key(key),
            News::Missed | News::Record => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use model::Value;

    use super::*;

    fn points(ts_ms: i64, key: &str) -> News {
        News::Points {
            ts_ms,
            values: vec![(key.into(), Value::Long(1))],
        }
    }

    fn attributes(scope: AttributeScope, key: &str) -> News {
        News::Attributes {
            scope,
            ts_ms: 1,
            values: vec![("other".into(), Value::Long(1)), (key.into(), Value::Long(1))],
        }
    }

    #[test]
    fn only_what_is_wanted_concerns() {
        use AttributeScope::{ServerScope, SharedScope};
        let keys = [Arc::from("a"), Arc::from("b")];
        let series = Interest::new(Wanted::Series { from_ms: 10 }, Some(&keys));
        let shared = Interest::new(Wanted::Attributes(Some(SharedScope)), Some(&keys));
        let all = Interest::new(Wanted::Attributes(None), None);
        let removed = News::AttributesRemoved {
            scope: SharedScope,
            keys: vec!["b".into()],
        };
        let gone = News::PointsRemoved { key: "b".into() };
        // By interest: series, shared attributes of two keys, all attributes.
        let cases = [
            (points(10, "a"), [true, false, false]),
            (points(9, "a"), [false, false, false]),
            (points(10, "c"), [false, false, false]),
            (attributes(SharedScope, "a"), [false, true, true]),
            (attributes(ServerScope, "a"), [false, false, true]),
            (attributes(SharedScope, "c"), [false, false, true]),
            (removed, [false, true, true]),
            (gone, [true, false, false]),
            (News::Missed, [true, true, true]),
            (News::Record, [true, true, true]),
        ];
        for (news, expected) in cases {
            assert_eq!(
                [&series, &shared, &all].map(|interest| interest.concerns(&news)),
                expected,
                "{news:?}"
            );
        }
    }
}
