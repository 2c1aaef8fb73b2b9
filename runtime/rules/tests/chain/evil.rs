//! Nodes that misbehave cost their own messages, which leave along `Failure`; everything settles, and other chains go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::world::{Chain, SAVE, SAVE_ATTRIBUTES, World, doomed_graph, patient, soon, strict, telemetry};
use model::{AttributeScope, Value};
use plugins::Catalog;
use serde_json::json;

/// Only who loops is held to a time: how long the others take to break depends on how busy the machine is.
fn limits_for(name: &str) -> &'static Catalog {
    if name.starts_with("loop") { strict() } else { patient() }
}

/// Misbehaving node types, with words of the fault that costs their instance; none: the instance goes on.
const EVIL: [(&str, Option<&str>); 11] = [
    ("loop", Some("more than its 20 ms")),
    ("trap", Some("trapped")),
    ("memory-bomb", Some("bytes of memory")),
    ("stack-bomb", Some("the component")),
    ("huge-output", Some("bytes at once")),
    ("trap-in-open", Some("trapped")),
    ("loop-in-open", Some("more than its 200 ms")),
    ("unknown-relation", None),
    ("undeclared-effect", None),
    ("bad-entity", None),
    ("bad-json", None),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_a_bad_node_leave_along_failure() {
    for (name, fault) in EVIL {
        let world = World::new();
        let class_id = format!("test.evil.{name}");
        let nodes = [
            (&*class_id, json!({}), &[("Failure", 1)][..]),
            (SAVE_ATTRIBUTES, json!({"scope": "SERVER_SCOPE"}), &[]),
        ];
        let mut chain = world.start(&doomed_graph(world.tenant, name, &nodes, limits_for(name)));
        let devices: Vec<_> = (0..20).map(|_| world.device()).collect();
        chain
            .settle_all(devices.iter().map(|device| telemetry(*device, 7, json!({"lost": false}))))
            .await;
        for device in devices {
            let saved = world.attribute(device, AttributeScope::ServerScope, "lost").await;
            assert_eq!(saved, Some(Value::Bool(false)), "{name}");
        }
        let bad = &chain.observe().await.nodes[0].1;
        assert_eq!((bad.processed, bad.failed), (20, 20), "{name}");
        assert_eq!(bad.faults > 0, fault.is_some(), "{name}: {bad:?}");
        assert_eq!(bad.running, fault.is_none(), "{name}: {bad:?}");
        if let Some(fault) = fault {
            assert!(bad.last_fault.as_ref().is_some_and(|text| text.contains(fault)), "{name}: {bad:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_takes_failure_each_message_is_recorded() {
    let world = World::new();
    let nodes = [("test.evil.trap", json!({}), &[("Success", 1)][..]), (SAVE, json!({}), &[])];
    let graph = doomed_graph(world.tenant, "bad", &nodes, patient());
    let mut chain = world.start(&graph);
    let device = world.device();
    chain
        .settle_all((0..30).map(|number| telemetry(device, number, json!({"t": number}))))
        .await;
    let events = world.failures(&graph, 0).await;
    let mut recorded: Vec<_> = events.iter().map(|event| event.body["data"].as_str().unwrap().to_owned()).collect();
    recorded.sort();
    let mut sent: Vec<_> = (0..30).map(|number| json!({"t": number}).to_string()).collect();
    sent.sort();
    assert_eq!(recorded, sent);
    for event in &events {
        assert!(event.body["error"].as_str().unwrap().contains("the component trapped"), "{event:?}");
    }
    assert!(
        events
            .iter()
            .any(|event| event.body["error"].as_str().unwrap().contains("is being restarted")),
        "messages of the pause"
    );
    assert_eq!(world.series(device, "t").await, []);
}

/// Feeds a chain until it is told to stop; answers how many messages it sent.
fn feed(world: &World, chain: &Chain, stop: &Arc<AtomicBool>, sent: &Arc<AtomicU64>) -> tokio::task::JoinHandle<u64> {
    let (sender, device, stop, sent) = (chain.sender(), world.device(), Arc::clone(stop), Arc::clone(sent));
    actor::spawn("test", async move {
        let mut sequence = 0;
        while !stop.load(Ordering::Acquire) && sequence < 100_000 {
            sender.send(sequence, telemetry(device, sequence as i64, json!({"t": 1}))).await;
            sequence += 1;
            sent.store(sequence, Ordering::Release);
            tokio::task::yield_now().await;
        }
        sequence
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_chains_go_on_beside_a_bad_one() {
    for name in ["loop", "trap", "memory-bomb"] {
        let world = World::new();
        let class_id = format!("test.evil.{name}");
        // Failures are let go, so that only the node is at work.
        let nodes = [(&*class_id, json!({}), &[("Failure", 1)][..]), ("test.evil.pass", json!({}), &[])];
        let bad = world.start(&doomed_graph(world.tenant, "bad", &nodes, limits_for(name)));
        let mut good = world.chain("good", &[(SAVE, json!({}), &[])]);
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let feeding = feed(&world, &bad, &stop, &sent);
        let device = world.device();
        let mut round = 0;
        // As long as it takes the bad node to break, pause, start again and break again.
        while bad.observe().await.nodes.first().is_none_or(|(_, node)| node.faults < 3) {
            good.settle_all((0..20).map(|number| telemetry(device, round * 20 + number, json!({"t": number}))))
                .await;
            round += 1;
        }
        stop.store(true, Ordering::Release);
        let count = soon("the end of feeding", feeding).await.unwrap();
        assert_eq!(world.series(device, "t").await.len() as i64, round * 20, "{name}");
        assert!(round > 0 && count > 0, "{name}: both were at work");
        let state = soon("settling", settled(&bad, count)).await;
        assert_eq!((state.settled, state.not_durable, state.open_branches), (count, 0, 0), "{name}");
    }
}

/// The state of a chain when everything sent has been settled.
async fn settled(chain: &Chain, count: u64) -> rules::ChainState {
    loop {
        let state = chain.observe().await;
        if state.settled + state.not_durable == count {
            return state;
        }
        tokio::task::yield_now().await;
    }
}
