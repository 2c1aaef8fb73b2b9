//! A host that keeps what it compiles below `target`, as that takes seconds for components of this size; what is opened in it, and told.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use model::{Clock, DeviceId, Message, MessageKind, Metadata, Payload, RuleNodeId, TenantId};
use plugins::{
    Host, HostConfig, LoadedComponent, LogLevel, LogSink, NodeContext, NodeInstance, NothingStored, OpenError, RuleComponent, SharedMemory,
};
use serde_json::Value as Json;

struct Nothing;

impl LogSink for Nothing {
    fn line(&self, _: TenantId, _: &str, _: LogLevel, _: &str) {}
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target")
}

/// Places for instances, and for those of interpreters.
pub fn host(instances_max: u32, scripted_instances_max: u32) -> Host {
    Host::new(HostConfig {
        instances_max,
        scripted_instances_max,
        cache_dir: Some(target().join("tests/code")),
        cache_key: b"the tests' own".to_vec(),
        ..HostConfig::default()
    })
    .unwrap()
}

/// A component that was built.
pub fn built(name: &str) -> Vec<u8> {
    std::fs::read(target().join("components").join(name)).expect("components are built by `cargo xtask guests`")
}

pub fn rules(host: &Host, name: &str) -> RuleComponent {
    match host.load(&built(name)).unwrap() {
        LoadedComponent::Rules(component) => component,
        other => panic!("{other:?} is no package of rule nodes"),
    }
}

pub fn open(
    component: &RuleComponent,
    type_name: &str,
    configuration: &str,
    memory: SharedMemory,
    clock: Arc<dyn Clock>,
) -> Result<NodeInstance, OpenError> {
    let tenant = TenantId::SYSTEM;
    let context = NodeContext {
        tenant,
        node: RuleNodeId::generate(tenant),
        name: "node under test".into(),
        readings: Arc::new(NothingStored).into(),
        log: Arc::new(Nothing),
        clock,
        memory,
    };
    NodeInstance::open(component, type_name, configuration, context)
}

/// A message of one device.
pub fn message(payload: Json) -> Arc<Message> {
    static DEVICE: OnceLock<DeviceId> = OnceLock::new();
    Arc::new(Message {
        id: uuid::Uuid::now_v7(),
        kind: MessageKind::PostTelemetry,
        originator: DEVICE.get_or_init(|| DeviceId::generate(TenantId::SYSTEM)).entity(),
        customer: None,
        metadata: [("deviceName", "D")].into_iter().collect::<Metadata>(),
        payload: Payload::new(payload),
        ts_ms: 5,
    })
}
