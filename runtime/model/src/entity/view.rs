//! Entity views: what of an entity somebody is shown – these attributes and time series, of this time.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::IdRef;
use crate::AttributeScope;

/// A view of an entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntityView {
    /// None while it is being created.
    #[serde(default)]
    pub id: Option<IdRef>,
    /// Milliseconds since 1970-01-01 UTC.
    #[serde(default)]
    pub created_time: i64,
    /// Owner.
    #[serde(default)]
    pub tenant_id: Option<IdRef>,
    /// The customer it is assigned to.
    #[serde(default)]
    pub customer_id: Option<IdRef>,
    /// Unique in the tenant.
    pub name: String,
    /// What people call views of its kind.
    #[serde(rename = "type", default)]
    pub view_type: String,
    /// What is looked at.
    pub entity_id: IdRef,
    /// What of it is shown.
    #[serde(default)]
    pub keys: Option<ViewKeys>,
    /// From when on, milliseconds since 1970-01-01 UTC. 0: from the beginning.
    #[serde(default)]
    pub start_time_ms: i64,
    /// Until when. 0: there is no end.
    #[serde(default)]
    pub end_time_ms: i64,
    /// Free data: `description`, …
    #[serde(default)]
    pub additional_info: Option<Json>,
    /// Counts saves.
    #[serde(default)]
    pub version: Option<u64>,
}

/// What a view shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ViewKeys {
    /// Time series, which are read where they are.
    #[serde(default)]
    pub timeseries: Vec<String>,
    /// Attributes, which the view has copies of.
    #[serde(default)]
    pub attributes: ViewAttributes,
}

/// Attributes that a view has, by scope.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ViewAttributes {
    /// Client side.
    pub cs: Vec<String>,
    /// Server side.
    pub ss: Vec<String>,
    /// Shared.
    pub sh: Vec<String>,
}

impl ViewAttributes {
    /// Those of a scope.
    pub fn of(&self, scope: AttributeScope) -> &[String] {
        match scope {
            AttributeScope::ClientScope => &self.cs,
            AttributeScope::SharedScope => &self.sh,
            AttributeScope::ServerScope => &self.ss,
        }
    }
}

impl EntityView {
    /// Attributes of a scope that it shows.
    pub fn attributes(&self, scope: AttributeScope) -> &[String] {
        self.keys.as_ref().map_or(&[], |keys| keys.attributes.of(scope))
    }

    /// Time series that it shows.
    pub fn time_series(&self) -> &[String] {
        self.keys.as_ref().map_or(&[], |keys| &keys.timeseries)
    }

    /// Until when it shows something, milliseconds since 1970-01-01 UTC. None: there is no end.
    pub fn until_ms(&self) -> Option<i64> {
        (self.end_time_ms != 0).then_some(self.end_time_ms)
    }

    /// The part of a time, from and up to, that it shows; none: nothing of it.
    pub fn shown(&self, from_ms: i64, to_ms: i64) -> Option<(i64, i64)> {
        let from_ms = match self.start_time_ms {
            0 => from_ms,
            start_ms => from_ms.max(start_ms),
        };
        let to_ms = self.until_ms().map_or(to_ms, |until_ms| to_ms.min(until_ms.saturating_add(1)));
        (from_ms < to_ms).then_some((from_ms, to_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_shown_of_a_time() {
        let view = |start: i64, end: i64| -> EntityView {
            let entity = json!({"entityType": "DEVICE", "id": uuid::Uuid::nil()});
            serde_json::from_value(json!({"name": "v", "entityId": entity, "startTimeMs": start, "endTimeMs": end})).expect("a view")
        };
        assert_eq!(view(0, 0).shown(-5, 100), Some((-5, 100)));
        assert_eq!(view(10, 20).shown(0, 100), Some((10, 21)));
        assert_eq!(view(10, 20).shown(12, 15), Some((12, 15)));
        assert_eq!(view(10, 20).shown(20, 100), Some((20, 21)));
        assert_eq!(view(10, 20).shown(21, 100), None);
        assert_eq!(view(10, 0).shown(0, 10), None);
        assert!(view(0, 0).time_series().is_empty() && view(0, 0).attributes(AttributeScope::ServerScope).is_empty());
    }
}
