//! What all handlers share, and the two ways in which they leave the request's own task.
//!
//! Knows no resource.

use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use components::Components;
use egress::Egress;
use model::{Clock, TenantId};
use secrets::Vault;
use session::{Attempts, Sessions};
use storage::Store;
use tenant::App;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::ApiError;
use crate::auth::password::Passwords;
use crate::auth::token::Tokens;
use crate::limited::Limited;
use crate::listeners::Listeners;
use crate::live::Live;
use crate::turns::Turns;

/// Rule chains checked at one time: a check instantiates components.
const CHECKS_AT_ONCE: usize = 2;
/// Rule chains that are checked or wait for it at most.
const CHECKS_WAITING_MAX: usize = 32;
/// Components that are received and admitted at one time, and that wait for it: each may have tens of megabytes.
const UPLOADS_AT_ONCE: usize = 4;
const UPLOADS_WAITING_MAX: usize = 32;
/// Changes that run to their end at one time, whether their clients wait or not.
const CHANGES_AT_ONCE: usize = 256;

/// Failed logins before an e-mail address is kept out for a minute.
const LOGIN_FAILURES_MAX: u32 = 10;
/// Failed claims of devices before a user is kept from claiming for a minute.
const CLAIM_FAILURES_MAX: u32 = 10;

/// What the API is made from.
pub struct ApiConfig {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// Node types of each tenant, and uploads.
    pub components: Components,
    /// Told when chains and devices change.
    pub app: App,
    /// Told when a device must connect again.
    pub sessions: Sessions,
    /// Runs listeners of stream adapters.
    pub listeners: Arc<dyn Listeners>,
    /// Knows whom tenants' components may reach.
    pub egress: Egress,
    /// Keeps tenants' secrets.
    pub secrets: Vault,
    /// Sessions of those who watch.
    pub live: Live,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Signs tokens; 32 bytes or more, kept from start to start.
    pub signing_key: Vec<u8>,
    /// Writes all metrics as Prometheus text.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// Whether requests should be sent here.
    pub ready: Arc<AtomicBool>,
}

/// Shared by all handlers.
#[derive(Clone)]
pub struct ApiState(Arc<Shared>);

/// See [`ApiConfig`].
pub struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) components: Components,
    pub(crate) app: App,
    pub(crate) sessions: Sessions,
    pub(crate) listeners: Arc<dyn Listeners>,
    pub(crate) egress: Egress,
    pub(crate) secrets: Vault,
    pub(crate) live: Live,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tokens: Tokens,
    pub(crate) passwords: Passwords,
    /// Failed logins by e-mail address.
    pub(crate) attempts: Attempts<String>,
    /// Failed claims of devices by user.
    pub(crate) claims: Attempts<Uuid>,
    pub(crate) turns: Turns,
    checks: Limited,
    pub(crate) uploads: Limited,
    changes: Arc<Semaphore>,
    pub(crate) metrics: Box<dyn Fn() -> String + Send + Sync>,
    pub(crate) ready: Arc<AtomicBool>,
}

impl ApiState {
    pub(crate) fn new(config: ApiConfig) -> Self {
        let ApiConfig {
            store,
            components,
            app,
            sessions,
            listeners,
            egress,
            secrets,
            live,
            clock,
            signing_key,
            metrics,
            ready,
        } = config;
        ApiState(Arc::new(Shared {
            store,
            components,
            app,
            sessions,
            listeners,
            egress,
            secrets,
            live,
            clock,
            tokens: Tokens::new(&signing_key),
            passwords: Passwords::new(),
            attempts: Attempts::new(LOGIN_FAILURES_MAX),
            claims: Attempts::new(CLAIM_FAILURES_MAX),
            turns: Turns::default(),
            checks: Limited::new(CHECKS_AT_ONCE, CHECKS_WAITING_MAX),
            uploads: Limited::new(UPLOADS_AT_ONCE, UPLOADS_WAITING_MAX),
            changes: Arc::new(Semaphore::new(CHANGES_AT_ONCE)),
            metrics,
            ready,
        }))
    }

    /// Runs components' code for a request: a little at one time, as it takes a core for as long as their authors like, within limits. What it
    /// takes is charged to the tenant, whose messages wait for it; the request does not wait for them, or nobody could mend a chain that uses up
    /// all that the tenant has.
    ///
    /// # Errors
    /// [`ApiError::TooMany`] when too many wait already.
    pub(crate) async fn checked<T: Send + 'static>(
        &self,
        tenant: TenantId,
        check: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let turn = self.checks.turn().await?;
        let share = self.app.shares().of(tenant);
        blocking(move || {
            let _turn = turn;
            let began = shares::thread_time();
            let answer = check();
            share.charge(shares::thread_time().saturating_sub(began));
            answer
        })
        .await
    }

    /// Runs a change of several steps to its end, even when the client leaves: it must not stop half-way. Waits while too many run.
    pub(crate) async fn finish<T, F>(self, name: &'static str, change: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ApiError>> + Send + 'static,
    {
        let permit = Arc::clone(&self.changes).acquire_owned().await.map_err(|_| ApiError::Unavailable)?;
        let changed = actor::spawn(name, async move {
            let _permit = permit;
            change.await
        });
        changed.await.unwrap_or_else(|error| Err(ApiError::internal(error)))
    }
}

impl Deref for ApiState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// Runs what takes long without waiting on the blocking pool. The caller limits how much of it there is.
#[allow(
    clippy::disallowed_methods,
    reason = "hashing passwords and checking components take a core for long"
)]
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)
}
