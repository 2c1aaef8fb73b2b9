//! Leaving, crashing, leading.

use cluster::{PeerId, PeerState};
use membership::MembershipError;

use crate::world::{Server, World, settled, until};

#[tokio::test(flavor = "multi_thread")]
async fn others_take_over_from_one_that_is_killed_be_it_the_leader() {
    let world = World::new();
    let mut servers = world.cluster(3).await;
    let leader = servers.iter().position(Server::leads).unwrap();
    let killed = servers.remove(leader);
    let gone = killed.id();
    killed.kill().await;
    settled(&servers.iter().collect::<Vec<_>>(), 2).await;
    for server in &servers {
        assert_eq!(server.state_of(gone), Some(PeerState::Down));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_nobody_owns_anything() {
    let world = World::new();
    let mut servers = world.cluster(3).await;
    let left = servers.remove(1);
    for server in servers {
        server.kill().await;
    }
    until("its lease ends", || left.serves() == 0).await;
    assert_eq!(left.membership.place().lease_left_ms(), 0);
    let releases = *left.devices.0.lock();
    assert!(releases > 1, "it let go of what it served");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_hands_over_and_is_forgotten() {
    let world = World::new();
    let servers = world.cluster(4).await;
    let leader = servers.iter().find(|server| server.leads()).unwrap().id();
    // The leader itself, which is the hardest.
    servers[2].membership.leave(leader, false).await.unwrap();
    let (gone, stay): (Vec<&Server>, Vec<&Server>) = servers.iter().partition(|server| server.id() == leader);
    settled(&stay, 3).await;
    until("it is forgotten", || stay.iter().all(|server| server.state_of(leader).is_none())).await;
    until("it serves nothing", || gone[0].serves() == 0).await;
    until("others vote", || {
        let status = stay[0].status();
        status.peers.values().filter(|peer| peer.voter).count() == 3
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_leads_when_it_is_asked_to() {
    let world = World::new();
    let servers = world.cluster(3).await;
    until("all vote", || {
        servers[0].status().peers.values().filter(|peer| peer.voter).count() == 3
    })
    .await;
    let epoch = servers[0].status().epoch;
    let next = servers.iter().find(|server| !server.leads()).unwrap();
    let asked = servers.iter().find(|server| server.id() != next.id()).unwrap();
    asked.membership.transfer(next.id(), false).await.unwrap();
    until("it leads", || {
        servers.iter().all(|server| server.status().leader == Some(next.id()))
    })
    .await;
    settled(&servers.iter().collect::<Vec<_>>(), 3).await;
    assert_eq!(next.status().epoch, epoch, "no device moved for it");
    assert!(matches!(
        next.membership.transfer(PeerId(9), false).await,
        Err(MembershipError::Unknown)
    ));
}
