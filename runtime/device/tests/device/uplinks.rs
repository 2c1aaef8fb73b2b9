//! From what a device says to the messages that enter a chain.

use std::sync::Arc;

use crate::world::{START_MS, Session, World, device_body, soon, telemetry};
use actor::{Control, LaneReceiver, Observe, lane};
use cluster::{Delivery, SettleError};
use device::actor::{DeviceActor, Surroundings};
use device::wakeups::Wakeups;
use device::{DeviceError, load_facts};
use model::{CustomerId, DeviceId, Message, MessageKind, Payload, SystemClock, Uplink};
use rules::ChainInput;
use serde_json::json;
use uuid::Uuid;

/// The next message at the chain; it is settled as durable.
async fn next(chain: &mut LaneReceiver<ChainInput>) -> Arc<Message> {
    let ChainInput { message, receipt } = soon("a message", chain.recv()).await.unwrap();
    receipt.done();
    message
}

fn metadata(message: &Message) -> Vec<(&str, &str)> {
    message.metadata.iter().map(|(key, value)| (&**key, &**value)).collect()
}

#[tokio::test]
async fn each_kind_of_uplink_becomes_its_message() {
    let world = World::new();
    let (device, mut chain) = (world.device().await, world.open_chain());
    let (lane, session) = (world.lane(device).await, Session::new(1));
    let session_id = session.link.id.0.to_string();
    let received = (START_MS + 1).to_string();
    let named = [("deviceName", "D"), ("deviceType", "thermometer")];
    let with = |more: &[(&'static str, &str)]| {
        let mut all: Vec<_> = named
            .iter()
            .chain(more)
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        all.sort();
        all
    };
    let call = Uplink::RpcCall {
        id: 17,
        method: "getTime".into(),
        params: Payload::new(json!({"zone": "UTC"})),
    };
    let table = [
        (
            telemetry(Some(5), json!({"t": 1})),
            MessageKind::PostTelemetry,
            5,
            json!({"t": 1}),
            with(&[("ts", "5")]),
        ),
        (
            telemetry(None, json!({"t": 2})),
            MessageKind::PostTelemetry,
            START_MS + 1,
            json!({"t": 2}),
            with(&[("ts", &received)]),
        ),
        (
            Uplink::Attributes(Payload::new(json!({"fw": "1"}))),
            MessageKind::PostAttributes,
            START_MS + 1,
            json!({"fw": "1"}),
            with(&[("notifyDevice", "false")]),
        ),
        (
            call,
            MessageKind::ToServerRpc,
            START_MS + 1,
            json!({"method": "getTime", "params": {"zone": "UTC"}}),
            with(&[("requestId", "17"), ("serviceId", "pacificsoft"), ("sessionId", &session_id)]),
        ),
    ];
    for (uplink, kind, ts_ms, payload, expected) in table {
        lane.send(session.uplink(0, 1, uplink)).await.unwrap();
        let message = next(&mut chain).await;
        assert_eq!((&message.kind, message.ts_ms, message.payload.json()), (&kind, ts_ms, &payload));
        let expected: Vec<_> = expected.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(metadata(&message), expected, "{kind}");
        assert_eq!((message.originator, message.customer), (device.entity(), None));
    }
    let state = world.registry.control(device).unwrap().ask(Observe).await.unwrap();
    assert_eq!(
        (state.name.as_str(), state.uplinks, state.sessions, state.last_activity_ms),
        ("D", 4, 0, START_MS + 1)
    );
    assert_eq!(*world.chains.asked.lock(), [(world.tenant, None)], "the entrance is kept");
}

/// As when another chain becomes the root.
#[tokio::test]
async fn the_entrance_is_looked_up_again_when_it_may_be_another_one() {
    let world = World::new();
    let (device, mut first) = (world.device().await, world.open_chain());
    let (lane, session) = (world.lane(device).await, Session::new(1));
    let report = |number: i64| session.uplink(0, 1, telemetry(None, json!({ "t": number })));
    lane.send(report(1)).await.unwrap();
    assert_eq!(next(&mut first).await.payload.json(), &json!({"t": 1}));
    let mut second = world.open_chain();
    lane.send(report(2)).await.unwrap();
    assert_eq!(next(&mut first).await.payload.json(), &json!({"t": 2}), "nothing was said");
    world.chains.revision.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    lane.send(report(3)).await.unwrap();
    assert_eq!(next(&mut second).await.payload.json(), &json!({"t": 3}));
    assert_eq!(world.chains.asked.lock().len(), 2);
}

#[tokio::test]
async fn messages_keep_their_order_and_settle_when_the_chain_says_so() {
    let world = World::new();
    let (device, mut chain) = (world.device().await, world.open_chain());
    let (lane, mut session) = (world.lane(device).await, Session::new(1));
    for number in 0..500 {
        lane.send(session.uplink(number, 0, telemetry(None, json!({"n": number}))))
            .await
            .unwrap();
    }
    let mut held = Vec::new();
    for number in 0..500 {
        let input = soon("a message", chain.recv()).await.unwrap();
        assert_eq!(input.message.payload.json(), &json!({"n": number}));
        held.push(input.receipt);
    }
    assert!(session.settlements.is_empty(), "nothing is durable yet");
    let last = held.pop().unwrap();
    last.fail(SettleError::NotDurable);
    drop(held.pop());
    held.into_iter().for_each(cluster::Receipt::done);
    let mut results = Vec::new();
    for _ in 0..500 {
        let settled = soon("a settlement", session.settlements.recv()).await.unwrap();
        results.push((settled.sequence, settled.result));
    }
    results.sort_unstable_by_key(|(sequence, _)| *sequence);
    let failed: Vec<_> = results
        .iter()
        .filter(|(_, result)| result.is_err())
        .map(|(sequence, _)| *sequence)
        .collect();
    assert_eq!((results.len(), failed), (500, vec![498, 499]));
}

#[tokio::test]
async fn without_a_chain_nothing_is_acknowledged() {
    let world = World::new();
    let device = world.device().await;
    let (lane, mut session) = (world.lane(device).await, Session::new(1));
    lane.send(session.uplink(1, 0, telemetry(None, json!({"t": 1})))).await.unwrap();
    let settled = soon("the settlement", session.settlements.recv()).await.unwrap();
    assert_eq!((settled.sequence, settled.result), (1, Err(SettleError::NoRoute)));

    // A chain that comes later is found, and so is the one that takes its place.
    for number in 2..5 {
        let mut chain = world.open_chain();
        lane.send(session.uplink(number, 0, telemetry(None, json!({"n": number}))))
            .await
            .unwrap();
        assert_eq!(next(&mut chain).await.payload.json(), &json!({"n": number}));
        assert_eq!(soon("the settlement", session.settlements.recv()).await.unwrap().result, Ok(()));
    }
    // The last one ended, and there is no other.
    lane.send(session.uplink(9, 0, telemetry(None, json!({})))).await.unwrap();
    assert_eq!(
        soon("the settlement", session.settlements.recv()).await.unwrap().result,
        Err(SettleError::NoRoute)
    );
}

#[tokio::test]
async fn messages_carry_what_the_record_says_now() {
    let world = World::new();
    let (device, mut chain) = (DeviceId::generate(world.tenant), world.open_chain());
    let (hot, cold) = (Uuid::now_v7(), Uuid::now_v7());
    let (first, second) = (world.profile("hot", hot).await, world.profile("cold", cold).await);
    let customer = CustomerId::generate(world.tenant);
    world
        .save(device.entity(), "D1", 0, device_body("D1", Some(first), Some(customer)))
        .await;
    let (lane, session) = (world.lane(device).await, Session::new(1));
    lane.send(session.uplink(0, 0, telemetry(None, json!({})))).await.unwrap();
    let message = next(&mut chain).await;
    assert_eq!((message.metadata.get("deviceName"), message.customer), (Some("D1"), Some(customer)));

    world.save(device.entity(), "D2", 1, device_body("D2", Some(second), None)).await;
    lane.send(session.uplink(1, 0, telemetry(None, json!({})))).await.unwrap();
    assert_eq!(
        next(&mut chain).await.metadata.get("deviceName"),
        Some("D1"),
        "nobody has told the actor"
    );
    world.registry.refresh(device).await;
    // Handled before what is delivered after it.
    world.registry.control(device).unwrap().ask(Observe).await.unwrap();
    lane.send(session.uplink(2, 0, telemetry(None, json!({})))).await.unwrap();
    let message = next(&mut chain).await;
    assert_eq!((message.metadata.get("deviceName"), message.customer), (Some("D2"), None));
    assert_eq!(*world.chains.asked.lock(), [(world.tenant, Some(hot)), (world.tenant, Some(cold))]);
}

#[tokio::test]
async fn a_record_that_is_deleted_while_the_actor_is_awake_changes_nothing() {
    let world = World::new();
    let (device, mut chain) = (world.device().await, world.open_chain());
    let (lane, session) = (world.lane(device).await, Session::new(1));
    storage::EntityStore::delete_entity(&world.store, device.entity()).await.unwrap();
    world.registry.refresh(device).await;
    lane.send(session.uplink(0, 0, telemetry(None, json!({})))).await.unwrap();
    assert_eq!(next(&mut chain).await.metadata.get("deviceName"), Some("D"));
}

#[tokio::test]
async fn only_devices_with_a_good_record_are_served() {
    let world = World::new();
    assert!(matches!(
        world.refused(DeviceId::generate(world.tenant)).await,
        DeviceError::NotFound
    ));
    let broken = DeviceId::generate(world.tenant);
    world.save(broken.entity(), "broken", 0, json!({"type": "nameless"})).await;
    assert!(matches!(world.refused(broken).await, DeviceError::Corrupt));
    let other_tenant = DeviceId::new(model::TenantId::generate(), world.device().await.id);
    assert!(matches!(world.refused(other_tenant).await, DeviceError::NotFound));
    assert_eq!(world.registry.awake(), 0);
    assert!(world.registry.control(broken).is_none());
}

#[tokio::test]
async fn an_actor_that_nobody_steers_finishes_and_ends() {
    let world = World::new();
    let (device, mut chain) = (world.device().await, world.open_chain());
    let facts = load_facts(&world.store, device).await.unwrap();
    let around = Surroundings {
        store: Arc::new(world.store.clone()),
        chains: Arc::clone(&world.chains) as _,
        calls: world.calls.clone(),
        clock: Arc::new(SystemClock),
        idle_timeout: crate::world::IDLE,
        wakeups: Wakeups::new(),
        presence_since_ms: None,
    };
    let (sender, mut receiver) = lane::<Delivery>(100);
    let session = Session::new(1);
    for number in 0..50 {
        sender
            .send(session.uplink(number, 0, telemetry(None, json!({"n": number}))))
            .await
            .unwrap();
    }
    let (control, mailbox) = Control::mailbox();
    drop(control);
    soon("the end", DeviceActor::new(device, facts, around).run(&mut receiver, &mailbox)).await;
    for number in 0..50 {
        assert_eq!(next(&mut chain).await.payload.json(), &json!({"n": number}));
    }
    assert!(sender.is_closed());
}
