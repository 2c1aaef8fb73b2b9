//! One of the two ports, asked in the same words. Where answers are there at once, nothing here ever waits.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use model::entity::{Alarm, DeviceCredentials, EntityRecord, Relation};
use model::{AttributeScope, DeviceId, EntityId, EntityKind, Reading, TenantId};
use uuid::Uuid;

use super::{AwaitedReadings, Readings, RelatedBy, Span};

/// Where what is stored comes from.
#[derive(Clone)]
pub enum Source {
    /// Answers are there at once.
    AtOnce(Arc<dyn Readings>),
    /// Answers come after a while.
    Awaited(Arc<dyn AwaitedReadings>),
}

impl<R: Readings> From<Arc<R>> for Source {
    fn from(readings: Arc<R>) -> Self {
        Source::AtOnce(readings)
    }
}

impl Source {
    /// Whether a guest that asks has to be put aside until the answer is there.
    pub fn is_awaited(&self) -> bool {
        matches!(self, Source::Awaited(_))
    }
}

/// What is there without waiting; none: it would have to be waited for.
pub(crate) fn now<T>(asked: impl Future<Output = T>) -> Option<T> {
    match pin!(asked).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

/// Answers of a source that has them at once.
///
/// # Errors
/// The question's own; and that of a source that has to be waited for, whose guests are called in the other way.
pub(crate) fn at_once<T>(asked: impl Future<Output = wasmtime::Result<T>>) -> wasmtime::Result<T> {
    now(asked).unwrap_or_else(|| Err(wasmtime::Error::msg("the store does not answer at once")))
}

impl Source {
    pub(crate) async fn attribute(&self, entity: EntityId, scope: AttributeScope, key: &str) -> Result<Option<Reading>, String> {
        match self {
            Source::AtOnce(readings) => readings.attribute(entity, scope, key),
            Source::Awaited(readings) => readings.attribute(entity, scope, key).await,
        }
    }

    pub(crate) async fn latest(&self, entity: EntityId, key: &str) -> Result<Option<Reading>, String> {
        match self {
            Source::AtOnce(readings) => readings.latest(entity, key),
            Source::Awaited(readings) => readings.latest(entity, key).await,
        }
    }

    pub(crate) async fn series(&self, entity: EntityId, key: &str, span: &Span) -> Result<Vec<Reading>, String> {
        match self {
            Source::AtOnce(readings) => readings.series(entity, key, span),
            Source::Awaited(readings) => readings.series(entity, key, span).await,
        }
    }

    pub(crate) async fn entity(&self, entity: EntityId) -> Result<Option<EntityRecord>, String> {
        match self {
            Source::AtOnce(readings) => readings.entity(entity),
            Source::Awaited(readings) => readings.entity(entity).await,
        }
    }

    pub(crate) async fn entity_named(&self, tenant: TenantId, kind: EntityKind, name: &str) -> Result<Option<EntityRecord>, String> {
        match self {
            Source::AtOnce(readings) => readings.entity_named(tenant, kind, name),
            Source::Awaited(readings) => readings.entity_named(tenant, kind, name).await,
        }
    }

    pub(crate) async fn relations(&self, entity: EntityId, which: &RelatedBy<'_>) -> Result<Vec<Relation>, String> {
        match self {
            Source::AtOnce(readings) => readings.relations(entity, which),
            Source::Awaited(readings) => readings.relations(entity, which).await,
        }
    }

    pub(crate) async fn is_related(&self, tenant: TenantId, named: &Relation) -> Result<bool, String> {
        match self {
            Source::AtOnce(readings) => readings.is_related(tenant, named),
            Source::Awaited(readings) => readings.is_related(tenant, named).await,
        }
    }

    pub(crate) async fn alarm(&self, tenant: TenantId, id: Uuid) -> Result<Option<Alarm>, String> {
        match self {
            Source::AtOnce(readings) => readings.alarm(tenant, id),
            Source::Awaited(readings) => readings.alarm(tenant, id).await,
        }
    }

    pub(crate) async fn active_alarm(&self, originator: EntityId, alarm_type: &str) -> Result<Option<Alarm>, String> {
        match self {
            Source::AtOnce(readings) => readings.active_alarm(originator, alarm_type),
            Source::Awaited(readings) => readings.active_alarm(originator, alarm_type).await,
        }
    }

    pub(crate) async fn active_alarms(&self, originator: EntityId, limit: u32) -> Result<Vec<Alarm>, String> {
        match self {
            Source::AtOnce(readings) => readings.active_alarms(originator, limit),
            Source::Awaited(readings) => readings.active_alarms(originator, limit).await,
        }
    }

    pub(crate) async fn credentials(&self, device: DeviceId) -> Result<Option<DeviceCredentials>, String> {
        match self {
            Source::AtOnce(readings) => readings.credentials(device),
            Source::Awaited(readings) => readings.credentials(device).await,
        }
    }
}
