//! What components cost in three languages: a call, an instance, compiling, loading what was compiled; and the memory of many instances
//! of many tenants, before and after they are dropped. `cargo xtask bench plugins costs`

#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use model::{DeviceId, Message, MessageKind, Metadata, Payload, RuleNodeId, SystemClock, TenantId};
use plugins::compile::precompile;
use plugins::{
    Host, HostConfig, LoadedComponent, LogLevel, LogSink, NodeContext, NodeInstance, NothingStored, RuleComponent, SharedMemory,
};

const TELEMETRY: &str = r#"{"temperature":25.5,"humidity":41,"latitude":52.52,"longitude":13.4,"n":7}"#;
const TENANTS: usize = 50;

/// A component, one of its types, and how much of it is measured.
struct Subject {
    name: &'static str,
    component: &'static str,
    type_name: &'static str,
    configuration: &'static str,
    calls: usize,
    compilations: usize,
    loads: usize,
    instances: usize,
}

const SUBJECTS: [Subject; 4] = [
    Subject {
        name: "Rust: field filter",
        component: "filter.wasm",
        type_name: "field-filter",
        configuration: r#"{"key": "temperature", "operator": "GREATER", "value": 20}"#,
        calls: 200_000,
        compilations: 5,
        loads: 20,
        instances: 1_000,
    },
    Subject {
        name: "Rust: makes new JSON",
        component: "test/plugin-guest.wasm",
        type_name: "versioned",
        configuration: "{}",
        calls: 200_000,
        compilations: 5,
        loads: 20,
        instances: 1_000,
    },
    Subject {
        name: "JavaScript: unit converter",
        component: "scripted/unit-converter.wasm",
        type_name: "unit-converter",
        configuration: "{}",
        calls: 10_000,
        compilations: 1,
        loads: 3,
        instances: 400,
    },
    Subject {
        name: "Python: geofence",
        component: "scripted/geofence.wasm",
        type_name: "geofence",
        configuration: "{}",
        calls: 10_000,
        compilations: 1,
        loads: 3,
        instances: 100,
    },
];

struct Quiet;

impl LogSink for Quiet {
    fn line(&self, _: TenantId, _: &str, _: LogLevel, _: &str) {}
}

fn open(component: &RuleComponent, subject: &Subject, tenant: TenantId) -> NodeInstance {
    let descriptor = component.types().iter().find(|one| one.type_name == subject.type_name).unwrap();
    let context = NodeContext {
        tenant,
        node: RuleNodeId::generate(tenant),
        name: "bench".into(),
        readings: Arc::new(NothingStored).into(),
        log: Arc::new(Quiet),
        clock: Arc::new(SystemClock),
        memory: SharedMemory::restore(&descriptor.state_schema, None),
    };
    NodeInstance::open(component, subject.type_name, subject.configuration, context).unwrap()
}

fn message() -> Arc<Message> {
    Arc::new(Message {
        id: uuid::Uuid::now_v7(),
        kind: MessageKind::PostTelemetry,
        originator: DeviceId::generate(TenantId::SYSTEM).entity(),
        customer: None,
        metadata: [("deviceName", "D"), ("ts", "5")].into_iter().collect::<Metadata>(),
        payload: Payload::parse(TELEMETRY.as_bytes()).unwrap(),
        ts_ms: 5,
    })
}

/// Microseconds of each of some calls, sorted.
fn timed<T>(count: usize, mut call: impl FnMut(usize) -> T) -> Vec<f64> {
    let mut took: Vec<f64> = (0..count)
        .map(|number| {
            let began = Instant::now();
            let answer = black_box(call(number));
            let took = began.elapsed().as_nanos() as f64 / 1_000.0;
            drop(answer);
            took
        })
        .collect();
    took.sort_by(f64::total_cmp);
    took
}

fn at(sorted: &[f64], permille: usize) -> f64 {
    sorted[(sorted.len() * permille / 1_000).min(sorted.len() - 1)]
}

/// Memory of this process that is in the machine, kB (`VmRSS`, proc(5)).
fn resident_kb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

fn rules(host: &Host, bytes: &[u8]) -> RuleComponent {
    match host.load(bytes).unwrap() {
        LoadedComponent::Rules(component) => component,
        other => panic!("{other:?} is no package of rule nodes"),
    }
}

/// Compiling, loading, instances, calls.
fn costs(host: &Host, subject: &Subject, bytes: &[u8]) -> RuleComponent {
    let compiled = timed(subject.compilations, |_| precompile(bytes).unwrap());
    // The first one puts code into the cache.
    drop(rules(host, bytes));
    let loaded = timed(subject.loads, |_| rules(host, bytes));
    let component = rules(host, bytes);
    let tenant = TenantId::generate();
    let opened = timed(subject.instances, |_| open(&component, subject, tenant));
    let (mut node, message) = (open(&component, subject, tenant), message());
    // What has just been opened has caches to fill.
    for _ in 0..subject.calls / 100 {
        node.process(&message).unwrap();
    }
    let called = timed(subject.calls, |_| node.process(&message).unwrap());
    println!(
        "| {} | {} | {:.0} | {:.2} | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} |",
        subject.name,
        bytes.len() / 1024,
        at(&compiled, 500) / 1_000.0,
        at(&loaded, 500) / 1_000.0,
        at(&opened, 500),
        at(&opened, 990),
        called[0],
        at(&called, 500),
        at(&called, 990),
    );
    component
}

/// Instances of tenants, each of which had some messages, before and after they go.
fn memory(subject: &Subject, component: &RuleComponent) {
    let tenants: Vec<TenantId> = (0..TENANTS).map(|_| TenantId::generate()).collect();
    let message = message();
    let node = |number: usize| {
        let mut node = open(component, subject, tenants[number % TENANTS]);
        node.process(&message).unwrap();
        node
    };
    drop(node(0));
    let before_kb = resident_kb();
    let mut nodes: Vec<NodeInstance> = (0..subject.instances).map(node).collect();
    for _ in 0..9 {
        nodes.iter_mut().for_each(|node| drop(node.process(&message).unwrap()));
    }
    let (idle_kb, linear_kb) = (resident_kb(), nodes[0].memory_bytes() / 1024);
    nodes.clear();
    let rested_kb = resident_kb();
    let back = timed(subject.instances, node);
    let each = |kb: f64| (kb - before_kb) / subject.instances as f64;
    println!(
        "| {} | {} | {linear_kb} | {:.0} | {:.0} | {:.0} | {:.0} |",
        subject.name,
        subject.instances,
        each(idle_kb),
        each(rested_kb),
        at(&back, 500),
        at(&back, 990)
    );
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::new(HostConfig {
        cache_dir: Some(folder.path().to_owned()),
        cache_key: b"bench".to_vec(),
        ..HostConfig::default()
    })
    .unwrap();
    let components = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/components");
    println!("# costs of components");
    println!("| node | component kB | compile ms | load compiled ms | open µs, p50 | p99 | call µs, best | p50 | p99 |");
    println!("|---|---|---|---|---|---|---|---|---|");
    let loaded: Vec<RuleComponent> = SUBJECTS
        .iter()
        .map(|subject| costs(&host, subject, &std::fs::read(components.join(subject.component)).unwrap()))
        .collect();
    println!("\n# memory of instances of {TENANTS} tenants, in this process");
    println!("| node | instances | linear memory kB | resident kB each, idle | after they went | back and first message µs, p50 | p99 |");
    println!("|---|---|---|---|---|---|---|");
    for (subject, component) in SUBJECTS.iter().zip(&loaded) {
        memory(subject, component);
    }
}
