//! Devices behind a stream adapter: the test plays the transport on one side and the devices' actors on the other.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actor::LaneReceiver;
use cluster::{Delivery, Receipt};
use model::entity::CredentialsType;
use model::{DeviceId, Downlink, Payload, SystemClock, TenantId, Uplink};
use plugins::{Carrier, Host, HostConfig, Limits, LoadedComponent, StreamComponent, StreamContext};
use serde_json::json;
use session::stream::{PlaceLimits, Places, Shard};
use session::{CloseReason, Credentials, OpenError, Output, StreamService};
use shares::Shares;

use crate::credentials::save;
use crate::world::{Silent, World, next, soon};

fn component() -> StreamComponent {
    static LOADED: OnceLock<StreamComponent> = OnceLock::new();
    let load = || {
        // Patient: a machine that is busy with other tests must not make a good adapter late.
        let limits = Limits {
            process_ms: 10_000,
            open_ms: 10_000,
            ..Limits::default()
        };
        let instances_max = 64;
        let host = Host::new(HostConfig {
            limits,
            instances_max,
            ..HostConfig::default()
        });
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/components/test/evil-stream.wasm");
        let bytes = std::fs::read(path).expect("components are built by `cargo xtask guests`");
        match host.unwrap().load(&bytes).unwrap() {
            LoadedComponent::Stream(component) => component,
            other => panic!("{other:?}"),
        }
    };
    LOADED.get_or_init(load).clone()
}

pub fn service(world: &World, tenant: TenantId, places: &Places) -> StreamService {
    sharing(world, tenant, places, &Shares::new(2))
}

fn sharing(world: &World, tenant: TenantId, places: &Places, shares: &Shares) -> StreamService {
    let component = component();
    let context = StreamContext {
        tenant,
        name: component.descriptor().name.as_str().into(),
        log: Arc::new(Silent),
        clock: Arc::new(SystemClock),
    };
    let (sessions, places) = (world.sessions.clone(), places.clone());
    StreamService::new(component, context, Carrier::Udp, sessions, places, shares.of(tenant))
}

/// A shard with a peer.
async fn peer(world: &World) -> (Shard, u32) {
    let mut shard = service(world, world.tenant, &Places::default()).shard();
    let peer = shard.opened("192.0.2.1:5".parse().unwrap()).await.unwrap();
    (shard, peer)
}

/// A device with a token, whose actor the test plays.
async fn device(world: &World, token: &str) -> (DeviceId, LaneReceiver<Delivery>) {
    let (device, lane) = world.device();
    save(world, device, CredentialsType::AccessToken, token).await;
    (device, lane)
}

pub async fn say(shard: &mut Shard, peer: u32, line: &str) {
    shard.received(peer, format!("{line}\n").as_bytes()).await;
}

/// Lets things happen until a peer is sent something, or ends; answers what.
pub async fn heard(shard: &mut Shard) -> String {
    soon("something for a peer", async {
        loop {
            let outputs: Vec<Output> = shard.outputs().collect();
            if !outputs.is_empty() {
                return outputs.iter().map(told).collect();
            }
            let happening = shard.happening().await;
            shard.react(happening).await;
        }
    })
    .await
}

fn told(output: &Output) -> String {
    match output {
        Output::Send(peer, bytes) => format!("{peer}: {}", String::from_utf8_lossy(bytes)),
        Output::Ended(peer, reason) => format!("{peer} ended: {reason}\n"),
        Output::Failed(_) => "failed\n".to_owned(),
    }
}

async fn receipt(lane: &mut LaneReceiver<Delivery>) -> (Uplink, Receipt) {
    match next(lane).await {
        Delivery::Uplink { uplink, receipt, .. } => (uplink, receipt),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn reports_are_acknowledged_when_durable_and_the_window_is_the_back_pressure() {
    let world = World::new();
    let (_, mut lane) = device(&world, "TOKEN").await;
    let (mut shard, peer) = peer(&world).await;
    assert!(!shard.is_attached(peer));
    say(&mut shard, peer, "login TOKEN").await;
    assert_eq!(heard(&mut shard).await, "0: accepted 1\n");
    assert!(shard.is_attached(peer));
    assert!(matches!(next(&mut lane).await, Delivery::Connected(_)));
    let mut receipts = Vec::new();
    let mut said = 0;
    while shard.has_room() {
        say(&mut shard, peer, &format!("say {{\"n\": {said}}}")).await;
        let (uplink, receipt) = receipt(&mut lane).await;
        let values = Payload::new(json!({ "n": said }));
        assert_eq!(uplink, Uplink::Telemetry { ts_ms: None, values });
        receipts.push(receipt);
        said += 1;
    }
    assert_eq!((said, shard.in_flight()), (512, 512));
    assert_eq!(shard.outputs().count(), 0, "nothing is durable yet");
    receipts.remove(0).done();
    assert_eq!(heard(&mut shard).await, "0: durable 7\n");
    assert!(shard.has_room());
    drop(receipts.remove(0));
    assert_eq!(heard(&mut shard).await, "0: lost 7\n");
    // More at once than the window has room for goes on as earlier ones settle.
    let lines = "say {}\n".repeat(600);
    let talking = async { shard.received(peer, lines.as_bytes()).await };
    let settling = async {
        for receipt in receipts {
            receipt.done();
        }
        for _ in 0..600 {
            receipt(&mut lane).await.1.done();
        }
    };
    soon("all are handed over", async { tokio::join!(talking, settling) }).await;
    let mut durable = 0;
    while durable < 510 + 600 {
        durable += heard(&mut shard).await.matches("durable").count();
    }
    assert_eq!((durable, shard.in_flight()), (1110, 0));
}

#[tokio::test]
async fn sessions_are_taken_over_ended_and_closed_with_their_peer() {
    let world = World::new();
    let (one, mut lane) = device(&world, "TOKEN").await;
    let (mut shard, first) = peer(&world).await;
    say(&mut shard, first, "login TOKEN").await;
    assert_eq!(heard(&mut shard).await, "0: accepted 1\n");
    let Delivery::Connected(link) = next(&mut lane).await else {
        panic!()
    };
    let seen = tokio::select! {
        seen = world.sessions.observe() => seen,
        _ = shard.happening() => panic!("nothing else happens"),
    };
    assert_eq!((seen.connections, seen.sessions[0].transport), (1, "stream"));
    let second = shard.opened("192.0.2.1:6".parse().unwrap()).await.unwrap();
    say(&mut shard, second, "login TOKEN").await;
    let mut both = heard(&mut shard).await;
    while both.len() < "1: accepted 1\n0: gone 1\n".len() {
        both.push_str(&heard(&mut shard).await);
    }
    assert!(both.contains("0: gone 1\n") && both.contains("1: accepted 1\n"), "{both}");
    assert!(matches!(next(&mut lane).await, Delivery::Connected(_)));
    assert!(matches!(next(&mut lane).await, Delivery::Disconnected(id) if id == link.id));
    world.sessions.close_device(one, CloseReason::Administrative).await;
    assert_eq!(heard(&mut shard).await, "1: gone 1\n");
    assert!(matches!(next(&mut lane).await, Delivery::Disconnected(_)));
    say(&mut shard, second, "login TOKEN").await;
    assert_eq!(heard(&mut shard).await, "1: accepted 1\n");
    assert!(matches!(next(&mut lane).await, Delivery::Connected(_)));
    shard.closed(second).await;
    assert!(matches!(next(&mut lane).await, Delivery::Disconnected(_)));
    assert_eq!(shard.peers(), 1);
    assert_eq!(world.sessions.observe().await.connections, 0);
}

#[tokio::test]
async fn a_fault_ends_the_peers_of_the_shard_and_the_next_peer_is_served() {
    let world = World::new();
    let (_, mut lane) = device(&world, "TOKEN").await;
    let (mut shard, first) = peer(&world).await;
    say(&mut shard, first, "login TOKEN").await;
    assert_eq!(heard(&mut shard).await, "0: accepted 1\n");
    let Delivery::Connected(link) = next(&mut lane).await else {
        panic!()
    };
    let request = Downlink::RpcRequest {
        id: 1,
        method: "m".into(),
        params: Payload::new(json!({})),
    };
    // The adapter traps at any downlink.
    link.downlinks.try_send(request).unwrap();
    let said = heard(&mut shard).await;
    assert!(
        said.starts_with("0 ended: the component trapped") && said.ends_with("failed\n"),
        "{said}"
    );
    assert!(matches!(next(&mut lane).await, Delivery::Disconnected(id) if id == link.id));
    let second = shard.opened("192.0.2.1:6".parse().unwrap()).await.unwrap();
    say(&mut shard, second, "login TOKEN").await;
    assert_eq!(heard(&mut shard).await, "1: accepted 1\n");
}

#[tokio::test]
async fn devices_of_other_tenants_do_not_exist_and_places_are_limited() {
    let world = World::new();
    let _device = device(&world, "TOKEN").await;
    let places = Places::new(PlaceLimits { all_max: 1, tenant_max: 1 });
    let service = service(&world, TenantId::generate(), &places);
    let mut shard = service.shard();
    let peer = shard.opened("192.0.2.1:5".parse().unwrap()).await.unwrap();
    say(&mut shard, peer, "login TOKEN").await;
    assert_eq!(heard(&mut shard).await, "0: unknown 1\n");
    assert!(matches!(
        service.shard().opened("192.0.2.1:6".parse().unwrap()).await,
        Err(OpenError::Unavailable(_))
    ));
    drop(shard);
    assert!(service.shard().opened("192.0.2.1:6".parse().unwrap()).await.is_ok());
}

#[tokio::test]
async fn who_guesses_is_kept_out_on_other_connections_too() {
    let world = World::new();
    let _device = device(&world, "TOKEN").await;
    let service = service(&world, world.tenant, &Places::default());
    let mut guesses = 0;
    let answer = async |from: &str, token: &str| {
        let mut shard = service.shard();
        let peer = shard.opened(from.parse().unwrap()).await.unwrap();
        say(&mut shard, peer, &format!("login {token}")).await;
        heard(&mut shard).await
    };
    while answer("192.0.2.1:5", &format!("GUESS-{guesses}")).await == "0: unknown 1\n" {
        guesses += 1;
        assert!(guesses <= 100, "nobody stopped it");
    }
    assert_eq!(guesses, 100, "and not before");
    assert_eq!(answer("192.0.2.1:6", "TOKEN").await, "0: unavailable 1\n");
    assert_eq!(
        answer("192.0.2.2:5", "TOKEN").await,
        "0: accepted 1\n",
        "its neighbour is not kept out"
    );
    let elsewhere = std::net::IpAddr::from([192, 0, 2, 1]);
    let found = world.sessions.authenticate_from(elsewhere, Credentials::AccessToken("TOKEN")).await;
    assert!(found.is_ok(), "what an adapter makes up keeps out nobody elsewhere");
}

#[tokio::test]
async fn what_an_adapter_uses_is_charged_to_its_tenant_which_waits_when_it_may_use_no_more() {
    let world = World::new();
    let shares = Shares::new(2);
    let share = shares.of(world.tenant);
    let mut shard = sharing(&world, world.tenant, &Places::default(), &shares).shard();
    let peer = shard.opened("192.0.2.1:5".parse().unwrap()).await.unwrap();
    let before = share.usage();
    assert!(before.slices >= 2, "opening an instance, and telling it of its peer: {before:?}");
    say(&mut shard, peer, "timer").await;
    assert_eq!(heard(&mut shard).await, "0: timer 3\n");
    assert_eq!(share.usage().slices, before.slices + 2, "bytes, and a timer");

    share.allow(Some(Duration::ZERO));
    {
        let mut spoken = std::pin::pin!(say(&mut shard, peer, "close"));
        assert!(futures::poll!(&mut spoken).is_pending(), "it is not its turn");
        share.allow(None);
        soon("its turn", spoken).await;
    }
    assert_eq!(heard(&mut shard).await, "0: bye\n0 ended: asked for\n");
    assert!(share.usage().waited_ms > 0);
}
