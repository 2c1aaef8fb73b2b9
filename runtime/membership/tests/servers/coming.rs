//! Founding, joining, coming back.

use cluster::{PeerId, PeerState};
use membership::MembershipError;
use membership::state::Server as Facts;
use uuid::Uuid;

use crate::world::{Server, World, settled, until};

#[tokio::test(flavor = "multi_thread")]
async fn servers_join_through_any_of_them_and_share_the_devices() {
    let world = World::new();
    let first = world.start("1", None).await;
    settled(&[&first], 1).await;
    assert_eq!(first.serves(), 500);
    let second = world.start("2", Some(&first)).await;
    settled(&[&first, &second], 2).await;
    // Through one that does not lead.
    let third = world.start("3", Some(&second)).await;
    let all = [&first, &second, &third];
    settled(&all, 3).await;
    assert_eq!(all.map(Server::id), [PeerId(1), PeerId(2), PeerId(3)]);
    for server in all {
        assert!((100..250).contains(&server.serves()), "{}", server.serves());
        assert_eq!(server.status().cluster, first.status().cluster);
        assert!(*server.devices.0.lock() > 0);
    }
    until("three vote", || {
        first.status().peers.values().filter(|peer| peer.voter).count() == 3
    })
    .await;
    assert_eq!(first.status().epoch.0, 3, "one for each server that came");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_join_that_is_made_again_makes_one_server() {
    let world = World::new();
    let first = world.start("1", None).await;
    let facts = || Facts {
        address: "127.0.0.1:1".to_owned(),
        version: "1".to_owned(),
        weight: 100,
    };
    let request = Uuid::new_v4();
    for _ in 0..2 {
        let admitted = first.membership.join(request, facts(), false).await.unwrap();
        assert_eq!(admitted.peer, PeerId(2));
    }
    assert_eq!(first.state_of(PeerId(2)), Some(PeerState::Down), "it gives no sign of life");
    assert_eq!(first.status().peers.len(), 2);
    // Nobody who is down is asked for agreement.
    first.membership.leave(PeerId(2), false).await.unwrap();
    assert_eq!(first.state_of(PeerId(2)), None);
    assert!(matches!(
        first.membership.leave(PeerId(9), false).await,
        Err(MembershipError::Unknown)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_back_is_the_same_one() {
    let world = World::new();
    let servers = world.cluster(3).await;
    let [first, second, third] = <[Server; 3]>::try_from(servers).ok().unwrap();
    third.kill().await;
    until("it is given up", || first.state_of(PeerId(3)) == Some(PeerState::Down)).await;
    settled(&[&first, &second], 2).await;
    // It finds its folder, and its cluster, at another address.
    let third = world.start_at("3", None, None).await;
    assert_eq!(third.id(), PeerId(3));
    settled(&[&first, &second, &third], 3).await;
    assert_eq!(first.status().peers[&PeerId(3)].address, third.address.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_agreed_on_outlives_all_of_them() {
    let world = World::new();
    let servers = world.cluster(3).await;
    let before = servers[0].status();
    for server in servers {
        server.kill().await;
    }
    let mut again = Vec::new();
    for name in ["1", "2", "3"] {
        again.push(world.start(name, None).await);
    }
    settled(&again.iter().collect::<Vec<_>>(), 3).await;
    let after = again[0].status();
    assert_eq!(after.cluster, before.cluster);
    assert!(after.epoch >= before.epoch);
    assert_eq!(after.peers.keys().collect::<Vec<_>>(), before.peers.keys().collect::<Vec<_>>());
}
