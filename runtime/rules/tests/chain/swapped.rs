//! Components that change while messages are on their way: the chain goes on, node by node.

use std::sync::Arc;

use crate::world::{Chain, SAVE, World, patient, soon, telemetry, until};
use model::entity::RuleChainMetadata;
use model::{Digest, RuleChainId, TenantId, Value};
use plugins::{Catalog, Places, Release, ReleaseId, SharedMemory};
use rules::chain::{Replace, Swap};
use rules::{Graph, open_node};
use serde_json::json;

/// The shipped types, and the test's as an upload.
fn catalog(tenant: TenantId, places: &Arc<Places>, number: u8) -> (Catalog, Arc<Release>) {
    let id = ReleaseId {
        owner: tenant,
        component: "mine".into(),
        digest: Digest([number; 32]),
    };
    let release = Release::new(id, tenant, Arc::clone(places), None);
    let mut catalog = Catalog::new();
    catalog.add(patient().resolve(SAVE).unwrap().component());
    let clashes = catalog.add_release(patient().resolve("test.evil.pass").unwrap().component(), &release);
    assert!(clashes.is_empty());
    (catalog, release)
}

fn metadata(class: &str) -> RuleChainMetadata {
    let node = |class: &str, id: u128| {
        let id = json!({"entityType": "RULE_NODE", "id": uuid::Uuid::from_u128(id)});
        json!({"id": id, "type": class, "name": class, "configuration": {"useServerTs": true}})
    };
    let nodes = json!([node(class, 1), node(SAVE, 2)]);
    let connections = json!([{"fromIndex": 0, "toIndex": 1, "type": "Success"}]);
    serde_json::from_value(json!({"firstNodeIndex": 0, "nodes": nodes, "connections": connections})).unwrap()
}

struct Versions {
    tenant: TenantId,
    chain: RuleChainId,
    places: Arc<Places>,
}

impl Versions {
    fn new(world: &World) -> Self {
        Versions {
            tenant: world.tenant,
            chain: RuleChainId::generate(world.tenant),
            places: Places::new(10),
        }
    }

    fn graph(&self, number: u8) -> (Arc<Graph>, Arc<Release>) {
        self.graph_of("test.evil.pass", number)
    }

    fn graph_of(&self, class: &str, number: u8) -> (Arc<Graph>, Arc<Release>) {
        let (catalog, release) = catalog(self.tenant, &self.places, number);
        let graph = Graph::validate(self.chain, "swapped", &metadata(class), &catalog).unwrap();
        (Arc::new(graph), release)
    }
}

async fn swap(world: &World, chain: &Chain, old: &Graph, graph: &Arc<Graph>) {
    let renewed = graph.nodes_renewed(old);
    assert_eq!(renewed, [0], "the shipped node stays");
    let memory = SharedMemory::restore(&graph.nodes[0].node_type.descriptor().state_schema, None);
    let opened = open_node(graph, 0, world.tenant, world.around(), memory).unwrap();
    let swap = Swap {
        graph: Arc::clone(graph),
        opened: vec![(0, opened)],
    };
    soon("swapping", chain.handle.control.ask(swap)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swapping_under_traffic_loses_nothing_and_keeps_the_order() {
    const DEVICES: usize = 5;
    const MESSAGES: usize = 1_000;
    let world = World::new();
    let versions = Versions::new(&world);
    let (mut graph, release) = versions.graph(0);
    let mut releases = vec![release];
    let mut chain = world.start(&graph);
    let devices: Vec<_> = (0..DEVICES).map(|_| world.device()).collect();
    let mut in_flight = 0;
    for number in 0..MESSAGES {
        for (index, device) in devices.iter().enumerate() {
            chain
                .send((number * DEVICES + index) as u64, telemetry(*device, 7, json!({"number": number})))
                .await;
        }
        if number % 40 == 20 {
            in_flight += usize::from(chain.observe().await.open_branches > 0);
            let (next, release) = versions.graph((number / 40 + 1) as u8);
            swap(&world, &chain, &graph, &next).await;
            (graph, _) = (next, releases.push(release));
        }
    }
    assert!(in_flight > 0, "the component changed under traffic");
    let mut last = [None; DEVICES];
    for (sequence, result) in chain.settled(DEVICES * MESSAGES).await {
        assert_eq!(result, Ok(()));
        let before = last[sequence as usize % DEVICES].replace(sequence);
        assert!(before < Some(sequence), "{before:?} was settled before {sequence}");
    }
    for device in devices {
        let numbers: Vec<_> = world.series(device, "number").await.into_iter().map(|(_, value)| value).collect();
        assert_eq!(numbers, (0..MESSAGES as i64).map(Value::Long).collect::<Vec<_>>());
    }
    let decided: Vec<u64> = releases.iter().map(|release| release.state().messages).collect();
    assert_eq!(
        decided.iter().sum::<u64>(),
        (DEVICES * MESSAGES) as u64,
        "each message was decided about once: {decided:?}"
    );
    until("the old instances are gone", || {
        releases.iter().map(|release| release.state().instances).sum::<usize>() == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_keeps_survives_the_next_version() {
    const MESSAGES: usize = 500;
    let world = World::new();
    let versions = Versions::new(&world);
    let (mut graph, _first) = versions.graph_of("test.counter", 0);
    let mut chain = world.start(&graph);
    let device = world.device();
    for number in 0..MESSAGES {
        chain.send(number as u64, telemetry(device, 7, json!({}))).await;
        if number % 50 == 25 {
            let (next, _) = versions.graph_of("test.counter", (number / 50 + 1) as u8);
            swap(&world, &chain, &graph, &next).await;
            graph = next;
        }
    }
    chain.settled(MESSAGES).await;
    let counts: Vec<_> = world.series(device, "count").await.into_iter().map(|(_, value)| value).collect();
    let wanted: Vec<_> = (1..=MESSAGES as i64).map(Value::Long).collect();
    assert_eq!(counts, wanted, "each version goes on where the one before stopped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_version_fails_its_messages_until_another_one_serves() {
    let world = World::new();
    let versions = Versions::new(&world);
    let (old, release) = versions.graph(0);
    let mut chain = world.start(&old);
    let device = world.device();
    chain.settle_all([telemetry(device, 7, json!({"t": 1}))]).await;
    release.suspend("it did harm");
    chain.settle_all([telemetry(device, 7, json!({"t": 2}))]).await;
    let failures = world.failures(&old, 0).await;
    assert_eq!(failures[0].body["error"], "it did harm");
    let (new, _) = versions.graph(1);
    swap(&world, &chain, &old, &new).await;
    chain.settle_all([telemetry(device, 7, json!({"t": 3}))]).await;
    let values: Vec<_> = world.series(device, "t").await.into_iter().map(|(_, value)| value).collect();
    assert_eq!(values, [1, 3].map(Value::Long));
}

/// The graph of a version whose first node tries again.
fn trying(versions: &Versions, number: u8, policy: serde_json::Value) -> (Arc<Graph>, Arc<Release>) {
    let (catalog, release) = catalog(versions.tenant, &versions.places, number);
    let mut metadata = metadata("test.evil.pass");
    metadata.nodes[0].additional_info = Some(json!({"failurePolicy": policy}));
    let graph = Graph::validate(versions.chain, "trying", &metadata, &catalog).unwrap();
    (Arc::new(graph), release)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_are_tried_again_wait_for_the_version_that_takes_them() {
    const MESSAGES: i64 = 100;
    let world = World::new();
    let versions = Versions::new(&world);
    let patient = json!({"type": "RETRY", "attempts": 20, "firstDelayMs": 20, "longestDelayMs": 60_000});
    let (old, release) = trying(&versions, 0, patient.clone());
    let mut chain = world.start(&old);
    let device = world.device();
    release.suspend("it did harm");
    for number in 0..MESSAGES {
        chain.send(number as u64, telemetry(device, 7, json!({"number": number}))).await;
    }
    until("failing", || release.state().failures > 0).await;
    let (new, _) = trying(&versions, 1, patient);
    swap(&world, &chain, &old, &new).await;
    let settled = chain.settled(MESSAGES as usize).await;
    assert!(settled.iter().all(|(_, result)| result.is_ok()));
    assert!(world.failures(&old, 0).await.is_empty());
    let mut numbers: Vec<_> = world.series(device, "number").await.into_iter().map(|(_, value)| value).collect();
    numbers.sort_by_key(|value| format!("{value:?}"));
    let mut wanted: Vec<_> = (0..MESSAGES).map(Value::Long).collect();
    wanted.sort_by_key(|value| format!("{value:?}"));
    assert_eq!(numbers, wanted, "every message was saved once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_changes_does_not_wait_for_long_pauses() {
    let world = World::new();
    let versions = Versions::new(&world);
    let hours = json!({"type": "RETRY", "attempts": 20, "firstDelayMs": 60_000, "longestDelayMs": 60_000, "then": "DROP"});
    let (old, release) = trying(&versions, 0, hours);
    let mut chain = world.start(&old);
    release.suspend("it did harm");
    chain.send(0, telemetry(world.device(), 7, json!({"t": 1}))).await;
    until("failing", || release.state().failures == 1).await;
    let replaced = chain.handle.control.ask(Replace(versions.graph(1).0));
    soon("taking the new version", replaced).await.unwrap();
    assert_eq!(chain.settled(1).await, [(0, Ok(()))]);
    chain.settle_all([telemetry(world.device(), 7, json!({"t": 2}))]).await;
}
