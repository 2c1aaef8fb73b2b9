//! The service: what is kept, what is at work, and how the one becomes the other.
//!
//! [`upload`] admits and keeps versions; [`activate`] switches what is at work; `follow` does when another server has; [`inspect`] answers
//! questions; [`limits`] reads what a tenant may have; `journal` records every change as an event of the owner.

pub mod activate;
mod follow;
pub mod inspect;
mod journal;
pub mod limits;
mod stopped;
pub mod upload;

use std::sync::{Arc, OnceLock, Weak};

use dashmap::DashMap;
use model::{Clock, ComponentRecord, ComponentVersion, Digest, TenantId};
use plugins::{Catalog, Host, LoadedComponent, Places, Release, ReleaseId, Watch};
use serde::Deserialize;
use storage::{StorageError, Store};
use tokio::sync::{Mutex, OwnedMutexGuard, RwLock};

use crate::admit;
use crate::breaker::Policy;
use crate::compile::Compiler;
use crate::serving::Serving;
use crate::tenants::{Active, TenantSet, compose, used_by};
use crate::watch::Watcher;
use crate::{ComponentError, Facts, Quotas, permission};

pub use inspect::{Inspected, InspectedVersion};
pub use journal::Change;
pub use upload::Upload;

/// What the service is made from.
pub struct ComponentsConfig {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// Loads and runs.
    pub host: Host,
    /// Node types that every tenant has.
    pub shipped: Arc<Catalog>,
    /// Makes native code of uploads.
    pub compiler: Arc<dyn Compiler>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// How much an owner may have, if its profile does not say.
    pub quotas: Quotas,
    /// When a version is stopped.
    pub policy: Policy,
}

/// Whose component, and who acts.
#[derive(Clone, Debug)]
pub struct Owner {
    /// A tenant, or the system.
    pub tenant: TenantId,
    /// The person, for the record.
    pub by: String,
}

/// The service. Clones share it.
#[derive(Clone)]
pub struct Components(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    host: Host,
    shipped: Arc<Catalog>,
    compiler: Arc<dyn Compiler>,
    clock: Arc<dyn Clock>,
    quotas: Quotas,
    sets: DashMap<TenantId, Arc<TenantSet>>,
    /// Changes of one owner's components take turns.
    turns: DashMap<TenantId, Arc<Mutex<()>>>,
    /// So do those who load a tenant's components for the first time.
    loads: DashMap<TenantId, Arc<Mutex<()>>>,
    /// Whoever changes what is at work reads; a change of the system's components, which are everybody's, writes.
    everybody: RwLock<()>,
    serving: OnceLock<Arc<dyn Serving>>,
    watcher: Arc<Watcher>,
}

impl Components {
    /// Nothing is loaded yet: a tenant's components are at its first use.
    pub fn start(config: ComponentsConfig) -> Self {
        let ComponentsConfig {
            store,
            host,
            shipped,
            compiler,
            clock,
            quotas,
            policy,
        } = config;
        let (watcher, mut stopped) = Watcher::new(policy, Arc::clone(&clock));
        let components = Components(Arc::new(Inner {
            store,
            host,
            shipped,
            compiler,
            clock,
            quotas,
            sets: DashMap::new(),
            turns: DashMap::new(),
            loads: DashMap::new(),
            everybody: RwLock::new(()),
            serving: OnceLock::new(),
            watcher,
        }));
        let weak: Weak<Inner> = Arc::downgrade(&components.0);
        actor::spawn("stopped components", async move {
            while let Some(one) = stopped.recv().await {
                let Some(inner) = weak.upgrade() else { return };
                Components(inner).was_stopped(one).await;
            }
        });
        components
    }

    /// Tells the service who runs nodes.
    pub fn attach(&self, serving: Arc<dyn Serving>) {
        let _ = self.0.serving.set(serving);
    }

    /// The node types that every tenant has.
    pub fn shipped(&self) -> &Arc<Catalog> {
        &self.0.shipped
    }

    /// The node types of a tenant. Loads its components at the first use; then it is a look-up.
    ///
    /// # Errors
    /// When what is stored cannot be read.
    pub async fn catalog(&self, tenant: TenantId) -> Result<Arc<Catalog>, StorageError> {
        Ok(Arc::clone(&self.set(tenant).await?.catalog))
    }

    /// The active version of a component by its name: the tenant's own, else the system's. Compare [`Active::digest`] to see whether
    /// it is still the one that was got before. None while it is suspended.
    ///
    /// # Errors
    /// When what is stored cannot be read.
    pub async fn active(&self, tenant: TenantId, name: &str) -> Result<Option<Active>, StorageError> {
        let set = self.set(tenant).await?;
        Ok(set.active(name).filter(|active| active.release.suspended().is_none()).cloned())
    }

    /// As [`Components::active`], of what is loaded already: for callers that cannot wait.
    pub fn active_now(&self, tenant: TenantId, name: &str) -> Option<Active> {
        let set = self.0.sets.get(&tenant)?;
        set.active(name).filter(|active| active.release.suspended().is_none()).cloned()
    }

    async fn set(&self, tenant: TenantId) -> Result<Arc<TenantSet>, StorageError> {
        if let Some(set) = self.0.sets.get(&tenant) {
            return Ok(Arc::clone(&set));
        }
        let _everybody = self.0.everybody.read().await;
        self.set_in_turn(tenant).await
    }

    /// As [`Components::set`], for callers that hold off changes of the system's components already.
    async fn set_in_turn(&self, tenant: TenantId) -> Result<Arc<TenantSet>, StorageError> {
        let _loading = lock(&self.0.loads, tenant).await;
        if let Some(set) = self.0.sets.get(&tenant) {
            return Ok(Arc::clone(&set));
        }
        let system = match tenant {
            TenantId::SYSTEM => Vec::new(),
            _ => Box::pin(self.set_in_turn(TenantId::SYSTEM)).await?.own.clone(),
        };
        let quotas = self.quotas(tenant).await?;
        let places = Places::new(quotas.instances_max);
        places.limit(quotas.instances_max, quotas.memory_bytes_max);
        let watch: Arc<dyn Watch> = self.0.watcher.clone();
        let mut own = Vec::new();
        for record in self.0.store.components(tenant).await? {
            own.extend(self.start_active(&record, &places).await);
        }
        let system: Vec<Active> = system.iter().map(|active| used_by(active, tenant, &places, &watch)).collect();
        let catalog = compose(&self.0.shipped, &own, &system);
        let set = Arc::new(TenantSet {
            catalog: Arc::new(catalog),
            own,
            system,
            places,
        });
        self.0.sets.insert(tenant, Arc::clone(&set));
        Ok(set)
    }

    /// The active version of a stored component; none when there is none, or when it cannot be loaded any more: then the chains that
    /// need it say so.
    async fn start_active(&self, record: &ComponentRecord, places: &Arc<Places>) -> Option<Active> {
        let digest = record.active?;
        let loaded = match self.load(record.tenant, &record.name, digest).await {
            Ok(loaded) => loaded,
            Err(error) => {
                tracing::error!(tenant = %record.tenant, component = record.name, version = %digest, %error, "an active component cannot be loaded");
                return None;
            }
        };
        let active = self.at_work(record, digest, loaded, places);
        if let Some(suspension) = record.suspended.as_ref().filter(|suspension| suspension.version == digest) {
            active.release.suspend(&suspension.reason);
        }
        Some(active)
    }

    async fn load(&self, owner: TenantId, name: &str, digest: Digest) -> Result<LoadedComponent, ComponentError> {
        let bytes = self.0.store.component_bytes(owner, name, digest).await?;
        let bytes = bytes.ok_or_else(|| ComponentError::no_version(name, digest))?;
        admit::load(&self.0.host, &*self.0.compiler, bytes.into()).await
    }

    fn at_work(&self, record: &ComponentRecord, digest: Digest, loaded: LoadedComponent, places: &Arc<Places>) -> Active {
        let owner = record.tenant;
        let id = ReleaseId {
            owner,
            component: record.name.as_str().into(),
            digest,
        };
        self.0.watcher.forget(owner, &id);
        let watch: Arc<dyn Watch> = self.0.watcher.clone();
        let release = Release::new(id, owner, Arc::clone(places), Some(watch));
        release.permit_secrets(Arc::new(permission::secrets(record)));
        Active { loaded, release }
    }

    /// Waits until nobody else changes components of an owner.
    async fn turn(&self, owner: TenantId) -> OwnedMutexGuard<()> {
        lock(&self.0.turns, owner).await
    }

    async fn record(&self, owner: TenantId, name: &str) -> Result<ComponentRecord, ComponentError> {
        let record = self.0.store.component(owner, name).await?;
        record.ok_or_else(|| ComponentError::no_component(name))
    }

    async fn version(&self, owner: TenantId, name: &str, digest: Digest) -> Result<(ComponentVersion, Facts), ComponentError> {
        let versions = self.0.store.component_versions(owner, name).await?;
        let version = versions.into_iter().find(|version| version.digest == digest);
        let version = version.ok_or_else(|| ComponentError::no_version(name, digest))?;
        let facts = facts(&version)?;
        Ok((version, facts))
    }
}

async fn lock(locks: &DashMap<TenantId, Arc<Mutex<()>>>, tenant: TenantId) -> OwnedMutexGuard<()> {
    let lock = Arc::clone(&locks.entry(tenant).or_default());
    lock.lock_owned().await
}

/// What was found out about a version.
fn facts(version: &ComponentVersion) -> Result<Facts, StorageError> {
    Facts::deserialize(&version.facts).map_err(|error| StorageError::Corrupt(format!("facts of version {}: {error}", version.digest)))
}
