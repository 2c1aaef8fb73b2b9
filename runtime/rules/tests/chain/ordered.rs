//! What a device says is stored and settled in the order in which it said it, whatever other devices say meanwhile.

use crate::world::{Chain, SAVE, SAVE_ATTRIBUTES, SWITCH, World, telemetry};
use model::{AttributeScope, EntityId, MessageKind, Value};
use serde_json::{Value as Json, json};

const DEVICES: usize = 20;
const MESSAGES: i64 = 60;
const SERVER: AttributeScope = AttributeScope::ServerScope;

/// Message after message, the devices in turn; each message has the same time and its own number.
async fn say(world: &World, chain: &mut Chain) -> Vec<EntityId> {
    let devices: Vec<_> = (0..DEVICES).map(|_| world.device()).collect();
    let mut sequence = 0;
    for number in 0..MESSAGES {
        for device in &devices {
            chain.send(sequence, telemetry(*device, 7, json!({"number": number}))).await;
            sequence += 1;
        }
    }
    // Numbers of one device are equal modulo the number of devices: its settlements must come in rising order.
    let mut last = [None; DEVICES];
    for (sequence, result) in chain.settled(DEVICES * MESSAGES as usize).await {
        assert_eq!(result, Ok(()));
        let before = last[sequence as usize % DEVICES].replace(sequence);
        assert!(before < Some(sequence), "{before:?} was settled before {sequence}");
    }
    devices
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readings_get_rising_times() {
    let world = World::new();
    // The clock of these tests never tells the same time twice: the time of storing shows the order of deciding.
    let save: Json = json!({"useServerTs": true});
    let mut chain = world.chain("root", &[(SWITCH, json!({}), &[("Post telemetry", 1)]), (SAVE, save, &[])]);
    for device in say(&world, &mut chain).await {
        let numbers: Vec<_> = world.series(device, "number").await.into_iter().map(|(_, value)| value).collect();
        assert_eq!(numbers, (0..MESSAGES).map(Value::Long).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_reading_of_a_time_stays() {
    let world = World::new();
    let mut chain = world.chain("root", &[(SWITCH, json!({}), &[("Post telemetry", 1)]), (SAVE, json!({}), &[])]);
    for device in say(&world, &mut chain).await {
        assert_eq!(world.series(device, "number").await, [(7, Value::Long(MESSAGES - 1))]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attributes_that_are_read_first_stay_in_order_too() {
    let world = World::new();
    for only_changed in [false, true] {
        let save = json!({"scope": "SERVER_SCOPE", "updateAttributesOnlyOnValueChange": only_changed});
        let mut chain = world.chain("root", &[(SAVE_ATTRIBUTES, save, &[])]);
        for device in say(&world, &mut chain).await {
            assert_eq!(
                world.attribute(device, SERVER, "number").await,
                Some(Value::Long(MESSAGES - 1)),
                "only changed: {only_changed}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_without_values_do_not_overtake() {
    let world = World::new();
    let mut chain = world.chain(
        "root",
        &[
            (SAVE, json!({}), &[("Success", 1)]),
            (SAVE_ATTRIBUTES, json!({"scope": "SERVER_SCOPE"}), &[]),
        ],
    );
    let device = world.device();
    // Every other message has nothing to store; it is settled in its turn all the same.
    for sequence in 0..400 {
        let payload = if sequence % 2 == 0 {
            json!({"number": sequence})
        } else {
            json!({"number": null})
        };
        let message = telemetry(device, 7, payload);
        chain
            .send(
                sequence,
                model::Message {
                    kind: MessageKind::PostTelemetry,
                    ..message
                },
            )
            .await;
    }
    let settled: Vec<_> = chain.settled(400).await.into_iter().map(|(sequence, _)| sequence).collect();
    assert_eq!(settled, (0..400).collect::<Vec<_>>());
    assert_eq!(world.attribute(device, SERVER, "number").await, Some(Value::Long(398)));
}
