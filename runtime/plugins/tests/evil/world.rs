//! One host for all, patient where the machine may be busy, and what the tests do with a guest.

use std::sync::{Arc, OnceLock};

use handmade::Guest;
use model::{DeviceId, Message, MessageKind, Metadata, Payload, RuleNodeId, SystemClock, TenantId};
use parking_lot::Mutex;
use plugins::{
    AdapterPool, Host, HostConfig, Limits, LoadError, LoadedComponent, LogLevel, LogSink, NodeContext, NodeInstance, NothingStored,
    OpenError, ProcessError, RuleComponent, SharedMemory, StreamContext, StreamInstance,
};
use serde_json::json;

/// Takes log lines.
#[derive(Default)]
pub struct Platform(pub Mutex<Vec<String>>);

impl LogSink for Platform {
    fn line(&self, _: TenantId, _: &str, _: LogLevel, text: &str) {
        self.0.lock().push(text.to_owned());
    }
}

pub fn host() -> &'static Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    HOST.get_or_init(|| {
        let limits = Limits {
            process_ms: 100,
            open_ms: 300,
            ..Limits::default()
        };
        let config = HostConfig {
            limits,
            instances_max: 64,
            ..HostConfig::default()
        };
        Host::new(config).unwrap()
    })
}

pub fn load(guest: &Guest) -> Result<LoadedComponent, LoadError> {
    host().load(&guest.build())
}

pub fn rules(guest: &Guest) -> Result<RuleComponent, LoadError> {
    match load(guest)? {
        LoadedComponent::Rules(component) => Ok(component),
        other => panic!("{other:?}"),
    }
}

/// Opens its first type.
pub fn open(component: &RuleComponent, platform: &Arc<Platform>) -> Result<NodeInstance, OpenError> {
    let tenant = TenantId::generate();
    let context = NodeContext {
        tenant,
        node: RuleNodeId::generate(tenant),
        name: "evil".into(),
        readings: Arc::new(NothingStored).into(),
        log: Arc::clone(platform) as _,
        clock: Arc::new(SystemClock),
        memory: SharedMemory::default(),
    };
    NodeInstance::open(component, &component.types()[0].type_name, "{}", context)
}

pub fn adapter(guest: &Guest) -> Result<AdapterPool, LoadError> {
    match load(guest)? {
        LoadedComponent::Adapter(component) => Ok(AdapterPool::new(
            component,
            TenantId::generate(),
            Arc::new(Platform::default()),
            Arc::new(SystemClock),
        )),
        other => panic!("{other:?}"),
    }
}

/// Opens an instance of a stream adapter, with no peer yet.
pub fn stream(guest: &Guest) -> Result<StreamInstance, String> {
    let LoadedComponent::Stream(component) = load(guest).map_err(|error| error.to_string())? else {
        panic!("no stream adapter")
    };
    let context = StreamContext {
        tenant: TenantId::generate(),
        name: "evil".into(),
        log: Arc::new(Platform::default()),
        clock: Arc::new(SystemClock),
    };
    StreamInstance::open(&component, context).map_err(|fault| fault.to_string())
}

pub fn message() -> Arc<Message> {
    Arc::new(Message {
        id: uuid::Uuid::now_v7(),
        kind: MessageKind::PostTelemetry,
        originator: DeviceId::generate(TenantId::generate()).entity(),
        customer: None,
        metadata: Metadata::default(),
        payload: Payload::new(json!({"t": 1})),
        ts_ms: 5,
    })
}

/// Loads, opens and calls a guest of rule nodes: the stage that failed, and the words; none when nothing did.
pub fn fate(guest: &Guest, platform: &Arc<Platform>) -> Option<(&'static str, String)> {
    let component = match rules(guest) {
        Ok(component) => component,
        Err(error) => return Some(("load", error.to_string())),
    };
    let mut node = match open(&component, platform) {
        Ok(node) => node,
        Err(error) => return Some(("open", error.to_string())),
    };
    match node.process(&message()) {
        Ok(_) => None,
        Err(ProcessError::Broken(fault)) => Some(("process", fault.to_string())),
        Err(ProcessError::Rejected(reason)) => {
            // Whoever is only refused goes on.
            assert!(!matches!(node.process(&message()), Err(ProcessError::Broken(_))), "{reason}");
            Some(("rejected", reason))
        }
    }
}

/// Whether a guest fails at a stage in these words.
pub fn fails(name: &str, guest: &Guest, stage: &str, says: &str) {
    let told = fate(guest, &Arc::new(Platform::default()));
    let Some((at, words)) = told else {
        panic!("{name} did not fail at all")
    };
    assert!(
        at == stage && words.contains(says),
        "{name}: expected {says:?} at {stage}, but at {at}: {words}"
    );
    assert!(words.len() < 10_000, "{name}: {} bytes of words", words.len());
}
