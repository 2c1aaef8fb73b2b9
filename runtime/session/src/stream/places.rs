//! How many instances of stream adapters there may be, for a tenant and in all: what one tenant's connections take, others and rule nodes
//! do not have.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::TenantId;

/// Places there are.
#[derive(Clone, Debug)]
pub struct PlaceLimits {
    /// In all.
    pub all_max: usize,
    /// For one tenant.
    pub tenant_max: usize,
}

impl Default for PlaceLimits {
    fn default() -> Self {
        PlaceLimits {
            all_max: 2_000,
            tenant_max: 500,
        }
    }
}

/// Counts the places that are taken. Clones share everything.
#[derive(Clone, Debug, Default)]
pub struct Places(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    limits: PlaceLimits,
    /// By tenant; held for a moment.
    taken: Mutex<HashMap<TenantId, usize>>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Places,
    tenant: TenantId,
}

impl Places {
    /// All are free.
    pub fn new(limits: PlaceLimits) -> Self {
        let taken = Mutex::default();
        Places(Arc::new(Inner { limits, taken }))
    }

    /// Takes one, if there is one.
    pub fn take(&self, tenant: TenantId) -> Option<Place> {
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let own = taken.get(&tenant).copied().unwrap_or(0);
        if all >= self.0.limits.all_max || own >= self.0.limits.tenant_max {
            return None;
        }
        taken.insert(tenant, own + 1);
        metrics::gauge!("session_stream_instances").set((all + 1) as f64);
        let places = self.clone();
        Some(Place { places, tenant })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.tenant) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tenant_leaves_places_for_others() {
        let places = Places::new(PlaceLimits { all_max: 3, tenant_max: 2 });
        let (one, other) = (TenantId::generate(), TenantId::generate());
        let first = places.take(one);
        let second = places.take(one);
        assert!(first.is_some() && second.is_some() && places.take(one).is_none());
        let third = places.take(other);
        assert!(third.is_some() && places.take(other).is_none(), "none is left in all");
        drop(first);
        assert!(places.take(other).is_some());
    }
}
