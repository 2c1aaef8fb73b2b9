//! Builds the server bottom-up: store, host, chains, devices, sessions, listeners.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use api::{Announcing, Live, LiveConfig};
use cluster::{Router, SinglePeer};
use components::breaker::Policy;
use components::{Components, ComponentsConfig, Quotas, Separate};
use device::{Registry, RegistryConfig};
use effects::{Effects, Outside};
use feed::Feed;
use metrics_exporter_prometheus::PrometheusHandle;
use model::{Clock, SystemClock};
use plugins::{Host, HostConfig};
use rules::NodeSurroundings;
use session::{AdapterSource, Adapters, CloseReason, Sessions, SessionsConfig};
use shares::Shares;
use storage::Store;
use tenant::{App, AppConfig, AppServing, ChainTable, LocalDevices};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use transport::{MqttConfig, MqttService};

use crate::adapters::TenantAdapters;
use crate::config::Config;
use crate::doors::{Addresses, Doors, Reread};
use crate::listeners::{Making, TenantListeners};
use crate::peer::{self, Introduced};
use crate::ports::{GuestLog, LateDevices};
use crate::shipped::{self, Shipped};
use crate::store::{Opened, create, secret};

/// How long connections may take to end.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// A server that is built and not listening yet.
pub struct Server {
    pub store: Arc<dyn Store>,
    pub components: Components,
    pub clock: Arc<dyn Clock>,
    app: App,
    sessions: Sessions,
    peer: Option<peer::Serving>,
    listeners: TenantListeners,
    live: Live,
    outside: Outside,
    signing_key: Vec<u8>,
    metrics: PrometheusHandle,
}

/// A server that listens.
pub struct Listening {
    /// Where.
    pub addresses: Addresses,
    /// What is read again while it listens.
    pub reread: Reread,
    ready: Arc<AtomicBool>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    server: Server,
}

impl Server {
    /// Opens the store and builds everything above it.
    pub async fn build(config: &Config, metrics: PrometheusHandle) -> Result<Self> {
        let data_dir = config.data_dir.clone();
        blocking(move || create(&data_dir)).await??;
        let introduced = match &config.peer {
            Some(peer) => Some(Introduced::new(peer, &config.data_dir).await?),
            None => None,
        };
        let feed = Feed::default();
        let Opened {
            store: shared,
            readings,
            states,
        } = crate::store::open(config, introduced.as_ref(), Arc::new(feed.clone())).await?;
        match &introduced {
            Some(peer) => peer.share(&*shared).await?,
            None => peer::alone(&*shared).await?,
        }
        let signing_key = secret(&*shared, "signing-key").await?;
        let (cache_dir, cache_key) = crate::code::place(config, &*shared).await?;
        let folder = config.components.clone();
        let (host, shipped) = blocking(move || -> Result<_> {
            let host = Host::new(HostConfig {
                cache_dir: Some(cache_dir),
                cache_key,
                ..HostConfig::default()
            })?;
            let shipped = shipped::load(&host, folder.as_deref())?;
            Ok((host, shipped))
        })
        .await??;
        let Shipped {
            catalog,
            device_api,
            adapters,
        } = shipped;

        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (own, stored) = (config.clone(), Arc::clone(&shared));
        let outside = blocking(move || crate::outside::build(&own, &stored)).await??;
        if introduced.is_some() {
            crate::outside::check_key(config, &outside).await?;
        }
        let components = Components::start(ComponentsConfig {
            store: Arc::clone(&shared),
            host,
            shipped: Arc::new(catalog),
            compiler: Arc::new(Separate::new(std::env::current_exe()?, config.compile)),
            clock: Arc::clone(&clock),
            quotas: Quotas::default(),
            policy: Policy::default(),
        });
        let shares = Shares::of_this_machine();
        let devices = LateDevices::default();
        let met = match introduced {
            Some(introduced) => Some(introduced.meet(Arc::new(devices.clone()), feed.clone()).await?),
            None => None,
        };
        let whereabouts: Arc<dyn rules::Whereabouts> = match &met {
            Some(peer) => peer.whereabouts(),
            None => Arc::new(rules::Alone),
        };
        let router = match &met {
            Some(peer) => peer.router(Arc::new(devices.clone())),
            None => Router::new(Arc::new(SinglePeer), Arc::new(devices.clone())),
        };
        let log = Arc::new(GuestLog);
        let table = ChainTable::new();
        let effects = Effects::new(Arc::clone(&shared), router.clone(), Arc::clone(&clock)).with_outside(outside.clone());
        let calls = effects.calls().clone();
        let app = App::start(AppConfig {
            store: Arc::clone(&shared),
            components: components.clone(),
            effects: effects.clone(),
            nodes: NodeSurroundings {
                readings,
                states,
                log: log.clone(),
                clock: Arc::clone(&clock),
                shares: shares.clone(),
                whereabouts,
                idle_after: config.node_idle,
            },
            table: table.clone(),
        });
        let registry = Registry::new(
            Arc::clone(&shared),
            Arc::new(table),
            calls,
            Arc::clone(&clock),
            RegistryConfig::default(),
        );
        app.attach(registry.clone());
        effects.attach(Arc::new(api::Keeper::new(Arc::clone(&shared), Arc::clone(&clock), app.clone())));
        components.attach(Arc::new(AppServing(app.clone())));
        devices.set(LocalDevices::new(app.clone(), registry.clone()));
        let peer = match met {
            Some(peer) => Some(peer.start(router.clone(), Arc::new(devices.clone())).await?),
            None => None,
        };
        let live = Live::new(feed, LiveConfig::default());
        let others = peer.as_ref().map(peer::Serving::announcer);
        app.announce_to(Arc::new(Announcing::new(live.clone(), others)));
        // Ends with the process.
        let waking = tenant::wake_devices(registry, router.clone(), Arc::clone(&shared), Arc::clone(&clock));
        actor::spawn("wake-ups", waking);
        let source: Arc<dyn AdapterSource> = Arc::new(TenantAdapters::new(components.clone(), adapters));
        let sessions = Sessions::start(SessionsConfig {
            store: Arc::clone(&shared),
            router,
            limits: config.rate_limits.clone(),
            registrar: Arc::new(api::Registrar::new(Arc::clone(&shared), Arc::clone(&clock), app.clone())),
            adapters: Adapters::with_source(device_api, Arc::clone(&source), shares.clone(), log.clone(), Arc::clone(&clock)),
            clock: Arc::clone(&clock),
            payload_bytes_max: MqttConfig::default().packet_bytes_max,
        });
        let listeners = TenantListeners::new(Making {
            host: config.mqtt.ip(),
            ports: config.stream_ports.clone(),
            source,
            sessions: sessions.clone(),
            shares,
            log,
            clock: Arc::clone(&clock),
        });
        if let Some(peer) = &peer {
            let (app, listeners) = (app.clone(), Arc::new(listeners.clone()));
            let applier = api::Applier::new(
                Arc::clone(&shared),
                components.clone(),
                app,
                sessions.clone(),
                listeners,
                live.clone(),
            );
            applier.start(peer.changes());
            sessions.share_usage(peer.usage_teller(), peer.usage());
        }
        Ok(Server {
            store: shared,
            components,
            clock,
            app,
            sessions,
            peer,
            listeners,
            live,
            outside,
            signing_key,
            metrics,
        })
    }

    /// Opens the doors.
    pub async fn listen(self, config: &Config) -> Result<Listening> {
        let doors = Doors::open(config).await?;
        self.listeners
            .start_stored(&*self.store)
            .await
            .context("the stored listeners were not started")?;
        let addresses = Addresses {
            peers: self.peer.as_ref().map(peer::Serving::address),
            ..doors.addresses()?
        };
        let reread = doors.reread();
        let ready = Arc::new(AtomicBool::new(true));
        let (stop, stopping) = watch::channel(false);
        let service = MqttService::new(self.sessions.clone(), MqttConfig::default());
        let render = self.metrics.clone();
        let gateway = api::router(api::ApiConfig {
            store: Arc::clone(&self.store),
            components: self.components.clone(),
            app: self.app.clone(),
            sessions: self.sessions.clone(),
            listeners: Arc::new(self.listeners.clone()),
            egress: self.outside.egress.clone(),
            secrets: self.outside.secrets.clone(),
            live: self.live.clone(),
            clock: Arc::clone(&self.clock),
            signing_key: self.signing_key.clone(),
            metrics: Box::new(move || render.render()),
            ready: Arc::clone(&ready),
        })
        .merge(transport::http::router(self.sessions.clone()))
        .merge(transport::mqtt::websocket::router(service.clone()));
        let tasks = doors.serve(&gateway, &service, &self.sessions, &stopping);
        reread.watch();
        let upkeep = self.metrics.clone();
        // Both end with the process.
        actor::spawn("adapters of listeners", self.listeners.clone().follow());
        actor::spawn("metrics upkeep", async move {
            loop {
                tokio::time::sleep(Duration::from_secs(5)).await;
                upkeep.run_upkeep();
            }
        });
        Ok(Listening {
            addresses,
            reread,
            ready,
            stop,
            tasks,
            server: self,
        })
    }
}

impl Listening {
    /// Stops in order: no new connections, sessions told good-bye when what they sent is durable, then the store.
    pub async fn stop(self) -> Result<()> {
        self.ready.store(false, Ordering::Relaxed);
        let _ = self.stop.send(true);
        self.server.live.stop();
        let close = self.server.sessions.close_all(CloseReason::ShuttingDown, DRAIN_TIMEOUT);
        let ((), left) = tokio::join!(self.server.listeners.stop_all(), close);
        if left > 0 {
            tracing::warn!(left, "connections were cut off");
        }
        for task in self.tasks {
            if tokio::time::timeout(DRAIN_TIMEOUT, task).await.is_err() {
                tracing::warn!("requests were cut off");
            }
        }
        if let Some(peer) = self.server.peer {
            peer.stop().await;
        }
        self.server.app.stop().await;
        self.server.store.close().await.context("the store was not closed")
    }
}

#[allow(clippy::disallowed_methods, reason = "starting is allowed to block")]
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    Ok(tokio::task::spawn_blocking(work).await?)
}
