//! What guests read of their tenant: the ports, declared here and implemented above. Must not know a store.
//!
//! There are two, by how answers come. [`Readings`] has them at once: a store in this process. Guests that read it are called as plain
//! functions. [`AwaitedReadings`] has to wait: a store behind a network. Guests that read it are called on a stack of their own, which
//! is put aside while the answer is on its way: no thread waits. [`Source`] is one of the two.

mod source;

use async_trait::async_trait;
use model::entity::{Alarm, DeviceCredentials, Direction, EntityRecord, Relation, RelationGroup};
use model::{AttributeScope, DeviceId, EntityId, EntityKind, Reading, TenantId};
use uuid::Uuid;

pub use source::Source;
pub(crate) use source::{at_once, now};

/// Which readings of a key. Times are milliseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// First time wanted.
    pub from_ms: i64,
    /// First time not wanted any more.
    pub to_ms: i64,
    /// Readings at most.
    pub limit: u32,
    /// The newest first.
    pub newest_first: bool,
}

/// Which relations of an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelatedBy<'a> {
    /// At which end the entity stands.
    pub direction: Direction,
    /// What they are for.
    pub group: RelationGroup,
    /// Of this type; none: of any.
    pub of_type: Option<&'a str>,
    /// Relations at most.
    pub limit: u32,
}

/// What is stored of a tenant, answered at once, in the thread that serves the guest.
///
/// Nothing has a default: an implementation that does not have something must say so with an error. An answer of nothing would be
/// taken for the truth, and alarms would not be cleared.
pub trait Readings: Send + Sync + 'static {
    /// An attribute.
    ///
    /// # Errors
    /// Text for the node's `Failure`.
    fn attribute(&self, entity: EntityId, scope: AttributeScope, key: &str) -> Result<Option<Reading>, String>;

    /// The newest reading of a time series.
    ///
    /// # Errors
    /// Text for the node's `Failure`.
    fn latest(&self, entity: EntityId, key: &str) -> Result<Option<Reading>, String>;

    /// Readings of a time series.
    ///
    /// # Errors
    /// Text for the node's `Failure`.
    fn series(&self, entity: EntityId, key: &str, span: &Span) -> Result<Vec<Reading>, String>;

    /// An entity.
    ///
    /// # Errors
    /// Text for the node's `Failure`.
    fn entity(&self, entity: EntityId) -> Result<Option<EntityRecord>, String>;

    /// The entity of a name.
    ///
    /// # Errors
    /// Text for the node's `Failure`.
    fn entity_named(&self, tenant: TenantId, kind: EntityKind, name: &str) -> Result<Option<EntityRecord>, String>;

    /// Relations of an entity.
    ///
    /// # Errors
    /// Text for the node's `Failure`.
    fn relations(&self, entity: EntityId, which: &RelatedBy<'_>) -> Result<Vec<Relation>, String>;

    /// Whether there is a relation of these ends, type and group.
    ///
    /// # Errors
    /// Text for the node's `Failure`.
    fn is_related(&self, tenant: TenantId, named: &Relation) -> Result<bool, String>;

    /// An alarm.
    ///
    /// # Errors
    /// Text for the node's `Failure`.
    fn alarm(&self, tenant: TenantId, id: Uuid) -> Result<Option<Alarm>, String>;

    /// The alarm of a type that is not cleared.
    ///
    /// # Errors
    /// Text for the node's `Failure`.
    fn active_alarm(&self, originator: EntityId, alarm_type: &str) -> Result<Option<Alarm>, String>;

    /// The alarms of an entity that are not cleared.
    ///
    /// # Errors
    /// Text for the node's `Failure`.
    fn active_alarms(&self, originator: EntityId, limit: u32) -> Result<Vec<Alarm>, String>;

    /// What a device logs in with.
    ///
    /// # Errors
    /// Text for the node's `Failure`.
    fn credentials(&self, device: DeviceId) -> Result<Option<DeviceCredentials>, String>;
}

/// What is stored of a tenant, answered after a while. A guest's time is processor time, so waiting costs the guest nothing; but the
/// node's other messages wait with it: an implementation gives up in time.
///
/// Functions, and errors, are those of [`Readings`].
#[async_trait]
#[allow(missing_docs, reason = "as in `Readings`")]
pub trait AwaitedReadings: Send + Sync + 'static {
    async fn attribute(&self, entity: EntityId, scope: AttributeScope, key: &str) -> Result<Option<Reading>, String>;
    async fn latest(&self, entity: EntityId, key: &str) -> Result<Option<Reading>, String>;
    async fn series(&self, entity: EntityId, key: &str, span: &Span) -> Result<Vec<Reading>, String>;
    async fn entity(&self, entity: EntityId) -> Result<Option<EntityRecord>, String>;
    async fn entity_named(&self, tenant: TenantId, kind: EntityKind, name: &str) -> Result<Option<EntityRecord>, String>;
    async fn relations(&self, entity: EntityId, which: &RelatedBy<'_>) -> Result<Vec<Relation>, String>;
    async fn is_related(&self, tenant: TenantId, named: &Relation) -> Result<bool, String>;
    async fn alarm(&self, tenant: TenantId, id: Uuid) -> Result<Option<Alarm>, String>;
    async fn active_alarm(&self, originator: EntityId, alarm_type: &str) -> Result<Option<Alarm>, String>;
    async fn active_alarms(&self, originator: EntityId, limit: u32) -> Result<Vec<Alarm>, String>;
    async fn credentials(&self, device: DeviceId) -> Result<Option<DeviceCredentials>, String>;
}

/// A tenant of which nothing is stored: for trying nodes, where there is no platform.
#[derive(Clone, Copy, Debug, Default)]
pub struct NothingStored;

impl Readings for NothingStored {
    fn attribute(&self, _: EntityId, _: AttributeScope, _: &str) -> Result<Option<Reading>, String> {
        Ok(None)
    }
    fn latest(&self, _: EntityId, _: &str) -> Result<Option<Reading>, String> {
        Ok(None)
    }
    fn series(&self, _: EntityId, _: &str, _: &Span) -> Result<Vec<Reading>, String> {
        Ok(Vec::new())
    }
    fn entity(&self, _: EntityId) -> Result<Option<EntityRecord>, String> {
        Ok(None)
    }
    fn entity_named(&self, _: TenantId, _: EntityKind, _: &str) -> Result<Option<EntityRecord>, String> {
        Ok(None)
    }
    fn relations(&self, _: EntityId, _: &RelatedBy<'_>) -> Result<Vec<Relation>, String> {
        Ok(Vec::new())
    }
    fn is_related(&self, _: TenantId, _: &Relation) -> Result<bool, String> {
        Ok(false)
    }
    fn alarm(&self, _: TenantId, _: Uuid) -> Result<Option<Alarm>, String> {
        Ok(None)
    }
    fn active_alarm(&self, _: EntityId, _: &str) -> Result<Option<Alarm>, String> {
        Ok(None)
    }
    fn active_alarms(&self, _: EntityId, _: u32) -> Result<Vec<Alarm>, String> {
        Ok(Vec::new())
    }
    fn credentials(&self, _: DeviceId) -> Result<Option<DeviceCredentials>, String> {
        Ok(None)
    }
}
