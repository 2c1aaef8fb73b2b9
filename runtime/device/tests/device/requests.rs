//! Requests to a device: sent to its session, answered, or given up at their time.

use std::time::Duration;

use crate::world::{Session, World, request};
use actor::Observe;
use cluster::{DeviceLane, RpcError};
use device::state::PENDING_MAX;
use model::{DeviceId, Downlink, Payload, Uplink};
use serde_json::json;
use tokio::time::Instant;

/// A device with a connected session.
async fn connected(world: &World, downlinks_max: usize) -> (DeviceId, DeviceLane, Session) {
    let device = world.device().await;
    let (lane, session) = (world.lane(device).await, Session::new(downlinks_max));
    session.connect(&lane).await;
    (device, lane, session)
}

/// The number and method of the next request that the session is told.
async fn told(session: &mut Session) -> (u32, String) {
    match session.downlinks.recv().await {
        Some(Downlink::RpcRequest { id, method, params }) => {
            assert_eq!(params.json(), &json!({"of": &*method}));
            (id, method.to_string())
        }
        other => panic!("{other:?}"),
    }
}

fn reply(id: u32, text: &str) -> Uplink {
    Uplink::RpcReply {
        id,
        payload: Payload::new(json!(text)),
    }
}

#[tokio::test(start_paused = true)]
async fn each_reply_finds_its_request() {
    let world = World::new();
    let (device, lane, mut session) = connected(&world, 10).await;
    let (first, first_answer) = request("first", 5_000, false);
    let (second, second_answer) = request("second", 5_000, false);
    lane.send(first).await.unwrap();
    lane.send(second).await.unwrap();
    assert_eq!(
        (told(&mut session).await, told(&mut session).await),
        ((0, "first".to_owned()), (1, "second".to_owned()))
    );
    let control = world.registry.control(device).unwrap();
    assert_eq!(control.ask(Observe).await.unwrap().pending_requests, 2);

    lane.send(session.uplink(0, 0, reply(1, "two"))).await.unwrap();
    lane.send(session.uplink(1, 0, reply(0, "one"))).await.unwrap();
    // Nobody waits for these: answered already, never asked.
    lane.send(session.uplink(2, 0, reply(0, "again"))).await.unwrap();
    lane.send(session.uplink(3, 0, reply(77, "what?"))).await.unwrap();
    assert_eq!(first_answer.await.unwrap(), Ok(Some(Payload::new(json!("one")))));
    assert_eq!(second_answer.await.unwrap(), Ok(Some(Payload::new(json!("two")))));
    for sequence in 0..4 {
        let settled = session.settlements.recv().await.unwrap();
        assert_eq!((settled.sequence, settled.result), (sequence, Ok(())));
    }
    assert_eq!(control.ask(Observe).await.unwrap().pending_requests, 0);
    assert!(world.chains.asked.lock().is_empty(), "no chain is asked");
}

#[tokio::test(start_paused = true)]
async fn requests_are_given_up_each_at_its_time() {
    let world = World::new();
    let (_, lane, mut session) = connected(&world, 10).await;
    let begin = Instant::now();
    let mut waiting = Vec::new();
    for timeout_ms in [3_000, 1_000, 2_000] {
        let (delivery, answer) = request("slow", timeout_ms, false);
        lane.send(delivery).await.unwrap();
        waiting.push(actor::spawn(
            "test",
            async move { (timeout_ms, answer.await.unwrap(), begin.elapsed()) },
        ));
    }
    for task in waiting {
        let (timeout_ms, result, after) = task.await.unwrap();
        let timeout = Duration::from_millis(timeout_ms.into());
        assert_eq!(result, Err(RpcError::Timeout));
        assert!(
            after >= timeout && after < timeout + Duration::from_millis(10),
            "{timeout_ms} ms: after {after:?}"
        );
    }
    // A reply that comes too late is taken all the same.
    let (id, _) = told(&mut session).await;
    lane.send(session.uplink(0, 0, reply(id, "late"))).await.unwrap();
    assert_eq!(session.settlements.recv().await.unwrap().result, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_oneway_request_is_done_when_a_session_takes_it() {
    let world = World::new();
    let (device, lane, mut session) = connected(&world, 1).await;
    let (delivery, answer) = request("blink", 5_000, true);
    lane.send(delivery).await.unwrap();
    assert_eq!(answer.await.unwrap(), Ok(None));
    let (delivery, answer) = request("blink", 5_000, true);
    lane.send(delivery).await.unwrap();
    assert_eq!(answer.await.unwrap(), Err(RpcError::NotConnected), "the session takes no more");
    assert_eq!(told(&mut session).await, (0, "blink".to_owned()));
    assert_eq!(
        world.registry.control(device).unwrap().ask(Observe).await.unwrap().pending_requests,
        0
    );
}

#[tokio::test(start_paused = true)]
async fn a_device_without_session_is_not_connected() {
    let world = World::new();
    let device = world.device().await;
    let lane = world.lane(device).await;
    let begin = Instant::now();
    for oneway in [true, false] {
        let (delivery, answer) = request("blink", 60_000, oneway);
        lane.send(delivery).await.unwrap();
        assert_eq!(answer.await.unwrap(), Err(RpcError::NotConnected));
    }
    let session = Session::new(1);
    session.connect(&lane).await;
    lane.send(cluster::Delivery::Disconnected(session.link.id)).await.unwrap();
    let (delivery, answer) = request("blink", 60_000, false);
    lane.send(delivery).await.unwrap();
    assert_eq!(answer.await.unwrap(), Err(RpcError::NotConnected));
    assert_eq!(begin.elapsed(), Duration::ZERO, "at once");
}

#[tokio::test(start_paused = true)]
async fn a_device_has_only_so_many_requests() {
    let world = World::new();
    let (_, lane, session) = connected(&world, 2 * PENDING_MAX).await;
    let mut answers = Vec::new();
    for _ in 0..PENDING_MAX {
        let (delivery, answer) = request("slow", 5_000, false);
        lane.send(delivery).await.unwrap();
        answers.push(answer);
    }
    let (delivery, answer) = request("one more", 5_000, false);
    lane.send(delivery).await.unwrap();
    assert_eq!(answer.await.unwrap(), Err(RpcError::TooMany));
    let (delivery, answer) = request("oneway", 5_000, true);
    lane.send(delivery).await.unwrap();
    assert_eq!(answer.await.unwrap(), Ok(None), "what waits for no answer is still sent");
    assert_eq!(session.downlinks.len(), PENDING_MAX + 1);
    for answer in answers {
        assert_eq!(answer.await.unwrap(), Err(RpcError::Timeout));
    }
}
