//! What nodes keep is durable before a message is settled, survives a restart, and fires its timers.

use std::sync::Arc;

use bytes::Bytes;
use model::{NodeStateChange, RuleNodeId, Value};
use serde_json::json;
use storage::{Mutation, NodeStateStore};

use super::world::{SAVE, World, graph, soon, telemetry};

const COUNTER: &str = "test.counter";

/// A counter whose numbers are saved: what it emits, and what it tells on its timer.
pub fn counting(world: &World) -> Arc<rules::Graph> {
    graph(
        world.tenant,
        "counting",
        &[(COUNTER, json!({}), &[("Success", 1), ("Told", 1)]), (SAVE, json!({}), &[])],
    )
}

pub async fn stored_count(world: &World, node: RuleNodeId) -> Option<u64> {
    let state = world.store.node_state(node).await.unwrap()?;
    let count = state.entries.iter().find(|kept| &*kept.name == "count")?;
    Some(u64::from_be_bytes(count.value[..].try_into().unwrap()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settled_message_was_counted_durably() {
    let world = World::new();
    let graph = counting(&world);
    let node = graph.nodes[0].id;
    let device = world.device();
    let mut chain = world.start(&graph);
    for round in 1..=3 {
        let messages = (0..100).map(|at| telemetry(device, round * 1_000 + at, json!({})));
        chain.settle_all(messages).await;
        assert_eq!(stored_count(&world, node).await, Some(100 * round as u64));
    }
    let counts: Vec<_> = world.series(device, "count").await.into_iter().map(|(_, value)| value).collect();
    assert_eq!(
        counts,
        (1..=300).map(Value::Long).collect::<Vec<_>>(),
        "each message saw the one before"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_fails_is_not_counted() {
    let world = World::new();
    let graph = counting(&world);
    let device = world.device();
    let mut chain = world.start(&graph);
    let payloads = [json!({}), json!({"take back": true}), json!({})];
    chain
        .settle_all(payloads.into_iter().map(|payload| telemetry(device, 7, payload)))
        .await;
    assert_eq!(stored_count(&world, graph.nodes[0].id).await, Some(2));
    assert_eq!(world.failures(&graph, 0).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_start_goes_on_where_the_last_one_stopped() {
    let world = World::new();
    let graph = counting(&world);
    let device = world.device();
    for round in 1..=3 {
        let mut chain = world.start(&graph);
        chain.settle_all([telemetry(device, round, json!({}))]).await;
        let mut settlements = chain.let_go();
        assert!(settlements.all(0).await.is_empty());
        assert_eq!(stored_count(&world, graph.nodes[0].id).await, Some(round as u64));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timer_fires_and_is_gone() {
    let world = World::new();
    let graph = counting(&world);
    let node = graph.nodes[0].id;
    let mut chain = world.start(&graph);
    chain.settle_all([telemetry(world.device(), 7, json!({"timer": 20}))]).await;
    until_told(&world, node, 1).await;
    until_without_timers(&world, node).await;
    assert_eq!(world.failures(&graph, 0).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_timer_fires_at_the_next_start() {
    let world = World::new();
    let graph = counting(&world);
    let node = graph.nodes[0].id;
    let change = NodeStateChange {
        replaces: Some("counter/1".into()),
        entries: vec![("count".into(), Some(Bytes::copy_from_slice(&41u64.to_be_bytes())))],
        timers: vec![("tell".into(), Some(1))],
        ..NodeStateChange::default()
    };
    let change = Arc::new(change);
    world.store_now(vec![Mutation::NodeState { node, change }]).await;
    let _chain = world.start(&graph);
    until_told(&world, node, 41).await;
    until_without_timers(&world, node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_taken_out_of_its_chain_leaves_nothing() {
    let world = World::new();
    let old = counting(&world);
    let node = old.nodes[0].id;
    let mut chain = world.start(&old);
    chain.settle_all([telemetry(world.device(), 7, json!({"timer": 3_600_000}))]).await;
    assert!(world.store.node_state(node).await.unwrap().is_some());
    let new = graph(world.tenant, "saving", &[(SAVE, json!({}), &[])]);
    chain.handle.control.ask(rules::chain::Replace(new)).await.unwrap();
    chain.settle_all([telemetry(world.device(), 7, json!({"t": 1}))]).await;
    assert_eq!(world.store.node_state(node).await.unwrap(), None);
}

/// What the counter tells on its timer is saved as a reading of the rule node.
pub async fn until_told(world: &World, node: RuleNodeId, count: i64) {
    let told = soon("telling", async {
        loop {
            let told = world.series(node.entity(), "told").await;
            if !told.is_empty() {
                break told;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(
        told.into_iter().map(|(_, value)| value).collect::<Vec<_>>(),
        vec![Value::Long(count)]
    );
}

pub async fn until_without_timers(world: &World, node: RuleNodeId) {
    soon("removing the timer", async {
        while !world.store.node_state(node).await.unwrap().unwrap().timers.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
