//! Requests to a device: sent to the session that takes them, answered, or given up at their time.

use std::time::Duration;

use crate::world::{START_MS, Session, Waiting, World, request};
use actor::Observe;
use cluster::{Delivery, DeviceLane, RpcError, SessionLink};
use device::requests::REQUESTS_MAX;
use model::{DeviceId, Downlink, DownlinkKind, DownlinkKinds, Payload, Uplink};
use serde_json::json;
use tokio::time::Instant;

/// A device with a connected session.
async fn connected(world: &World, downlinks_max: usize) -> (DeviceId, DeviceLane, Session) {
    let device = world.device().await;
    let (lane, session) = (world.lane(device).await, Session::new(downlinks_max));
    session.connect(&lane).await;
    (device, lane, session)
}

async fn ask(lane: &DeviceLane, method: &str, expires_after_ms: i64, oneway: bool) -> Waiting {
    let (request, answer) = request(method, expires_after_ms, oneway);
    lane.send(Delivery::Rpc(request)).await.unwrap();
    answer
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
    let first = ask(&lane, "first", 5_000, false).await;
    let second = ask(&lane, "second", 5_000, false).await;
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
    assert_eq!(first.await.unwrap(), Ok(Some(Payload::new(json!("one")))));
    assert_eq!(second.await.unwrap(), Ok(Some(Payload::new(json!("two")))));
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
    for expires in [3_000, 1_000, 2_000] {
        let answer = ask(&lane, "slow", expires, false).await;
        let wait = async move { (expires, answer.await.unwrap(), begin.elapsed()) };
        waiting.push(actor::spawn("test", wait));
    }
    for task in waiting {
        let (expires, result, after) = task.await.unwrap();
        let expires = Duration::from_millis(expires as u64);
        assert_eq!(result, Err(RpcError::Timeout));
        assert!(
            after >= expires && after < expires + Duration::from_millis(10),
            "{expires:?}: {after:?}"
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
    assert_eq!(ask(&lane, "blink", 5_000, true).await.await.unwrap(), Ok(None));
    let mut waits = ask(&lane, "again", 5_000, true).await;
    tokio::time::advance(Duration::from_millis(500)).await;
    assert!(waits.try_recv().is_err(), "the session has no room");
    assert_eq!(told(&mut session).await, (0, "blink".to_owned()));
    assert_eq!(waits.await.unwrap(), Ok(None), "now it has");
    assert_eq!(told(&mut session).await, (1, "again".to_owned()));
    let control = world.registry.control(device).unwrap();
    assert_eq!(control.ask(Observe).await.unwrap().pending_requests, 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_a_session_that_takes_it() {
    let world = World::new();
    let device = world.device().await;
    let begin = Instant::now();
    for oneway in [true, false] {
        let lane = world.lane(device).await;
        let answer = ask(&lane, "nobody", begin.elapsed().as_millis() as i64 + 1_000, oneway).await;
        assert_eq!(answer.await.unwrap(), Err(RpcError::NotConnected));
    }
    assert!(begin.elapsed() >= Duration::from_secs(2), "it had time until then");

    let lane = world.lane(device).await;
    let answer = ask(&lane, "later", 60_000, false).await;
    let mut session = Session::new(1);
    let link = |kinds| SessionLink {
        kinds,
        ..session.link.clone()
    };
    lane.send(Delivery::Connected(link(DownlinkKinds::NONE))).await.unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(session.downlinks.try_recv().is_none(), "it has not subscribed");
    lane.send(Delivery::Connected(link(DownlinkKind::RpcRequest.into()))).await.unwrap();
    let (id, method) = told(&mut session).await;
    assert_eq!(method, "later");
    lane.send(session.uplink(0, 0, reply(id, "here"))).await.unwrap();
    assert_eq!(answer.await.unwrap(), Ok(Some(Payload::new(json!("here")))));
}

#[tokio::test(start_paused = true)]
async fn a_device_has_only_so_many_requests() {
    let world = World::new();
    let (_, lane, session) = connected(&world, 2 * REQUESTS_MAX).await;
    let mut answers = Vec::new();
    for _ in 0..REQUESTS_MAX {
        answers.push(ask(&lane, "slow", 5_000, false).await);
    }
    assert_eq!(ask(&lane, "one more", 5_000, false).await.await.unwrap(), Err(RpcError::TooMany));
    assert_eq!(session.downlinks.len(), REQUESTS_MAX);
    for answer in answers {
        assert_eq!(answer.await.unwrap(), Err(RpcError::Timeout));
    }
    assert_eq!(world.clock_ms() - START_MS, 5_000);
}
