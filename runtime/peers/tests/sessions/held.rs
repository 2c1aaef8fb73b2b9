//! A server that is held back speaks as an older one would.

use std::time::Duration;

use cluster::{Announcer, Change, Delivery, Epoch, What};
use model::TenantId;
use peers::PeersConfig;
use peers::handshake::{CHANGES_SINCE, Speaks};
use peers::wire::peers_client::PeersClient;
use peers::wire::{Frame, Hello, frame, item};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use uuid::Uuid;

use crate::world::{World, soon};

/// What server 2, held at a version, says to a server 1 that speaks everything: the newest version of its hello, and the first two items
/// after a change and a delivery.
async fn told_by(held_at: u32) -> (u32, [item::What; 2]) {
    let config = PeersConfig {
        speaks: Speaks::held_at(held_at).unwrap(),
        ..PeersConfig::default()
    };
    let world = World::with(2, config).await;
    // The first server gives the second one up; the test takes its place.
    let mut members = world.members(&[1], |address| address);
    members.epoch = Epoch(2);
    world.servers[0].place.agreed(&members);
    let channel = world
        .authority
        .tls()
        .channel(&world.servers[1].address.to_string(), Duration::from_secs(1))
        .unwrap();
    let hello = Hello {
        version_min: Speaks::ALL.min,
        version_max: Speaks::ALL.max,
        peer: 1,
        incarnation: 77,
        knows: 0,
        expects: 0,
    };
    let (out, outgoing) = mpsc::channel(4);
    let frame = Some(frame::Frame::Hello(hello));
    out.send(Frame { frame }).await.unwrap();
    let mut client = PeersClient::new(channel);
    let session = soon("a session", client.session(ReceiverStream::new(outgoing))).await;
    let mut frames = session.unwrap().into_inner();
    let said = soon("a hello", frames.next()).await.unwrap().unwrap().frame;
    let Some(frame::Frame::Hello(said)) = said else {
        panic!("{said:?}")
    };
    let change = Change::new(TenantId(Uuid::from_u128(1)), What::RuleChains);
    world.servers[1].peers.announce(change);
    let lane = world.servers[1].router.lane(world.device_of(1)).await.unwrap();
    let mut items = Vec::new();
    for at_ms in 1..=2 {
        // What comes behind the change comes first of all, if nobody hears of the change.
        lane.send(Delivery::Heard(at_ms)).await.unwrap();
        match soon("an item", frames.next()).await.unwrap().unwrap().frame {
            Some(frame::Frame::Item(item)) => items.push(item.what.unwrap()),
            other => panic!("{other:?}"),
        }
    }
    (said.version_max, items.try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_held_back_says_so_and_sends_nothing_newer() {
    let (said, items) = told_by(CHANGES_SINCE - 1).await;
    assert_eq!(said, CHANGES_SINCE - 1);
    assert!(items.iter().all(|item| matches!(item, item::What::Deliver(_))), "{items:?}");
    let (said, items) = told_by(CHANGES_SINCE).await;
    assert_eq!(said, CHANGES_SINCE);
    assert!(items.iter().any(|item| matches!(item, item::What::Changed(_))), "{items:?}");
}
