//! What the chain tests stand on: a store in a temporary folder, components compiled once, devices that nobody serves.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actor::{LaneReceiver, Observe, lane};
use async_trait::async_trait;
use cluster::{DeviceLane, Devices, Receipt, RouteError, Router, SettleError, Settled, SinglePeer};
use effects::{Allowances, Effects, Outside};
use egress::{Addresses, AllowList, Egress, EgressConfig, SystemResolver, Trust};
use model::entity::{Event, EventKind, RuleChainMetadata};
use model::{
    AttributeScope, Clock, DeviceId, EntityId, Message, MessageKind, Metadata, PageRequest, Payload, RuleChainId, TenantId, Value,
};
use plugins::{Catalog, LogLevel, LogSink};
use readings::LocalReadings;
use rules::{CallLane, ChainHandle, ChainInput, ChainLane, ChainState, Graph, Neighbours, NodeSurroundings, start_chain};
use secrets::{Key, Vault};
use serde_json::{Value as Json, json};
use shares::Shares;
use storage::{AttributeStore, EmbeddedConfig, EmbeddedStore, EventFilter, EventStore, Journal, Mutation, SeriesQuery, TimeSeriesStore};
use uuid::Uuid;

pub use crate::catalog::{patient, strict};

pub const SWITCH: &str = "org.thingsboard.rule.engine.filter.TbMsgTypeSwitchNode";
pub const FIELD_FILTER: &str = "org.pacificsoft.filter.FieldFilter";
pub const SAVE: &str = "org.thingsboard.rule.engine.telemetry.TbMsgTimeseriesNode";
pub const SAVE_ATTRIBUTES: &str = "org.thingsboard.rule.engine.telemetry.TbMsgAttributesNode";
pub const LOG: &str = "org.thingsboard.rule.engine.action.TbLogNode";
pub const CREATE_ALARM: &str = "org.thingsboard.rule.engine.action.TbCreateAlarmNode";

/// How a failure that nobody takes is found again: by its node, under this kind.
pub const FAILURE_EVENT: EventKind = EventKind::DebugRuleNode;
/// A log line with this word makes the log panic.
pub const WORD_OF_PANIC: &str = "panic on purpose";
/// Longer than anything here takes; a state that does not come by then is missing.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for something that must happen.
pub async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// Waits until a state is there.
pub async fn until(what: &str, mut is_there: impl FnMut() -> bool) {
    soon(what, async {
        while !is_there() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

struct Silent;

impl LogSink for Silent {
    /// A defect of the platform, to be survived: some words make it panic.
    fn line(&self, _: TenantId, _: &str, _: LogLevel, text: &str) {
        assert!(!text.contains(WORD_OF_PANIC), "{WORD_OF_PANIC}");
    }
}

/// Nobody is awake.
struct NoDevices;

#[async_trait]
impl Devices for NoDevices {
    async fn lane(&self, _: DeviceId) -> Result<DeviceLane, RouteError> {
        Err(RouteError::NoDevice)
    }
}

/// Never tells the same time twice.
#[derive(Default)]
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now_ms(&self) -> i64 {
        1_700_000_000_000 + self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// The clock of a chain: panics once when told to.
#[derive(Default)]
pub struct Fragile {
    ticking: Ticking,
    broken: AtomicBool,
}

impl Fragile {
    /// The next look at the clock panics.
    pub fn break_once(&self) {
        self.broken.store(true, Ordering::Release);
    }

    /// Whether the panic happened.
    pub fn has_panicked(&self) -> bool {
        !self.broken.load(Ordering::Acquire)
    }
}

impl Clock for Fragile {
    fn now_ms(&self) -> i64 {
        assert!(!self.broken.swap(false, Ordering::AcqRel), "{WORD_OF_PANIC}");
        self.ticking.now_ms()
    }
}

/// A node type, its configuration, and where its relations lead.
pub type Node<'a> = (&'a str, Json, &'a [(&'a str, usize)]);

/// A chain whose first node is the first one.
pub fn graph(tenant: TenantId, name: &str, nodes: &[Node]) -> Arc<Graph> {
    let graph = doomed_graph(tenant, name, nodes, patient());
    assert_eq!(graph.check_configurations(), []);
    graph
}

/// A chain of nodes that may break, even while they open.
pub fn doomed_graph(tenant: TenantId, name: &str, nodes: &[Node], catalog: &Catalog) -> Arc<Graph> {
    let mut wires = Vec::new();
    let mut list = Vec::new();
    for (from, (class_id, configuration, out)) in nodes.iter().enumerate() {
        list.push(json!({"type": class_id, "name": format!("n{from}"), "configuration": configuration}));
        wires.extend(
            out.iter()
                .map(|(relation, to)| json!({"fromIndex": from, "toIndex": to, "type": relation})),
        );
    }
    let metadata: RuleChainMetadata = serde_json::from_value(json!({"firstNodeIndex": 0, "nodes": list, "connections": wires})).unwrap();
    Arc::new(Graph::validate(RuleChainId::generate(tenant), name, &metadata, catalog).unwrap())
}

/// The chains that others may send messages into.
#[derive(Clone, Default)]
pub struct Known(Arc<Mutex<HashMap<(TenantId, Uuid), CallLane>>>);

impl Neighbours for Known {
    fn call_lane(&self, tenant: TenantId, chain: Uuid) -> Option<CallLane> {
        self.0.lock().unwrap().get(&(tenant, chain)).cloned()
    }
}

/// A tenant's store and what its chains are started with.
pub struct World {
    pub tenant: TenantId,
    pub store: EmbeddedStore,
    pub chain_clock: Arc<Fragile>,
    effects: Effects,
    egress: Egress,
    known: Known,
    around: NodeSurroundings,
    _dir: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(EmbeddedConfig::new(dir.path())).unwrap();
        let chain_clock = Arc::new(Fragile::default());
        let router = Router::new(Arc::new(SinglePeer), Arc::new(NoDevices));
        // This machine plays the outside.
        let egress = Egress::new(EgressConfig {
            store: Arc::new(store.clone()),
            addresses: Addresses::except(vec!["127.0.0.1/32".parse().unwrap()]),
            resolver: Arc::new(SystemResolver),
            trust: Trust::system(None).unwrap(),
        });
        let outside = Outside {
            egress: egress.clone(),
            secrets: Vault::new(Arc::new(store.clone()), Key::generate()),
            allowances: Allowances::default(),
            proxy: None,
        };
        let effects = Effects::new(Arc::new(store.clone()), router, Arc::clone(&chain_clock) as _).with_outside(outside);
        let around = NodeSurroundings {
            readings: Arc::new(LocalReadings(store.clone())).into(),
            states: Arc::new(store.clone()),
            log: Arc::new(Silent),
            clock: Arc::new(Ticking::default()),
            shares: Shares::of_this_machine(),
            whereabouts: Arc::new(rules::Alone),
            idle_after: rules::IDLE_AFTER,
        };
        World {
            tenant: TenantId::generate(),
            store,
            chain_clock,
            effects,
            egress,
            known: Known::default(),
            around,
            _dir: dir,
        }
    }

    /// Lets the tenant's nodes reach servers.
    pub async fn allow(&self, rule: String) {
        self.egress
            .set_allow_list(self.tenant, &AllowList::parse(&[rule]).unwrap())
            .await
            .unwrap();
    }

    pub fn start(&self, graph: &Arc<Graph>) -> Chain {
        self.start_in(graph, self.around.clone())
    }

    /// Starts a chain whose nodes are given something else.
    pub fn start_in(&self, graph: &Arc<Graph>, around: NodeSurroundings) -> Chain {
        let (settle, settlements) = lane(10_000);
        let handle = start_chain(
            Arc::clone(graph),
            self.tenant,
            self.effects.clone(),
            Arc::new(self.known.clone()),
            around,
        );
        Chain {
            handle,
            settle,
            settlements: Settlements(settlements),
        }
    }

    /// Lets other chains of a tenant send messages into a chain.
    pub fn publish(&self, tenant: TenantId, graph: &Graph, chain: &Chain) {
        let lane = chain.handle.calls.clone();
        self.known.0.lock().unwrap().insert((tenant, graph.chain.id), lane);
    }

    /// A chain is not there any more for others.
    pub fn withdraw(&self, graph: &Graph) {
        self.known.0.lock().unwrap().remove(&(self.tenant, graph.chain.id));
    }

    /// What nodes are given, to change it.
    pub fn around_mut(&mut self) -> &mut NodeSurroundings {
        &mut self.around
    }

    /// What nodes are given.
    pub fn around(&self) -> &NodeSurroundings {
        &self.around
    }

    pub fn chain(&self, name: &str, nodes: &[Node]) -> Chain {
        self.start(&graph(self.tenant, name, nodes))
    }

    pub fn device(&self) -> EntityId {
        DeviceId::generate(self.tenant).entity()
    }

    /// Stores something beside the chain.
    pub async fn store_now(&self, batch: Vec<Mutation>) {
        self.store.submit(batch).await.unwrap().await.unwrap();
    }

    /// All readings of a key, oldest first.
    pub async fn series(&self, device: EntityId, key: &str) -> Vec<(i64, Value)> {
        let query = SeriesQuery {
            from_ms: 0,
            to_ms: i64::MAX,
            limit: 100_000,
            descending: false,
        };
        let readings = self.store.series(device, key, &query).await.unwrap();
        readings.into_iter().map(|reading| (reading.ts_ms, reading.value)).collect()
    }

    /// An attribute.
    pub async fn attribute(&self, device: EntityId, scope: AttributeScope, key: &str) -> Option<Value> {
        let found = self.store.attributes(device, scope, Some(&[key.into()])).await.unwrap();
        found.into_iter().next().map(|(_, reading)| reading.value)
    }

    /// Failures recorded at a node, oldest first.
    pub async fn failures(&self, graph: &Graph, node: usize) -> Vec<Event> {
        let filter = EventFilter {
            kind: FAILURE_EVENT,
            from_ms: None,
            to_ms: None,
        };
        let page = self
            .store
            .events(graph.nodes[node].id.entity(), &filter, &PageRequest::first(10_000))
            .await
            .unwrap();
        page.data.into_iter().rev().collect()
    }
}

/// A running chain and the settlements of what was sent to it.
pub struct Chain {
    pub handle: ChainHandle,
    settle: actor::Lane<Settled>,
    settlements: Settlements,
}

/// Settlements as they come.
pub struct Settlements(LaneReceiver<Settled>);

impl Settlements {
    /// The next ones, in the order in which they come; nothing may come beyond them.
    pub async fn all(&mut self, count: usize) -> Vec<(u64, Result<(), SettleError>)> {
        let mut all = Vec::with_capacity(count);
        soon("settling", async {
            while all.len() < count {
                let settled = self.0.recv().await.unwrap();
                all.push((settled.sequence, settled.result));
            }
        })
        .await;
        assert!(self.0.try_recv().is_none(), "more settlements than messages");
        all
    }
}

impl Chain {
    /// Sends a message under a number.
    pub async fn send(&self, sequence: u64, message: Message) {
        self.sender().send(sequence, message).await;
    }

    /// Sends from other tasks. Settlements arrive here.
    pub fn sender(&self) -> Sender {
        Sender {
            lane: self.handle.lane.clone(),
            settle: self.settle.clone(),
        }
    }

    /// Drops the way to the chain.
    pub fn let_go(self) -> Settlements {
        self.settlements
    }

    /// See [`Settlements::all`].
    pub async fn settled(&mut self, count: usize) -> Vec<(u64, Result<(), SettleError>)> {
        self.settlements.all(count).await
    }

    /// Sends messages numbered from 0 and waits until all of them are durable.
    pub async fn settle_all(&mut self, messages: impl IntoIterator<Item = Message>) {
        let mut count = 0;
        for message in messages {
            self.send(count, message).await;
            count += 1;
        }
        let mut settled = self.settled(count as usize).await;
        settled.sort_unstable_by_key(|(sequence, _)| *sequence);
        assert_eq!(settled, (0..count).map(|sequence| (sequence, Ok(()))).collect::<Vec<_>>());
    }

    pub async fn observe(&self) -> ChainState {
        soon("observing", self.handle.control.ask(Observe)).await.unwrap()
    }
}

/// Sends messages into a chain.
#[derive(Clone)]
pub struct Sender {
    lane: ChainLane,
    settle: actor::Lane<Settled>,
}

impl Sender {
    pub async fn send(&self, sequence: u64, message: Message) {
        let input = ChainInput {
            message: Arc::new(message),
            receipt: Receipt::new(self.settle.clone(), sequence),
        };
        soon("entering", self.lane.send(input)).await.unwrap();
    }
}

/// Telemetry of a device, at a time.
pub fn telemetry(device: EntityId, ts_ms: i64, payload: Json) -> Message {
    Message {
        id: uuid::Uuid::now_v7(),
        kind: MessageKind::PostTelemetry,
        originator: device,
        customer: None,
        metadata: [("deviceName", "D".to_owned()), ("ts", ts_ms.to_string())]
            .into_iter()
            .collect::<Metadata>(),
        payload: Payload::new(payload),
        ts_ms,
    }
}
