//! The node types of these tests, compiled once.

use std::path::Path;
use std::sync::OnceLock;

use plugins::{Catalog, Host, HostConfig, Limits, LoadedComponent};

/// Node types for chains that must not fail: a machine that is busy with other tests must not make a good node late.
pub fn patient() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(|| {
        catalog(|limits| Limits {
            process_ms: 10_000,
            open_ms: 10_000,
            ..limits
        })
    })
}

/// Node types with the limits that are the default, for nodes that are to use up their time.
pub fn strict() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(|| catalog(|limits| limits))
}

/// What it compiled is kept below `target`: of the component with an interpreter that takes seconds.
fn catalog(limited: fn(Limits) -> Limits) -> Catalog {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let host = Host::new(HostConfig {
        limits: limited(Limits::default()),
        scripted_limits: limited(Limits::scripted()),
        instances_max: 256,
        scripted_instances_max: 64,
        cache_dir: Some(target.join("tests/code")),
        cache_key: b"the tests' own".to_vec(),
    })
    .unwrap();
    let mut catalog = Catalog::new();
    for name in [
        "filter.wasm",
        "enrichment.wasm",
        "transformation.wasm",
        "action.wasm",
        "script.wasm",
        "external.wasm",
        "flow.wasm",
        "test/evil-guests.wasm",
    ] {
        let bytes = std::fs::read(target.join("components").join(name)).expect("components are built by `cargo xtask guests`");
        match host.load(&bytes).unwrap() {
            LoadedComponent::Rules(component) => catalog.add_shipped(&component),
            other => panic!("{other:?} is an adapter"),
        }
    }
    catalog
}
