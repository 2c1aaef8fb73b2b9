//! Servers of two versions in one cluster: what it speaks, and who is refused.

use std::time::Duration;

use cluster::{PeerId, PeerState};
use membership::MembershipError;
use peers::handshake::Speaks;

use crate::world::{Server, World, settled, until};

fn speaks(max: u32) -> String {
    Speaks { min: 1, max }.tell("1")
}

async fn start(world: &World, name: &str, join: Option<&Server>, version: &str) -> Server {
    let join = join.map(|server| server.address);
    world.start_as(name, None, join, version).await.unwrap()
}

async fn speak(servers: &[&Server], version: u32) {
    until("all speak the version", || {
        servers.iter().all(|server| server.status().version == version)
    })
    .await;
}

/// Three servers of which the last one is of a version, all up.
async fn three(world: &World, last: &str) -> [Server; 3] {
    let first = start(world, "1", None, &speaks(2)).await;
    let second = start(world, "2", Some(&first), &speaks(2)).await;
    let third = start(world, "3", Some(&second), last).await;
    settled(&[&first, &second, &third], 3).await;
    [first, second, third]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_speaks_the_newest_version_of_all_of_them() {
    let world = World::new();
    // It is raised while it is one server; a binary of before, which tells nothing, comes too late.
    let first = start(&world, "1", None, &speaks(2)).await;
    speak(&[&first], 2).await;
    let refused = world.start_as("2", None, Some(first.address), "1").await.err().unwrap();
    assert!(matches!(refused, MembershipError::Refused(_)), "{refused}");
    let said = refused.to_string();
    assert!(said.contains("speaks version 2") && said.contains("this server 1-1"), "{said}");
    let newer = Speaks { min: 3, max: 4 }.tell("9");
    let refused = world.start_as("3", None, Some(first.address), &newer).await.err().unwrap();
    assert!(refused.to_string().contains("a version in between"), "{refused}");
    assert_eq!(first.status().peers.len(), 1, "nobody was admitted");
    let second = start(&world, "4", Some(&first), &speaks(3)).await;
    settled(&[&first, &second], 2).await;
    speak(&[&first, &second], 2).await;
    let mut version = second.membership.version();
    assert_eq!(*version.borrow_and_update(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_old_server_holds_all_of_them_back_until_it_is_upgraded() {
    let world = World::new();
    // Begun by the old one: what comes first could not be held back otherwise.
    let third = start(&world, "3", None, "1").await;
    let first = start(&world, "1", Some(&third), &speaks(2)).await;
    let second = start(&world, "2", Some(&first), &speaks(2)).await;
    settled(&[&first, &second, &third], 3).await;
    speak(&[&first, &second, &third], 1).await;
    // While it is away, and may come back as it was, too.
    third.kill().await;
    settled(&[&first, &second], 2).await;
    speak(&[&first, &second], 1).await;
    let third = world.start_as("3", None, None, &speaks(2)).await.unwrap();
    settled(&[&first, &second, &third], 3).await;
    speak(&[&first, &second, &third], 2).await;
    assert_eq!(first.status().peers[&PeerId(1)].version, speaks(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_back_too_late_is_refused_whatever_it_knows() {
    let world = World::new();
    let [first, second, third] = three(&world, &speaks(2)).await;
    speak(&[&first, &second, &third], 2).await;
    third.kill().await;
    until("it is given up", || first.state_of(PeerId(3)) == Some(PeerState::Down)).await;
    // By what stands in its own folder.
    let refused = world.start_as("3", None, None, &speaks(1)).await.err().unwrap();
    assert!(matches!(refused, MembershipError::TooOld { cluster: 2, .. }), "{refused}");
    assert!(
        refused.to_string().contains("start the program that the other servers run"),
        "{refused}"
    );
    let third = world.start_as("3", None, None, &speaks(3)).await.unwrap();
    settled(&[&first, &second, &third], 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_away_when_the_cluster_was_raised_is_told_so_by_the_others() {
    let world = World::new();
    let first = start(&world, "1", None, &speaks(1)).await;
    let second = start(&world, "2", Some(&first), &speaks(1)).await;
    let third = start(&world, "3", Some(&first), &speaks(2)).await;
    settled(&[&first, &second, &third], 3).await;
    third.kill().await;
    settled(&[&first, &second], 2).await;
    let (at_first, at_second) = (first.address, second.address);
    first.kill().await;
    let first = world.start_as("1", Some(at_first), None, &speaks(2)).await.unwrap();
    settled(&[&first, &second], 2).await;
    second.kill().await;
    let second = world.start_as("2", Some(at_second), None, &speaks(2)).await.unwrap();
    settled(&[&first, &second], 2).await;
    // The third said once that it speaks it, too.
    speak(&[&first, &second], 2).await;
    let third = world.start_as("3", None, None, &speaks(1)).await.unwrap();
    let told = tokio::time::timeout(Duration::from_secs(60), third.membership.refused());
    let refused = told.await.expect("it is told");
    assert!(matches!(refused, MembershipError::TooOld { cluster: 2, .. }), "{refused}");
    assert_eq!(third.serves(), 0);
    assert_eq!(first.state_of(PeerId(3)), Some(PeerState::Down));
    settled(&[&first, &second], 2).await;
}
