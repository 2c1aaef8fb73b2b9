//! The listeners of stream adapters: which ports the operator allows, who has which, and what runs on them.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use api::{ListenerError, ListenerStatus};
use async_trait::async_trait;
use model::entity::StreamListener;
use model::{Clock, EntityKind, PageRequest, TenantId};
use plugins::{LogSink, StreamComponent, StreamContext};
use session::stream::Places;
use session::{AdapterSource, Sessions, StreamService};
use shares::Shares;
use storage::{EntityFilter, Store};
use transport::{StreamConfig, StreamListeners};
use uuid::Uuid;

/// How often is looked whether an adapter has another version.
const FOLLOW: Duration = Duration::from_millis(500);
/// Entities read at one time.
const PAGE: u32 = 1000;

/// What listeners are made from.
pub struct Making {
    /// Where they listen.
    pub host: IpAddr,
    /// Ports that tenants may have; none: there are no listeners.
    pub ports: Option<RangeInclusive<u16>>,
    /// Their adapters.
    pub source: Arc<dyn AdapterSource>,
    /// Devices' sessions.
    pub sessions: Sessions,
    /// Whose adapters run when.
    pub shares: Shares,
    /// Adapters' log lines.
    pub log: Arc<dyn LogSink>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
}

/// Listeners by id. Clones share everything.
#[derive(Clone)]
pub struct TenantListeners(Arc<Inner>);

struct Inner {
    making: Making,
    running: StreamListeners,
    places: Places,
    /// Held for a moment, never while waiting.
    known: Mutex<HashMap<Uuid, Known>>,
}

#[derive(Clone)]
struct Known {
    tenant: TenantId,
    port: u16,
    /// What runs, as long as it does.
    runs: Option<(TenantId, StreamListener, StreamComponent)>,
    /// Why it does not.
    error: Option<String>,
}

impl TenantListeners {
    /// None is known yet.
    pub fn new(making: Making) -> Self {
        TenantListeners(Arc::new(Inner {
            making,
            running: StreamListeners::new(),
            places: Places::default(),
            known: Mutex::default(),
        }))
    }

    /// Starts what is stored and enabled. What does not start says why in its status and in the log.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn start_stored(&self, store: &dyn Store) -> Result<()> {
        for tenant in all(store, TenantId::SYSTEM, EntityKind::Tenant).await? {
            let tenant = TenantId(tenant.id.id);
            for record in all(store, tenant, EntityKind::StreamListener).await? {
                let id = record.id.id;
                let listener: StreamListener =
                    serde_json::from_value(record.body).with_context(|| format!("the listener {id} cannot be read"))?;
                api::Listeners::align(self, tenant, id, Some(&listener)).await;
            }
        }
        Ok(())
    }

    /// Looks again and again whether adapters have changed. Ends with the process.
    pub async fn follow(self) {
        loop {
            tokio::time::sleep(FOLLOW).await;
            self.renew().await;
        }
    }

    /// What runs with another version of its adapter than the present one is started anew.
    async fn renew(&self) {
        let running: Vec<_> = self.known(|known| known.values().filter_map(|known| known.runs.clone()).collect());
        for (tenant, listener, component) in running {
            let present = self.0.making.source.stream(tenant, &listener.adapter).await;
            let renewed = !present.is_some_and(|present| present.is_same(&component));
            let Some(id) = listener.id.filter(|_| renewed) else { continue };
            api::Listeners::stop(self, id.id).await;
            if let Err(error) = api::Listeners::start(self, tenant, &listener).await {
                tracing::error!(%tenant, listener = listener.name, %error, "a listener was not started anew");
                self.set(id.id, None, Some(error.to_string()));
            }
        }
    }

    /// Stops all of them.
    pub async fn stop_all(&self) {
        self.0.running.stop_all().await;
    }

    fn known<T>(&self, look: impl FnOnce(&mut HashMap<Uuid, Known>) -> T) -> T {
        look(&mut self.0.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, id: Uuid, runs: Option<(TenantId, StreamListener, StreamComponent)>, error: Option<String>) {
        self.known(|known| {
            if let Some(known) = known.get_mut(&id) {
                (known.runs, known.error) = (runs, error);
            }
        });
    }
}

#[async_trait]
impl api::Listeners for TenantListeners {
    fn reserve(&self, tenant: TenantId, id: Uuid, port: u16) -> Result<(), ListenerError> {
        let ports = self.0.making.ports.as_ref();
        if !ports.is_some_and(|ports| ports.contains(&port)) {
            let allowed = match ports {
                Some(ports) => format!("the operator allows {} to {}", ports.start(), ports.end()),
                None => "the operator allows none (option stream-ports)".to_owned(),
            };
            return Err(ListenerError::PortNotAllowed { port, allowed });
        }
        self.known(|known| {
            if known.iter().any(|(other, known)| *other != id && known.port == port) {
                return Err(ListenerError::PortInUse(port));
            }
            let (runs, error) = (None, None);
            known.entry(id).or_insert(Known { tenant, port, runs, error });
            Ok(())
        })
    }

    fn release(&self, id: Uuid) {
        self.known(|known| known.remove(&id));
    }

    async fn start(&self, tenant: TenantId, listener: &StreamListener) -> Result<(), ListenerError> {
        let id = listener.id.map(|id| id.id).unwrap_or_default();
        // A stored listener keeps no port that the operator has taken away since.
        self.reserve(tenant, id, listener.port)?;
        if self.0.running.observe(id).is_some() {
            return Ok(());
        }
        let making = &self.0.making;
        let component = making.source.stream(tenant, &listener.adapter).await;
        let component = component.ok_or_else(|| ListenerError::NoAdapter(listener.adapter.clone()))?;
        let service = StreamService::new(
            component.clone(),
            StreamContext {
                tenant,
                name: component.descriptor().name.as_str().into(),
                log: Arc::clone(&making.log),
                clock: Arc::clone(&making.clock),
            },
            listener.transport,
            making.sessions.clone(),
            self.0.places.clone(),
            making.shares.of(tenant),
        );
        let config = StreamConfig::new(SocketAddr::new(making.host, listener.port));
        let started = self.0.running.start(id, config, service).await;
        started.map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => ListenerError::PortInUse(listener.port),
            _ => ListenerError::Unusable {
                port: listener.port,
                reason: error.to_string(),
            },
        })?;
        tracing::info!(%tenant, listener = listener.name, port = listener.port, adapter = listener.adapter, "a listener runs");
        self.set(id, Some((tenant, listener.clone(), component)), None);
        Ok(())
    }

    async fn stop(&self, id: Uuid) {
        self.0.running.stop(id).await;
        self.set(id, None, None);
    }

    async fn align(&self, tenant: TenantId, id: Uuid, stored: Option<&StreamListener>) {
        let Some(listener) = stored else {
            self.stop(id).await;
            return self.release(id);
        };
        let started = match self.reserve(tenant, id, listener.port) {
            Ok(()) if listener.enabled => self.start(tenant, listener).await,
            Ok(()) => {
                self.stop(id).await;
                Ok(())
            }
            refused => refused,
        };
        if let Err(error) = started {
            tracing::error!(%tenant, listener = listener.name, %error, "a listener was not started");
            let known = Known {
                tenant,
                port: listener.port,
                runs: None,
                error: Some(error.to_string()),
            };
            self.known(|all| all.insert(id, known));
        }
    }

    fn reserved(&self) -> Vec<(TenantId, Uuid)> {
        self.known(|known| known.iter().map(|(id, known)| (known.tenant, *id)).collect())
    }

    fn status(&self, id: Uuid) -> ListenerStatus {
        let error = self.known(|known| known.get(&id).and_then(|known| known.error.clone()));
        match self.0.running.observe(id) {
            None => ListenerStatus {
                error,
                ..ListenerStatus::default()
            },
            Some(state) => ListenerStatus {
                running: true,
                peers: state.peers,
                faults: state.faults,
                error: state.last_fault,
            },
        }
    }
}

async fn all(store: &dyn Store, tenant: TenantId, kind: EntityKind) -> Result<Vec<model::entity::EntityRecord>> {
    let mut found = Vec::new();
    let mut page = PageRequest::first(PAGE);
    loop {
        let part = store.entities(tenant, kind, &EntityFilter::default(), &page).await?;
        found.extend(part.data);
        if !part.has_next {
            return Ok(found);
        }
        page.page += 1;
    }
}
