//! Requests to devices, which the test plays.

use crate::world::{World, leaving, mark, message, soon};
use actor::LaneReceiver;
use cluster::{Delivery, RpcError, RpcRequest};
use effects::{EffectError, Performed};
use model::{DeviceId, EntityId, EntityKind, Payload, PresenceEvent};
use plugins::{Content, Effect};
use serde_json::{Value as Json, json};

fn request(device: EntityId, params: Content, oneway: bool) -> Effect {
    Effect::SendRpc {
        device,
        method: "setValue".to_owned(),
        params,
        timeout_ms: 1234,
        oneway,
        request_id: None,
        expires_ms: None,
        persistent: false,
        retries: None,
        additional_info: None,
    }
}

async fn received(lane: &mut LaneReceiver<Delivery>) -> RpcRequest {
    match soon("the request", lane.recv()).await {
        Some(Delivery::Rpc(request)) => request,
        other => panic!("{other:?}"),
    }
}

/// Lets a node's request reach the device and answers as the device does.
async fn exchange(
    world: &World,
    oneway: bool,
    params: Json,
    answer: impl FnOnce(RpcRequest),
) -> (DeviceId, Result<Performed, EffectError>) {
    let (device, mut lane) = world.awake_device();
    let (effects, effect) = (world.effects.clone(), request(device.entity(), Content::Own(params), oneway));
    let performing = actor::spawn("test", async move { effects.perform([effect], message(device.entity())).await });
    answer(received(&mut lane).await);
    (device, soon("performing", performing).await.unwrap())
}

#[tokio::test]
async fn the_reply_becomes_the_payload() {
    let world = World::new();
    let (device, result) = exchange(&world, false, json!({"pin": 1}), |request| {
        assert_eq!((&*request.method, request.expires_ms, request.oneway), ("setValue", 1234, false));
        assert_eq!(request.params.json(), &json!({"pin": 1}));
        request.reply.send(Ok(Some(Payload::new(json!({"done": true}))))).unwrap();
    })
    .await;
    let performed = result.unwrap();
    assert_eq!((performed.relation, leaving(&performed)), ("Success", json!({"done": true})));
    assert_eq!(
        (
            mark(&performed, "deviceName"),
            performed.message.as_ref().map(|message| message.originator)
        ),
        (Some("D"), Some(device.entity()))
    );
}

#[tokio::test]
async fn a_oneway_request_leaves_the_message_as_it_is() {
    let world = World::new();
    let (_, result) = exchange(&world, true, json!(5), |request| {
        assert!(request.oneway);
        request.reply.send(Ok(None)).unwrap();
    })
    .await;
    assert_eq!(result.unwrap(), Performed::SUCCESS);
}

#[tokio::test]
async fn what_the_device_does_not_do_fails_the_message() {
    let world = World::new();
    for (error, says) in [
        (RpcError::Timeout, "the device did not reply in time"),
        (RpcError::NotConnected, "the device is not connected"),
        (RpcError::TooMany, "too many requests wait for the device"),
    ] {
        let (_, result) = exchange(&world, false, json!({}), |request| request.reply.send(Err(error)).unwrap()).await;
        let failed = result.unwrap_err();
        assert!(matches!(failed, EffectError::Rpc(same) if same == error), "{failed:?}");
        assert_eq!(failed.to_string(), says);
    }
    // The device's actor ends before it answers.
    let (_, result) = exchange(&world, false, json!({}), drop).await;
    assert!(matches!(result, Err(EffectError::Rpc(RpcError::Moved))), "{result:?}");
}

#[tokio::test]
async fn a_device_that_cannot_be_reached_fails_the_message() {
    let world = World::new();
    let params = || Content::Own(json!({}));
    let unknown = world.device().entity();
    let result = world.perform(10, vec![request(unknown, params(), false)], &message(unknown)).await;
    assert!(matches!(result, Err(EffectError::Rpc(RpcError::NotConnected))), "{result:?}");

    let (gone, lane) = world.awake_device();
    drop(lane);
    let result = world
        .perform(10, vec![request(gone.entity(), params(), true)], &message(gone.entity()))
        .await;
    assert!(matches!(result, Err(EffectError::Rpc(RpcError::Moved))), "{result:?}");

    let asset = EntityId::new(world.tenant, EntityKind::Asset, unknown.id);
    let error = world
        .perform(10, vec![request(asset, params(), true)], &message(asset))
        .await
        .unwrap_err();
    assert!(matches!(&error, EffectError::Invalid(text) if text.contains("ASSET")), "{error:?}");
}

#[tokio::test]
async fn params_can_be_a_part_of_the_message_or_absent() {
    let world = World::new();
    let (device, mut lane) = world.awake_device();
    for (path, expected) in [("params", json!([1, 2])), ("absent", json!(null))] {
        let payload = Payload::new(json!({"params": [1, 2]}));
        let (effects, effect) = (
            world.effects.clone(),
            request(
                device.entity(),
                Content::Shared {
                    payload,
                    path: path.into(),
                },
                true,
            ),
        );
        let performing = actor::spawn("test", async move { effects.perform([effect], message(device.entity())).await });
        let request = received(&mut lane).await;
        assert_eq!(request.params.json(), &expected);
        request.reply.send(Ok(None)).unwrap();
        soon("performing", performing).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn requests_to_one_device_do_not_wait_for_each_other() {
    let world = World::new();
    let (device, mut lane) = world.awake_device();
    let ask = |number: u32| {
        let (effects, effect) = (world.effects.clone(), request(device.entity(), Content::Own(json!(number)), false));
        actor::spawn("test", async move { effects.perform([effect], message(device.entity())).await })
    };
    let (first, second) = (ask(1), ask(2));
    let (one, other) = (received(&mut lane).await, received(&mut lane).await);
    // Answered in the other order, each with what it was asked.
    for request in [other, one] {
        request.reply.send(Ok(Some(request.params))).unwrap();
    }
    assert_eq!(leaving(&soon("the first", first).await.unwrap().unwrap()), json!(1));
    assert_eq!(leaving(&soon("the second", second).await.unwrap().unwrap()), json!(2));
}

#[tokio::test]
async fn whoever_waits_outside_hears_what_becomes_of_it() {
    let world = World::new();
    for answer in [Ok(Some(Payload::new(json!(1)))), Ok(None), Err(RpcError::Timeout)] {
        let (device, mut lane) = world.awake_device();
        let (id, (reply, waiting)) = (uuid::Uuid::new_v4(), tokio::sync::oneshot::channel());
        world.effects.calls().wait(world.tenant, id, reply);
        let mut effect = request(device.entity(), Content::Own(json!({})), false);
        if let Effect::SendRpc {
            request_id, expires_ms, ..
        } = &mut effect
        {
            (*request_id, *expires_ms) = (Some(id), Some(77));
        }
        let effects = world.effects.clone();
        let performing = actor::spawn("test", async move { effects.perform([effect], message(device.entity())).await });
        let request = received(&mut lane).await;
        assert_eq!((request.id, request.expires_ms), (id, 77));
        request.reply.send(answer.clone()).unwrap();
        assert_eq!(soon("the answer", waiting).await.unwrap(), answer);
        assert_eq!(soon("performing", performing).await.unwrap().is_ok(), answer.is_ok());
    }
}

#[tokio::test]
async fn a_request_can_be_kept() {
    let world = World::new();
    for (retries, expected) in [(None, 5), (Some(0), 0), (Some(u32::MAX), 100)] {
        let (device, mut lane) = world.awake_device();
        let mut effect = request(device.entity(), Content::Own(json!({})), true);
        if let Effect::SendRpc {
            persistent,
            retries: given,
            ..
        } = &mut effect
        {
            (*persistent, *given) = (true, retries);
        }
        let effects = world.effects.clone();
        let performing = actor::spawn("test", async move { effects.perform([effect], message(device.entity())).await });
        let request = received(&mut lane).await;
        assert_eq!(request.keep.map(|keep| keep.retries), Some(expected));
        request.reply.send(Ok(Some(Payload::new(json!({"rpcId": "x"}))))).unwrap();
        assert_eq!(
            leaving(&soon("performing", performing).await.unwrap().unwrap()),
            json!({"rpcId": "x"})
        );
    }
}

#[tokio::test]
async fn a_devices_request_is_answered_through_its_actor() {
    let world = World::new();
    for (told, fails) in [(Ok(()), false), (Err(RpcError::NotAsked), true)] {
        let (device, mut lane) = world.awake_device();
        let session = uuid::Uuid::new_v4();
        let reply = Effect::ReplyRpc {
            device: device.entity(),
            session,
            request_id: 3,
            payload: Content::Own(json!({"time": 5})),
        };
        let effects = world.effects.clone();
        let performing = actor::spawn("test", async move { effects.perform([reply], message(device.entity())).await });
        match soon("the answer", lane.recv()).await {
            Some(Delivery::Answer(answer)) => {
                assert_eq!(
                    (answer.session.0, answer.id, answer.payload.json()),
                    (session, 3, &json!({"time": 5}))
                );
                answer.told.send(told).unwrap();
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(soon("performing", performing).await.unwrap().is_err(), fails);
    }
}

#[tokio::test]
async fn presence_is_reported_to_the_devices_actor_and_waited_for() {
    let world = World::new();
    for durable in [true, false] {
        let (device, mut lane) = world.awake_device();
        let report = Effect::ReportPresence {
            device: device.entity(),
            event: PresenceEvent::Active,
            at_ms: 77,
        };
        let effects = world.effects.clone();
        let performing = actor::spawn("test", async move { effects.perform([report], message(device.entity())).await });
        match soon("the report", lane.recv()).await {
            Some(Delivery::Presence { event, at_ms, receipt }) => {
                assert_eq!((event, at_ms), (PresenceEvent::Active, 77));
                if durable {
                    receipt.done();
                }
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(soon("performing", performing).await.unwrap().is_ok(), durable);
    }
    let asset = EntityId::new(world.tenant, EntityKind::Asset, uuid::Uuid::new_v4());
    let report = Effect::ReportPresence {
        device: asset,
        event: PresenceEvent::Active,
        at_ms: 1,
    };
    let refused = world.effects.perform([report], message(asset)).await;
    assert!(matches!(refused, Err(EffectError::Invalid(_))), "{refused:?}");
}
