//! Devices that move while they speak.

use std::collections::HashMap;

use cluster::Delivery;
use model::DeviceId;

use crate::world::{Server, Session, World, done, number, soon, until};

/// Takes what comes to a server and settles it; who owns the device must be this one.
async fn take(server: &mut Server, next: &mut HashMap<DeviceId, u64>) {
    let (device, delivery) = soon("a delivery", server.came.recv()).await.unwrap();
    let expected = next.entry(device).or_default();
    assert_eq!(number(&delivery), *expected, "of {device}");
    *expected += 1;
    done(delivery);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_to_the_former_owner_comes_first() {
    let mut world = World::new(3).await;
    // Moves from 2 to 3 when 2 is gone.
    let with_two = world.devices_of(2).take(64).collect::<Vec<_>>();
    let epoch = world.agree(&[1, 3]);
    world.settle(epoch);
    let device = with_two
        .into_iter()
        .find(|device| world.devices_of(3).take(2_000).any(|other| other == *device))
        .unwrap();
    let epoch = world.agree(&[1, 2, 3]);
    world.settle(epoch);

    let mut session = Session::new(1);
    let router = world.servers[0].router.clone();
    let mut lane = router.lane(device).await.unwrap();
    let mut next = HashMap::new();
    crate::world::send(&router, &mut lane, device, session.uplink(0)).await;
    take(&mut world.servers[1], &mut next).await;
    // The second server hears of the new list first: it refuses what is sent by the old one.
    let epoch = epoch + 1;
    let mut members = world.members(&[1, 3], |address| address);
    members.epoch = cluster::Epoch(epoch);
    // Still spoken to: it leaves, and is not dead.
    members.peers.get_mut(&cluster::PeerId(2)).unwrap().state = cluster::PeerState::Leaving;
    world.servers[1].place.agreed(&members);
    for sequence in 1..50 {
        crate::world::send(&router, &mut lane, device, session.uplink(sequence)).await;
    }
    world.servers[0].place.agreed(&members);
    world.servers[2].place.agreed(&members);
    let late = actor::spawn("later uplinks", {
        let (router, uplinks) = (
            router.clone(),
            (50..100).map(|sequence| session.uplink(sequence)).collect::<Vec<_>>(),
        );
        async move {
            for uplink in uplinks {
                crate::world::send(&router, &mut lane, device, uplink).await;
            }
        }
    });
    // Nobody serves it before it is settled.
    assert!(world.servers[2].came.try_recv().is_none());
    world.settle(epoch);
    for _ in 1..100 {
        take(&mut world.servers[2], &mut next).await;
    }
    late.await.unwrap();
    for _ in 0..100 {
        assert_eq!(soon("a settlement", session.settlements.recv()).await.unwrap().result, Ok(()));
    }
    assert!(world.servers[1].came.try_recv().is_none());
    until("nothing is on its way", || world.servers[0].peers.paths().devices() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_peer_had_is_done_by_others() {
    let mut world = World::new(2).await;
    let (device, mut session) = (world.device_of(2), Session::new(1));
    let router = world.servers[0].router.clone();
    let mut lane = router.lane(device).await.unwrap();
    lane.send(Delivery::Connected(session.link.clone())).await.unwrap();
    for sequence in 0..20 {
        crate::world::send(&router, &mut lane, device, session.uplink(sequence)).await;
    }
    let (_, hello) = soon("a session", world.servers[1].came.recv()).await.unwrap();
    let Delivery::Connected(link) = hello else { panic!("{hello:?}") };
    let mut held = Vec::new();
    for _ in 0..10 {
        held.push(soon("a delivery", world.servers[1].came.recv()).await.unwrap().1);
    }
    // It dies with half of them in its hands; the first server takes over.
    let epoch = world.agree(&[1]);
    world.settle(epoch);
    let mut numbers = Vec::new();
    while numbers.len() < 20 {
        let (_, delivery) = soon("a delivery", world.servers[0].came.recv()).await.unwrap();
        // Whether the dead one had the session was not known here either.
        if !matches!(delivery, Delivery::Connected(_)) {
            numbers.push(number(&delivery));
            done(delivery);
        }
    }
    assert_eq!(numbers, (0..20).collect::<Vec<_>>());
    for _ in 0..20 {
        assert_eq!(soon("a settlement", session.settlements.recv()).await.unwrap().result, Ok(()));
    }
    // When it comes back, it begins anew: what it knew of sessions is forgotten.
    assert!(!link.downlinks.is_closed());
    let epoch = world.agree(&[1, 2]);
    world.settle(epoch);
    until("its links are closed", || link.downlinks.is_closed()).await;
}
