//! Components that carry an interpreter: the examples in JavaScript and Python. Needs what `cargo xtask guests` builds.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "scripted/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use model::{Clock, RuleNodeId, SystemClock, TenantId};
use parking_lot::Mutex;
use plugins::{Host, LoadError, NodeInstance, OpenError, RuleComponent, SharedMemory};
use serde_json::json;
use world::message;

/// One host for all tests.
fn host() -> &'static Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    HOST.get_or_init(|| world::host(4, 3))
}

/// One test at a time opens instances: the last one uses up all places there are.
static PLACES: Mutex<()> = parking_lot::const_mutex(());

/// Loaded once: two tests that compile the same component would take twice as long.
fn rules(name: &str) -> RuleComponent {
    static LOADED: Mutex<BTreeMap<String, RuleComponent>> = parking_lot::const_mutex(BTreeMap::new());
    let mut loaded = LOADED.lock();
    loaded.entry(name.to_owned()).or_insert_with(|| world::rules(host(), name)).clone()
}

fn open(component: &RuleComponent, configuration: &str) -> Result<NodeInstance, OpenError> {
    let memory = SharedMemory::restore(&component.types()[0].state_schema, None);
    open_with(component, configuration, memory, Arc::new(SystemClock))
}

fn open_with(
    component: &RuleComponent,
    configuration: &str,
    memory: SharedMemory,
    clock: Arc<dyn Clock>,
) -> Result<NodeInstance, OpenError> {
    world::open(component, &component.types()[0].type_name, configuration, memory, clock)
}

/// Or it would be compiled again by whoever asks before it loads.
#[test]
fn code_that_is_kept_is_known_by_its_class() {
    for name in ["scripted/unit-converter.wasm", "scripted/geofence.wasm"] {
        drop(rules(name));
        assert!(host().has_code(&world::built(name)), "{name}");
    }
    assert!(!host().has_code(b"\0asm"), "nobody has compiled it");
}

#[test]
fn a_node_in_javascript_changes_messages() {
    let _turn = PLACES.lock();
    let component = rules("scripted/unit-converter.wasm");
    let descriptor = &component.types()[0];
    assert_eq!(descriptor.type_name, "unit-converter");
    assert_eq!(descriptor.configuration_schema["properties"]["digits"]["maximum"], 15);
    let mut node = open(&component, &descriptor.default_configuration.to_string()).unwrap();
    let outcome = node.process(&message(json!({"temperature": 21.5, "humidity": 40}))).unwrap();
    let emitted = outcome.emissions[0].message.as_ref().unwrap();
    assert_eq!(emitted.payload.json(), &json!({"temperature": 70.7, "humidity": 40}));
    assert_eq!(
        emitted.metadata.shared("conversion").map(|text| &**text),
        Some("celsius to fahrenheit")
    );
    // What it throws is an answer, and the instance goes on.
    let refused = node.process(&message(json!({"humidity": 40}))).unwrap_err().to_string();
    assert!(refused.contains("no number temperature"), "{refused}");
    node.process(&message(json!({"temperature": 1}))).unwrap();
    match open(&component, r#"{"conversion": "apples to pears"}"#).map(drop) {
        Err(OpenError::Configuration(reason)) => assert!(reason.contains("one of celsius"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_node_in_python_remembers_devices() {
    let _turn = PLACES.lock();
    let component = rules("scripted/geofence.wasm");
    let descriptor = &component.types()[0];
    assert_eq!(descriptor.type_name, "geofence");
    assert_eq!(descriptor.default_configuration["radius_m"], 500.0);
    let mut node = open(&component, "{}").unwrap();
    let mut along = |latitude: f64| {
        let outcome = node.process(&message(json!({"latitude": latitude, "longitude": 13.405}))).unwrap();
        outcome.emissions[0].relation.as_str().to_owned()
    };
    assert_eq!([52.52, 52.0, 52.0, 52.52].map(&mut along), ["Inside", "Left", "Outside", "Entered"]);
    let refused = node.process(&message(json!({"latitude": "north"}))).unwrap_err().to_string();
    assert!(refused.contains("no coordinates"), "{refused}");
    match open(&component, r#"{"radius_m": 0}"#).map(drop) {
        Err(OpenError::Configuration(reason)) => assert!(reason.contains("radius"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

struct Told(AtomicI64);

impl Clock for Told {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn a_node_in_javascript_keeps_values_and_is_woken() {
    let _turn = PLACES.lock();
    let component = rules("scripted/silence.wasm");
    assert_eq!(*component.types()[0].state_schema, *"silence/1");
    let memory = SharedMemory::restore("silence/1", None);
    let clock = Arc::new(Told(AtomicI64::new(1_000_000)));
    let open = || {
        open_with(
            &component,
            r#"{"seconds": 60}"#,
            memory.clone(),
            Arc::clone(&clock) as Arc<dyn Clock>,
        )
        .unwrap()
    };
    // What it keeps outlives the instance.
    assert_eq!(
        open().process(&message(json!({}))).unwrap().emissions[0].relation.as_str(),
        "Success"
    );
    let mut along = open();
    assert_eq!(memory.look().timer("look").map(|timer| timer.due_ms), Some(1_010_000));
    let timer = |node: &mut NodeInstance| {
        let node_id = RuleNodeId::generate(TenantId::SYSTEM);
        node.on_timer("look", &plugins::timer_message(node_id, "look", 5)).unwrap()
    };
    clock.0.store(1_059_999, Ordering::Relaxed);
    assert!(timer(&mut along).emissions.is_empty(), "it spoke less than a minute ago");
    clock.0.store(1_060_000, Ordering::Relaxed);
    let silent = timer(&mut along);
    assert_eq!(silent.emissions[0].relation.as_str(), "Silent");
    assert_eq!(
        silent.emissions[0].message.as_ref().unwrap().originator,
        message(json!({})).originator
    );
    assert_eq!(along.process(&message(json!({}))).unwrap().emissions[0].relation.as_str(), "Back");
}

#[test]
fn interpreters_take_no_places_of_small_components() {
    let _turn = PLACES.lock();
    let small = rules("filter.wasm");
    let scripted = rules("scripted/unit-converter.wasm");
    assert!(scripted.limits().memory_bytes_max > small.limits().memory_bytes_max);
    let mut opened = Vec::new();
    let refused = loop {
        match open(&scripted, "{}") {
            Ok(node) => opened.push(node),
            Err(refused) => break refused,
        }
        assert!(opened.len() <= 3, "there is no limit");
    };
    assert!(matches!(refused, OpenError::Broken(_)), "{refused}");
    let descriptor = small.types().iter().find(|one| one.type_name == "message-type-switch").unwrap();
    NodeInstance::check(&small, &descriptor.type_name, &descriptor.default_configuration.to_string()).unwrap();
}

#[test]
fn there_is_a_limit_for_interpreters_too() {
    match host().load(&vec![0; (40 << 20) + 1]) {
        Err(LoadError::TooLarge { max, .. }) => assert_eq!(max, 40 << 20),
        other => panic!("{other:?}"),
    }
}
