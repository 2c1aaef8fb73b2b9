//! What other servers have changed, brought into this one's memory by the functions that routes call here, and announced to nobody.
//!
//! Which change concerns what is listed in [`cluster::changes`]. What takes long – looking at every device and every connection, when
//! changes may have been missed – goes on beside the rest, and slowly: a thousand of each in a second.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cluster::{Applying, Backlog, Change, NotApplied, What};
use components::Components;
use model::entity::{StreamListener, Tenant};
use model::{DeviceId, EntityKind, PageRequest, TenantId};
use session::{CloseReason, Sessions};
use storage::{EntityFilter, StorageError, Store};
use tenant::App;
use uuid::Uuid;

use crate::listeners::Listeners;
use crate::live::Live;
use crate::record;

/// Between two devices whose actors are told to read their records again.
const EVERY: Duration = Duration::from_millis(1);
/// Tenants or listeners read at one time.
const PAGE: u32 = 1_000;

/// Applies changes of other servers. Clones share everything.
#[derive(Clone)]
pub struct Applier(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    components: Components,
    app: App,
    sessions: Sessions,
    listeners: Arc<dyn Listeners>,
    live: Live,
    /// What is read again slowly.
    slowly: Backlog,
}

/// Looks at every device and every connection.
struct Slowly(Applier);

impl Applier {
    /// To the memory of these. From now on connections remember what they were opened with.
    pub fn new(
        store: Arc<dyn Store>,
        components: Components,
        app: App,
        sessions: Sessions,
        listeners: Arc<dyn Listeners>,
        live: Live,
    ) -> Self {
        sessions.remember_credentials();
        Applier(Arc::new(Inner {
            store,
            components,
            app,
            sessions,
            listeners,
            live,
            slowly: Backlog::default(),
        }))
    }

    /// Applies what comes, until the process ends.
    pub fn start(self, coming: &Backlog) {
        Applying::start(self.0.slowly.clone(), Arc::new(Slowly(self.clone())));
        Applying::start(coming.clone(), Arc::new(self));
    }

    async fn device_deleted(&self, device: DeviceId) {
        // First, so that nothing is written of what its sessions do at their end.
        self.0.app.refresh_device(device).await;
        self.0.sessions.close_device(device, CloseReason::Administrative).await;
    }

    async fn rule_chains(&self, tenant: TenantId) -> Result<(), NotApplied> {
        match self.0.app.is_at_work(tenant) {
            true => self.0.app.reload(tenant).await.map_err(told),
            false => Ok(()),
        }
    }

    async fn limits(&self, tenant: TenantId) -> Result<(), NotApplied> {
        for tenant in self.those_of(tenant) {
            limits_changed(&self.0.components, &self.0.app, tenant).await.map_err(told)?;
        }
        Ok(())
    }

    async fn listener(&self, tenant: TenantId, id: Uuid) -> Result<(), NotApplied> {
        let stored: Option<StreamListener> = record::find(&*self.0.store, tenant, id).await.map_err(told)?;
        self.0.listeners.align(tenant, id, stored.as_ref()).await;
        Ok(())
    }

    async fn everything_of(&self, tenant: TenantId) -> Result<(), NotApplied> {
        self.0.components.follow(tenant).await.map_err(told)?;
        if tenant == TenantId::SYSTEM {
            self.0.sessions.adapters().profiles_changed();
            for tenant in self.those_of(tenant) {
                self.0.components.follow(tenant).await.map_err(told)?;
                self.rule_chains(tenant).await?;
            }
        } else {
            self.0.sessions.adapters().profile_changed(tenant);
            self.rule_chains(tenant).await?;
        }
        self.limits(tenant).await
    }

    /// The tenant; of the system, all that have something here in memory.
    fn those_of(&self, tenant: TenantId) -> Vec<TenantId> {
        if tenant != TenantId::SYSTEM {
            return vec![tenant];
        }
        let mut tenants = self.0.components.tenants_loaded();
        tenants.extend(self.0.app.tenants_at_work());
        tenants.sort_unstable();
        tenants.dedup();
        tenants
    }

    /// Listeners are there for tenants that have nothing else here.
    async fn all_listeners(&self, tenant: TenantId) -> Result<(), StorageError> {
        let store = &*self.0.store;
        let tenants = match tenant {
            TenantId::SYSTEM => {
                let all = all::<Tenant>(store, TenantId::SYSTEM).await?;
                all.into_iter().filter_map(|tenant| Some(TenantId(tenant.id?.id))).collect()
            }
            tenant => vec![tenant],
        };
        let mut gone: Vec<_> = self.0.listeners.reserved();
        gone.retain(|(owner, _)| tenant == TenantId::SYSTEM || tenant == *owner);
        for tenant in tenants {
            for listener in all::<StreamListener>(store, tenant).await? {
                let Some(id) = listener.id.map(|id| id.id) else { continue };
                gone.retain(|(_, known)| *known != id);
                self.0.listeners.align(tenant, id, Some(&listener)).await;
            }
        }
        for (tenant, id) in gone {
            // It may have been created since.
            let stored: Option<StreamListener> = record::find(store, tenant, id).await?;
            self.0.listeners.align(tenant, id, stored.as_ref()).await;
        }
        Ok(())
    }
}

#[async_trait]
impl cluster::Applier for Applier {
    async fn apply(&self, change: Change) -> Result<(), NotApplied> {
        let tenant = change.tenant;
        self.0.live.changed(change);
        match change.what {
            What::Everything => {
                self.0.slowly.push(change);
                self.everything_of(tenant).await?;
            }
            What::RuleChains => self.rule_chains(tenant).await?,
            What::Components => self.0.components.follow(tenant).await.map_err(told)?,
            What::Limits => self.limits(tenant).await?,
            What::DeviceProfiles => {
                self.0.sessions.adapters().profile_changed(tenant);
                self.0.slowly.push(change);
            }
            What::Device(id) => self.0.app.refresh_device(DeviceId::new(tenant, id)).await,
            What::DeviceDeleted(id) => self.device_deleted(DeviceId::new(tenant, id)).await,
            What::Credentials(id) => {
                let device = DeviceId::new(tenant, id);
                self.0.sessions.close_device(device, CloseReason::Administrative).await;
            }
            What::Listener(id) => self.listener(tenant, id).await?,
            // Read from the store whenever they are used: nothing is kept, but by those who watch.
            What::Outside | What::User(_) => {}
        }
        Ok(())
    }
}

#[async_trait]
impl cluster::Applier for Slowly {
    async fn apply(&self, change: Change) -> Result<(), NotApplied> {
        let Applier(inner) = &self.0;
        let tenant = Some(change.tenant).filter(|tenant| *tenant != TenantId::SYSTEM);
        let devices = async {
            for device in inner.app.devices_awake(tenant) {
                inner.app.refresh_device(device).await;
                tokio::time::sleep(EVERY).await;
            }
        };
        if change.what == What::DeviceProfiles {
            devices.await;
            return Ok(());
        }
        let (connections, listeners, ()) = tokio::join!(inner.sessions.revisit(tenant), self.0.all_listeners(change.tenant), devices);
        connections.and(listeners).map_err(told)
    }
}

/// A tenant at work learns what it may have now.
pub(crate) async fn limits_changed(components: &Components, app: &App, tenant: TenantId) -> Result<(), StorageError> {
    let quotas = components.limits_changed(tenant).await?;
    app.shares().of(tenant).allow(quotas.cpu_per_second);
    Ok(())
}

async fn all<E: record::Entity>(store: &dyn Store, tenant: TenantId) -> Result<Vec<E>, StorageError> {
    let kind: EntityKind = E::KIND;
    let (mut found, mut page) = (Vec::new(), PageRequest::first(PAGE));
    loop {
        let part = store.entities(tenant, kind, &EntityFilter::default(), &page).await?;
        for record in part.data {
            found.push(record::read(record)?);
        }
        if !part.has_next {
            return Ok(found);
        }
        page.page += 1;
    }
}

fn told(error: impl ToString) -> NotApplied {
    NotApplied(error.to_string())
}
