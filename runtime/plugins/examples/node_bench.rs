//! What the sandbox costs: the same decision native and as a component. The host parses a payload once for all nodes of all chains; a
//! native node that is handed text parses it for itself, one that is part of the platform need not. Both are shown. Best of many slices, because the machine is shared. `cargo xtask bench nodes`

#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use model::{DeviceId, Message, MessageKind, Metadata, Payload, RuleNodeId, SystemClock, TenantId};
use plugins::{Host, HostConfig, LoadedComponent, LogLevel, LogSink, NodeContext, NodeInstance, NothingStored, Outcome, SharedMemory};
use serde_json::{Value as Json, json};

const TELEMETRY: &str = r#"{"temperature":25.5,"humidity":41,"pressure":1013.2,"state":"on","seq":123456}"#;
const SLICES: usize = 1000;
const CALLS: usize = 500;

struct Nothing;

impl LogSink for Nothing {
    fn line(&self, _: TenantId, _: &str, _: LogLevel, _: &str) {}
}

/// Nanoseconds for one call, in the best slice.
fn best(mut call: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..SLICES {
        let started = Instant::now();
        for _ in 0..CALLS {
            call();
        }
        best = best.min(started.elapsed().as_nanos() as f64 / CALLS as f64);
    }
    best
}

fn node(host: &Host, component: &str, type_name: &str, configuration: &Json) -> NodeInstance {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/components")
        .join(component);
    let LoadedComponent::Rules(component) = host.load(&std::fs::read(path).unwrap()).unwrap() else {
        panic!("not a package of nodes")
    };
    let tenant = TenantId::generate();
    let context = NodeContext {
        tenant,
        node: RuleNodeId::generate(tenant),
        name: "bench".into(),
        readings: Arc::new(NothingStored).into(),
        log: Arc::new(Nothing),
        clock: Arc::new(SystemClock),
        memory: SharedMemory::default(),
    };
    NodeInstance::open(&component, type_name, &configuration.to_string(), context).unwrap()
}

fn message(payload: Payload) -> Arc<Message> {
    let device = DeviceId::generate(TenantId::SYSTEM);
    Arc::new(Message {
        id: uuid::Uuid::now_v7(),
        kind: MessageKind::PostTelemetry,
        originator: device.entity(),
        customer: None,
        metadata: [("deviceName", "D"), ("deviceType", "default"), ("ts", "5")]
            .into_iter()
            .collect::<Metadata>(),
        payload,
        ts_ms: 5,
    })
}

fn filter_native(json: &Json) -> bool {
    json.get("temperature")
        .and_then(Json::as_f64)
        .is_some_and(|temperature| temperature > 20.0)
}

fn transform_native(json: &Json) -> Payload {
    let celsius = json.get("temperature").and_then(Json::as_f64).unwrap_or(0.0);
    Payload::parse(format!("{{\"fahrenheit\":{}}}", celsius * 1.8 + 32.0).as_bytes()).unwrap()
}

fn save_native(payload: &Payload) -> Payload {
    payload.clone()
}

/// Nanoseconds for one message.
struct Costs {
    /// Parses the payload, then decides: what a node costs that has the payload as text.
    native_parsing: f64,
    /// The component, with the message that the host has parsed for all nodes.
    component: f64,
    /// The decision alone.
    native: f64,
    /// Parsing, making a message with metadata, and deciding.
    native_wrapped: f64,
    /// The same with the component.
    component_wrapped: f64,
}

impl Costs {
    fn row(&self, name: &str) -> String {
        let Costs {
            native_parsing,
            component,
            native,
            native_wrapped,
            component_wrapped,
        } = self;
        format!(
            "| {name} | {native_parsing:.0} | {component:.0} | {:.2} | {native:.0} | {native_wrapped:.0} | {component_wrapped:.0} | {:.2} |",
            component / native_parsing,
            component_wrapped / native_wrapped
        )
    }
}

fn main() {
    let host = Host::new(HostConfig::default()).unwrap();
    let mut filter = node(
        &host,
        "filter.wasm",
        "field-filter",
        &json!({"key": "temperature", "operator": "GREATER", "value": 20}),
    );
    let mut transform = node(&host, "test/evil-guests.wasm", "transform", &json!({}));
    let mut save = node(&host, "action.wasm", "save-time-series", &json!({}));
    let parsed = message(Payload::parse(TELEMETRY.as_bytes()).unwrap());
    let json = parsed.payload.json().clone();
    let fresh = || message(Payload::parse(black_box(TELEMETRY).as_bytes()).unwrap());

    println!(
        "| node | native, parses for itself | component | ratio | native, parsed before | with parsing and wrapping: native | component | ratio |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let show = |name: &str, costs: Costs| println!("{}", costs.row(name));
    let run = |node: &mut NodeInstance, message: &Arc<Message>| -> Outcome { node.process(message).unwrap() };
    let parse = || Payload::parse(black_box(TELEMETRY).as_bytes()).unwrap();
    show(
        "filter",
        Costs {
            native_parsing: best(|| assert!(black_box(filter_native(parse().json())))),
            component: best(|| drop(black_box(run(&mut filter, &parsed)))),
            native: best(|| assert!(black_box(filter_native(black_box(&json))))),
            native_wrapped: best(|| assert!(black_box(filter_native(fresh().payload.json())))),
            component_wrapped: best(|| drop(black_box(run(&mut filter, &fresh())))),
        },
    );
    show(
        "transform",
        Costs {
            native_parsing: best(|| drop(black_box(transform_native(parse().json())))),
            component: best(|| drop(black_box(run(&mut transform, &parsed)))),
            native: best(|| drop(black_box(transform_native(black_box(&json))))),
            native_wrapped: best(|| drop(black_box(transform_native(fresh().payload.json())))),
            component_wrapped: best(|| drop(black_box(run(&mut transform, &fresh())))),
        },
    );
    show(
        "save",
        Costs {
            native_parsing: best(|| drop(black_box(save_native(&parse())))),
            component: best(|| drop(black_box(run(&mut save, &parsed)))),
            native: best(|| drop(black_box(save_native(black_box(&parsed.payload))))),
            native_wrapped: best(|| drop(black_box(save_native(&fresh().payload)))),
            component_wrapped: best(|| drop(black_box(run(&mut save, &fresh())))),
        },
    );
    let mut pass = node(&host, "test/evil-guests.wasm", "pass", &json!({}));
    println!(
        "\nA node that only forwards: {:.0} ns",
        best(|| drop(black_box(run(&mut pass, &parsed))))
    );
    println!(
        "Parsing alone: {:.0} ns",
        best(|| drop(black_box(Payload::parse(black_box(TELEMETRY).as_bytes()).unwrap())))
    );
    println!(
        "Parsing and wrapping one payload of {} bytes: {:.0} ns",
        TELEMETRY.len(),
        best(|| drop(black_box(fresh())))
    );
}
