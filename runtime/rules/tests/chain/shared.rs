//! Processor time is shared between tenants, and a node without work gives its instance back.

use std::time::Duration;

use super::world::{SAVE, World, graph, soon, telemetry};
use model::TenantId;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_work_rests_and_comes_back() {
    let mut world = World::new();
    world.around_mut().idle_after = Duration::from_millis(30);
    let graph = graph(world.tenant, "resting", &[(SAVE, json!({"useServerTs": true}), &[])]);
    let device = world.device();
    let mut chain = world.start(&graph);
    for round in 1..=3 {
        chain.settle_all([telemetry(device, round, json!({"round": round}))]).await;
        soon("resting", async {
            while chain.observe().await.nodes[0].1.running {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    assert_eq!(world.series(device, "round").await.len(), 3);
    let state = &chain.observe().await.nodes[0].1;
    assert_eq!((state.processed, state.faults), (3, 0));
}

/// Two tenants, one of which is busy in twenty nodes all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_tenant_waits_and_its_neighbour_does_not() {
    let busy = World::new();
    let quiet = World::new();
    let shares = busy.around().shares.clone();
    let slow = ("test.evil.slow", json!({"ms": 15_000}), &[("Success", 1)][..]);
    let mut chains: Vec<_> = (0..20)
        .map(|number| busy.chain(&format!("busy {number}"), &[slow.clone(), (SAVE, json!({}), &[])]))
        .collect();
    let device = busy.device();
    for number in 0..30 {
        for chain in &chains {
            chain.send(number, telemetry(device, 7, json!({"number": number}))).await;
        }
    }
    let mut around = quiet.around().clone();
    around.shares = shares.clone();
    let graph = graph(quiet.tenant, "quiet", &[(SAVE, json!({}), &[])]);
    let mut neighbour = quiet.start_in(&graph, around);
    let usage = |tenant: TenantId| shares.of(tenant).usage();
    let mut sent = 0;
    while !usage(busy.tenant).heavy || usage(busy.tenant).waited_ms == 0 {
        sent += 1;
        neighbour.settle_all([telemetry(quiet.device(), sent, json!({"sent": sent}))]).await;
        assert!(sent < 2_000, "the busy tenant never waited: {:?}", usage(busy.tenant));
    }
    for chain in &mut chains {
        for (_, result) in chain.settled(30).await {
            assert_eq!(result, Ok(()));
        }
    }
    let (used, quiet) = (usage(busy.tenant), usage(quiet.tenant));
    assert!(used.cpu_ms > 300, "600 calls of 15 000 looks at the clock each: {used:?}");
    assert_eq!((quiet.waited_ms, quiet.heavy), (0, false), "{quiet:?}");
    assert!(quiet.cpu_ms < used.cpu_ms, "{quiet:?}");
}
