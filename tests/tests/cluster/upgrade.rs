//! A rolling upgrade: servers of two versions in one cluster, while devices and users go on.
//!
//! The older version is this binary, held back by `--cluster-version`; or a binary of an older tree that `CLUSTER_OLD_BINARY` names, as
//! `cargo xtask upgrade` does. That one may speak the newest version already: then there is none to go to, and all else holds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use peers::handshake::{FIRST, Speaks};
use tests::cluster::{Cassandra, Cluster, Old};

use super::{Load, keeps_asking, text, turn};

/// The version before, and the one that the cluster goes to.
const BEFORE: u32 = NOW - 1;
const NOW: u32 = Speaks::ALL.max;

/// Three servers of the version before, and the version of their cluster.
fn three_before(cassandra: &Arc<Cassandra>) -> (Cluster, u64) {
    match std::env::var_os("CLUSTER_OLD_BINARY") {
        None => {
            let cluster = Cluster::start_old(3, cassandra, &Old::Held(BEFORE));
            tests::until("the cluster speaks the version before", || {
                cluster.version() == Some(u64::from(BEFORE))
            });
            (cluster, u64::from(BEFORE))
        }
        Some(path) => {
            let cluster = Cluster::start_old(3, cassandra, &Old::Binary(path.into()));
            // 0: it is of before there was a version of the cluster.
            let version = cluster.status(0).unwrap()["version"].as_u64().unwrap();
            let version = version.max(u64::from(FIRST));
            eprintln!("the older servers speak version {version} of {NOW}");
            (cluster, version)
        }
    }
}

/// One server after the other is upgraded, of whoever leads, too, under load: nothing acknowledged is lost, requests are answered. The cluster
/// writes nothing new before all are; then it does, and there is no way back.
#[test]
fn a_cluster_is_upgraded_server_by_server() {
    let Some((cassandra, _turn)) = turn() else { return };
    let (mut cluster, before) = three_before(&cassandra);
    let load = Load::start(&cluster, 90);
    let mut left = vec![0, 1, 2];
    for round in 0..3 {
        let leader = cluster.leader();
        // A follower, the leader, whoever is left.
        let next = match round {
            1 if left.contains(&leader) => leader,
            _ => *left.iter().find(|seat| **seat != leader).unwrap_or(&left[0]),
        };
        let witness = (next + 1) % 3;
        let asking = keeps_asking(&cluster, witness, 8, next, round);
        std::thread::sleep(Duration::from_secs(1));
        let began = Instant::now();
        cluster.upgrade(next);
        left.retain(|seat| *seat != next);
        cluster.settled(3);
        eprintln!("server {next} upgraded (leader {leader}), settled after {:?}", began.elapsed());
        let more = load.acknowledged() + 600;
        tests::until("messages flow", || load.acknowledged() > more);
        let (asked, longest) = asking.join().unwrap();
        eprintln!("{asked} requests answered meanwhile, the longest took {longest:?}");
        if !left.is_empty() {
            spoken_by_the_upgraded(&cluster, &left, before);
        }
    }
    tests::until("the cluster speaks the new version", || cluster.version() == Some(u64::from(NOW)));
    let shown = text(&cluster.command(&["status", &cluster.peer_address(0)]));
    assert!(
        shown.contains(&format!("speaks {NOW},")) && !shown.contains("is spoken when"),
        "{shown}"
    );
    load.end(&cluster, 0);
    too_late(&mut cluster, before);
}

/// As long as one server is of the version before, so is the cluster, and it says who holds it back, if anybody does.
fn spoken_by_the_upgraded(cluster: &Cluster, left: &[usize], before: u64) {
    let upgraded = (0..3).find(|seat| !left.contains(seat)).unwrap();
    let status = cluster.status(upgraded).unwrap();
    assert_eq!(status["version"], before, "{status}");
    let shown = text(&cluster.command(&["status", &cluster.peer_address(upgraded)]));
    let waits = shown.contains(&format!("Version {NOW} is spoken when"));
    assert_eq!(waits, before < u64::from(NOW), "{shown}");
}

/// Neither a server that goes back nor a new one may be of the version before.
fn too_late(cluster: &mut Cluster, before: u64) {
    let held = Old::Held(BEFORE);
    cluster.kill(2);
    cluster.settled(2);
    let said = cluster.refused(2, &held);
    assert!(said.contains(&format!("the cluster speaks version {NOW}, for good")), "{said}");
    assert!(said.contains("cluster-version"), "{said}");
    let folder = tempfile::tempdir().unwrap();
    let joined = cluster.command(&[
        "join",
        &cluster.peer_address(0),
        "--peer-address",
        "127.0.0.1:1",
        "--data-dir",
        folder.path().to_str().unwrap(),
        "--cluster-version",
        &BEFORE.to_string(),
    ]);
    let said = text(&joined);
    assert!(!joined.status.success() && said.contains("for good"), "{said}");
    cluster.restart(2);
    cluster.settled(3);
    assert_eq!(cluster.version(), Some(u64::from(NOW)), "and never {before} again");
}

/// A server of a version before that was away when the cluster went on does not know it: the others tell it.
#[test]
fn a_cluster_tells_a_server_that_missed_the_upgrade() {
    let Some((cassandra, _turn)) = turn() else { return };
    let held = Old::Held(BEFORE);
    let mut cluster = Cluster::start_old(2, &cassandra, &held);
    // The third speaks the new version, and is away when the last of the others does.
    cluster.add();
    cluster.settled(3);
    assert_eq!(cluster.version(), Some(u64::from(BEFORE)));
    cluster.kill(2);
    cluster.settled(2);
    cluster.upgrade(0);
    cluster.settled(2);
    cluster.upgrade(1);
    cluster.settled(2);
    tests::until("the cluster speaks the new version", || cluster.version() == Some(u64::from(NOW)));
    let said = cluster.refused(2, &held);
    assert!(said.contains(&format!("the cluster speaks version {NOW}, for good")), "{said}");
    cluster.restart(2);
    cluster.settled(3);
}
