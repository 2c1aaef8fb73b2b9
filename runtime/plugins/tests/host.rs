//! The host with the shipped components and with guests that misbehave. Needs what `cargo xtask guests` builds.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "host/kept.rs"]
mod kept;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::entity::{Alarm, DeviceCredentials, EntityRecord, Relation};
use model::{
    AttributeScope, ChildRefusal, DeviceId, Digest, Downlink, DownlinkKind, EntityId, EntityKind, Message, MessageKind, Metadata, Payload,
    Reading, RuleNodeId, SystemClock, TenantId, Uplink, Value,
};
use parking_lot::Mutex;
use plugins::{
    AdapterPool, Content, DecodeError, Effect, Fault, Host, HostConfig, Inbound, LoadError, LoadedComponent, LogLevel, LogSink,
    NodeContext, NodeInstance, NothingStored, OpenError, Outcome, Places, ProcessError, Readings, RelatedBy, Release, ReleaseId,
    RuleComponent, SharedMemory, Span, Transport,
};
use serde_json::{Value as Json, json};
use uuid::Uuid;

#[derive(Default)]
struct Platform {
    lines: Mutex<Vec<String>>,
    /// Tenants of the entities that were asked about.
    asked: Mutex<Vec<TenantId>>,
    entities: Vec<EntityRecord>,
    /// Why the store does not answer.
    silent: Option<String>,
}

impl Readings for Platform {
    fn attribute(&self, _: EntityId, _: AttributeScope, _: &str) -> Result<Option<Reading>, String> {
        Ok(Some(Reading {
            ts_ms: 1,
            value: Value::Long(7),
        }))
    }
    fn latest(&self, _: EntityId, _: &str) -> Result<Option<Reading>, String> {
        Ok(None)
    }
    fn entity(&self, entity: EntityId) -> Result<Option<EntityRecord>, String> {
        self.asked.lock().push(entity.tenant);
        if let Some(reason) = &self.silent {
            return Err(reason.clone());
        }
        Ok(self.entities.iter().find(|record| record.id == entity).cloned())
    }
    fn is_related(&self, tenant: TenantId, _: &Relation) -> Result<bool, String> {
        self.asked.lock().push(tenant);
        Ok(true)
    }
    fn series(&self, entity: EntityId, key: &str, span: &Span) -> Result<Vec<Reading>, String> {
        NothingStored.series(entity, key, span)
    }
    fn entity_named(&self, tenant: TenantId, kind: EntityKind, name: &str) -> Result<Option<EntityRecord>, String> {
        NothingStored.entity_named(tenant, kind, name)
    }
    fn relations(&self, entity: EntityId, which: &RelatedBy<'_>) -> Result<Vec<Relation>, String> {
        NothingStored.relations(entity, which)
    }
    fn alarm(&self, tenant: TenantId, id: Uuid) -> Result<Option<Alarm>, String> {
        NothingStored.alarm(tenant, id)
    }
    fn active_alarm(&self, originator: EntityId, alarm_type: &str) -> Result<Option<Alarm>, String> {
        NothingStored.active_alarm(originator, alarm_type)
    }
    fn active_alarms(&self, originator: EntityId, limit: u32) -> Result<Vec<Alarm>, String> {
        NothingStored.active_alarms(originator, limit)
    }
    fn credentials(&self, device: DeviceId) -> Result<Option<DeviceCredentials>, String> {
        NothingStored.credentials(device)
    }
}

impl LogSink for Platform {
    fn line(&self, _: TenantId, source: &str, _: LogLevel, text: &str) {
        self.lines.lock().push(format!("{source}: {text}"));
    }
}

fn components() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/components")
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(components().join(name)).expect("components are built by `cargo xtask guests`")
}

/// One host for all tests of this file: compiling is what takes time. The cache lives as long as the process.
fn host() -> &'static Host {
    static HOST: std::sync::OnceLock<(Host, tempfile::TempDir)> = std::sync::OnceLock::new();
    let (host, _) = HOST.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let config = HostConfig {
            cache_dir: Some(dir.path().to_owned()),
            cache_key: b"secret".to_vec(),
            ..HostConfig::default()
        };
        (Host::new(config).unwrap(), dir)
    });
    host
}

fn rules(name: &str) -> RuleComponent {
    match host().load(&bytes(name)).unwrap() {
        LoadedComponent::Rules(component) => component,
        other => panic!("{other:?} is an adapter"),
    }
}

fn context(platform: &Arc<Platform>, tenant: TenantId) -> NodeContext {
    NodeContext {
        tenant,
        node: RuleNodeId::generate(tenant),
        name: "node under test".into(),
        readings: Arc::clone(platform).into(),
        log: Arc::clone(platform) as _,
        clock: Arc::new(SystemClock),
        memory: SharedMemory::default(),
    }
}

fn open(component: &RuleComponent, type_name: &str, configuration: Json) -> Result<NodeInstance, OpenError> {
    NodeInstance::open(
        component,
        type_name,
        &configuration.to_string(),
        context(&Arc::new(Platform::default()), TenantId::generate()),
    )
}

fn message(payload: Json) -> Arc<Message> {
    let device = DeviceId::generate(TenantId::generate());
    Arc::new(Message {
        id: uuid::Uuid::now_v7(),
        kind: MessageKind::PostTelemetry,
        originator: device.entity(),
        customer: None,
        metadata: [("deviceName", "D"), ("ts", "5")].into_iter().collect::<Metadata>(),
        payload: Payload::new(payload),
        ts_ms: 5,
    })
}

fn evil(type_name: &str) -> NodeInstance {
    open(&rules("test/evil-guests.wasm"), type_name, json!({})).unwrap()
}

fn broken(type_name: &str) -> Fault {
    match evil(type_name).process(&message(json!({}))) {
        Err(ProcessError::Broken(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

fn rejected(type_name: &str) -> String {
    let mut node = evil(type_name);
    let message = message(json!({"a": 1}));
    let first = match node.process(&message) {
        Err(ProcessError::Rejected(reason)) => reason,
        other => panic!("{other:?}"),
    };
    assert!(
        matches!(node.process(&message), Err(ProcessError::Rejected(_))),
        "the instance goes on"
    );
    first
}

fn relation(outcome: &Outcome) -> &str {
    assert!(outcome.effects.is_empty(), "{outcome:?}");
    outcome.emissions[0].relation.as_str()
}

#[test]
fn shipped_nodes_describe_themselves() {
    let action = rules("action.wasm");
    let names: Vec<_> = action.types().iter().map(|descriptor| descriptor.type_name.as_str()).collect();
    for wanted in [
        "save-time-series",
        "save-attributes",
        "create-alarm",
        "clear-alarm",
        "log",
        "rpc-call-request",
    ] {
        assert!(names.contains(&wanted), "{names:?}");
    }
    for component in [&action, &rules("filter.wasm")] {
        for descriptor in component.types() {
            assert!(
                descriptor.relations.iter().any(|relation| &**relation == "Failure") || descriptor.custom_relations,
                "{descriptor:?}"
            );
            NodeInstance::check(component, &descriptor.type_name, &descriptor.default_configuration.to_string()).unwrap();
        }
    }
}

#[test]
fn a_filter_reads_the_message_it_borrows() {
    let filter = rules("filter.wasm");
    let descriptor = filter.types().iter().find(|one| one.type_name == "field-filter").unwrap();
    let mut configuration = descriptor.default_configuration.clone();
    configuration["key"] = json!("temperature");
    configuration["operator"] = json!("GREATER");
    configuration["value"] = json!(20);
    let mut node = open(&filter, "field-filter", configuration).unwrap();
    assert_eq!(relation(&node.process(&message(json!({"temperature": 21.5}))).unwrap()), "True");
    assert_eq!(relation(&node.process(&message(json!({"temperature": 20}))).unwrap()), "False");
}

#[test]
fn saving_is_an_effect_that_shares_the_payload() {
    let mut node = open(&rules("action.wasm"), "save-time-series", json!({})).unwrap();
    let message = message(json!({"t": 1}));
    let outcome = node.process(&message).unwrap();
    match &outcome.effects[..] {
        [
            Effect::SaveTimeSeries {
                entity,
                ts_ms: 5,
                values: Content::Shared { payload, path },
                ..
            },
        ] => {
            assert_eq!((*entity, &**path), (message.originator, ""));
            assert_eq!(payload, &message.payload);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_guest_that_loops_loses_its_instance_within_its_budget() {
    let started = Instant::now();
    assert_eq!(broken("loop"), Fault::Time { budget_ms: 20 });
    assert!(started.elapsed() < Duration::from_secs(5));
    match open(&rules("test/evil-guests.wasm"), "loop-in-open", json!({})).map(drop) {
        Err(OpenError::Broken(Fault::Time { budget_ms: 200 })) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_guest_that_allocates_without_end_meets_its_limit() {
    assert_eq!(broken("memory-bomb"), Fault::Memory { limit_bytes: 16 << 20 });
}

#[test]
fn a_guest_that_recurses_without_end_uses_up_its_own_stack() {
    // Rust keeps part of its stack in linear memory: which of the two ends first depends on the frames.
    match broken("stack-bomb") {
        Fault::Stack => {}
        Fault::Trap(reason) => assert!(reason.contains("out of bounds"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_guest_that_traps_says_so() {
    assert!(matches!(broken("trap"), Fault::Trap(_)));
    assert!(matches!(
        open(&rules("test/evil-guests.wasm"), "trap-in-open", json!({})),
        Err(OpenError::Broken(Fault::Trap(_)))
    ));
}

#[test]
fn megabytes_of_output_are_refused() {
    assert_eq!(broken("huge-output"), Fault::Output { limit_bytes: 1 << 20 });
    // Thousands of small messages meet one of the two limits.
    match evil("many-emissions").process(&message(json!({}))) {
        Err(ProcessError::Rejected(reason)) => assert!(reason.contains("more than the 1000 allowed"), "{reason}"),
        Err(ProcessError::Broken(Fault::Output { .. } | Fault::Time { .. })) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn impossible_answers_fail_the_message_and_spare_the_instance() {
    for (type_name, says) in [
        ("unknown-relation", "Elsewhere"),
        ("bad-index", "99"),
        ("undeclared-effect", "clear-alarm"),
        ("bad-entity", "../../etc"),
        ("effect-flood", "more than the 100 allowed"),
        ("bad-json", "no JSON"),
    ] {
        let reason = rejected(type_name);
        assert!(reason.contains(says), "{type_name}: {reason}");
    }
}

#[test]
fn a_flood_of_log_lines_is_cut() {
    let platform = Arc::new(Platform::default());
    let component = rules("test/evil-guests.wasm");
    let mut node = NodeInstance::open(&component, "log-flood", "{}", context(&platform, TenantId::generate())).unwrap();
    let _ = node.process(&message(json!({})));
    let lines = platform.lines.lock().len();
    assert!((1..=50).contains(&lines), "{lines} lines");
}

#[test]
fn ordinary_instances_serve_beside_evil_ones() {
    let mut good = evil("pass");
    for type_name in ["loop", "memory-bomb", "stack-bomb", "trap", "huge-output"] {
        broken(type_name);
        assert_eq!(relation(&good.process(&message(json!({}))).unwrap()), "Success");
    }
}

#[test]
fn entities_are_always_of_the_nodes_own_tenant() {
    let tenant = TenantId::generate();
    let platform = Arc::new(Platform::default());
    let action = rules("action.wasm");
    let mut node = NodeInstance::open(&action, "save-time-series", "{}", context(&platform, tenant)).unwrap();
    // The message's own originator is the platform's; a guest can name others only as ids, and those get its tenant.
    let outcome = node.process(&message(json!({"a": 1}))).unwrap();
    assert!(matches!(&outcome.effects[0], Effect::SaveTimeSeries { entity, .. } if entity.kind == model::EntityKind::Device));
}

#[test]
fn what_is_no_component_is_refused_in_words() {
    let refuse = |bytes: &[u8]| host().load(bytes).map(drop).unwrap_err();
    assert!(matches!(refuse(b""), LoadError::Invalid(_)));
    assert!(matches!(refuse(&bytes("filter.wasm")[..5_000]), LoadError::Invalid(_)));
    assert!(matches!(refuse(&vec![0; 41 << 20]), LoadError::TooLarge { .. }));
    let empty = wat::parse_str("(component)").unwrap();
    assert!(matches!(refuse(&empty), LoadError::Contract(_)));
    let module = wat::parse_str("(module)").unwrap();
    assert!(matches!(refuse(&module), LoadError::Invalid(_)));
    let greedy =
        wat::parse_str(r#"(component (import "other:files/types@0.2.0" (instance (export "x" (func)))) (instance (export "pacificsoft:plugin/nodes@0.1.0")))"#)
            .unwrap();
    match refuse(&greedy) {
        LoadError::Contract(reason) => assert!(reason.contains("other:files"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn native_code_that_somebody_changed_is_not_run() {
    let dir = tempfile::tempdir().unwrap();
    let config = |key: &[u8]| HostConfig {
        cache_dir: Some(dir.path().to_owned()),
        cache_key: key.to_vec(),
        ..HostConfig::default()
    };
    let wasm = bytes("filter.wasm");
    let files = || {
        std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect::<Vec<_>>()
    };
    Host::new(config(b"one")).unwrap().load(&wasm).unwrap();
    let [file] = &files()[..] else { panic!("{:?}", files()) };
    let honest = std::fs::read(file).unwrap();

    let mut changed = honest.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    std::fs::write(file, &changed).unwrap();
    Host::new(config(b"one")).unwrap().load(&wasm).unwrap();
    assert_eq!(&std::fs::read(file).unwrap()[32..], &honest[32..], "compiled and written again");

    // Another server's secret: not trusted either.
    let before = std::fs::read(file).unwrap();
    Host::new(config(b"two")).unwrap().load(&wasm).unwrap();
    assert_ne!(std::fs::read(file).unwrap()[..32], before[..32]);
}

fn adapter() -> AdapterPool {
    match host().load(&bytes("device-api.wasm")).unwrap() {
        LoadedComponent::Adapter(component) => AdapterPool::new(
            component,
            TenantId::generate(),
            Arc::new(Platform::default()),
            Arc::new(SystemClock),
        ),
        other => panic!("{other:?}"),
    }
}

fn mqtt(topic: &str, payload: &str) -> Inbound {
    Inbound::new(Transport::Mqtt, topic, vec![], payload.to_owned().into())
}

#[test]
fn the_device_api_decodes_telemetry_in_all_forms() {
    let adapter = adapter();
    let topic = "v1/devices/me/telemetry";
    let telemetry = |ts_ms, values| Uplink::Telemetry {
        ts_ms,
        values: Payload::new(values),
    };
    assert_eq!(
        adapter.decode(mqtt(topic, r#"{"t":1}"#)).unwrap(),
        [telemetry(None, json!({"t": 1}))]
    );
    assert_eq!(
        adapter.decode(mqtt(topic, r#"{"ts":5,"values":{"t":1}}"#)).unwrap(),
        [telemetry(Some(5), json!({"t": 1}))]
    );
    assert_eq!(
        adapter.decode(mqtt(topic, r#"[{"t":1},{"ts":5,"values":{"u":2}}]"#)).unwrap(),
        [telemetry(None, json!({"t": 1})), telemetry(Some(5), json!({"u": 2}))]
    );
    assert!(matches!(adapter.decode(mqtt(topic, "{oops")), Err(DecodeError::Malformed(_))));
    assert_eq!(adapter.decode(mqtt("v1/elsewhere", "{}")), Err(DecodeError::UnknownAddress));
}

#[test]
fn the_device_api_knows_its_subscriptions_and_words() {
    let adapter = adapter();
    assert_eq!(
        adapter.subscription(Transport::Mqtt, "v1/devices/me/rpc/request/+").unwrap(),
        [DownlinkKind::RpcRequest]
    );
    assert!(adapter.subscription(Transport::Mqtt, "#").unwrap().is_empty());
    let request = Downlink::RpcRequest {
        id: 4,
        method: "on".into(),
        params: Payload::new(json!({"pin": 1})),
    };
    let outbound = adapter.encode(Transport::Mqtt, &request).unwrap().unwrap();
    assert_eq!(outbound.address, "v1/devices/me/rpc/request/4");
    assert_eq!(
        serde_json::from_slice::<Json>(&outbound.payload).unwrap(),
        json!({"method": "on", "params": {"pin": 1}})
    );
    assert_eq!(
        adapter.subscription(Transport::Mqtt, "v1/gateway/disconnect").unwrap(),
        [DownlinkKind::ChildRefused]
    );
    let refused = Downlink::Refused(ChildRefusal::RateExceeded);
    assert_eq!(
        adapter.encode(Transport::Mqtt, &refused),
        Ok(None),
        "it is always of a device behind a gateway"
    );
    let of_a_child = Downlink::Child {
        device: "one".into(),
        single: false,
        downlink: Box::new(refused),
    };
    assert_eq!(of_a_child.kind(), DownlinkKind::ChildRefused);
    let outbound = adapter.encode(Transport::Mqtt, &of_a_child).unwrap().unwrap();
    assert_eq!(outbound.address, "v1/gateway/disconnect");
    assert_eq!(outbound.payload, r#"{"device":"one","reason":150}"#);
}
