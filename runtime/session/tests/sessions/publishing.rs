//! What a device sends, on its way to its actor and back as a settlement.

use crate::world::{NOW_MS, PAYLOAD_BYTES_MAX, World, event, events, mqtt, next, soon};
use cluster::{Delivery, Receipt, SettleError};
use model::{Downlink, DownlinkKind, Payload, Uplink};
use serde_json::{Value as Json, json};
use session::{Event, Inbound, PublishError, Session, Transport};

/// The uplink of the next delivery, and the receipt that stands for it.
async fn uplink(lane: &mut actor::LaneReceiver<Delivery>) -> (Uplink, Receipt) {
    match next(lane).await {
        Delivery::Uplink {
            uplink,
            receipt,
            received_ms,
            ..
        } => {
            assert_eq!(received_ms, NOW_MS);
            (uplink, receipt)
        }
        other => panic!("{other:?}"),
    }
}

fn telemetry(ts_ms: Option<i64>, values: Json) -> Uplink {
    Uplink::Telemetry {
        ts_ms,
        values: Payload::new(values),
    }
}

async fn publish(session: &mut Session, inbound: Inbound) -> Result<u64, PublishError> {
    soon("publishing", session.publish(inbound)).await
}

#[tokio::test]
async fn a_publish_is_settled_when_all_its_uplinks_are() {
    let world = World::new();
    let (_, mut lane, mut session) = world.connected().await;
    let array = json!([{"t": 1}, {"ts": 5, "values": {"t": 2}}, {"t": 3}]);
    assert_eq!(publish(&mut session, mqtt("telemetry", &array)).await, Ok(0));
    assert_eq!(publish(&mut session, mqtt("attributes", &json!({"fw": "1"}))).await, Ok(1));
    assert_eq!(session.in_flight(), 2);
    let mut receipts = Vec::new();
    for expected in [
        telemetry(None, json!({"t": 1})),
        telemetry(Some(5), json!({"t": 2})),
        telemetry(None, json!({"t": 3})),
    ] {
        let (found, receipt) = uplink(&mut lane).await;
        assert_eq!(found, expected);
        receipts.push(receipt);
    }
    let (attributes, receipt) = uplink(&mut lane).await;
    assert_eq!(attributes, Uplink::Attributes(Payload::new(json!({"fw": "1"}))));
    receipt.done();
    assert!(matches!(event(&mut session).await, Event::Settled(1, Ok(()))));
    receipts.pop().unwrap().done();
    receipts.pop().unwrap().done();
    assert_eq!(session.in_flight(), 1, "one of its uplinks is not durable yet");
    receipts.pop().unwrap().done();
    assert!(matches!(event(&mut session).await, Event::Settled(0, Ok(()))));
    assert_eq!(session.in_flight(), 0);
}

#[tokio::test]
async fn a_part_that_fails_fails_its_publish() {
    let world = World::new();
    let (_, mut lane, mut session) = world.connected().await;
    publish(&mut session, mqtt("telemetry", &json!([{"t": 1}, {"t": 2}])))
        .await
        .unwrap();
    publish(&mut session, mqtt("telemetry", &json!({"t": 3}))).await.unwrap();
    uplink(&mut lane).await.1.fail(SettleError::NoRoute);
    uplink(&mut lane).await.1.done();
    drop(uplink(&mut lane).await);
    let settled = events(&mut session, 2).await;
    assert!(
        matches!(
            settled[..],
            [
                Event::Settled(0, Err(SettleError::NoRoute)),
                Event::Settled(1, Err(SettleError::NotDurable))
            ]
        ),
        "{settled:?}"
    );
}

#[tokio::test]
async fn what_is_not_understood_is_refused_and_not_numbered() {
    let world = World::new();
    let (_, mut lane, mut session) = world.connected().await;
    let oops = Inbound::new(Transport::Mqtt, "v1/devices/me/telemetry", vec![], "{oops".into());
    assert!(matches!(publish(&mut session, oops).await, Err(PublishError::Malformed(_))));
    assert_eq!(
        publish(&mut session, mqtt("elsewhere", &json!({}))).await,
        Err(PublishError::UnknownAddress)
    );
    assert_eq!(session.in_flight(), 0);
    assert!(lane.is_empty());
    assert_eq!(
        publish(&mut session, mqtt("telemetry", &json!({"t": 1}))).await,
        Ok(0),
        "nothing else was numbered"
    );
    uplink(&mut lane).await.1.done();
    // Nothing to store is settled at once.
    assert_eq!(publish(&mut session, mqtt("telemetry", &json!([]))).await, Ok(1));
    let settled = events(&mut session, 2).await;
    assert!(
        matches!(settled[..], [Event::Settled(0, Ok(())), Event::Settled(1, Ok(()))]),
        "{settled:?}"
    );
}

#[tokio::test]
async fn a_full_window_closes_until_something_is_settled() {
    let world = World::new();
    let (_, mut lane, mut session) = world.connected().await;
    let mut published = 0;
    while session.has_room() {
        publish(&mut session, mqtt("telemetry", &json!({"n": published}))).await.unwrap();
        published += 1;
    }
    assert_eq!((published, session.in_flight()), (512, 512));
    uplink(&mut lane).await.1.done();
    assert!(matches!(event(&mut session).await, Event::Settled(0, Ok(()))));
    assert!(session.has_room());
    // Everything else at once: the lane of settlements has room for all of them.
    for _ in 1..published {
        uplink(&mut lane).await.1.done();
    }
    let settled = events(&mut session, 511).await;
    let numbers = settled.iter().map(|event| match event {
        Event::Settled(number, Ok(())) => *number,
        other => panic!("{other:?}"),
    });
    assert_eq!(numbers.collect::<Vec<_>>(), (1..512).collect::<Vec<_>>());
    assert_eq!(session.in_flight(), 0);
}

#[tokio::test]
async fn downlinks_are_written_as_the_protocol_has_them() {
    let world = World::new();
    let (device, mut lane) = world.device();
    let mut session = soon("connecting", world.sessions.connect(device, Transport::Mqtt)).await.unwrap();
    let Delivery::Connected(link) = next(&mut lane).await else {
        panic!("connected")
    };
    let request = Downlink::RpcRequest {
        id: 4,
        method: "on".into(),
        params: Payload::new(json!({"pin": 1})),
    };
    link.downlinks.send(request).await.unwrap();
    match event(&mut session).await {
        Event::Downlink(outbound, DownlinkKind::RpcRequest, Some(4)) => {
            assert_eq!(outbound.address, "v1/devices/me/rpc/request/4");
            let payload: Json = serde_json::from_slice(&outbound.payload).unwrap();
            assert_eq!(payload, json!({"method": "on", "params": {"pin": 1}}));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(session.subscription("v1/devices/me/attributes").await, [DownlinkKind::Attributes]);
    assert_eq!(session.subscription("#").await, []);
    session.delivered(4).await;
    assert!(matches!(next(&mut lane).await, Delivery::Delivered(from, 4) if from == link.id));
}

#[tokio::test]
async fn what_a_device_subscribes_to_is_told_once() {
    let world = World::new();
    let (device, mut lane) = world.device();
    let mut session = soon("connecting", world.sessions.connect(device, Transport::Mqtt)).await.unwrap();
    let mut told = async || match next(&mut lane).await {
        Delivery::Connected(link) => (link.id, link.kinds, link.once),
        other => panic!("{other:?}"),
    };
    let (id, kinds, once) = told().await;
    assert!(kinds.is_empty() && !once);
    for kinds in [DownlinkKind::RpcRequest, DownlinkKind::RpcRequest, DownlinkKind::Attributes] {
        session.listen(kinds.into()).await;
    }
    assert_eq!(told().await, (id, DownlinkKind::RpcRequest.into(), false));
    assert_eq!(told().await, (id, DownlinkKind::Attributes.into(), false));
}

#[tokio::test]
async fn the_session_answers_for_its_own_limits() {
    let world = World::new();
    let (_, mut lane, mut session) = world.connected().await;
    let call = json!({"method": "getSessionLimits", "params": {}});
    assert_eq!(publish(&mut session, mqtt("rpc/request/9", &call)).await, Ok(0));
    assert!(matches!(event(&mut session).await, Event::Settled(0, Ok(()))));
    match event(&mut session).await {
        Event::Downlink(outbound, DownlinkKind::RpcResponse, None) => {
            assert_eq!(outbound.address, "v1/devices/me/rpc/response/9");
            let limits: Json = serde_json::from_slice(&outbound.payload).unwrap();
            assert_eq!(
                (&limits["maxPayloadSize"], &limits["maxInflightMessages"]),
                (&json!(PAYLOAD_BYTES_MAX), &json!(512))
            );
            // Empty texts: clients lift limits of their own. Only gateways hear of those behind them.
            let none = json!({"messages": "", "telemetryMessages": "", "telemetryDataPoints": ""});
            assert_eq!((&limits["rateLimits"], limits.get("gatewayRateLimits")), (&none, None));
        }
        other => panic!("{other:?}"),
    }
    assert!(lane.is_empty(), "the device's actor is not asked");
    // Any other request is.
    publish(&mut session, mqtt("rpc/request/10", &json!({"method": "getTime", "params": 1})))
        .await
        .unwrap();
    let (call, receipt) = uplink(&mut lane).await;
    assert_eq!(
        call,
        Uplink::RpcCall {
            id: 10,
            method: "getTime".into(),
            params: Payload::new(json!(1))
        }
    );
    receipt.done();
}

#[tokio::test]
async fn a_session_follows_its_device_to_the_next_actor() {
    let world = World::new();
    let (device, lane, mut session) = world.connected().await;
    drop(lane);
    let mut lane = world.wake(device);
    publish(&mut session, mqtt("telemetry", &json!([{"t": 1}, {"t": 2}])))
        .await
        .unwrap();
    assert!(
        matches!(next(&mut lane).await, Delivery::Connected(_)),
        "the new actor learns of the session first"
    );
    for number in 1..3 {
        let (found, receipt) = uplink(&mut lane).await;
        assert_eq!(found, telemetry(None, json!({"t": number})));
        receipt.done();
    }
    assert!(matches!(event(&mut session).await, Event::Settled(0, Ok(()))));

    // Nobody serves the device now: the publish is not acknowledged, the session goes on.
    drop(lane);
    world.break_devices("moving");
    publish(&mut session, mqtt("telemetry", &json!({"t": 3}))).await.unwrap();
    assert!(matches!(event(&mut session).await, Event::Settled(1, Err(SettleError::NotDurable))));
    assert_eq!(session.in_flight(), 0);
}
