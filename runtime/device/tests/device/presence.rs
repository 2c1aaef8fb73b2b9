//! Whether a device is there: told to its chain, stored, and looked at although nobody speaks.

use std::time::Duration;

use crate::world::{IDLE, START_MS, Session, World, soon, telemetry};
use actor::LaneReceiver;
use cluster::{Delivery, Receipt};
use device::RegistryConfig;
use device::presence::TIMEOUT_MS;
use model::{AttributeScope, DeviceId, MessageKind, PresenceEvent, Value};
use rules::ChainInput;
use serde_json::{Value as Json, json};
use storage::{AttributeStore, Journal, Mutation, ReminderStore};

fn world() -> World {
    World::with(RegistryConfig {
        idle_timeout: IDLE,
        ..RegistryConfig::default()
    })
}

/// The next message: its type, and a field of its data.
async fn next(chain: &mut LaneReceiver<ChainInput>, field: &str) -> (MessageKind, Json) {
    let input = soon("a message", chain.recv()).await.unwrap();
    let (kind, value) = (input.message.kind.clone(), input.message.payload.json()[field].clone());
    input.receipt.done();
    (kind, value)
}

async fn attribute(world: &World, device: DeviceId, key: &str) -> Option<Value> {
    let found = world
        .store
        .attributes(device.entity(), AttributeScope::ServerScope, Some(&[key.into()]))
        .await
        .unwrap();
    found.into_iter().next().map(|(_, reading)| reading.value)
}

async fn until(world: &World, device: DeviceId, key: &str, value: Value) {
    soon(key, async {
        while attribute(world, device, key).await != Some(value.clone()) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_devices_coming_and_going_is_told_and_stored() {
    let world = world();
    let (device, mut chain) = (world.device().await, world.open_chain());
    let (lane, session) = (world.lane(device).await, Session::new(1));
    session.connect(&lane).await;
    assert_eq!(next(&mut chain, "lastConnectTime").await, (MessageKind::Connect, json!(START_MS)));
    assert_eq!(next(&mut chain, "active").await, (MessageKind::Activity, json!(true)));
    // It takes something else now: it has not connected again.
    session.connect(&lane).await;
    lane.send(session.uplink(0, 5, telemetry(None, json!({"t": 1})))).await.unwrap();
    assert_eq!(next(&mut chain, "t").await, (MessageKind::PostTelemetry, json!(1)));
    tokio::time::advance(Duration::from_secs(1)).await;
    for _ in 0..2 {
        lane.send(Delivery::Disconnected(session.link.id)).await.unwrap();
    }
    assert_eq!(
        next(&mut chain, "lastDisconnectTime").await,
        (MessageKind::Disconnect, json!(START_MS + 1_000))
    );
    until(&world, device, "active", Value::Bool(true)).await;
    until(&world, device, "lastDisconnectTime", Value::Long(START_MS + 1_000)).await;

    // The actor sleeps, and is woken when the device has been silent for too long.
    assert_eq!(world.registry.next_wakeup().await, device);
    assert_eq!(world.registry.awake(), 0);
    until(&world, device, "lastActivityTime", Value::Long(START_MS + 5)).await;
    world.lane(device).await;
    let (kind, alarm) = next(&mut chain, "lastInactivityAlarmTime").await;
    assert_eq!(kind, MessageKind::Inactivity);
    assert!(alarm.as_i64().unwrap() >= START_MS + 5 + TIMEOUT_MS, "{alarm}");
    until(&world, device, "active", Value::Bool(false)).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_device_says_costs_no_write() {
    let world = world();
    let (device, mut chain) = (world.device().await, world.open_chain());
    let (lane, session) = (world.lane(device).await, Session::new(1));
    for number in 0..1_000 {
        lane.send(session.uplink(number, number as i64, telemetry(None, json!({"n": number}))))
            .await
            .unwrap();
        if number == 0 {
            assert_eq!(next(&mut chain, "active").await.0, MessageKind::Activity);
        }
        assert_eq!(next(&mut chain, "n").await.0, MessageKind::PostTelemetry);
    }
    until(&world, device, "lastActivityTime", Value::Long(START_MS)).await;
    let minute = session.uplink(1_000, 60_000, telemetry(None, json!({})));
    lane.send(minute).await.unwrap();
    until(&world, device, "lastActivityTime", Value::Long(START_MS + 60_000)).await;
}

#[tokio::test(start_paused = true)]
async fn the_timeout_is_the_devices_own() {
    let world = world();
    let (device, mut chain) = (world.device().await, world.open_chain());
    let batch = vec![Mutation::Attributes {
        entity: device.entity(),
        scope: AttributeScope::ServerScope,
        ts_ms: 1,
        values: vec![("inactivityTimeout".into(), Value::Long(2_000))],
    }];
    world.store.submit(batch).await.unwrap().await.unwrap();
    let (lane, session) = (world.lane(device).await, Session::new(1));
    lane.send(session.uplink(0, 0, telemetry(None, json!({})))).await.unwrap();
    assert_eq!(next(&mut chain, "inactivityTimeout").await, (MessageKind::Activity, json!(2_000)));
    assert_eq!(next(&mut chain, "").await.0, MessageKind::PostTelemetry);
    soon("a reminder for after a restart", async {
        while world.store.reminders().await.unwrap() != [device] {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(next(&mut chain, "active").await, (MessageKind::Inactivity, json!(false)));
    until(&world, device, "active", Value::Bool(false)).await;
    // It says that it is there, and nothing else.
    let (lane, now_ms) = (world.lane(device).await, world.clock_ms());
    lane.send(Delivery::Heard(now_ms)).await.unwrap();
    assert_eq!(next(&mut chain, "lastActivityTime").await, (MessageKind::Activity, json!(now_ms)));
}

/// In real time: the actor waits for the store, and time that stands still would not.
#[tokio::test]
async fn what_a_node_reports_is_told_stored_and_settled() {
    let world = world();
    let (device, mut chain) = (world.device().await, world.open_chain());
    let lane = world.lane(device).await;
    let (settle, mut settled) = actor::lane(8);
    let report = |sequence, event, at_ms| Delivery::Presence {
        event,
        at_ms,
        receipt: Receipt::new(settle.clone(), sequence),
    };
    lane.send(report(0, PresenceEvent::Connected, 5_000)).await.unwrap();
    assert_eq!(next(&mut chain, "lastConnectTime").await, (MessageKind::Connect, json!(5_000)));
    assert_eq!(soon("settling", settled.recv()).await.unwrap().result, Ok(()));
    assert_eq!(
        attribute(&world, device, "lastConnectTime").await,
        Some(Value::Long(5_000)),
        "it is durable"
    );
    lane.send(report(1, PresenceEvent::Active, 6_000)).await.unwrap();
    assert_eq!(next(&mut chain, "active").await, (MessageKind::Activity, json!(true)));
    lane.send(report(2, PresenceEvent::Inactive, 5_999)).await.unwrap();
    lane.send(report(3, PresenceEvent::Inactive, 7_000)).await.unwrap();
    assert_eq!(
        next(&mut chain, "lastInactivityAlarmTime").await,
        (MessageKind::Inactivity, json!(7_000)),
        "older news change nothing"
    );
    for sequence in 1..4 {
        let settled = soon("settling", settled.recv()).await.unwrap();
        assert_eq!((settled.sequence, settled.result), (sequence, Ok(())));
    }
    assert_eq!(attribute(&world, device, "active").await, Some(Value::Bool(false)));
}
