//! Connections come, are taken over, and end.

use std::time::Duration;

use crate::world::{World, event, mqtt, next, soon};
use cluster::{Delivery, SessionId};
use model::{DeviceId, Downlink, DownlinkKinds, Payload};
use serde_json::json;
use session::{CloseReason, Event, OpenError, Transport};
use shares::Shares;

const AT_ONCE: Duration = Duration::ZERO;
const PATIENCE: Duration = Duration::from_secs(60);

async fn connected(lane: &mut actor::LaneReceiver<Delivery>) -> SessionId {
    match next(lane).await {
        Delivery::Connected(link) => link.id,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_newest_connection_of_a_device_wins() {
    let world = World::new();
    let (device, mut lane) = world.device();
    let mut old = soon("connecting", world.sessions.connect(device, Transport::Mqtt)).await.unwrap();
    let mut new = soon("connecting", world.sessions.connect(device, Transport::Mqtt)).await.unwrap();
    let (old_id, new_id) = (connected(&mut lane).await, connected(&mut lane).await);
    assert_ne!(old_id, new_id);
    assert!(matches!(event(&mut old).await, Event::Close(CloseReason::TakenOver)));
    soon("closing", old.close()).await;
    assert!(matches!(next(&mut lane).await, Delivery::Disconnected(id) if id == old_id));
    // The old one's farewell does not take the new one from the manager.
    assert_eq!(world.sessions.observe().await.connections, 1);
    world.sessions.close_device(device, CloseReason::Administrative).await;
    assert!(matches!(event(&mut new).await, Event::Close(CloseReason::Administrative)));
    soon("closing", new.close()).await;
    assert!(matches!(next(&mut lane).await, Delivery::Disconnected(id) if id == new_id));
    assert_eq!(world.sessions.observe().await.connections, 0);
    world.sessions.close_device(device, CloseReason::Administrative).await;
}

#[tokio::test]
async fn who_waits_for_a_turn_hears_at_once_that_another_server_has_the_device() {
    let shares = Shares::new(2);
    let world = World::sharing(&shares);
    let (device, mut lane) = world.device_of_own_adapter().await;
    let mut session = soon("connecting", world.sessions.connect(device, Transport::Mqtt)).await.unwrap();
    let Delivery::Connected(link) = next(&mut lane).await else {
        panic!("connected")
    };
    let request = |id: u32| Downlink::RpcRequest {
        id,
        method: "on".into(),
        params: Payload::new(json!({})),
    };
    let share = shares.of(world.tenant);
    share.allow(Some(Duration::ZERO));
    for id in 1..=3 {
        link.downlinks.send(request(id)).await.unwrap();
    }
    let mut none = Vec::new();
    // To take one is no event yet.
    while futures::poll!(std::pin::pin!(session.events(&mut none))).is_ready() {}
    assert!(none.is_empty(), "it is not its turn: {none:?}");
    share.allow(None);
    for id in 1..=3 {
        let told = event(&mut session).await;
        assert!(matches!(&told, Event::Downlink(_, _, Some(told)) if *told == id), "{id}: {told:?}");
    }

    share.allow(Some(Duration::ZERO));
    link.downlinks.send(request(4)).await.unwrap();
    link.downlinks.send(request(5)).await.unwrap();
    link.downlinks.send(Downlink::Superseded).await.unwrap();
    assert!(matches!(event(&mut session).await, Event::Close(CloseReason::TakenOver)));
}

#[tokio::test]
async fn a_session_that_is_dropped_says_good_bye() {
    let world = World::new();
    let (_, mut lane, session) = world.connected().await;
    drop(session);
    assert!(matches!(next(&mut lane).await, Delivery::Disconnected(_)));
    assert_eq!(world.sessions.observe().await.connections, 0, "the manager sees that it is gone");
    assert!(lane.is_empty());
}

#[tokio::test]
async fn an_exchange_is_no_connection() {
    let world = World::new();
    let (device, mut lane, mut connection) = world.connected().await;
    let mut exchange = soon("opening", world.sessions.exchange(device, Transport::Http, None))
        .await
        .unwrap();
    assert_eq!(exchange.device(), device);
    let inbound = session::Inbound::new(Transport::Http, "POST telemetry", vec![], r#"{"t":1}"#.into());
    soon("publishing", exchange.publish(inbound)).await.unwrap();
    assert!(!exchange.has_room(), "one at a time");
    let Delivery::Uplink { receipt, .. } = next(&mut lane).await else {
        panic!("an uplink, and nothing before it")
    };
    receipt.done();
    assert!(matches!(event(&mut exchange).await, Event::Settled(0, Ok(()))));
    soon("closing", exchange.close()).await;
    assert!(lane.is_empty(), "the device's actor knows nothing of it");
    assert_eq!(world.sessions.observe().await.connections, 1);

    // One that listens is told to the actor, but does not take the connection's place.
    let listening = soon(
        "opening",
        world.sessions.exchange(device, Transport::Http, Some(DownlinkKinds::ALL)),
    )
    .await
    .unwrap();
    let id = connected(&mut lane).await;
    soon("closing", listening.close()).await;
    assert!(matches!(next(&mut lane).await, Delivery::Disconnected(gone) if gone == id));
    assert_eq!(world.sessions.observe().await.connections, 1);
    world.sessions.close_device(device, CloseReason::Administrative).await;
    assert!(matches!(event(&mut connection).await, Event::Close(CloseReason::Administrative)));
}

#[tokio::test]
async fn a_device_that_cannot_be_served_gets_no_session() {
    let world = World::new();
    let unknown = DeviceId::generate(world.tenant);
    let refused = |result: Result<session::Session, OpenError>| result.map(drop).unwrap_err();
    assert_eq!(refused(world.sessions.connect(unknown, Transport::Mqtt).await), OpenError::NoDevice);
    assert_eq!(
        refused(world.sessions.exchange(unknown, Transport::Http, None).await),
        OpenError::NoDevice
    );
    let (device, lane) = world.device();
    drop(lane);
    assert!(matches!(
        refused(world.sessions.connect(device, Transport::Mqtt).await),
        OpenError::Unavailable(_)
    ));
    world.break_devices("moving");
    assert_eq!(
        refused(world.sessions.connect(device, Transport::Mqtt).await),
        OpenError::Unavailable("moving".to_owned())
    );
    assert_eq!(world.sessions.observe().await.connections, 0);
}

#[tokio::test]
async fn a_server_that_stops_closes_all_and_takes_no_more() {
    let world = World::new();
    let (_, _first_lane, mut first) = world.connected().await;
    let (_, _second_lane, mut second) = world.connected().await;
    assert_eq!(world.sessions.close_all(CloseReason::ShuttingDown, AT_ONCE).await, 2);
    for session in [&mut first, &mut second] {
        assert!(matches!(event(session).await, Event::Close(CloseReason::ShuttingDown)));
    }
    let (_, _late_lane, mut late) = world.connected().await;
    assert!(
        matches!(event(&mut late).await, Event::Close(CloseReason::ShuttingDown)),
        "told at once"
    );
    for session in [first, second, late] {
        soon("closing", session.close()).await;
    }
    assert_eq!(
        soon("the last good-bye", world.sessions.close_all(CloseReason::ShuttingDown, PATIENCE)).await,
        0
    );
}

#[tokio::test]
async fn sessions_can_be_looked_at() {
    let world = World::new();
    let (device, _lane, mut session) = world.connected().await;
    soon("publishing", session.publish(mqtt("telemetry", &json!({"t": 1}))))
        .await
        .unwrap();
    let sessions = world.sessions.clone();
    let looking = actor::spawn("test", async move { sessions.observe().await });
    // A session answers while its transport waits for events.
    let mut events = Vec::new();
    let state = soon("looking", async {
        let mut looking = std::pin::pin!(looking);
        loop {
            tokio::select! {
                state = &mut looking => return state.unwrap(),
                () = session.events(&mut events) => {}
            }
        }
    })
    .await;
    assert_eq!((state.connections, state.sessions.len()), (1, 1));
    let one = &state.sessions[0];
    assert_eq!((one.device, one.transport, one.published, one.in_flight), (device.id, "mqtt", 1, 1));
    assert!(events.is_empty());
}
