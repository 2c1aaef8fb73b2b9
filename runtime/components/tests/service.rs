//! The service on a real store and host, with nodes that a test decides about. Needs what `cargo xtask guests` builds.

#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use components::breaker::Policy;
use components::permission::State;
use components::service::Inspected;
use components::{ComponentError, Components, ComponentsConfig, InProcess, Misfit, Owner, Prepared, Quotas, Serving, Upload};
use model::{Digest, PageRequest, SystemClock, TenantId};
use plugins::{Catalog, Host, HostConfig};
use storage::{EmbeddedConfig, EmbeddedStore};
use tempfile::TempDir;

const CLASS: &str = "test.plugin.versioned";

/// Nodes of one tenant may not like anything new.
#[derive(Default)]
struct Nodes {
    stubborn: std::sync::OnceLock<TenantId>,
    prepared: AtomicUsize,
    committed: Arc<AtomicUsize>,
    reloaded: AtomicUsize,
    announced: AtomicUsize,
}

struct Waiting(Arc<AtomicUsize>);

#[async_trait]
impl Prepared for Waiting {
    async fn commit(self: Box<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Serving for Nodes {
    async fn ensure(&self, _: TenantId) -> Result<(), String> {
        Ok(())
    }

    async fn prepare(&self, tenant: TenantId, _: Arc<Catalog>) -> Result<Box<dyn Prepared>, Vec<Misfit>> {
        self.prepared.fetch_add(1, Ordering::Relaxed);
        if self.stubborn.get() == Some(&tenant) {
            return Err(vec![Misfit {
                chain: "Root".into(),
                node: Some("mine".into()),
                reason: "no".into(),
            }]);
        }
        Ok(Box::new(Waiting(Arc::clone(&self.committed))))
    }

    async fn reload(&self, _: TenantId) {
        self.reloaded.fetch_add(1, Ordering::Relaxed);
    }

    fn announce(&self, _: TenantId) {
        self.announced.fetch_add(1, Ordering::Relaxed);
    }
}

struct World {
    components: Components,
    nodes: Arc<Nodes>,
    store: EmbeddedStore,
    dir: Arc<TempDir>,
}

impl World {
    fn new(quotas: Quotas) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(EmbeddedConfig::new(dir.path().join("store"))).unwrap();
        Self::over(store, Arc::new(dir), quotas)
    }

    /// The same on another server.
    fn beside(&self) -> Self {
        Self::over(self.store.clone(), Arc::clone(&self.dir), Quotas::default())
    }

    fn over(store: EmbeddedStore, dir: Arc<TempDir>, quotas: Quotas) -> Self {
        let host = Host::new(HostConfig {
            instances_max: 64,
            cache_dir: Some(dir.path().join("code")),
            cache_key: b"secret".to_vec(),
            limits: plugins::Limits {
                // A machine that is busy with other tests must not make a good node late.
                open_ms: 10_000,
                ..plugins::Limits::default()
            },
            ..HostConfig::default()
        });
        let components = Components::start(ComponentsConfig {
            store: Arc::new(store.clone()),
            host: host.unwrap(),
            shipped: Arc::new(Catalog::new()),
            compiler: Arc::new(InProcess),
            clock: Arc::new(SystemClock),
            quotas,
            policy: Policy::default(),
        });
        let nodes = Arc::new(Nodes::default());
        components.attach(nodes.clone());
        World {
            components,
            nodes,
            store,
            dir,
        }
    }

    async fn upload(&self, owner: &Owner, name: &str, bytes: &[u8]) -> Result<Digest, ComponentError> {
        let upload = Upload {
            name: name.into(),
            bytes: bytes.into(),
            auto_rollback: None,
        };
        self.components.upload(owner, upload).await.map(|(version, _)| version.digest)
    }

    async fn inspect(&self, owner: &Owner, name: &str) -> Inspected {
        self.components.inspect(owner.tenant, name).await.unwrap()
    }

    fn counts(&self) -> (usize, usize) {
        (
            self.nodes.prepared.load(Ordering::Relaxed),
            self.nodes.committed.load(Ordering::Relaxed),
        )
    }
}

fn owner(tenant: TenantId) -> Owner {
    Owner {
        tenant,
        by: "ann@example.org".into(),
    }
}

/// A version of its own for each name.
fn version(name: char) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/components/test/plugin-guest.wasm");
    let mut bytes = std::fs::read(path).expect("components are built by `cargo xtask guests`");
    let mark = b"pacificsoft-test-version:";
    let at = (0..bytes.len()).find(|at| bytes[*at..].starts_with(mark)).unwrap();
    bytes[at + mark.len()] = name as u8;
    bytes
}

#[tokio::test]
async fn a_version_that_does_not_fit_leaves_the_old_one_at_work() {
    let world = World::new(Quotas::default());
    let tenant = owner(TenantId::generate());
    let a = world.upload(&tenant, "calc", &version('A')).await.unwrap();
    let b = world.upload(&tenant, "calc", &version('B')).await.unwrap();
    world.components.activate(&tenant, "calc", a).await.unwrap();
    assert_eq!(world.counts(), (1, 1));
    world.components.activate(&tenant, "calc", a).await.unwrap();
    assert_eq!(world.counts(), (1, 1), "it is at work already");

    world.nodes.stubborn.set(tenant.tenant).unwrap();
    let refused = world.components.activate(&tenant, "calc", b).await.unwrap_err();
    let text = refused.to_string();
    assert!(
        matches!(refused, ComponentError::Misfits(_)) && text.contains("rule chain \"Root\", node \"mine\": no"),
        "{text}"
    );
    assert_eq!(world.counts(), (2, 1));
    assert_eq!(world.inspect(&tenant, "calc").await.record.active, Some(a));
    let active = world.components.active(tenant.tenant, "calc").await.unwrap().unwrap();
    assert_eq!(active.digest(), a);
    let other = world.components.active(TenantId::generate(), "calc").await.unwrap();
    assert!(other.is_none(), "it is its owner's");
}

#[tokio::test]
async fn the_systems_component_changes_for_all_tenants_or_for_none() {
    let world = World::new(Quotas::default());
    let system = owner(TenantId::SYSTEM);
    let tenants = [TenantId::generate(), TenantId::generate()];
    for tenant in tenants {
        assert!(world.components.catalog(tenant).await.unwrap().resolve(CLASS).is_none());
    }
    let a = world.upload(&system, "shared", &version('A')).await.unwrap();
    world.components.activate(&system, "shared", a).await.unwrap();
    assert_eq!(world.counts(), (3, 3), "the system's own set and two tenants'");
    let mut releases = Vec::new();
    for tenant in tenants {
        let known = world.components.catalog(tenant).await.unwrap().resolve(CLASS).unwrap();
        releases.push(Arc::clone(known.release().unwrap()));
    }
    assert!(!Arc::ptr_eq(&releases[0], &releases[1]), "each tenant's faults are its own");
    releases[0].suspend("it did harm");
    assert!(world.components.active(tenants[0], "shared").await.unwrap().is_none());
    assert!(world.components.active(tenants[1], "shared").await.unwrap().is_some());

    let b = world.upload(&system, "shared", &version('B')).await.unwrap();
    world.nodes.stubborn.set(tenants[1]).unwrap();
    world.components.activate(&system, "shared", b).await.unwrap_err();
    for tenant in tenants {
        let known = world.components.catalog(tenant).await.unwrap().resolve(CLASS).unwrap();
        assert_eq!(known.release().unwrap().id().digest, a);
    }
}

#[tokio::test]
async fn there_is_a_limit_to_what_is_kept() {
    let world = World::new(Quotas {
        components_max: 1,
        versions_max: 2,
        ..Quotas::default()
    });
    let tenant = owner(TenantId::generate());
    let a = world.upload(&tenant, "calc", &version('A')).await.unwrap();
    world.components.activate(&tenant, "calc", a).await.unwrap();
    assert_eq!(
        world.upload(&tenant, "calc", &version('A')).await.unwrap(),
        a,
        "the same bytes are the same version"
    );
    for name in ['B', 'C', 'D'] {
        world.upload(&tenant, "calc", &version(name)).await.unwrap();
    }
    let kept = world.inspect(&tenant, "calc").await.versions;
    let digests: Vec<_> = kept.iter().map(|one| one.version.digest).collect();
    assert!(digests.contains(&a), "what serves is kept");
    assert!(digests.len() <= 3, "{digests:?}");
    let refused = world.upload(&tenant, "other", &version('E')).await.unwrap_err();
    assert!(refused.to_string().contains("1 at most"), "{refused}");

    world.components.delete(&tenant, "calc").await.unwrap();
    assert_eq!(
        world
            .components
            .list(tenant.tenant, &PageRequest::first(10))
            .await
            .unwrap()
            .total_elements,
        0
    );
    assert!(world.components.catalog(tenant.tenant).await.unwrap().resolve(CLASS).is_none());
    world.upload(&tenant, "other", &version('E')).await.unwrap();
}

#[tokio::test]
async fn what_is_denied_does_not_serve() {
    let world = World::new(Quotas::default());
    let tenant = owner(TenantId::generate());
    let a = world.upload(&tenant, "calc", &version('A')).await.unwrap();
    let needed = world.inspect(&tenant, "calc").await.versions.remove(0).permissions;
    let name = "log".to_owned();
    let log = needed.iter().find(|permission| permission.name == name).unwrap();
    assert_eq!((&*log.words, log.state), ("writes lines to the log", State::Granted));
    let unknown = world
        .components
        .decide(&tenant, "calc", vec!["magic".into()], vec![])
        .await
        .unwrap_err();
    assert!(matches!(unknown, ComponentError::Invalid(_)), "{unknown}");
    world.components.decide(&tenant, "calc", vec![], vec![name.clone()]).await.unwrap();
    let refused = world.components.activate(&tenant, "calc", a).await.unwrap_err();
    assert!(refused.to_string().contains(&format!("{name:?}")), "{refused}");
    world.components.decide(&tenant, "calc", vec![name.clone()], vec![]).await.unwrap();
    world.components.activate(&tenant, "calc", a).await.unwrap();
    let kept = world.components.decide(&tenant, "calc", vec![], vec![name]).await.unwrap_err();
    assert!(matches!(kept, ComponentError::Conflict(_)), "{kept}");
}

#[tokio::test]
async fn what_another_server_activates_suspends_or_deletes_is_followed() {
    let (here, tenant) = (World::new(Quotas::default()), owner(TenantId::generate()));
    let there = here.beside();
    let a = here.upload(&tenant, "calc", &version('A')).await.unwrap();
    let b = here.upload(&tenant, "calc", &version('B')).await.unwrap();
    let serves = async |world: &World| {
        let active = world.components.active(tenant.tenant, "calc").await.unwrap();
        active.map(|active| active.digest())
    };
    // Nothing is loaded there: there is nothing to follow with.
    here.components.activate(&tenant, "calc", a).await.unwrap();
    there.components.follow(tenant.tenant).await.unwrap();
    assert_eq!(there.counts(), (0, 0));
    assert_eq!(serves(&there).await, Some(a));

    here.components.activate(&tenant, "calc", b).await.unwrap();
    assert_eq!(serves(&there).await, Some(a), "it does not know yet");
    there.components.follow(tenant.tenant).await.unwrap();
    assert_eq!((serves(&there).await, there.counts()), (Some(b), (1, 1)));
    there.components.follow(tenant.tenant).await.unwrap();
    assert_eq!(there.counts(), (1, 1), "nothing has changed");

    // Suspended here, by faults; then activated again.
    let active = here.components.active(tenant.tenant, "calc").await.unwrap().unwrap();
    for _ in 0..Policy::default().faults_max {
        active.release.faulted("it trapped");
    }
    while here.inspect(&tenant, "calc").await.record.suspended.is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    there.components.follow(tenant.tenant).await.unwrap();
    assert_eq!(serves(&there).await, None, "it is stopped there, too");
    here.components.activate(&tenant, "calc", b).await.unwrap();
    there.components.follow(tenant.tenant).await.unwrap();
    assert_eq!(serves(&there).await, Some(b));

    // A node that does not open there goes to work all the same: the choice is made.
    there.nodes.stubborn.set(tenant.tenant).unwrap();
    here.components.activate(&tenant, "calc", a).await.unwrap();
    there.components.follow(tenant.tenant).await.unwrap();
    assert_eq!((serves(&there).await, there.nodes.reloaded.load(Ordering::Relaxed)), (Some(a), 1));
    here.components.delete(&tenant, "calc").await.unwrap();
    there.components.follow(tenant.tenant).await.unwrap();
    assert_eq!(serves(&there).await, None);
    let announced = [&here, &there].map(|world| world.nodes.announced.load(Ordering::Relaxed));
    assert_eq!(announced, [6, 0], "whoever follows announces nothing");
}

#[tokio::test]
async fn the_systems_component_is_followed_by_all_tenants() {
    let (here, system) = (World::new(Quotas::default()), owner(TenantId::SYSTEM));
    let there = here.beside();
    let tenant = TenantId::generate();
    assert!(there.components.catalog(tenant).await.unwrap().resolve(CLASS).is_none());
    let a = here.upload(&system, "shared", &version('A')).await.unwrap();
    here.components.activate(&system, "shared", a).await.unwrap();
    there.components.follow(TenantId::SYSTEM).await.unwrap();
    assert!(there.components.catalog(tenant).await.unwrap().resolve(CLASS).is_some());
    assert_eq!(there.components.tenants_loaded(), [tenant]);
}
