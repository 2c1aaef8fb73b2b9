//! Guests that read what has to be waited for: put aside meanwhile, without a thread; limited, isolated and blamed as all others.

#![allow(clippy::unwrap_used, missing_docs)]

use std::future::{Future, poll_fn};
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use model::entity::{Alarm, DeviceCredentials, EntityRecord, Relation};
use model::{
    AttributeScope, DeviceId, EntityId, EntityKind, Message, MessageKind, Metadata, Payload, Reading, RuleNodeId, SystemClock, TenantId,
    Value,
};
use parking_lot::Mutex;
use plugins::{
    AwaitedReadings, Fault, Host, HostConfig, LoadedComponent, LogLevel, LogSink, NodeContext, NodeInstance, OpenError, Outcome,
    ProcessError, RelatedBy, RuleComponent, SharedMemory, Source, Span,
};
use serde_json::{Value as Json, json};
use uuid::Uuid;

/// A store that answers when it is let.
#[derive(Default)]
struct Late {
    answers: AtomicBool,
    asked: AtomicUsize,
    /// Entities that were asked about, in order.
    entities: Mutex<Vec<EntityId>>,
    customer: Option<Uuid>,
    broken: bool,
}

impl Late {
    fn answering() -> Self {
        let late = Late::default();
        late.answers.store(true, Ordering::SeqCst);
        late
    }

    async fn answer<T>(&self, answer: T) -> Result<T, String> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let answers = |_: &mut Context<'_>| {
            if self.answers.load(Ordering::SeqCst) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        };
        poll_fn(answers).await;
        if self.broken {
            return Err("it is away".to_owned());
        }
        Ok(answer)
    }
}

#[async_trait]
impl AwaitedReadings for Late {
    async fn attribute(&self, _: EntityId, _: AttributeScope, _: &str) -> Result<Option<Reading>, String> {
        let value = Value::Long(7);
        self.answer(Some(Reading { ts_ms: 1, value })).await
    }
    async fn latest(&self, _: EntityId, _: &str) -> Result<Option<Reading>, String> {
        self.answer(None).await
    }
    async fn series(&self, _: EntityId, _: &str, _: &Span) -> Result<Vec<Reading>, String> {
        self.answer(Vec::new()).await
    }
    async fn entity(&self, entity: EntityId) -> Result<Option<EntityRecord>, String> {
        self.entities.lock().push(entity);
        self.answer(Some(EntityRecord {
            id: entity,
            version: 1,
            name: "D".into(),
            subtype: "meter".into(),
            customer: self.customer,
            body: json!({"name": "D"}),
        }))
        .await
    }
    async fn entity_named(&self, _: TenantId, _: EntityKind, _: &str) -> Result<Option<EntityRecord>, String> {
        self.answer(None).await
    }
    async fn relations(&self, _: EntityId, _: &RelatedBy<'_>) -> Result<Vec<Relation>, String> {
        self.answer(Vec::new()).await
    }
    async fn is_related(&self, _: TenantId, _: &Relation) -> Result<bool, String> {
        self.answer(false).await
    }
    async fn alarm(&self, _: TenantId, _: Uuid) -> Result<Option<Alarm>, String> {
        self.answer(None).await
    }
    async fn active_alarm(&self, _: EntityId, _: &str) -> Result<Option<Alarm>, String> {
        self.answer(None).await
    }
    async fn active_alarms(&self, _: EntityId, _: u32) -> Result<Vec<Alarm>, String> {
        self.answer(Vec::new()).await
    }
    async fn credentials(&self, _: DeviceId) -> Result<Option<DeviceCredentials>, String> {
        self.answer(None).await
    }
}

struct Silent;

impl LogSink for Silent {
    fn line(&self, _: TenantId, _: &str, _: LogLevel, _: &str) {}
}

fn component(host: &Host, name: &str) -> RuleComponent {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/components").join(name);
    let bytes = std::fs::read(path).expect("components are built by `cargo xtask guests`");
    match host.load(&bytes).unwrap() {
        LoadedComponent::Rules(component) => component,
        other => panic!("{other:?} is an adapter"),
    }
}

fn context(store: &Arc<Late>, tenant: TenantId) -> NodeContext {
    NodeContext {
        tenant,
        node: RuleNodeId::generate(tenant),
        name: "node under test".into(),
        readings: Source::Awaited(Arc::clone(store) as _),
        log: Arc::new(Silent),
        clock: Arc::new(SystemClock),
        memory: SharedMemory::default(),
    }
}

fn message(tenant: TenantId) -> Arc<Message> {
    Arc::new(Message {
        id: Uuid::now_v7(),
        kind: MessageKind::PostTelemetry,
        originator: DeviceId::generate(tenant).entity(),
        customer: None,
        metadata: Metadata::default(),
        payload: Payload::new(json!({"a": 1})),
        ts_ms: 5,
    })
}

fn poll<T>(call: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    call.poll(&mut Context::from_waker(Waker::noop()))
}

/// The outcome of a call that nothing holds up but the guest itself, and how often it let others run.
fn run<T>(call: impl Future<Output = T>) -> (T, usize) {
    let mut call = pin!(call);
    for pieces in 0..100_000 {
        if let Poll::Ready(outcome) = poll(call.as_mut()) {
            return (outcome, pieces);
        }
    }
    panic!("it never ends");
}

fn open(component: &RuleComponent, type_name: &str, configuration: &Json, store: &Arc<Late>, tenant: TenantId) -> NodeInstance {
    let configuration = configuration.to_string();
    let opening = NodeInstance::open_awaiting(component, type_name, &configuration, context(store, tenant));
    run(opening).0.unwrap()
}

fn attributes() -> Json {
    json!({"tellFailureIfAbsent": false, "fetchTo": "METADATA", "clientAttributeNames": [], "sharedAttributeNames": ["limit"],
           "serverAttributeNames": [], "latestTsKeyNames": [], "getLatestValueWithTs": false})
}

fn emitted(outcome: &Outcome) -> &Message {
    outcome.emissions[0].message.as_deref().expect("a new message")
}

#[test]
fn a_guest_is_put_aside_until_the_answer_is_there() {
    let host = Host::new(HostConfig::default()).unwrap();
    let (store, tenant) = (Arc::new(Late::default()), TenantId::generate());
    let mut node = open(
        &component(&host, "enrichment.wasm"),
        "originator-attributes",
        &attributes(),
        &store,
        tenant,
    );
    assert!(node.waits());
    let message = message(tenant);
    {
        let mut call = pin!(node.process_awaiting(&message));
        while store.asked.load(Ordering::SeqCst) == 0 {
            assert!(poll(call.as_mut()).is_pending());
        }
        for _ in 0..10 {
            assert!(poll(call.as_mut()).is_pending());
        }
        assert_eq!(store.asked.load(Ordering::SeqCst), 1, "it is asked once");
        store.answers.store(true, Ordering::SeqCst);
        let outcome = run(call).0.unwrap();
        assert_eq!(emitted(&outcome).metadata.get("shared_limit"), Some("7"));
    }
    assert!(run(node.process_awaiting(&message)).0.is_ok(), "the instance goes on");
}

#[test]
fn calls_go_on_in_any_thread() {
    let host = Host::new(HostConfig::default()).unwrap();
    let (store, tenant) = (Arc::new(Late::default()), TenantId::generate());
    let mut node = open(
        &component(&host, "enrichment.wasm"),
        "originator-attributes",
        &attributes(),
        &store,
        tenant,
    );
    let message = message(tenant);
    let mut call = Box::pin(async move { node.process_awaiting(&message).await.map(|outcome| outcome.emissions.len()) });
    for _ in 0..3 {
        call = std::thread::spawn(move || {
            assert!(poll(call.as_mut()).is_pending());
            call
        })
        .join()
        .unwrap();
    }
    store.answers.store(true, Ordering::SeqCst);
    let answered = std::thread::spawn(move || run(call).0).join().unwrap();
    assert_eq!(answered, Ok(1));
}

#[test]
fn many_wait_at_the_same_time_in_one_thread() {
    let host = Host::new(HostConfig::default()).unwrap();
    let component = component(&host, "enrichment.wasm");
    let (store, tenant) = (Arc::new(Late::default()), TenantId::generate());
    let message = message(tenant);
    let mut nodes: Vec<NodeInstance> = (0..600)
        .map(|_| open(&component, "originator-attributes", &attributes(), &store, tenant))
        .collect();
    let mut calls: Vec<_> = nodes.iter_mut().map(|node| Box::pin(node.process_awaiting(&message))).collect();
    // On a busy machine one may let others run before it has asked.
    while store.asked.load(Ordering::SeqCst) < 600 {
        assert!(calls.iter_mut().all(|call| poll(call.as_mut()).is_pending()));
    }
    store.answers.store(true, Ordering::SeqCst);
    assert!(calls.into_iter().all(|call| run(call).0.is_ok()));
}

#[test]
fn a_node_that_has_to_wait_is_not_called_as_a_function() {
    let host = Host::new(HostConfig::default()).unwrap();
    let component = component(&host, "enrichment.wasm");
    let (store, tenant) = (Arc::new(Late::answering()), TenantId::generate());
    let mut node = open(&component, "originator-attributes", &attributes(), &store, tenant);
    match node.process(&message(tenant)) {
        Err(ProcessError::Rejected(reason)) => assert!(reason.contains("waited for"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert!(run(node.process_awaiting(&message(tenant))).0.is_ok(), "the instance goes on");
}

#[test]
fn what_a_node_answers_may_have_to_be_waited_for_as_well() {
    let host = Host::new(HostConfig::default()).unwrap();
    let customer = Uuid::now_v7();
    let late = Late {
        customer: Some(customer),
        ..Late::answering()
    };
    let (store, tenant) = (Arc::new(late), TenantId::generate());
    let transformation = component(&host, "transformation.wasm");
    let configuration = json!({"originatorSource": "CUSTOMER"});
    let mut node = open(&transformation, "change-originator", &configuration, &store, tenant);
    let (outcome, _) = run(node.process_awaiting(&message(tenant)));
    let outcome = outcome.unwrap();
    assert_eq!(emitted(&outcome).originator, EntityId::new(tenant, EntityKind::Customer, customer));
    assert_eq!(
        emitted(&outcome).customer.map(|customer| customer.id),
        Some(customer),
        "the new originator's own"
    );
    let asked = store.entities.lock();
    assert!(asked.len() >= 2 && asked.iter().all(|entity| entity.tenant == tenant), "{asked:?}");
}

#[test]
fn calls_that_read_nothing_wait_for_nothing() {
    let host = Host::new(HostConfig::default()).unwrap();
    let (store, tenant) = (Arc::new(Late::default()), TenantId::generate());
    // The first component reads elsewhere, the second one nowhere.
    for (name, type_name) in [("action.wasm", "save-time-series"), ("flow.wasm", "checkpoint")] {
        let mut node = open(&component(&host, name), type_name, &json!({"queueName": "Main"}), &store, tenant);
        let (outcome, pieces) = run(node.process_awaiting(&message(tenant)));
        assert!(outcome.is_ok() && pieces == 0, "{outcome:?} after {pieces}");
    }
}

#[test]
fn a_store_that_does_not_answer_is_not_the_components_fault() {
    let host = Host::new(HostConfig::default()).unwrap();
    let late = Late {
        broken: true,
        ..Late::answering()
    };
    let (store, tenant) = (Arc::new(late), TenantId::generate());
    let mut node = open(
        &component(&host, "enrichment.wasm"),
        "originator-attributes",
        &attributes(),
        &store,
        tenant,
    );
    match run(node.process_awaiting(&message(tenant))).0 {
        Err(ProcessError::Broken(fault)) => {
            assert_eq!(fault, Fault::Unanswered("it is away".to_owned()));
            assert!(!fault.is_its_own());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn limits_hold_on_a_stack_of_its_own_and_others_run_meanwhile() {
    let host = Host::new(HostConfig::default()).unwrap();
    let evil = component(&host, "test/evil-guests.wasm");
    let (store, tenant) = (Arc::new(Late::answering()), TenantId::generate());
    let call = |type_name: &str| {
        let mut node = open(&evil, type_name, &json!({}), &store, tenant);
        match run(node.process_awaiting(&message(tenant))) {
            (Err(ProcessError::Broken(fault)), pieces) => (fault, pieces),
            other => panic!("{type_name}: {other:?}"),
        }
    };
    let (fault, pieces) = call("loop");
    assert!(matches!(fault, Fault::Time { .. }), "{fault:?}");
    assert!(pieces >= 2, "it kept its thread to itself");
    // Rust keeps part of its stack in linear memory: which of the two ends first depends on the frames.
    match call("stack-bomb").0 {
        Fault::Stack => {}
        Fault::Trap(reason) => assert!(reason.contains("out of bounds"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(call("memory-bomb").0, Fault::Memory { .. }));
    assert!(matches!(call("trap").0, Fault::Trap(_)));
    assert!(matches!(call("huge-output").0, Fault::Output { .. } | Fault::Memory { .. }));
}

#[test]
fn a_node_is_refused_by_its_configuration_in_the_same_words() {
    let host = Host::new(HostConfig::default()).unwrap();
    let enrichment = component(&host, "enrichment.wasm");
    let store = Arc::new(Late::answering());
    let opening = NodeInstance::open_awaiting(
        &enrichment,
        "originator-attributes",
        "no JSON",
        context(&store, TenantId::generate()),
    );
    match run(opening).0.map(drop) {
        Err(OpenError::Configuration(reason)) => assert!(!reason.is_empty()),
        other => panic!("{other:?}"),
    }
}
