//! The actor above all tenants: starts a tenant at its first use.

use std::sync::{Arc, OnceLock};

use actor::{Control, Observe, Stop};
use cluster::{Announcer, Call, Change, RpcError, What};
use components::Components;
use dashmap::DashMap;
use device::Registry;
use effects::Effects;
use model::entity::Rpc;
use model::{DeviceId, Downlink, TenantId};
use rules::NodeSurroundings;
use serde::Serialize;
use shares::Shares;
use storage::Store;
use uuid::Uuid;
use xtra::{Actor, Context, Handler};

use crate::chains::ChainTable;
use crate::error::TenantError;
use crate::tenant::{Reload, Surroundings, TenantActor, TenantState};

/// What the App is built from.
pub struct AppConfig {
    /// Stored values.
    pub store: Arc<dyn Store>,
    /// Node types of each tenant.
    pub components: Components,
    /// Performs effects.
    pub effects: Effects,
    /// What nodes are given.
    pub nodes: NodeSurroundings,
    /// Where entrances of chains are published.
    pub table: ChainTable,
}

/// The way to the App.
#[derive(Clone)]
pub struct App {
    control: Control<AppActor>,
    tenants: Tenants,
    nodes: NodeSurroundings,
    registry: Arc<OnceLock<Registry>>,
    table: ChainTable,
    effects: Effects,
    /// The other servers, if there are any.
    others: Arc<OnceLock<Arc<dyn Announcer>>>,
}

/// What can be seen of all tenants from outside.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AppState {
    /// Tenants in use.
    pub tenants: Vec<TenantState>,
    /// Device actors awake.
    pub devices_awake: usize,
}

/// The actor.
pub struct AppActor {
    around: Surroundings,
    tenants: Tenants,
}

/// The tenants in use. Written by the App's actor alone; read as well by whoever must not wait for it.
type Tenants = Arc<DashMap<TenantId, Control<TenantActor>>>;

/// Makes sure that a tenant's chains run as stored.
struct Ensure {
    tenant: TenantId,
    /// Even if it runs already: something changed.
    reload: bool,
}

impl Actor for AppActor {
    type Stop = ();
    async fn stopped(self) {
        for tenant in controls(&self.tenants) {
            let _ = tenant.tell(Stop).await;
        }
        self.tenants.clear();
    }
}

impl Handler<Ensure> for AppActor {
    type Return = Result<(), TenantError>;
    async fn handle(&mut self, Ensure { tenant, reload }: Ensure, _: &mut Context<Self>) -> Result<(), TenantError> {
        let alive = self.tenants.get(&tenant).is_some_and(|control| control.is_alive());
        if alive && !reload {
            return Ok(());
        }
        if !alive {
            self.tenants.insert(tenant, TenantActor::start(tenant, self.around.clone()));
        }
        let Some(control) = self.tenants.get(&tenant).map(|control| control.clone()) else {
            return Err(TenantError::Stopping);
        };
        control
            .ask(Reload)
            .await
            .map_err(|_| TenantError::Stopping)?
            .map_err(TenantError::from)
    }
}

/// All of them; none is held while somebody waits.
fn controls(tenants: &Tenants) -> Vec<Control<TenantActor>> {
    tenants.iter().map(|entry| entry.value().clone()).collect()
}

impl Handler<Observe> for AppActor {
    type Return = Vec<TenantState>;
    async fn handle(&mut self, _: Observe, _: &mut Context<Self>) -> Vec<TenantState> {
        let mut tenants = Vec::with_capacity(self.tenants.len());
        for tenant in controls(&self.tenants) {
            tenants.extend(tenant.ask(Observe).await);
        }
        tenants
    }
}

impl Handler<Stop> for AppActor {
    type Return = ();
    async fn handle(&mut self, _: Stop, context: &mut Context<Self>) {
        context.stop_self();
    }
}

impl App {
    /// Starts the actor; no tenant is in use yet.
    pub fn start(config: AppConfig) -> Self {
        let AppConfig {
            store,
            components,
            effects,
            nodes,
            table,
        } = config;
        let around = Surroundings {
            store,
            components,
            effects: effects.clone(),
            nodes: nodes.clone(),
            table: table.clone(),
        };
        let (control, mailbox) = Control::mailbox();
        let tenants = Tenants::default();
        let actor = AppActor {
            around,
            tenants: Arc::clone(&tenants),
        };
        actor::spawn("app", xtra::run(mailbox, actor));
        App {
            control,
            tenants,
            nodes,
            registry: Arc::new(OnceLock::new()),
            table,
            effects,
            others: Arc::default(),
        }
    }

    /// Tells the App how others hear of changes: other servers, if there are any, and whoever keeps here what is changed.
    pub fn announce_to(&self, others: Arc<dyn Announcer>) {
        let _ = self.others.set(others);
    }

    /// Something was changed here and is stored: other servers are to read it again. Never waits.
    pub fn announce(&self, change: Change) {
        if let Some(others) = self.others.get() {
            others.announce(change);
        }
    }

    /// Tells the App which registry its devices live in, for [`App::observe`].
    pub fn attach(&self, registry: Registry) {
        let _ = self.registry.set(registry);
    }

    /// The published entrances.
    pub fn table(&self) -> &ChainTable {
        &self.table
    }

    /// Makes sure that a tenant's chains run.
    ///
    /// # Errors
    /// [`TenantError`] when they cannot be read, or the server is stopping.
    pub async fn ensure(&self, tenant: TenantId) -> Result<(), TenantError> {
        self.control
            .ask(Ensure { tenant, reload: false })
            .await
            .map_err(|_| TenantError::Stopping)?
    }

    /// Brings a tenant's chains in line with what is stored. Messages in flight finish in the old version.
    ///
    /// # Errors
    /// [`TenantError`] when they cannot be read, or the server is stopping.
    pub async fn reload(&self, tenant: TenantId) -> Result<(), TenantError> {
        self.control
            .ask(Ensure { tenant, reload: true })
            .await
            .map_err(|_| TenantError::Stopping)?
    }

    /// What goes on.
    ///
    /// # Errors
    /// [`TenantError::Stopping`].
    pub async fn observe(&self) -> Result<AppState, TenantError> {
        let tenants = self.control.ask(Observe).await.map_err(|_| TenantError::Stopping)?;
        Ok(AppState {
            tenants,
            devices_awake: self.registry.get().map_or(0, Registry::awake),
        })
    }

    /// A device's record was changed here: its actor reads it again, wherever it lives.
    pub async fn device_changed(&self, device: DeviceId) {
        self.announce(Change::of(device, What::Device));
        self.refresh_device(device).await;
    }

    /// Tells a device's actor, if it is awake here, that the device's record has changed.
    pub async fn refresh_device(&self, device: DeviceId) {
        if let Some(registry) = self.registry.get() {
            registry.refresh(device).await;
        }
    }

    /// Devices whose actors are awake here: of a tenant, or all.
    pub fn devices_awake(&self, tenant: Option<TenantId>) -> Vec<DeviceId> {
        self.registry.get().map(|registry| registry.awake_of(tenant)).unwrap_or_default()
    }

    /// Tenants whose chains run here.
    pub fn tenants_at_work(&self) -> Vec<TenantId> {
        self.tenants.iter().map(|entry| *entry.key()).collect()
    }

    /// Whether a tenant's chains run here. If not, they are read when they start.
    pub fn is_at_work(&self, tenant: TenantId) -> bool {
        self.tenants.contains_key(&tenant)
    }

    /// Tells a device's sessions something, if there are any.
    pub async fn push(&self, device: DeviceId, news: Downlink) {
        self.effects.push(device, news).await;
    }

    /// A request of somebody outside to a device. It enters the device's chain; the answer comes back by the call.
    pub async fn call(&self, device: DeviceId, call: Call) {
        self.effects.call(device, call).await;
    }

    /// Removes a request that is kept for a device.
    ///
    /// # Errors
    /// [`RpcError`] when the device's actor cannot be reached, or the store refuses.
    pub async fn remove_request(&self, device: DeviceId, rpc: Rpc) -> Result<(), RpcError> {
        self.effects.remove_request(device, rpc).await
    }

    /// Waits for the turn to change alarms of an originator: chains and people must not change one at the same time.
    pub async fn alarm_turn(&self, originator: Uuid) -> tokio::sync::MutexGuard<'_, ()> {
        self.effects.alarm_turn(originator).await
    }

    /// The actor of a tenant in use.
    pub(crate) fn tenant(&self, tenant: TenantId) -> Option<Control<TenantActor>> {
        self.tenants.get(&tenant).map(|control| control.clone())
    }

    /// Performs effects, and reaches devices.
    pub(crate) fn effects(&self) -> &Effects {
        &self.effects
    }

    /// What nodes are given.
    pub(crate) fn nodes(&self) -> &NodeSurroundings {
        &self.nodes
    }

    /// Processor time of every tenant's guests.
    pub fn shares(&self) -> &Shares {
        &self.nodes.shares
    }

    /// Stops all tenants.
    pub async fn stop(&self) {
        let _ = self.control.tell(Stop).await;
    }
}
