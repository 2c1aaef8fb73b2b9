//! How much of a tenant is under way at one time. A tenant whose servers are slow waits for itself only.

use std::sync::Arc;

use dashmap::DashMap;
use model::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::EgressError;

/// Requests of a tenant that are sent at one time; more wait.
pub(crate) const RUNNING_MAX: usize = 16;
/// Requests of a tenant that are sent or wait; more are refused.
pub(crate) const WAITING_MAX: usize = 2_048;
/// Names of a tenant that are looked up at one time. A look-up cannot be called off: it holds its place until the system gives up.
const LOOKUPS_MAX: usize = 4;
/// Keys of a tenant that are opened at one time. That cannot be called off, either.
const KEYS_MAX: usize = 1;
/// Letters of a tenant that are at one time on connections that all tenants share: fewer than any of these takes.
const SHARED_MAX: usize = 2;
/// Large payloads of a tenant that are compressed at one time. None of that can be called off either.
const COMPRESSIONS_MAX: usize = 1;

/// What tenants have under way.
#[derive(Default)]
pub(crate) struct Places {
    tenants: DashMap<TenantId, Arc<Tenant>>,
}

pub(crate) struct Tenant {
    waiting: Arc<Semaphore>,
    running: Arc<Semaphore>,
    lookups: Arc<Semaphore>,
    keys: Arc<Semaphore>,
    compressions: Arc<Semaphore>,
    shared: Arc<Semaphore>,
}

impl Places {
    pub(crate) fn of(&self, tenant: TenantId) -> Arc<Tenant> {
        let fresh = || {
            Arc::new(Tenant {
                waiting: Arc::new(Semaphore::new(WAITING_MAX)),
                running: Arc::new(Semaphore::new(RUNNING_MAX)),
                lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)),
                keys: Arc::new(Semaphore::new(KEYS_MAX)),
                compressions: Arc::new(Semaphore::new(COMPRESSIONS_MAX)),
                shared: Arc::new(Semaphore::new(SHARED_MAX)),
            })
        };
        Arc::clone(&self.tenants.entry(tenant).or_insert_with(fresh))
    }
}

impl Tenant {
    /// A place to wait.
    ///
    /// # Errors
    /// [`EgressError::Busy`].
    pub(crate) fn enter(&self) -> Result<OwnedSemaphorePermit, EgressError> {
        let entered = Arc::clone(&self.waiting).try_acquire_owned();
        entered.map_err(|_| EgressError::Busy { max: WAITING_MAX })
    }

    /// The turn to send.
    pub(crate) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.running).acquire_owned().await.ok()
    }

    /// The turn to look a name up.
    pub(crate) async fn lookup(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.lookups).acquire_owned().await.ok()
    }

    /// The turn to open a key.
    pub(crate) async fn key(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.keys).acquire_owned().await.ok()
    }

    /// The turn to hand something to a connection that all tenants share.
    pub(crate) async fn shared(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.shared).acquire_owned().await.ok()
    }

    /// The turn to compress something large.
    pub(crate) async fn compression(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.compressions).acquire_owned().await.ok()
    }
}
