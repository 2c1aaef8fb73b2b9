//! Whose time series are read: an entity's own, or, of an entity view, the part that it shows of its entity's.

use std::sync::Arc;

use model::entity::EntityView;
use model::{EntityId, EntityKind};

use crate::state::ApiState;
use crate::{ApiError, record};

/// Whose time series, and which of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LookedAt {
    /// What the caller has to be allowed to see.
    pub(crate) seen: EntityId,
    /// Whose they are.
    pub(crate) entity: EntityId,
    view: Option<EntityView>,
}

impl LookedAt {
    /// An entity's own.
    pub(crate) fn own(entity: EntityId) -> Self {
        LookedAt {
            seen: entity,
            entity,
            view: None,
        }
    }

    /// By the id of the entity, or of the view, which the caller may see.
    pub(crate) async fn by(api: &ApiState, seen: EntityId) -> Result<Self, ApiError> {
        if seen.kind != EntityKind::EntityView {
            return Ok(LookedAt::own(seen));
        }
        let view: EntityView = record::get(&*api.store, seen.tenant, seen.id).await?;
        Ok(LookedAt {
            seen,
            entity: EntityId::new(seen.tenant, view.entity_id.entity_type, view.entity_id.id),
            view: Some(view),
        })
    }

    /// Whether it is another's.
    pub(crate) fn is_by_view(&self) -> bool {
        self.view.is_some()
    }

    /// Which of some keys are to be read; none: of all.
    pub(crate) fn keys(&self, asked: Option<Vec<Arc<str>>>) -> Option<Vec<Arc<str>>> {
        let Some(view) = &self.view else { return asked };
        let shown = view.time_series();
        Some(match asked {
            None => shown.iter().map(|key| Arc::from(key.as_str())).collect(),
            Some(asked) => asked.into_iter().filter(|key| shown.iter().any(|one| **one == **key)).collect(),
        })
    }

    /// The part of a time, from and up to, that is shown; none: nothing of it.
    pub(crate) fn time(&self, from_ms: i64, to_ms: i64) -> Option<(i64, i64)> {
        match &self.view {
            None => Some((from_ms, to_ms)),
            Some(view) => view.shown(from_ms, to_ms),
        }
    }

    /// Whether a reading of a time is shown.
    pub(crate) fn shows(&self, ts_ms: i64) -> bool {
        self.time(ts_ms, ts_ms.saturating_add(1)).is_some()
    }
}
