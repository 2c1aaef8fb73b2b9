//! Requests that are kept until the device has them, whatever happens meanwhile.

use std::time::Duration;

use crate::world::{START_MS, Session, World, request, soon};
use cluster::{Delivery, DeviceLane, Keep, RpcError};
use device::RegistryConfig;
use model::entity::{Rpc, RpcStatus};
use model::{DeviceId, Downlink, MessageKind, PageRequest, Payload, Uplink};
use serde_json::json;
use storage::{ReminderStore, RpcStore};
use tokio::sync::oneshot;
use uuid::Uuid;

/// Has a request kept; its id.
async fn keep(lane: &DeviceLane, method: &str, expires_after_ms: i64) -> Uuid {
    let (mut request, answer) = request(method, expires_after_ms, false);
    request.keep = Some(Keep {
        retries: 1,
        additional_info: Some(Payload::new(json!({"by": "test"}))),
    });
    let id = request.id;
    lane.send(Delivery::Rpc(request)).await.unwrap();
    let answer = soon("keeping", answer).await.unwrap();
    assert_eq!(answer, Ok(Some(Payload::new(json!({"rpcId": id.to_string()})))));
    id
}

async fn stored(world: &World, id: Uuid) -> Rpc {
    world.store.rpc(world.tenant, id).await.unwrap().unwrap()
}

/// The numbers and methods of the requests that the session is told next.
async fn told(session: &mut Session, count: usize) -> Vec<(u32, String)> {
    let mut told = Vec::new();
    for _ in 0..count {
        match soon("a request", session.downlinks.recv()).await {
            Some(Downlink::RpcRequest { id, method, .. }) => told.push((id, method.to_string())),
            other => panic!("{other:?}"),
        }
    }
    told
}

/// Waits until a request has a status.
async fn until(world: &World, id: Uuid, status: RpcStatus) -> Rpc {
    soon(status.as_str(), async {
        loop {
            let rpc = stored(world, id).await;
            if rpc.status == status {
                return rpc;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

fn reply(session: &Session, number: u32) -> Delivery {
    let payload = Payload::new(json!({"number": number}));
    session.uplink(0, 0, Uplink::RpcReply { id: number, payload })
}

#[tokio::test]
async fn they_are_told_in_order_when_the_device_connects_and_their_way_is_recorded() {
    let world = World::new();
    let (device, mut chain) = (world.device().await, world.open_chain());
    let lane = world.lane(device).await;
    let ids = [keep(&lane, "first", 60_000).await, keep(&lane, "second", 60_000).await];
    assert_eq!(stored(&world, ids[0]).await.status, RpcStatus::Queued);
    let mut session = Session::new(10);
    session.connect(&lane).await;
    assert_eq!(told(&mut session, 2).await, [(0, "first".to_owned()), (1, "second".to_owned())]);
    until(&world, ids[1], RpcStatus::Sent).await;
    lane.send(Delivery::Delivered(session.link.id, 1)).await.unwrap();
    until(&world, ids[1], RpcStatus::Delivered).await;
    lane.send(reply(&session, 1)).await.unwrap();
    let done = until(&world, ids[1], RpcStatus::Successful).await;
    assert_eq!(
        (done.response, done.additional_info),
        (Some(json!({"number": 1})), Some(json!({"by": "test"})))
    );
    let mut kinds = Vec::new();
    while kinds.len() < 6 {
        let message = soon("a message", chain.recv()).await.unwrap().message;
        assert_eq!(message.originator, device.entity());
        kinds.push(message.kind.clone());
    }
    assert_eq!(
        kinds,
        [
            MessageKind::RpcQueued,
            MessageKind::RpcQueued,
            MessageKind::RpcSent,
            MessageKind::RpcSent,
            MessageKind::RpcDelivered,
            MessageKind::RpcSuccessful,
        ]
    );
}

#[tokio::test]
async fn another_actor_takes_them_up_where_the_last_one_left() {
    let world = World::new();
    let device = world.device().await;
    let lane = world.lane(device).await;
    let ids = [
        keep(&lane, "has it", 60_000).await,
        keep(&lane, "was sent", 60_000).await,
        keep(&lane, "waits", 60_000).await,
    ];
    let mut session = Session::new(2);
    session.connect(&lane).await;
    told(&mut session, 2).await;
    lane.send(Delivery::Delivered(session.link.id, 0)).await.unwrap();
    until(&world, ids[0], RpcStatus::Delivered).await;

    // As after a crash: a world that knows nothing but what is stored.
    let world = world.again();
    let lane = world.lane(device).await;
    let mut session = Session::new(10);
    session.connect(&lane).await;
    assert_eq!(told(&mut session, 2).await, [(1, "was sent".to_owned()), (2, "waits".to_owned())]);
    for (number, id) in ids.into_iter().enumerate() {
        lane.send(reply(&session, number as u32)).await.unwrap();
        until(&world, id, RpcStatus::Successful).await;
    }
    assert!(world.store.open_rpcs(device).await.unwrap().is_empty());
}

#[tokio::test]
async fn asking_again_keeps_one_and_anothers_id_is_refused() {
    let world = World::new();
    let (device, other) = (world.device().await, world.device().await);
    let id = Uuid::new_v4();
    let ask = async |device: DeviceId| {
        let (mut request, answer) = request("once", 60_000, false);
        (request.id, request.keep) = (
            id,
            Some(Keep {
                retries: 0,
                additional_info: None,
            }),
        );
        world.lane(device).await.send(Delivery::Rpc(request)).await.unwrap();
        soon("the answer", answer).await.unwrap()
    };
    for _ in 0..2 {
        assert_eq!(ask(device).await, Ok(Some(Payload::new(json!({"rpcId": id.to_string()})))));
    }
    assert_eq!(ask(other).await, Err(RpcError::NotKept));
    let all = world.store.rpcs(device, None, &PageRequest::first(10)).await.unwrap();
    assert_eq!(all.data.len(), 1);
}

#[tokio::test]
async fn what_nobody_fetches_expires() {
    let world = World::with(RegistryConfig {
        idle_timeout: Duration::from_millis(10),
        keeps_presence: false,
        ..RegistryConfig::default()
    });
    let device = world.device().await;
    let expires_ms = world.clock_ms() - START_MS + 500;
    let id = keep(&world.lane(device).await, "late", expires_ms).await;
    // It sleeps meanwhile, and would be thought of after a restart.
    assert_eq!(soon("waking", world.registry.next_wakeup()).await, device);
    assert_eq!(world.store.reminders().await.unwrap(), [device]);
    world.lane(device).await;
    until(&world, id, RpcStatus::Expired).await;
    soon("forgetting", async {
        while !world.store.reminders().await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_over_is_not_sent() {
    let world = World::new();
    let (device, mut session) = (world.device().await, Session::new(1));
    let lane = world.lane(device).await;
    session.connect(&lane).await;
    let id = keep(&lane, "too late", -1).await;
    until(&world, id, RpcStatus::Expired).await;
    assert!(session.downlinks.try_recv().is_none());
}

#[tokio::test]
async fn one_that_is_removed_is_told_nobody() {
    let world = World::new();
    let (device, mut chain) = (world.device().await, world.open_chain());
    let lane = world.lane(device).await;
    let id = keep(&lane, "no more", 60_000).await;
    let (done, removed) = oneshot::channel();
    lane.send(Delivery::Remove(Box::new(stored(&world, id).await), done)).await.unwrap();
    assert_eq!(soon("removing", removed).await.unwrap(), Ok(()));
    assert_eq!(world.store.rpc(world.tenant, id).await.unwrap(), None);
    let mut session = Session::new(1);
    session.connect(&lane).await;
    for expected in [MessageKind::RpcQueued, MessageKind::RpcDeleted] {
        assert_eq!(soon("a message", chain.recv()).await.unwrap().message.kind, expected);
    }
    assert!(session.downlinks.try_recv().is_none());
}
