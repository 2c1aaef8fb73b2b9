//! A chain that changes while messages are on their way.

use std::sync::Arc;

use crate::world::{Chain, SAVE, SAVE_ATTRIBUTES, World, graph, soon, telemetry, until};
use model::{AttributeScope, Value};
use rules::Graph;
use rules::chain::Replace;
use serde_json::json;

const SERVER: AttributeScope = AttributeScope::ServerScope;

fn saving_readings(world: &World) -> Arc<Graph> {
    graph(
        world.tenant,
        "readings",
        &[
            ("test.evil.pass", json!({}), &[("Success", 1)]),
            (SAVE, json!({"useServerTs": true}), &[]),
        ],
    )
}

/// Saves readings as well, and in addition something else, from nodes in another order.
fn saving_both(world: &World) -> Arc<Graph> {
    let attributes = json!({"scope": "SERVER_SCOPE"});
    let nodes = [
        ("test.evil.pass", json!({}), &[("Success", 2), ("Success", 1)][..]),
        (SAVE_ATTRIBUTES, attributes, &[]),
        (SAVE, json!({"useServerTs": true}), &[]),
    ];
    graph(world.tenant, "both", &nodes)
}

async fn replace(chain: &Chain, graph: Arc<Graph>) {
    soon("taking the new version", chain.handle.control.ask(Replace(graph)))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_on_their_way_finish_in_the_old_version() {
    let world = World::new();
    let (slow, attributes) = (json!({"ms": 5}), json!({"scope": "SERVER_SCOPE"}));
    let old = graph(
        world.tenant,
        "old",
        &[("test.evil.slow", slow, &[("Success", 1)]), (SAVE, json!({}), &[])],
    );
    let mut chain = world.start(&old);
    let devices: Vec<_> = (0..20).map(|_| world.device()).collect();
    for (sequence, device) in devices.iter().enumerate().take(10) {
        chain.send(sequence as u64, telemetry(*device, 7, json!({"t": 1}))).await;
    }
    soon("entering", async { while chain.observe().await.entered < 10 {} }).await;
    replace(&chain, graph(world.tenant, "new", &[(SAVE_ATTRIBUTES, attributes, &[])])).await;
    for (sequence, device) in devices.iter().enumerate().skip(10) {
        chain.send(sequence as u64, telemetry(*device, 7, json!({"t": 1}))).await;
    }
    assert!(chain.settled(20).await.iter().all(|(_, result)| result.is_ok()));
    for (sequence, device) in devices.iter().enumerate() {
        let stored = (world.series(*device, "t").await.len(), world.attribute(*device, SERVER, "t").await);
        let expected = if sequence < 10 { (1, None) } else { (0, Some(Value::Long(1))) };
        assert_eq!(stored, expected, "message {sequence}");
    }
    assert_eq!(chain.observe().await.name, "new");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changing_under_traffic_loses_nothing_and_keeps_the_order() {
    const DEVICES: usize = 5;
    const MESSAGES: usize = 1_000;
    let world = World::new();
    let mut chain = world.start(&saving_readings(&world));
    let devices: Vec<_> = (0..DEVICES).map(|_| world.device()).collect();
    let mut in_flight = 0;
    for number in 0..MESSAGES {
        for (index, device) in devices.iter().enumerate() {
            chain
                .send((number * DEVICES + index) as u64, telemetry(*device, 7, json!({"number": number})))
                .await;
        }
        // The next version while messages are at nodes, at the store and at the entrance.
        if number % 40 == 20 {
            in_flight += usize::from(chain.observe().await.open_branches > 0);
            replace(
                &chain,
                if number % 80 == 20 {
                    saving_both(&world)
                } else {
                    saving_readings(&world)
                },
            )
            .await;
        }
    }
    assert!(in_flight > 0, "the chain changed under traffic");
    let mut last = [None; DEVICES];
    for (sequence, result) in chain.settled(DEVICES * MESSAGES).await {
        assert_eq!(result, Ok(()));
        let before = last[sequence as usize % DEVICES].replace(sequence);
        assert!(before < Some(sequence), "{before:?} was settled before {sequence}");
    }
    assert_eq!(chain.observe().await.name, "both");
    for device in devices {
        assert!(
            world.attribute(device, SERVER, "number").await.is_some(),
            "what the other version saves"
        );
        let numbers: Vec<_> = world.series(device, "number").await.into_iter().map(|(_, value)| value).collect();
        assert_eq!(numbers, (0..MESSAGES as i64).map(Value::Long).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_nodes_of_an_old_version_end() {
    let world = World::new();
    let old = saving_readings(&world);
    let mut chain = world.start(&old);
    chain.settle_all([telemetry(world.device(), 7, json!({"t": 1}))]).await;
    let left = Arc::downgrade(&old);
    drop(old);
    replace(&chain, saving_both(&world)).await;
    until("the end of the old nodes", || left.strong_count() == 0).await;
    chain.settle_all([telemetry(world.device(), 7, json!({"t": 1}))]).await;
    assert_eq!(chain.observe().await.nodes.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_versions_the_last_one_stays() {
    let world = World::new();
    let mut chain = world.start(&saving_readings(&world));
    for name in ["first", "second", "third"] {
        replace(
            &chain,
            graph(world.tenant, name, &[(SAVE_ATTRIBUTES, json!({"scope": "SERVER_SCOPE"}), &[])]),
        )
        .await;
    }
    let device = world.device();
    chain.settle_all([telemetry(device, 7, json!({"t": 1}))]).await;
    assert_eq!(world.attribute(device, SERVER, "t").await, Some(Value::Long(1)));
    assert_eq!(chain.observe().await.name, "third");
}
