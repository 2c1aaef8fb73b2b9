//! The protocol adapter of each tenant and device profile: instances are never shared between tenants.

use std::sync::Arc;

use async_trait::async_trait;
use dashmap::DashMap;
use model::{Clock, DeviceId, TenantId};
use plugins::{AdapterComponent, AdapterPool, LogSink, StreamComponent};
use shares::Shares;
use storage::Store;

use crate::OpenError;
use crate::profiles::{Manner, Profiles};

/// Adapters by name: those of the server, and a tenant's own.
#[async_trait]
pub trait AdapterSource: Send + Sync + 'static {
    /// The payload adapter that a tenant means by a name.
    async fn payload(&self, tenant: TenantId, adapter: &str) -> Option<AdapterComponent>;

    /// The stream adapter that a tenant means by a name.
    async fn stream(&self, tenant: TenantId, adapter: &str) -> Option<StreamComponent>;
}

/// Pools of instances by tenant.
#[derive(Clone)]
pub struct Adapters(Arc<Inner>);

struct Inner {
    shipped: AdapterComponent,
    source: Option<(Arc<dyn AdapterSource>, Shares)>,
    profiles: Profiles,
    log: Arc<dyn LogSink>,
    clock: Arc<dyn Clock>,
    pools: DashMap<TenantId, Arc<AdapterPool>>,
    /// Of adapters that profiles name.
    named: DashMap<(TenantId, Arc<str>), Arc<AdapterPool>>,
}

impl Adapters {
    /// Every tenant's devices speak through this component.
    pub fn new(shipped: AdapterComponent, log: Arc<dyn LogSink>, clock: Arc<dyn Clock>) -> Self {
        Self::made(shipped, None, log, clock)
    }

    /// The same, except for devices whose profile names another adapter.
    /// Those are uploaded, mostly: they use their tenant's share of the processors.
    pub fn with_source(
        shipped: AdapterComponent,
        source: Arc<dyn AdapterSource>,
        shares: Shares,
        log: Arc<dyn LogSink>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self::made(shipped, Some((source, shares)), log, clock)
    }

    fn made(
        shipped: AdapterComponent,
        source: Option<(Arc<dyn AdapterSource>, Shares)>,
        log: Arc<dyn LogSink>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Adapters(Arc::new(Inner {
            shipped,
            source,
            profiles: Profiles::default(),
            log,
            clock,
            pools: DashMap::new(),
            named: DashMap::new(),
        }))
    }

    /// The instances that serve a device: of the adapter its profile names, or of the shipped one; and what else the profile says.
    ///
    /// # Errors
    /// [`OpenError::Unavailable`] when the store does not answer, or the adapter is not there.
    pub(crate) async fn of(&self, store: &dyn Store, device: DeviceId) -> Result<(Arc<AdapterPool>, Manner), OpenError> {
        let Some((source, shares)) = &self.0.source else {
            return Ok((self.pool(device.tenant), Manner::default()));
        };
        let manner = self.0.profiles.manner_of(store, device).await;
        let manner = manner.map_err(|error| OpenError::Unavailable(error.to_string()))?;
        let Some(name) = manner.adapter.clone() else {
            return Ok((self.pool(device.tenant), manner));
        };
        let missing = || OpenError::Unavailable(format!("its profile names the adapter {name:?}, which is not there"));
        let component = source.payload(device.tenant, &name).await.ok_or_else(missing)?;
        let new = || {
            let pool = self.make(component.clone(), device.tenant);
            Arc::new(pool.charged_to(shares.of(device.tenant)))
        };
        let mut pool = self.0.named.entry((device.tenant, name)).or_insert_with(new);
        if !pool.component().is_same(&component) {
            // Another version: sessions that are open keep what they have.
            *pool = new();
        }
        Ok((Arc::clone(&pool), manner))
    }

    /// A device profile of a tenant was changed: sessions that open from now on see it.
    pub fn profile_changed(&self, tenant: TenantId) {
        self.0.profiles.changed(tenant);
    }

    /// Device profiles of any tenant may have changed.
    pub fn profiles_changed(&self) {
        self.0.profiles.all_changed();
    }

    /// Whether a tenant's profiles may name an adapter.
    pub async fn knows(&self, tenant: TenantId, adapter: &str) -> bool {
        match &self.0.source {
            Some((source, _)) => source.payload(tenant, adapter).await.is_some(),
            None => false,
        }
    }

    /// The instances of the shipped adapter for a tenant.
    pub fn pool(&self, tenant: TenantId) -> Arc<AdapterPool> {
        if let Some(pool) = self.0.pools.get(&tenant) {
            return Arc::clone(&pool);
        }
        let new = || Arc::new(self.make(self.0.shipped.clone(), tenant));
        Arc::clone(&self.0.pools.entry(tenant).or_insert_with(new))
    }

    fn make(&self, component: AdapterComponent, tenant: TenantId) -> AdapterPool {
        AdapterPool::new(component, tenant, Arc::clone(&self.0.log), Arc::clone(&self.0.clock))
    }
}
