//! What can be asked of a store.

use model::EntityId;
use model::entity::{Direction, EventKind, RelationGroup, Severity};
use uuid::Uuid;

/// Readings of one key. Times are milliseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesQuery {
    /// First time wanted.
    pub from_ms: i64,
    /// First time not wanted any more.
    pub to_ms: i64,
    /// Readings at most, 1 to 100 000.
    pub limit: u32,
    /// Newest first.
    pub descending: bool,
}

/// Which entities of a kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EntityFilter {
    /// Assigned to this customer.
    pub customer: Option<Uuid>,
    /// Of this type or profile name.
    pub subtype: Option<String>,
}

/// Which alarms of a tenant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlarmFilter {
    /// Of this originator, or [shown](model::entity::Alarm::shown_to) by it.
    pub entity: Option<EntityId>,
    /// Of originators assigned to this customer.
    pub customer: Option<Uuid>,
    /// Of this type.
    pub alarm_type: Option<String>,
    /// Cleared or not.
    pub cleared: Option<bool>,
    /// Acknowledged or not.
    pub acknowledged: Option<bool>,
    /// Of one of these; empty: any.
    pub severities: Vec<Severity>,
    /// Created at or after.
    pub from_ms: Option<i64>,
    /// Created before or at.
    pub to_ms: Option<i64>,
}

/// Which relations of an entity.
#[derive(Clone, Debug, PartialEq)]
pub struct RelationQuery {
    /// At which end the entity stands.
    pub direction: Direction,
    /// Group.
    pub group: RelationGroup,
    /// Of this type; none: of any.
    pub relation_type: Option<String>,
    /// Relations at most.
    pub limit: usize,
}

/// Which events of an entity.
#[derive(Clone, Debug, PartialEq)]
pub struct EventFilter {
    /// Kind.
    pub kind: EventKind,
    /// At or after.
    pub from_ms: Option<i64>,
    /// Before or at.
    pub to_ms: Option<i64>,
}
