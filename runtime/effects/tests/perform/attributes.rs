//! Attributes that are written only when they change, and devices that hear of them.

use crate::world::{World, message, soon};
use cluster::Delivery;
use effects::Performed;
use model::{AttributeScope, Downlink, EntityId, MessageKind, Payload, Reading, Value};
use plugins::{Content, Effect, Retention};
use serde_json::{Value as Json, json};

const SHARED: AttributeScope = AttributeScope::SharedScope;

fn save(entity: EntityId, scope: AttributeScope, values: Json, only_changed: bool, notify_device: bool) -> Effect {
    Effect::SaveAttributes {
        entity,
        scope,
        values: Content::Own(values),
        only_changed,
        notify_device,
        tell_chain: false,
        keep: Retention::All,
        quiet: false,
    }
}

fn reading(ts_ms: i64, value: i64) -> Option<Reading> {
    Some(Reading {
        ts_ms,
        value: Value::Long(value),
    })
}

#[tokio::test]
async fn only_changed_values_are_written() {
    let world = World::new();
    let device = world.device();
    let (entity, message) = (device.entity(), message(device.entity()));
    for (now_ms, values) in [
        (10, json!({"a": 1, "b": 1})),
        (20, json!({"a": 1, "b": 2, "c": null})),
        (30, json!({"a": 1, "b": 2})),
    ] {
        let performed = world
            .perform(now_ms, vec![save(entity, SHARED, values, true, false)], &message)
            .await
            .unwrap();
        assert_eq!(performed, Performed::SUCCESS);
    }
    assert_eq!(
        world.attribute(device, SHARED, "a").await,
        reading(10, 1),
        "the time of the last change"
    );
    assert_eq!(world.attribute(device, SHARED, "b").await, reading(20, 2));
    assert_eq!(world.attribute(device, SHARED, "c").await, None);
    // The same value in another form is another value; the same key in another scope is another attribute.
    world
        .perform(40, vec![save(entity, SHARED, json!({"a": 1.5}), true, false)], &message)
        .await
        .unwrap();
    world
        .perform(
            40,
            vec![save(entity, AttributeScope::ServerScope, json!({"b": 2}), true, false)],
            &message,
        )
        .await
        .unwrap();
    assert_eq!(
        world.attribute(device, SHARED, "a").await,
        Some(Reading {
            ts_ms: 40,
            value: Value::Double(1.5)
        })
    );
    assert_eq!(world.attribute(device, AttributeScope::ServerScope, "b").await, reading(40, 2));
    // Without the wish, the time of the write counts.
    world
        .perform(50, vec![save(entity, SHARED, json!({"b": 2}), false, false)], &message)
        .await
        .unwrap();
    assert_eq!(world.attribute(device, SHARED, "b").await, reading(50, 2));
}

#[tokio::test]
async fn a_device_hears_of_what_changed() {
    let world = World::new();
    let (device, mut lane) = world.awake_device();
    let (entity, message) = (device.entity(), message(device.entity()));
    let changed = |json| Downlink::AttributesChanged(Payload::new(json));
    // Values, whether only changes count, and what the device hears.
    let table = [
        (
            json!({"a": 1, "b": "x", "gone": null}),
            true,
            Some(changed(json!({"a": 1, "b": "x"}))),
        ),
        (json!({"a": 1, "b": "y"}), true, Some(changed(json!({"b": "y"})))),
        (json!({"a": 1, "b": "y"}), true, None),
        (json!({"a": 1, "b": "y"}), false, Some(changed(json!({"a": 1, "b": "y"})))),
        (json!({}), false, None),
    ];
    for (values, only_changed, expected) in table {
        let context = values.to_string();
        world
            .perform(10, vec![save(entity, SHARED, values, only_changed, true)], &message)
            .await
            .unwrap();
        let heard = lane.try_recv().map(|delivery| match delivery {
            Delivery::Push(news) => news,
            other => panic!("{other:?}"),
        });
        assert_eq!(heard, expected, "{context}");
        assert!(lane.is_empty(), "once");
    }
    assert_eq!(
        world.attribute(device, SHARED, "b").await.map(|reading| reading.value),
        Some(Value::Text("y".into()))
    );
}

#[tokio::test]
async fn only_shared_attributes_of_devices_are_told_and_only_when_wanted() {
    let world = World::new();
    let (device, lane) = world.awake_device();
    let entity = device.entity();
    let unheard = [
        save(entity, AttributeScope::ServerScope, json!({"a": 1}), false, true),
        save(entity, AttributeScope::ClientScope, json!({"a": 1}), true, true),
        save(entity, SHARED, json!({"a": 1}), true, false),
        // An asset with the id of the device.
        save(
            EntityId::new(world.tenant, model::EntityKind::Asset, device.id),
            SHARED,
            json!({"a": 1}),
            false,
            true,
        ),
    ];
    for effect in unheard {
        assert_eq!(world.perform(10, vec![effect], &message(entity)).await.unwrap(), Performed::SUCCESS);
    }
    assert!(lane.is_empty());
}

#[tokio::test]
async fn a_device_that_is_away_does_not_fail_the_write() {
    let world = World::new();
    let sleeping = world.device();
    let (leaving, lane) = world.awake_device();
    drop(lane);
    for device in [sleeping, leaving] {
        let effect = save(device.entity(), SHARED, json!({"a": 1}), false, true);
        assert_eq!(
            world.perform(10, vec![effect], &message(device.entity())).await.unwrap(),
            Performed::SUCCESS
        );
        assert_eq!(world.attribute(device, SHARED, "a").await, reading(10, 1));
    }
}

#[tokio::test]
async fn the_value_is_durable_before_the_device_hears_of_it() {
    let world = World::new();
    let (device, mut lane) = world.awake_device();
    let effects = world.effects.clone();
    let entity = device.entity();
    let performing = actor::spawn("test", async move {
        effects
            .perform([save(entity, SHARED, json!({"a": 1}), false, true)], message(entity))
            .await
    });
    let Some(Delivery::Push(_)) = soon("the news", lane.recv()).await else {
        panic!("news")
    };
    assert_eq!(
        world.attribute(device, SHARED, "a").await.map(|reading| reading.value),
        Some(Value::Long(1))
    );
    assert_eq!(soon("performing", performing).await.unwrap().unwrap(), Performed::SUCCESS);
}

/// The device's actor may itself wait until this chain has room.
#[tokio::test]
async fn who_has_news_waits_for_no_device() {
    let world = World::new();
    let (device, mut lane) = world.awake_device();
    let (entity, message) = (device.entity(), message(device.entity()));
    // More than the lane holds, and nobody takes anything out of it.
    for number in 0..50 {
        let effect = save(entity, SHARED, json!({"number": number, "always": true}), false, true);
        world.perform(number, vec![effect], &message).await.unwrap();
    }
    let mut heard = Vec::new();
    while heard.last() != Some(&49) {
        let Some(Delivery::Push(Downlink::AttributesChanged(news))) = soon("the news", lane.recv()).await else {
            panic!("news")
        };
        assert_eq!(news.json()["always"], true);
        heard.push(news.json()["number"].as_i64().unwrap());
    }
    assert!(heard.len() < 50 && heard.is_sorted(), "what has waited became one: {heard:?}");
}

#[tokio::test]
async fn the_chain_hears_of_what_changed_if_that_is_wanted() {
    let world = World::new();
    let (device, mut lane) = world.awake_device();
    let (entity, message) = (device.entity(), message(device.entity()));
    let told = |effect| match effect {
        Effect::SaveAttributes {
            entity,
            scope,
            values,
            only_changed,
            notify_device,
            keep,
            quiet,
            ..
        } => Effect::SaveAttributes {
            entity,
            scope,
            values,
            only_changed,
            notify_device,
            tell_chain: true,
            keep,
            quiet,
        },
        other => other,
    };
    for (values, expected) in [
        (json!({"a": 1, "b": "x"}), Some(json!({"a": 1, "b": "x"}))),
        (json!({"a": 1, "b": "y"}), Some(json!({"b": "y"}))),
        (json!({"a": 1, "b": "y"}), None),
    ] {
        let effect = told(save(entity, AttributeScope::ServerScope, values, true, false));
        world.perform(10, vec![effect], &message).await.unwrap();
        let heard = lane.try_recv().map(|delivery| match delivery {
            Delivery::Notice(notice) => {
                assert_eq!(
                    (notice.kind, notice.metadata.get("scope")),
                    (MessageKind::AttributesUpdated, Some("SERVER_SCOPE"))
                );
                notice.payload.json().clone()
            }
            other => panic!("{other:?}"),
        });
        assert_eq!(heard, expected);
    }
}

#[tokio::test]
async fn of_what_is_not_kept_nobody_hears_but_who_watches() {
    let world = World::new();
    let (device, mut lane) = world.awake_device();
    let (entity, message) = (device.entity(), message(device.entity()));
    let effect = Effect::SaveAttributes {
        entity,
        scope: SHARED,
        values: Content::Own(json!({"a": 1})),
        only_changed: true,
        notify_device: true,
        tell_chain: true,
        keep: Retention::Nothing,
        quiet: false,
    };
    assert_eq!(world.perform(10, vec![effect], &message).await.unwrap(), Performed::SUCCESS);
    assert!(lane.try_recv().is_none(), "neither the device nor the chain");
    assert_eq!(
        storage::AttributeStore::attributes(&world.store, entity, SHARED, None)
            .await
            .unwrap(),
        []
    );
}
