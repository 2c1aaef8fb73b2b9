//! A defect of the platform itself costs messages their acknowledgement, no more: chain and node live on.

use crate::world::{LOG, SAVE, WORD_OF_PANIC, World, graph, soon, telemetry};
use cluster::SettleError;
use model::Value;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_panics_forgets_what_was_in_flight_and_lives_on() {
    let world = World::new();
    let mut chain = world.chain("root", &[("test.evil.pass", json!({}), &[("Success", 1)]), (SAVE, json!({}), &[])]);
    let device = world.device();
    world.chain_clock.break_once();
    chain.send(0, telemetry(device, 2, json!({"t": 2}))).await;
    assert_eq!(
        chain.settled(1).await,
        [(0, Err(SettleError::NotDurable))],
        "its device sends it again"
    );
    assert!(world.chain_clock.has_panicked());
    for round in 0..10 {
        chain.send(round, telemetry(device, 3, json!({"t": 3}))).await;
        assert_eq!(chain.settled(1).await, [(round, Ok(()))]);
    }
    assert_eq!(world.series(device, "t").await.last(), Some(&(3, Value::Long(3))));
    assert_eq!(chain.observe().await.open_branches, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_at_the_entrance_survives_a_panic() {
    let world = World::new();
    let mut chain = world.chain("root", &[(SAVE, json!({}), &[])]);
    let device = world.device();
    world.chain_clock.break_once();
    for sequence in 0..500 {
        chain
            .send(sequence, telemetry(device, sequence as i64, json!({"t": sequence})))
            .await;
    }
    let settled = chain.settled(500).await;
    let (good, lost): (Vec<_>, Vec<_>) = settled.into_iter().partition(|(_, result)| result.is_ok());
    assert!(!lost.is_empty() && !good.is_empty(), "{} lost, {} good", lost.len(), good.len());
    let stored: Vec<_> = world.series(device, "t").await.into_iter().map(|(ts_ms, _)| ts_ms as u64).collect();
    assert!(
        good.iter().all(|(sequence, _)| stored.contains(sequence)),
        "what is acknowledged is stored"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_panics_fails_its_message_and_serves_again() {
    let world = World::new();
    let root = graph(world.tenant, "root", &[(LOG, json!({}), &[("Success", 1)]), (SAVE, json!({}), &[])]);
    let mut chain = world.start(&root);
    let device = world.device();
    chain
        .settle_all([
            telemetry(device, 1, json!({"t": 1})),
            telemetry(device, 2, json!({"t": WORD_OF_PANIC})),
        ])
        .await;
    let events = world.failures(&root, 0).await;
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!(event.body["error"], "the rule node's actor failed");
    // What a panic left of the instance may have to be replaced first: messages fail for that long, and are settled.
    let mut ts_ms = 3;
    soon("serving again", async {
        while world.series(device, "t").await.len() < 2 {
            chain.send(ts_ms as u64, telemetry(device, ts_ms, json!({"t": ts_ms}))).await;
            assert_eq!(chain.settled(1).await, [(ts_ms as u64, Ok(()))]);
            ts_ms += 1;
        }
    })
    .await;
}
