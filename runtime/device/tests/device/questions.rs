//! What a device asks, and requests of people that its chain decides about.

use std::time::Duration;

use crate::world::{Session, World, soon};
use cluster::{Answer, Call, Delivery, RpcError, SessionId};
use model::{Downlink, MessageKind, Metadata, Payload, Uplink};
use serde_json::{Value as Json, json};
use tokio::sync::oneshot;
use uuid::Uuid;

fn question(session: &Session, id: u32) -> Delivery {
    let uplink = Uplink::RpcCall {
        id,
        method: "time".into(),
        params: Payload::new(json!({"zone": "UTC"})),
    };
    session.uplink(u64::from(id), 0, uplink)
}

fn answer(session: SessionId, id: u32, payload: Json) -> (Delivery, oneshot::Receiver<Result<(), RpcError>>) {
    let (told, result) = oneshot::channel();
    let answer = Answer {
        session,
        id,
        payload: Payload::new(payload),
        told,
    };
    (Delivery::Answer(answer), result)
}

fn response(id: u32, payload: Json) -> Option<Downlink> {
    let payload = Payload::new(payload);
    Some(Downlink::RpcResponse { id, payload })
}

#[tokio::test]
async fn an_answer_goes_to_the_session_that_asked_connected_or_not() {
    let world = World::new();
    let (device, mut chain) = (world.device().await, world.open_chain());
    let (lane, mut asking, other) = (world.lane(device).await, Session::new(4), Session::new(4));
    other.connect(&lane).await;
    lane.send(question(&asking, 7)).await.unwrap();
    let input = soon("the message", chain.recv()).await.unwrap();
    let message = &input.message;
    assert_eq!(message.kind, MessageKind::ToServerRpc);
    assert_eq!(message.payload.json(), &json!({"method": "time", "params": {"zone": "UTC"}}));
    let session: Uuid = message.metadata.get("sessionId").unwrap().parse().unwrap();
    assert_eq!((message.metadata.get("requestId"), SessionId(session)), (Some("7"), asking.link.id));
    for (session, id, expected) in [
        (other.link.id, 7, Err(RpcError::NotAsked)),
        (asking.link.id, 8, Err(RpcError::NotAsked)),
        (asking.link.id, 7, Ok(())),
        (asking.link.id, 7, Err(RpcError::NotAsked)),
    ] {
        let (delivery, result) = answer(session, id, json!({"time": 5}));
        lane.send(delivery).await.unwrap();
        assert_eq!(soon("telling", result).await.unwrap(), expected, "{session:?} {id}");
    }
    assert_eq!(soon("the answer", asking.downlinks.recv()).await, response(7, json!({"time": 5})));
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_answers_ends_with_an_error() {
    let world = World::new();
    let (device, _chain) = (world.device().await, world.open_chain());
    let (lane, mut session) = (world.lane(device).await, Session::new(4));
    lane.send(question(&session, 1)).await.unwrap();
    tokio::time::advance(Duration::from_secs(59)).await;
    assert!(session.downlinks.try_recv().is_none());
    assert_eq!(session.downlinks.recv().await, response(1, json!({"error": "timeout"})));
}

#[tokio::test]
async fn a_call_enters_the_chain_and_waits_for_whoever_performs_it() {
    let world = World::new();
    let device = world.device().await;
    let lane = world.lane(device).await;
    let call = |id| {
        let (reply, answer) = oneshot::channel();
        let call = Call {
            id,
            kind: MessageKind::RpcToDevice,
            metadata: Metadata::from_iter([("requestUUID", id.to_string())]),
            payload: Payload::new(json!({"method": "on", "params": 1})),
            reply,
        };
        (Delivery::Call(call), answer)
    };
    let (delivery, nowhere) = call(Uuid::now_v7());
    lane.send(delivery).await.unwrap();
    assert_eq!(soon("the answer", nowhere).await.unwrap(), Err(RpcError::NoRoute));

    let mut chain = world.open_chain();
    let id = Uuid::now_v7();
    let (delivery, waiting) = call(id);
    lane.send(delivery).await.unwrap();
    let message = soon("the message", chain.recv()).await.unwrap().message;
    assert_eq!(message.kind, MessageKind::RpcToDevice);
    assert_eq!(
        (message.metadata.get("deviceName"), message.metadata.get("requestUUID")),
        (Some("D"), Some(&*id.to_string()))
    );
    world.calls.answer(world.tenant, id, Ok(Some(Payload::new(json!("done")))));
    assert_eq!(soon("the answer", waiting).await.unwrap(), Ok(Some(Payload::new(json!("done")))));
}
