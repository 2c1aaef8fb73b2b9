//! The protocol adapter of each tenant: instances are never shared between tenants.

use std::sync::Arc;

use dashmap::DashMap;
use model::{Clock, TenantId};
use plugins::{AdapterComponent, AdapterPool, LogSink};

/// Pools of instances by tenant.
#[derive(Clone)]
pub struct Adapters(Arc<Inner>);

struct Inner {
    component: AdapterComponent,
    log: Arc<dyn LogSink>,
    clock: Arc<dyn Clock>,
    pools: DashMap<TenantId, Arc<AdapterPool>>,
}

impl Adapters {
    /// Every tenant's devices speak through this component.
    pub fn new(component: AdapterComponent, log: Arc<dyn LogSink>, clock: Arc<dyn Clock>) -> Self {
        Adapters(Arc::new(Inner {
            component,
            log,
            clock,
            pools: DashMap::new(),
        }))
    }

    /// The instances of a tenant.
    pub fn pool(&self, tenant: TenantId) -> Arc<AdapterPool> {
        if let Some(pool) = self.0.pools.get(&tenant) {
            return Arc::clone(&pool);
        }
        let Inner {
            component,
            log,
            clock,
            pools,
        } = &*self.0;
        let new = || Arc::new(AdapterPool::new(component.clone(), tenant, Arc::clone(log), Arc::clone(clock)));
        Arc::clone(&pools.entry(tenant).or_insert_with(new))
    }
}
