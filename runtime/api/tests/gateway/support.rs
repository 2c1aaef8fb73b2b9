//! A gateway with everything below it, and a client that asks it.

use std::future::Future;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use api::{ApiConfig, seed};
use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use cluster::{DeviceLane, Devices, RouteError, Router as DeviceRouter, SinglePeer};
use components::breaker::Policy;
use components::{Components, ComponentsConfig, InProcess, Quotas};
use device::{Registry, RegistryConfig};
use effects::Effects;
use egress::{Addresses, Egress, EgressConfig, SystemResolver, Trust};
use model::entity::Authority;
use model::{Clock, DeviceId, DownlinkKinds, TenantId};
use plugins::{AdapterComponent, Catalog, Host, HostConfig, LoadedComponent, LogLevel, LogSink};
use readings::LocalReadings;
use rules::NodeSurroundings;
use secrets::{Key, Vault};
use serde_json::Value as Json;
use session::{Adapters, CloseReason, Event, Inbound, Session, Sessions, SessionsConfig, Transport};
use storage::{EmbeddedConfig, EmbeddedStore, Store};
use tempfile::TempDir;
use tenant::{App, AppConfig, AppServing, ChainTable, LocalDevices};
use tower::ServiceExt;
use uuid::Uuid;

pub const SYSADMIN: &str = "sysadmin@example.org";
pub const PASSWORD: &str = "correct horse";
pub const START_MS: i64 = 1_700_000_000_000;

/// A clock that stands until it is moved.
pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn advance_s(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

struct Silent;

impl LogSink for Silent {
    fn line(&self, _: TenantId, _: &str, _: LogLevel, _: &str) {}
}

#[derive(Clone, Default)]
struct LateDevices(Arc<OnceLock<LocalDevices>>);

#[async_trait]
impl Devices for LateDevices {
    async fn lane(&self, device: DeviceId) -> Result<DeviceLane, RouteError> {
        self.0.get().expect("devices are set").lane(device).await
    }
}

/// The shipped components, compiled once for all tests.
fn loaded() -> &'static (Host, Arc<Catalog>, AdapterComponent) {
    static LOADED: OnceLock<(Host, Arc<Catalog>, AdapterComponent)> = OnceLock::new();
    LOADED.get_or_init(|| {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
        // What it compiled is kept: of the component with an interpreter that takes seconds.
        let host = Host::new(HostConfig {
            cache_dir: Some(target.join("tests/code")),
            cache_key: b"the tests' own".to_vec(),
            ..HostConfig::default()
        })
        .expect("a host");
        let load = |name: &str| {
            let bytes = std::fs::read(target.join("components").join(name)).expect("components are built by `cargo xtask guests`");
            host.load(&bytes).expect("a component")
        };
        let mut catalog = Catalog::new();
        for name in [
            "filter.wasm",
            "enrichment.wasm",
            "transformation.wasm",
            "action.wasm",
            "script.wasm",
        ] {
            let LoadedComponent::Rules(rules) = load(name) else {
                panic!("{name} has rule nodes")
            };
            catalog.add_shipped(&rules);
        }
        let LoadedComponent::Adapter(adapter) = load("device-api.wasm") else {
            panic!("the device API is an adapter")
        };
        (host, Arc::new(catalog), adapter)
    })
}

pub struct Gateway {
    router: Router,
    pub store: Arc<dyn Store>,
    pub catalog: Arc<Catalog>,
    pub clock: Arc<TestClock>,
    pub ready: Arc<AtomicBool>,
    pub sessions: Sessions,
    pub app: App,
    /// Applies what other servers have changed.
    pub applier: api::Applier,
    embedded: EmbeddedStore,
    key: Key,
    dir: Arc<TempDir>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body of a request that was carried out.
    #[track_caller]
    pub fn ok(self) -> Json {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        if self.text.is_empty() { Json::Null } else { self.json() }
    }

    /// Checks the form of a refusal; answers its message.
    #[track_caller]
    pub fn refused(self, status: u16, error_code: u32) -> String {
        let body = self.json();
        assert_eq!(
            (self.status.as_u16(), &body["status"], &body["errorCode"]),
            (status, &status.into(), &error_code.into()),
            "{self:?}"
        );
        assert!(body["timestamp"].is_i64(), "{self:?}");
        body["message"].as_str().expect("a message").to_owned()
    }
}

impl Gateway {
    /// With a system administrator.
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let embedded = EmbeddedStore::open(EmbeddedConfig::new(dir.path())).expect("a store");
        let gateway = Self::over(
            embedded,
            Key::generate(),
            Arc::new(dir),
            Arc::new(TestClock(AtomicI64::new(START_MS))),
        );
        gateway.user(TenantId::SYSTEM, None, Authority::SysAdmin, SYSADMIN).await;
        gateway
    }

    /// Another server over the same store.
    pub fn beside(&self) -> Self {
        Self::over(
            self.embedded.clone(),
            self.key.clone(),
            Arc::clone(&self.dir),
            Arc::clone(&self.clock),
        )
    }

    fn over(embedded: EmbeddedStore, key: Key, dir: Arc<TempDir>, clock: Arc<TestClock>) -> Self {
        let store: Arc<dyn Store> = Arc::new(embedded.clone());
        let (host, catalog, adapter) = loaded().clone();
        let components = Components::start(ComponentsConfig {
            store: Arc::clone(&store),
            host,
            shipped: Arc::clone(&catalog),
            compiler: Arc::new(InProcess),
            clock: clock.clone(),
            quotas: Quotas::default(),
            policy: Policy::default(),
        });
        let silent = Arc::new(Silent);
        let devices = LateDevices::default();
        let router = DeviceRouter::new(Arc::new(SinglePeer), Arc::new(devices.clone()));
        let table = ChainTable::new();
        let effects = Effects::new(Arc::clone(&store), router.clone(), clock.clone());
        let calls = effects.calls().clone();
        let app = App::start(AppConfig {
            store: Arc::clone(&store),
            components: components.clone(),
            effects: effects.clone(),
            nodes: NodeSurroundings {
                readings: Arc::new(LocalReadings(embedded.clone())).into(),
                states: Arc::new(embedded.clone()),
                log: silent.clone(),
                clock: clock.clone(),
                shares: shares::Shares::of_this_machine(),
                whereabouts: Arc::new(rules::Alone),
                idle_after: rules::IDLE_AFTER,
            },
            table: table.clone(),
        });
        let registry = Registry::new(Arc::clone(&store), Arc::new(table), calls, clock.clone(), RegistryConfig::default());
        app.attach(registry.clone());
        effects.attach(Arc::new(api::Keeper::new(Arc::clone(&store), clock.clone(), app.clone())));
        components.attach(Arc::new(AppServing(app.clone())));
        assert!(devices.0.set(LocalDevices::new(app.clone(), registry)).is_ok());
        let sessions = Sessions::start(SessionsConfig {
            store: Arc::clone(&store),
            router,
            limits: session::RateLimits::default(),
            registrar: Arc::new(api::Registrar::new(Arc::clone(&store), clock.clone(), app.clone())),
            adapters: Adapters::new(adapter, silent, clock.clone()),
            clock: clock.clone(),
            payload_bytes_max: 65_536,
        });
        let ready = Arc::new(AtomicBool::new(true));
        let listeners = Arc::new(api::NoListeners);
        let live = api::Live::new(feed::Feed::default(), api::LiveConfig::default());
        let applier = api::Applier::new(
            Arc::clone(&store),
            components.clone(),
            app.clone(),
            sessions.clone(),
            listeners,
            live.clone(),
        );
        let config = ApiConfig {
            store: Arc::clone(&store),
            components: components.clone(),
            app: app.clone(),
            sessions: sessions.clone(),
            listeners: Arc::new(api::NoListeners),
            egress: Egress::new(EgressConfig {
                store: Arc::clone(&store),
                addresses: Addresses::default(),
                resolver: Arc::new(SystemResolver),
                trust: Trust::system(None).expect("certificates"),
            }),
            secrets: Vault::new(Arc::clone(&store), key.clone()),
            live,
            clock: clock.clone(),
            signing_key: vec![7; 64],
            metrics: Box::new(|| "up 1\n".to_owned()),
            ready: Arc::clone(&ready),
        };
        // As in the server: the device API lies beside.
        let device_api: Router = Router::new().route("/api/v1/{token}/telemetry", axum::routing::post(async || "from a device"));
        Gateway {
            router: api::router(config).merge(device_api),
            store,
            catalog,
            clock,
            ready,
            sessions,
            app,
            applier,
            embedded,
            key,
            dir,
        }
    }

    async fn user(&self, tenant: TenantId, customer: Option<Uuid>, authority: Authority, email: &str) {
        let created = seed::create_login(&*self.store, &*self.clock, tenant, customer, authority, email, "", "", PASSWORD);
        created.await.expect("a user");
    }

    /// A tenant, its administrator's token, and a customer of it with a user.
    pub async fn tenant(&self, title: &str) -> People {
        let tenant = seed::create_demo_tenant(&*self.store, &self.catalog, &*self.clock, title)
            .await
            .expect("a tenant");
        let customer = seed::create_customer(&*self.store, &*self.clock, tenant, "Customer")
            .await
            .expect("a customer");
        let (admin, user) = (format!("admin@{title}"), format!("user@{title}"));
        self.user(tenant, None, Authority::TenantAdmin, &admin).await;
        self.user(tenant, Some(customer), Authority::CustomerUser, &user).await;
        People {
            tenant,
            customer,
            admin: self.log_in(&admin).await,
            user: self.log_in(&user).await,
        }
    }

    pub async fn log_in(&self, email: &str) -> String {
        let pair = self
            .post("/api/auth/login", "", serde_json::json!({"username": email, "password": PASSWORD}))
            .await
            .ok();
        pair["token"].as_str().expect("a token").to_owned()
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.call(Method::GET, path, token, Body::empty()).await
    }

    pub async fn delete(&self, path: &str, token: &str) -> Answer {
        self.call(Method::DELETE, path, token, Body::empty()).await
    }

    pub async fn post(&self, path: &str, token: &str, body: Json) -> Answer {
        self.call(Method::POST, path, token, Body::from(body.to_string())).await
    }

    pub async fn call(&self, method: Method, path: &str, token: &str, body: Body) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header("X-Authorization", format!("Bearer {token}"));
        }
        self.send(request.body(body).expect("a request")).await
    }

    /// Asks, and leaves as soon as the gateway has begun.
    pub async fn post_and_leave(&self, path: &str, token: &str, body: Json) {
        let mut asked = std::pin::pin!(self.post(path, token, body));
        std::future::poll_fn(|context| {
            assert!(asked.as_mut().poll(context).is_pending(), "it takes a while");
            std::task::Poll::Ready(())
        })
        .await;
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.expect("a body");
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).expect("text"),
        }
    }

    /// A device of a tenant, by the API.
    pub async fn device(&self, token: &str, name: &str) -> Json {
        self.post("/api/device", token, serde_json::json!({"name": name})).await.ok()
    }

    /// A device sends telemetry; answers when its effects are durable.
    pub async fn report(&self, device: DeviceId, json: Json) {
        let mut session = self.sessions.exchange(device, Transport::Http, None).await.expect("a session");
        let body = Bytes::from(json.to_string());
        session
            .publish(Inbound::new(Transport::Http, "POST telemetry", Vec::new(), body))
            .await
            .expect("understood");
        assert!(matches!(next(&mut session).await, Event::Settled(_, Ok(()))));
        session.close().await;
    }

    /// A device that is connected, and has subscribed to everything.
    pub async fn connect(&self, device: DeviceId) -> Session {
        let mut session = self.sessions.connect(device, Transport::Mqtt).await.expect("a session");
        session.listen(DownlinkKinds::ALL).await;
        session
    }
}

/// The next thing that a session has to tell.
pub async fn next(session: &mut Session) -> Event {
    let mut events = Vec::new();
    while events.is_empty() {
        session.events(&mut events).await;
    }
    events.remove(0)
}

/// Waits until a session is closed, and says why.
pub async fn closed(session: &mut Session) -> CloseReason {
    loop {
        if let Event::Close(reason) = next(session).await {
            return reason;
        }
    }
}

/// Who there is in a tenant.
pub struct People {
    pub tenant: TenantId,
    pub customer: Uuid,
    /// Token of the administrator.
    pub admin: String,
    /// Token of the customer's user.
    pub user: String,
}

/// The id in an entity's JSON.
#[track_caller]
pub fn id(entity: &Json) -> Uuid {
    entity["id"]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("no id in {entity}"))
        .parse()
        .expect("an id")
}
