//! A gateway speaks for the devices behind it.

use std::sync::Arc;

use crate::world::{World, event, next, soon};
use actor::LaneReceiver;
use cluster::{Delivery, SessionLink};
use model::{Downlink, DownlinkKind, Payload, Uplink};
use serde_json::{Value as Json, json};
use session::{Event, Exceeded, Inbound, PublishError, RateLimits, Rates, Session, Transport};

async fn says(session: &mut Session, topic: &str, payload: &Json) -> Result<u64, PublishError> {
    let topic = format!("v1/gateway/{topic}");
    let inbound = Inbound::new(Transport::Mqtt, topic, vec![], payload.to_string().into());
    soon("publishing", session.publish(inbound)).await
}

async fn gateway(world: &World) -> Session {
    let (device, _, session) = world.connected().await;
    world.make_gateway(device);
    session
}

async fn connected(lane: &mut LaneReceiver<Delivery>) -> SessionLink {
    match next(lane).await {
        Delivery::Connected(link) => link,
        other => panic!("{other:?}"),
    }
}

async fn uplink(lane: &mut LaneReceiver<Delivery>) -> Uplink {
    match next(lane).await {
        Delivery::Uplink { uplink, receipt, .. } => {
            receipt.done();
            uplink
        }
        other => panic!("{other:?}"),
    }
}

async fn told(session: &mut Session) -> (String, Json, DownlinkKind) {
    match event(session).await {
        Event::Downlink(outbound, kind, _) => (outbound.address, serde_json::from_slice(&outbound.payload).unwrap(), kind),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_device_hears_what_is_said_of_it_and_the_publish_is_settled_once() {
    let world = World::new();
    let mut session = gateway(&world).await;
    let (mut one, mut two) = (world.named("one"), world.named("two"));
    let telemetry = json!({"one": [{"ts": 5, "values": {"t": 1}}], "two": [{"t": 2}]});
    assert_eq!(says(&mut session, "telemetry", &telemetry).await, Ok(0));
    assert_eq!(
        connected(&mut one).await.child.as_deref(),
        Some("one"),
        "it is there as soon as it is spoken of"
    );
    let expected = Uplink::Telemetry {
        ts_ms: Some(5),
        values: Payload::new(json!({"t": 1})),
    };
    assert_eq!(uplink(&mut one).await, expected);
    assert_eq!(session.in_flight(), 1);
    connected(&mut two).await;
    assert!(matches!(uplink(&mut two).await, Uplink::Telemetry { ts_ms: None, .. }));
    assert!(matches!(event(&mut session).await, Event::Settled(0, Ok(()))));
    says(&mut session, "attributes", &json!({"one": {"fw": 1}})).await.unwrap();
    assert_eq!(
        uplink(&mut one).await,
        Uplink::Attributes(Payload::new(json!({"fw": 1}))),
        "known already"
    );
    assert!(matches!(event(&mut session).await, Event::Settled(1, Ok(()))));
    says(&mut session, "disconnect", &json!({"device": "one"})).await.unwrap();
    assert!(matches!(next(&mut one).await, Delivery::Disconnected(_)));
    assert!(matches!(event(&mut session).await, Event::Settled(2, Ok(()))));
    soon("closing", session.close()).await;
    assert!(
        matches!(next(&mut two).await, Delivery::Disconnected(_)),
        "all go with their gateway"
    );
    assert!(one.is_empty());
}

#[tokio::test]
async fn devices_are_told_through_their_gateway() {
    let world = World::new();
    let mut session = gateway(&world).await;
    let mut one = world.named("one");
    says(&mut session, "connect", &json!({"device": "one"})).await.unwrap();
    let link = connected(&mut one).await;
    assert!(matches!(event(&mut session).await, Event::Settled(0, Ok(()))));
    let request = Downlink::RpcRequest {
        id: 3,
        method: "on".into(),
        params: Payload::new(json!(1)),
    };
    link.tell(request).unwrap();
    assert_eq!(
        told(&mut session).await,
        (
            "v1/gateway/rpc".to_owned(),
            json!({"device": "one", "data": {"id": 3, "method": "on", "params": 1}}),
            DownlinkKind::ChildRpcRequest
        )
    );
    assert!(matches!(next(&mut one).await, Delivery::Delivered(from, 3) if from == link.id));
    says(&mut session, "rpc", &json!({"device": "one", "id": 3, "data": {"done": true}}))
        .await
        .unwrap();
    let expected = Uplink::RpcReply {
        id: 3,
        payload: Payload::new(json!({"done": true})),
    };
    assert_eq!(uplink(&mut one).await, expected);
    assert!(matches!(event(&mut session).await, Event::Settled(1, Ok(()))));
    // Two questions with one number: each gets its own answer, in the form in which it was asked.
    for (keys, sequence) in [(json!({"key": "a"}), 2), (json!({"keys": ["a"]}), 3)] {
        let mut question = json!({"id": 7, "device": "one", "client": true});
        question.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        assert_eq!(says(&mut session, "attributes/request", &question).await, Ok(sequence));
    }
    let mut ids = Vec::new();
    for sequence in [2, 3] {
        let Uplink::AttributeRequest { id, client_keys, .. } = uplink(&mut one).await else {
            panic!("a question")
        };
        assert_eq!(client_keys, Some(vec![Arc::from("a")]));
        ids.push(id);
        assert!(matches!(event(&mut session).await, Event::Settled(number, Ok(())) if number == sequence));
    }
    for (id, shown) in [(ids[1], json!({"values": {"a": 1}})), (ids[0], json!({"value": 1}))] {
        let response = Downlink::AttributeResponse {
            id,
            client: Some(Payload::new(json!({"a": 1}))),
            shared: None,
        };
        link.tell(response).unwrap();
        let mut expected = json!({"id": 7, "device": "one"});
        expected.as_object_mut().unwrap().extend(shown.as_object().unwrap().clone());
        let (topic, answer, _) = told(&mut session).await;
        assert_eq!((topic.as_str(), answer), ("v1/gateway/attributes/response", expected));
    }
}

#[tokio::test]
async fn who_is_no_gateway_speaks_for_nobody() {
    let world = World::new();
    let (_, _lane, mut session) = world.connected().await;
    let one = world.named("one");
    for (topic, payload) in [("connect", json!({"device": "one"})), ("telemetry", json!({"one": [{"t": 1}]}))] {
        assert_eq!(says(&mut session, topic, &payload).await, Err(PublishError::UnknownAddress));
    }
    assert_eq!(session.in_flight(), 0);
    assert!(one.is_empty());
    let mut session = gateway(&world).await;
    let refused = says(&mut session, "connect", &json!({"device": "two", "type": "impossible"})).await;
    assert_eq!(refused, Err(PublishError::Malformed("no such profile can be".to_owned())));
    // Nothing of a publish is handed on when one of its devices cannot be served.
    let refused = says(&mut session, "telemetry", &json!({"one": [{"t": 1}], "unknown": [{"t": 1}]})).await;
    assert!(matches!(refused, Err(PublishError::Unavailable(_))), "{refused:?}");
    assert_eq!(session.in_flight(), 0);
}

fn rates(telemetry_messages: &str) -> Rates {
    Rates {
        telemetry_messages: telemetry_messages.parse().unwrap(),
        ..Rates::default()
    }
}

#[tokio::test]
async fn who_says_more_than_it_may_is_refused_as_a_whole() {
    let world = World::with(RateLimits {
        device: rates("1:60"),
        gateway: rates("3:60"),
        child: rates("2:60"),
        ..RateLimits::default()
    });
    let (_, _lane, mut plain) = world.connected().await;
    let telemetry = || Inbound::new(Transport::Mqtt, "v1/devices/me/telemetry", vec![], r#"{"t": 1}"#.into());
    assert_eq!(soon("publishing", plain.publish(telemetry())).await, Ok(0));
    assert_eq!(
        soon("publishing", plain.publish(telemetry())).await,
        Err(PublishError::RateExceeded(Exceeded::Device))
    );
    let mut session = gateway(&world).await;
    let (one, two) = (world.named("one"), world.named("two"));
    let twice = json!({"one": [{"t": 1}, {"t": 2}]});
    assert_eq!(says(&mut session, "telemetry", &twice).await, Ok(0));
    let refused = says(&mut session, "telemetry", &json!({"two": [{"t": 1}], "one": [{"t": 1}]})).await;
    assert_eq!(refused, Err(PublishError::RateExceeded(Exceeded::Child)));
    assert_eq!(one.len(), 3, "it was told of once");
    assert_eq!(two.len(), 0, "nothing of the second message was handed on");
    assert_eq!(says(&mut session, "telemetry", &json!({"two": [{"t": 1}]})).await, Ok(1));
    let refused = says(&mut session, "telemetry", &json!({"two": [{"t": 1}]})).await;
    assert_eq!(refused, Err(PublishError::RateExceeded(Exceeded::Gateway)));
}

/// A gateway, and the way to it of a device that has said as much as it may; another is there.
async fn with_a_device_at_its_limit(world: &World) -> (Session, SessionLink, LaneReceiver<Delivery>) {
    let mut session = gateway(world).await;
    let (mut one, two) = (world.named("one"), world.named("two"));
    assert_eq!(says(&mut session, "telemetry", &json!({"one": [{"t": 1}]})).await, Ok(0));
    let link = connected(&mut one).await;
    uplink(&mut one).await;
    assert!(matches!(event(&mut session).await, Event::Settled(0, Ok(()))));
    (session, link, two)
}

async fn says_too_much(session: &mut Session) {
    let refused = says(session, "telemetry", &json!({"one": [{"t": 2}]})).await;
    assert_eq!(refused, Err(PublishError::RateExceeded(Exceeded::Child)));
}

fn is_told() -> (String, Json, DownlinkKind) {
    let notice = json!({"device": "one", "reason": 150});
    ("v1/gateway/disconnect".to_owned(), notice, DownlinkKind::ChildRefused)
}

fn removed(link: &SessionLink) -> Result<(), cluster::Untold> {
    link.tell(Downlink::AttributesRemoved(vec!["k".into()]))
}

#[tokio::test]
async fn a_gateway_is_told_once_of_a_device_that_says_too_much() {
    let world = World::with(RateLimits {
        child: rates("1:60"),
        ..RateLimits::default()
    });
    let (mut session, link, mut two) = with_a_device_at_its_limit(&world).await;
    for _ in 0..1_000 {
        says_too_much(&mut session).await;
    }
    // What is told next is something else.
    removed(&link).unwrap();
    assert_eq!(told(&mut session).await, is_told());
    assert_eq!(told(&mut session).await.2, DownlinkKind::ChildAttributes);
    assert_eq!(says(&mut session, "telemetry", &json!({"two": [{"t": 1}]})).await, Ok(1));
    connected(&mut two).await;
    uplink(&mut two).await;
    assert!(
        matches!(event(&mut session).await, Event::Settled(1, Ok(()))),
        "the others are heard"
    );
}

#[tokio::test]
async fn a_gateway_that_takes_no_more_is_told_with_the_next_message_that_is_refused() {
    let world = World::with(RateLimits {
        child: rates("1:60"),
        ..RateLimits::default()
    });
    let (mut session, link, _two) = with_a_device_at_its_limit(&world).await;
    let waiting = std::iter::from_fn(|| removed(&link).ok()).count();
    says_too_much(&mut session).await;
    for _ in 0..waiting {
        assert_eq!(told(&mut session).await.2, DownlinkKind::ChildAttributes);
    }
    says_too_much(&mut session).await;
    assert_eq!(told(&mut session).await, is_told());
}

#[tokio::test]
async fn nothing_is_told_of_devices_where_the_gateway_itself_says_too_much() {
    let world = World::with(RateLimits {
        gateway: rates("1:60"),
        child: rates("2:60"),
        ..RateLimits::default()
    });
    let (mut session, link, _two) = with_a_device_at_its_limit(&world).await;
    let refused = says(&mut session, "telemetry", &json!({"one": [{"t": 2}]})).await;
    assert_eq!(refused, Err(PublishError::RateExceeded(Exceeded::Gateway)));
    removed(&link).unwrap();
    assert_eq!(told(&mut session).await.2, DownlinkKind::ChildAttributes);
}
