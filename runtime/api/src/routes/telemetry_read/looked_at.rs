//! Whose time series are read: an entity's own, or, of an entity view, the part that it shows of its entity's.

use std::sync::Arc;

use model::entity::EntityView;
use model::{EntityId, EntityKind, Reading};

use crate::state::ApiState;
use crate::{ApiError, record};

/// Whose time series, and which of them.
pub(super) struct LookedAt {
    pub(super) entity: EntityId,
    view: Option<EntityView>,
}

impl LookedAt {
    /// By the id of the entity, or of the view, which the caller may see.
    pub(super) async fn by(api: &ApiState, entity: EntityId) -> Result<Self, ApiError> {
        if entity.kind != EntityKind::EntityView {
            return Ok(LookedAt { entity, view: None });
        }
        let view: EntityView = record::get(&*api.store, entity.tenant, entity.id).await?;
        Ok(LookedAt {
            entity: EntityId::new(entity.tenant, view.entity_id.entity_type, view.entity_id.id),
            view: Some(view),
        })
    }

    /// Which of some keys are to be read; none: of all.
    pub(super) fn keys(&self, asked: Option<Vec<Arc<str>>>) -> Option<Vec<Arc<str>>> {
        let Some(view) = &self.view else { return asked };
        let shown = view.time_series();
        Some(match asked {
            None => shown.iter().map(|key| Arc::from(key.as_str())).collect(),
            Some(asked) => asked.into_iter().filter(|key| shown.iter().any(|one| **one == **key)).collect(),
        })
    }

    /// The part of a time, from and up to, that is shown; none: nothing of it.
    pub(super) fn time(&self, from_ms: i64, to_ms: i64) -> Option<(i64, i64)> {
        match &self.view {
            None => Some((from_ms, to_ms)),
            Some(view) => view.shown(from_ms, to_ms),
        }
    }

    /// Whether a reading is shown.
    pub(super) fn shows(&self, reading: &Reading) -> bool {
        self.time(reading.ts_ms, reading.ts_ms.saturating_add(1)).is_some()
    }
}
