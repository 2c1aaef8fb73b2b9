//! Devices move to another server and back; their sessions stay, and say so to the new owner though the devices say nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actor::lane::Port;
use actor::{Lane, LaneReceiver, lane};
use async_trait::async_trait;
use cluster::members::WEIGHT;
use cluster::{
    Delivery, DeviceLane, Epoch, HashRing, Members, Owner, PeerId, PeerRecord, PeerState, Place, Remotes, RouteError, Router, SessionLink,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use model::entity::CredentialsType;
use model::{DeviceId, Downlink, DownlinkKind, Payload};
use parking_lot::Mutex;
use serde_json::json;
use session::stream::Places;
use session::{CloseReason, Event, Inbound, RateLimits, Transport};

use crate::credentials::save;
use crate::world::{World, event, next, soon};

/// Devices of the other server, whose actors the test plays.
#[derive(Clone, Default)]
struct Elsewhere(Arc<Mutex<HashMap<DeviceId, DeviceLane>>>);

/// Leads out of the process, as far as anybody can see.
struct Out(DeviceLane);

impl Port<Delivery> for Out {
    fn send(&self, delivery: Delivery) -> BoxFuture<'_, Result<(), Delivery>> {
        async move { self.0.send(delivery).await.map_err(|closed| closed.0) }.boxed()
    }

    fn try_send(&self, delivery: Delivery) -> Result<(), Delivery> {
        self.0.try_send(delivery)
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

#[async_trait]
impl Remotes for Elsewhere {
    async fn lane(&self, _: Owner, device: DeviceId) -> Result<DeviceLane, RouteError> {
        let lane = self.0.lock().get(&device).cloned();
        let lane = lane.ok_or_else(|| RouteError::Unavailable("it is not played".to_owned()))?;
        Ok(Lane::to_port(Arc::new(Out(lane))))
    }

    async fn quiet(&self, _: DeviceId, _: Owner) {}
}

/// This server, and another one that comes and goes.
struct Cluster {
    world: World,
    place: Place,
    elsewhere: Elsewhere,
    epoch: u64,
}

fn members(epoch: u64, up: &[u64]) -> Members {
    let record = PeerRecord {
        address: String::new(),
        version: String::new(),
        state: PeerState::Up,
        weight: WEIGHT,
        since: Epoch(epoch),
    };
    Members {
        epoch: Epoch(epoch),
        peers: up.iter().map(|peer| (PeerId(*peer), record.clone())).collect(),
    }
}

impl Cluster {
    fn new() -> Self {
        let (place, elsewhere) = (Place::new(PeerId(1)), Elsewhere::default());
        place.renewed(0, 3_600_000);
        let (ring, remotes) = (Arc::new(place.clone()), Arc::new(elsewhere.clone()));
        let world = World::routed(RateLimits::default(), |devices| Router::among(ring, devices, remotes));
        let mut cluster = Cluster {
            world,
            place,
            elsewhere,
            epoch: 0,
        };
        cluster.agree(&[1]);
        cluster.settle();
        cluster
    }

    fn agree(&mut self, up: &[u64]) {
        self.epoch += 1;
        self.place.agreed(&members(self.epoch, up));
    }

    fn settle(&self) {
        self.place.settled(Epoch(self.epoch));
    }

    /// A device that goes to the other server when that is up; its actor here.
    fn device(&self) -> (DeviceId, LaneReceiver<Delivery>) {
        let both = HashRing::of(&members(2, &[1, 2]));
        loop {
            let device = DeviceId::generate(self.world.tenant);
            if both.owner(device) == Some(PeerId(2)) {
                return (device, self.world.wake(device));
            }
        }
    }

    /// The actor of a device on the other server.
    fn wake_elsewhere(&self, device: DeviceId) -> LaneReceiver<Delivery> {
        let (sender, receiver) = lane(100);
        self.elsewhere.0.lock().insert(device, sender);
        receiver
    }
}

async fn connected(lane: &mut LaneReceiver<Delivery>) -> SessionLink {
    match next(lane).await {
        Delivery::Connected(link) => link,
        other => panic!("{other:?}"),
    }
}

fn news() -> Downlink {
    Downlink::AttributesChanged(Payload::new(json!({"a": 1})))
}

#[tokio::test]
async fn an_idle_session_announces_itself_to_the_new_owner() {
    let mut cluster = Cluster::new();
    let (device, mut here) = cluster.device();
    let mut session = soon("connecting", cluster.world.sessions.connect(device, Transport::Mqtt))
        .await
        .unwrap();
    session.listen(DownlinkKind::Attributes.into()).await;
    let first = connected(&mut here).await;
    assert_eq!(connected(&mut here).await.kinds, DownlinkKind::Attributes.into());

    // To the other server: its actor here has not stopped yet.
    let mut there = cluster.wake_elsewhere(device);
    let (told, mut heard) = lane(10);
    let driving = actor::spawn("test transport", async move {
        loop {
            let event = event_or_nothing(&mut session).await;
            if told.send(event).await.is_err() {
                return session;
            }
        }
    });
    cluster.agree(&[1, 2]);
    let link = connected(&mut there).await;
    assert_eq!((link.id, link.kinds), (first.id, DownlinkKind::Attributes.into()));
    link.tell(news()).unwrap();
    assert!(matches!(
        soon("the downlink", heard.recv()).await,
        Some(Event::Downlink(_, DownlinkKind::Attributes, _))
    ));
    cluster.settle();

    // And back, when it is settled that the other one has let go.
    drop((here, there));
    let mut again = cluster.world.wake(device);
    cluster.agree(&[1]);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(again.is_empty(), "nobody serves it yet");
    cluster.settle();
    assert_eq!(connected(&mut again).await.id, first.id);

    // The other server forgets everything and comes back before anybody noticed: only lanes have closed.
    drop(again);
    let mut again = cluster.world.wake(device);
    cluster.place.lanes_closed();
    assert_eq!(connected(&mut again).await.id, first.id);
    driving.abort();
}

/// What the session has to say next.
async fn event_or_nothing(session: &mut session::Session) -> Event {
    let mut events = Vec::new();
    while events.is_empty() {
        session.events(&mut events).await;
    }
    events.remove(0)
}

#[tokio::test]
async fn sessions_announce_themselves_one_by_one_and_only_those_whose_device_moved() {
    const SESSIONS: usize = 100;
    let mut cluster = Cluster::new();
    let (mut there, mut driving, mut here) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..SESSIONS {
        let (device, mut lane) = cluster.device();
        let mut session = soon("connecting", cluster.world.sessions.connect(device, Transport::Mqtt))
            .await
            .unwrap();
        connected(&mut lane).await;
        here.push(lane);
        there.push(cluster.wake_elsewhere(device));
        driving.push(actor::spawn("test transport", async move { event_or_nothing(&mut session).await }));
    }
    let both = HashRing::of(&members(2, &[1, 2]));
    let staying = loop {
        let device = DeviceId::generate(cluster.world.tenant);
        if both.owner(device) == Some(PeerId(1)) {
            break device;
        }
    };
    let mut stays = cluster.world.wake(staying);
    let _session = cluster.world.sessions.connect(staying, Transport::Mqtt).await.unwrap();
    connected(&mut stays).await;
    let start = Instant::now();
    cluster.agree(&[1, 2]);
    for lane in &mut there {
        connected(lane).await;
    }
    let paced = Duration::from_micros(500) * (SESSIONS as u32 - 1);
    assert!(start.elapsed() >= paced, "{:?}", start.elapsed());
    assert!(there.iter().all(LaneReceiver::is_empty), "each once");
    assert!(stays.is_empty());
    driving.iter().for_each(|task| task.abort());
}

#[tokio::test]
async fn devices_behind_a_gateway_are_announced_too() {
    let mut cluster = Cluster::new();
    let (gateway, mut own) = cluster.device();
    let (child, mut here) = cluster.device();
    cluster.world.make_gateway(gateway);
    cluster.world.name("child", child);
    let mut session = soon("connecting", cluster.world.sessions.connect(gateway, Transport::Mqtt))
        .await
        .unwrap();
    connected(&mut own).await;
    let inbound = Inbound::new(Transport::Mqtt, "v1/gateway/connect", vec![], r#"{"device":"child"}"#.into());
    soon("publishing", session.publish(inbound)).await.unwrap();
    assert!(matches!(event(&mut session).await, Event::Settled(0, Ok(()))));
    let first = connected(&mut here).await;
    let (mut gateway_there, mut child_there) = (cluster.wake_elsewhere(gateway), cluster.wake_elsewhere(child));
    let driving = actor::spawn("test transport", async move { event_or_nothing(&mut session).await });
    cluster.agree(&[1, 2]);
    connected(&mut gateway_there).await;
    let link = connected(&mut child_there).await;
    assert_eq!((link.id, link.child.as_deref()), (first.id, Some("child")));
    link.tell(news()).unwrap();
    let told = soon("the downlink", driving).await.unwrap();
    assert!(matches!(told, Event::Downlink(..)), "{told:?}");
}

#[tokio::test]
async fn devices_behind_a_stream_adapter_are_announced_too() {
    let mut cluster = Cluster::new();
    let (device, mut here) = cluster.device();
    save(&cluster.world, device, CredentialsType::AccessToken, "token-s").await;
    let mut shard = crate::streams::service(&cluster.world, cluster.world.tenant, &Places::default()).shard();
    let peer = shard.opened("192.0.2.1:5".parse().unwrap()).await.unwrap();
    crate::streams::say(&mut shard, peer, "login token-s").await;
    crate::streams::heard(&mut shard).await;
    let first = connected(&mut here).await;
    let mut there = cluster.wake_elsewhere(device);
    cluster.agree(&[1, 2]);
    let link = soon("the announcement", async {
        loop {
            tokio::select! {
                link = connected(&mut there) => return link,
                happening = shard.happening() => shard.react(happening).await,
            }
        }
    })
    .await;
    assert_eq!(link.id, first.id);
    // What it says from now on goes there; that it moved may be known to the half that speaks already.
    if let Ok(happening) = tokio::time::timeout(Duration::from_millis(100), shard.happening()).await {
        shard.react(happening).await;
    }
    crate::streams::say(&mut shard, peer, r#"say {"t":7}"#).await;
    assert!(matches!(next(&mut there).await, Delivery::Uplink { .. }));
    assert!(here.is_empty());
}

#[tokio::test]
async fn connections_with_credentials_that_were_changed_elsewhere_are_found() {
    let world = World::new();
    world.sessions.remember_credentials();
    let mut opened = Vec::new();
    for name in ["changed", "same", "deleted"] {
        let (device, lane) = world.device();
        save(&world, device, CredentialsType::AccessToken, name).await;
        let session = soon("connecting", world.sessions.connect(device, Transport::Mqtt)).await.unwrap();
        opened.push((device, lane, session));
    }
    // Another server changes one, and deletes one.
    crate::credentials::change(&world, opened[0].0, "other").await;
    crate::credentials::forget(&world, opened[2].0).await;
    world.sessions.revisit(Some(model::TenantId::generate())).await.unwrap();
    assert!(
        event_now(&mut opened[0].2).await.is_none(),
        "those of another tenant are not looked at"
    );
    world.sessions.revisit(None).await.unwrap();
    for (at, ends) in [(0, true), (1, false), (2, true)] {
        let closed = matches!(event_now(&mut opened[at].2).await, Some(Event::Close(CloseReason::Administrative)));
        assert_eq!(closed, ends, "{at}");
    }
}

async fn event_now(session: &mut session::Session) -> Option<Event> {
    tokio::time::timeout(Duration::from_millis(100), event_or_nothing(session))
        .await
        .ok()
}
