//! Which time series are known to have their row in the index, so that it is not written with every reading. Only a cache: what is not
//! here is written again, which changes nothing.

use std::collections::HashSet;
use std::sync::Arc;

use model::EntityId;
use parking_lot::Mutex;
use quick_cache::sync::Cache;

/// Series of an entity kept at most; beyond, all of them are forgotten.
const SERIES_MAX: usize = 1024;

/// By entity.
pub(crate) struct Known(Cache<EntityId, Arc<OfEntity>>);

/// Keys and buckets of an entity.
#[derive(Default)]
pub(crate) struct OfEntity(Mutex<HashSet<(Arc<str>, i64)>>);

impl Known {
    /// Of so many entities at most.
    pub(crate) fn new(entities_max: usize) -> Self {
        Known(Cache::new(entities_max.max(1)))
    }

    /// What is known of an entity. Stays with whoever holds it when the entity is forgotten meanwhile: what is learned then is lost.
    pub(crate) fn of(&self, entity: EntityId) -> Arc<OfEntity> {
        match self.0.get(&entity) {
            Some(known) => known,
            None => {
                let fresh = Arc::new(OfEntity::default());
                self.0.insert(entity, Arc::clone(&fresh));
                fresh
            }
        }
    }

    /// Nothing is known of an entity any more.
    pub(crate) fn forget(&self, entity: EntityId) {
        self.0.remove(&entity);
    }
}

impl OfEntity {
    /// Whether a series is known.
    pub(crate) fn has(&self, key: &Arc<str>, bucket: i64) -> bool {
        self.0.lock().contains(&(Arc::clone(key), bucket))
    }

    /// The row of a series is durable.
    pub(crate) fn learn(&self, key: Arc<str>, bucket: i64) {
        let mut known = self.0.lock();
        if known.len() >= SERIES_MAX {
            known.clear();
        }
        known.insert((key, bucket));
    }
}

#[cfg(test)]
mod tests {
    use model::{DeviceId, TenantId};

    use super::*;

    #[test]
    fn what_is_learned_late_of_a_forgotten_entity_is_lost() {
        let (known, entity) = (Known::new(10), DeviceId::generate(TenantId::generate()).entity());
        let key: Arc<str> = "a".into();
        let held = known.of(entity);
        held.learn(Arc::clone(&key), 1);
        assert!(known.of(entity).has(&key, 1) && !known.of(entity).has(&key, 2));
        known.forget(entity);
        held.learn(Arc::clone(&key), 2);
        assert!(!known.of(entity).has(&key, 1) && !known.of(entity).has(&key, 2));
    }

    #[test]
    fn an_entity_with_too_many_series_starts_again() {
        let of = OfEntity::default();
        for bucket in 0..=SERIES_MAX as i64 {
            of.learn("a".into(), bucket);
        }
        assert!(!of.has(&"a".into(), 0) && of.has(&"a".into(), SERIES_MAX as i64));
    }
}
