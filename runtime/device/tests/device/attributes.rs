//! Attribute requests, and news for a device.

use crate::world::{Session, World, soon};
use cluster::Delivery;
use model::{AttributeScope, Downlink, Payload, Uplink, Value};
use serde_json::{Value as Json, json};
use storage::{Journal, Mutation};

/// Keys as a device names them.
fn keys(keys: Option<&[&str]>) -> Option<Vec<std::sync::Arc<str>>> {
    keys.map(|keys| keys.iter().map(|key| (*key).into()).collect())
}

#[tokio::test]
async fn attribute_requests_are_answered_from_the_store() {
    let world = World::new();
    let device = world.device().await;
    let set = |scope, key: &str, value: Value| Mutation::Attributes {
        entity: device.entity(),
        scope,
        ts_ms: 1,
        values: vec![(key.into(), value)],
    };
    let batch = vec![
        set(AttributeScope::ClientScope, "fw", Value::Text("1".into())),
        set(AttributeScope::ClientScope, "model", Value::Text("x".into())),
        set(AttributeScope::SharedScope, "target", Value::Double(20.5)),
        set(AttributeScope::ServerScope, "secret", Value::Bool(true)),
    ];
    world.store.submit(batch).await.unwrap().await.unwrap();
    let (lane, mut session) = (world.lane(device).await, Session::new(1));

    type Keys<'a> = Option<&'a [&'a str]>;
    let table: [(Keys, Keys, Option<Json>, Option<Json>); 6] = [
        (None, None, Some(json!({"fw": "1", "model": "x"})), Some(json!({"target": 20.5}))),
        (Some(&["fw"]), None, Some(json!({"fw": "1"})), None),
        (None, Some(&["target", "absent"]), None, Some(json!({"target": 20.5}))),
        (
            Some(&["model"]),
            Some(&["target"]),
            Some(json!({"model": "x"})),
            Some(json!({"target": 20.5})),
        ),
        (Some(&["absent"]), Some(&["secret"]), None, None),
        (Some(&[]), Some(&[]), None, None),
    ];
    for (number, (client_keys, shared_keys, client, shared)) in table.into_iter().enumerate() {
        let id = number as u32 + 7;
        let uplink = Uplink::AttributeRequest {
            id,
            client_keys: keys(client_keys),
            shared_keys: keys(shared_keys),
        };
        lane.send(session.uplink(number as u64, 0, uplink)).await.unwrap();
        let answer = soon("the answer", session.downlinks.recv()).await.unwrap();
        let expected = Downlink::AttributeResponse {
            id,
            client: client.map(Payload::new),
            shared: shared.map(Payload::new),
        };
        assert_eq!(answer, expected, "{client_keys:?}, {shared_keys:?}");
        let settled = soon("the settlement", session.settlements.recv()).await.unwrap();
        assert_eq!((settled.sequence, settled.result), (number as u64, Ok(())));
    }
    assert!(world.chains.asked.lock().is_empty(), "no chain is asked");
}

#[tokio::test]
async fn the_session_that_asks_is_answered_even_when_it_is_not_connected() {
    let world = World::new();
    let device = world.device().await;
    let (lane, mut connected, mut asking) = (world.lane(device).await, Session::new(1), Session::new(1));
    connected.connect(&lane).await;
    let request = |id| Uplink::AttributeRequest {
        id,
        client_keys: None,
        shared_keys: None,
    };
    lane.send(asking.uplink(0, 0, request(1))).await.unwrap();
    let answer = soon("the answer", asking.downlinks.recv()).await.unwrap();
    assert_eq!(
        answer,
        Downlink::AttributeResponse {
            id: 1,
            client: None,
            shared: None
        }
    );
    assert!(connected.downlinks.try_recv().is_none());

    // A session that has gone, or that takes no more, does not hold up the receipt.
    let full = Session::new(1);
    full.link.downlinks.try_send(Downlink::AttributesRemoved(vec![])).unwrap();
    let (gone, closed) = (Session::new(1), Session::new(1));
    let deliveries = [full.uplink(0, 0, request(2)), gone.uplink(1, 0, request(3))];
    drop(gone.downlinks);
    drop(closed);
    for delivery in deliveries {
        lane.send(delivery).await.unwrap();
    }
    for mut settlements in [full.settlements, gone.settlements] {
        assert_eq!(soon("the settlement", settlements.recv()).await.unwrap().result, Ok(()));
    }
}

#[tokio::test]
async fn news_go_to_everybody_who_subscribed() {
    let world = World::new();
    let device = world.device().await;
    let (lane, mut one, mut other) = (world.lane(device).await, Session::new(4), Session::new(4));
    let news = |number: i32| Downlink::AttributesChanged(Payload::new(json!({"n": number})));
    // Nobody is there: the news are dropped, the device asks when it returns.
    lane.send(Delivery::Push(news(0))).await.unwrap();
    one.connect(&lane).await;
    lane.send(Delivery::Push(news(1))).await.unwrap();
    assert_eq!(soon("the news", one.downlinks.recv()).await, Some(news(1)));
    other.connect(&lane).await;
    assert_eq!(soon("the end", one.downlinks.recv()).await, Some(Downlink::Superseded));
    // It is told until it is gone.
    lane.send(Delivery::Push(news(2))).await.unwrap();
    assert_eq!(soon("the news", one.downlinks.recv()).await, Some(news(2)));
    assert_eq!(soon("the news", other.downlinks.recv()).await, Some(news(2)));
    lane.send(Delivery::Disconnected(other.link.id)).await.unwrap();
    lane.send(Delivery::Push(news(3))).await.unwrap();
    assert_eq!(soon("the news", one.downlinks.recv()).await, Some(news(3)));
    assert!(other.downlinks.try_recv().is_none() && one.downlinks.try_recv().is_none());
}
