//! What a receipt stands for: everything stored, or the failure recorded.

use std::sync::Arc;

use crate::world::{CREATE_ALARM, FIELD_FILTER, SAVE, SAVE_ATTRIBUTES, SWITCH, World, graph, soon, telemetry, until};
use cluster::SettleError;
use model::{AttributeScope, Message, MessageKind, Value};
use serde_json::json;
use storage::{AlarmStore, Journal};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_stored_before_they_are_settled() {
    let world = World::new();
    let mut chain = world.chain(
        "root",
        &[
            (SWITCH, json!({}), &[("Post telemetry", 1), ("Post attributes", 2)]),
            (SAVE, json!({}), &[]),
            (SAVE_ATTRIBUTES, json!({"scope": "CLIENT_SCOPE"}), &[]),
        ],
    );
    let device = world.device();
    let attributes = Message {
        kind: MessageKind::PostAttributes,
        ..telemetry(device, 8, json!({"fw": "1.2.0"}))
    };
    chain
        .send(0, telemetry(device, 7, json!({"t": 21.5, "on": true, "nothing": null})))
        .await;
    assert_eq!(chain.settled(1).await, [(0, Ok(()))]);
    assert_eq!(world.series(device, "t").await, [(7, Value::Double(21.5))]);
    assert_eq!(world.series(device, "on").await, [(7, Value::Bool(true))]);
    assert_eq!(world.series(device, "nothing").await, []);
    chain.send(1, attributes).await;
    assert_eq!(chain.settled(1).await, [(1, Ok(()))]);
    assert_eq!(
        world.attribute(device, AttributeScope::ClientScope, "fw").await,
        Some(Value::Text("1.2.0".into()))
    );
    assert_eq!(world.series(device, "fw").await, [], "attributes went their own way");

    // A type that leads nowhere, and values without any value: settled all the same.
    chain
        .send(
            2,
            Message {
                kind: MessageKind::Connect,
                ..telemetry(device, 9, json!({"x": 1}))
            },
        )
        .await;
    chain.send(3, telemetry(device, 9, json!({"x": null}))).await;
    assert_eq!(chain.settled(2).await.into_iter().filter(|(_, result)| result.is_ok()).count(), 2);
    assert_eq!(world.series(device, "x").await, []);
    let state = chain.observe().await;
    assert_eq!(
        (
            state.name.as_str(),
            state.entered,
            state.settled,
            state.not_durable,
            state.open_branches
        ),
        ("root", 4, 4, 0, 0)
    );
    assert_eq!(
        (state.nodes[0].1.processed, state.nodes[1].1.processed, state.nodes[1].1.failed),
        (4, 2, 0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_cannot_be_saved_is_recorded() {
    let world = World::new();
    let root = graph(world.tenant, "root", &[(SAVE, json!({}), &[])]);
    let mut chain = world.start(&root);
    let device = world.device();
    chain.send(0, telemetry(device, 7, json!([1, 2]))).await;
    chain.send(1, telemetry(device, 8, json!({"t": 1}))).await;
    let mut settled = chain.settled(2).await;
    settled.sort_unstable_by_key(|(sequence, _)| *sequence);
    assert_eq!(settled, [(0, Ok(())), (1, Ok(()))], "what is recorded needs not be sent again");
    assert_eq!(world.series(device, "t").await, [(8, Value::Long(1))]);

    let events = world.failures(&root, 0).await;
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!(event.body["error"], "the values are not a JSON object");
    assert_eq!(event.body["data"], "[1,2]");
    assert_eq!(event.body["entityId"], device.id.to_string());
    assert_eq!(
        (&event.body["msgType"], &event.body["relationType"]),
        (&json!("POST_TELEMETRY_REQUEST"), &json!("Failure"))
    );
    let metadata: serde_json::Value = serde_json::from_str(event.body["metadata"].as_str().unwrap()).unwrap();
    assert_eq!(metadata, json!({"deviceName": "D", "ts": "7"}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_that_is_taken_is_not_recorded() {
    let world = World::new();
    let root = graph(
        world.tenant,
        "root",
        &[
            (SAVE, json!({}), &[("Failure", 1)]),
            (CREATE_ALARM, json!({"alarmType": "unsaved: ${error}", "severity": "MINOR"}), &[]),
        ],
    );
    let mut chain = world.start(&root);
    let device = world.device();
    chain.settle_all([telemetry(device, 7, json!("text"))]).await;
    let raised = world
        .store
        .active_alarm(device, "unsaved: the values are not a JSON object")
        .await
        .unwrap();
    assert!(raised.is_some(), "the reason travels in the metadata");
    assert_eq!(world.failures(&root, 0).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_takes_nothing_leaves_messages_unsettled() {
    let world = World::new();
    let mut chain = world.chain("root", &[(SAVE, json!({}), &[])]);
    let device = world.device();
    chain.settle_all([telemetry(device, 7, json!({"t": 1}))]).await;
    world.store.close().await.unwrap();
    for sequence in 0..3 {
        chain.send(sequence, telemetry(device, 8, json!({"t": 2}))).await;
    }
    let settled = chain.settled(3).await;
    assert!(
        settled.iter().all(|(_, result)| *result == Err(SettleError::NotDurable)),
        "{settled:?}"
    );
    assert_eq!(chain.observe().await.not_durable, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_branches_are_stored_before_a_message_is_settled() {
    let world = World::new();
    let alarm = json!({"alarmType": "hot", "severity": "MAJOR"});
    let mut chain = world.chain(
        "root",
        &[
            ("test.evil.pass", json!({}), &[("Success", 1), ("Success", 2), ("Success", 3)]),
            (SAVE, json!({}), &[]),
            (
                SAVE_ATTRIBUTES,
                json!({"scope": "SERVER_SCOPE", "updateAttributesOnlyOnValueChange": true}),
                &[],
            ),
            (CREATE_ALARM, alarm, &[]),
        ],
    );
    for round in 0..20 {
        let device = world.device();
        chain.send(round, telemetry(device, 7, json!({"t": 1}))).await;
        assert_eq!(chain.settled(1).await, [(round, Ok(()))]);
        assert_eq!(world.series(device, "t").await.len(), 1);
        assert!(world.attribute(device, AttributeScope::ServerScope, "t").await.is_some());
        assert!(world.store.active_alarm(device, "hot").await.unwrap().is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_circles_is_recorded_at_the_limit() {
    let world = World::new();
    // Valid: what is not hot leaves. What is hot circles.
    let filter = json!({"key": "t", "operator": "GREATER", "value": 20});
    let root = graph(
        world.tenant,
        "root",
        &[(FIELD_FILTER, filter, &[("True", 0), ("False", 1)]), (SAVE, json!({}), &[])],
    );
    let mut chain = world.start(&root);
    let device = world.device();
    chain
        .settle_all([telemetry(device, 7, json!({"t": 30})), telemetry(device, 8, json!({"t": 10}))])
        .await;
    assert_eq!(world.series(device, "t").await, [(8, Value::Long(10))]);
    let events = world.failures(&root, 0).await;
    let [event] = &events[..] else { panic!("{events:?}") };
    assert!(
        event.body["error"].as_str().unwrap().contains("more than 10000 rule nodes"),
        "{event:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_messages_than_fit_wait_at_the_entrance() {
    let world = World::new();
    let mut chain = world.chain("root", &[(SAVE, json!({}), &[])]);
    let (sender, device, count) = (chain.sender(), world.device(), 8_000u64);
    let sending = actor::spawn("test", async move {
        for sequence in 0..count {
            sender
                .send(sequence, telemetry(device, sequence as i64, json!({"t": sequence})))
                .await;
        }
    });
    let settled = chain.settled(count as usize).await;
    soon("the end of sending", sending).await.unwrap();
    assert!(settled.iter().all(|(_, result)| result.is_ok()));
    assert_eq!(world.series(device, "t").await.len(), count as usize);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_nobody_holds_finishes_its_work_and_ends() {
    let world = World::new();
    let root = graph(
        world.tenant,
        "root",
        &[("test.evil.slow", json!({"ms": 2}), &[("Success", 1)]), (SAVE, json!({}), &[])],
    );
    let chain = world.start(&root);
    let device = world.device();
    for sequence in 0..50 {
        chain
            .send(sequence, telemetry(device, sequence as i64, json!({"t": sequence})))
            .await;
    }
    let left = Arc::downgrade(&root);
    drop(root);
    let mut settlements = chain.let_go();
    assert!(settlements.all(50).await.iter().all(|(_, result)| result.is_ok()));
    assert_eq!(world.series(device, "t").await.len(), 50);
    until("the end of the chain and of its nodes", || left.strong_count() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_whose_control_is_dropped_takes_no_more_but_finishes() {
    let world = World::new();
    let chain = world.chain(
        "root",
        &[("test.evil.slow", json!({"ms": 2}), &[("Success", 1)]), (SAVE, json!({}), &[])],
    );
    let device = world.device();
    let entrance = chain.handle.lane.clone();
    for sequence in 0..50 {
        chain
            .send(sequence, telemetry(device, sequence as i64, json!({"t": sequence})))
            .await;
    }
    let mut settlements = chain.let_go();
    assert!(settlements.all(50).await.iter().all(|(_, result)| result.is_ok()));
    assert_eq!(world.series(device, "t").await.len(), 50);
    until("closing of the entrance", || entrance.is_closed()).await;
}
