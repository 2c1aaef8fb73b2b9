//! Changes of what is stored: each reaches every other server that is alive, once, or everything is read again.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use cluster::{Announcer, Applier, Applying, Change, Epoch, NotApplied, What};
use model::TenantId;
use parking_lot::Mutex;
use peers::PeersConfig;
use peers::wire::peers_client::PeersClient;
use peers::wire::{Frame, Hello, frame, item};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use uuid::Uuid;

use crate::breaking::fragile;
use crate::world::{World, soon, until};

/// Remembers what was applied, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Change>>>);

#[async_trait]
impl Applier for Log {
    async fn apply(&self, change: Change) -> Result<(), NotApplied> {
        self.0.lock().push(change);
        Ok(())
    }
}

impl Log {
    fn of(world: &World, server: usize) -> Self {
        let log = Log::default();
        Applying::start(world.servers[server].peers.changes().clone(), Arc::new(log.clone()));
        log
    }

    fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Whether it was applied since, or something that covers it.
    fn covers(&self, since: usize, change: Change) -> bool {
        let covering = [change, Change::everything_of(change.tenant), Change::EVERYTHING];
        self.0.lock()[since..].iter().any(|applied| covering.contains(applied))
    }

    fn count(&self, change: Change) -> usize {
        self.0.lock().iter().filter(|applied| **applied == change).count()
    }
}

fn change(server: usize, number: u64) -> Change {
    let tenant = TenantId(Uuid::from_u128(1 + u128::from(number % 7)));
    Change::new(tenant, What::Device(Uuid::from_u64_pair(server as u64, number)))
}

/// Announces changes of these numbers, which nobody announced before, on all servers, side by side, and looks whether all others apply
/// them.
async fn announce_on_all(world: &World, logs: &[Log], numbers: Range<u64>, broken: &[Arc<tokio::sync::Notify>]) {
    let mut owed = Vec::new();
    for number in numbers.clone() {
        for (at, server) in world.servers.iter().enumerate() {
            let announced = change(at, number);
            let others = logs.iter().enumerate().filter(|(other, _)| *other != at);
            owed.extend(others.map(|(_, log)| (log.clone(), log.len(), announced)));
            server.peers.announce(announced);
        }
        if number % 50 == 49 {
            broken.iter().for_each(|broken| broken.notify_waiters());
        }
        tokio::task::yield_now().await;
    }
    for (log, since, announced) in owed {
        until("a change is applied, or everything is", || log.covers(since, announced)).await;
        assert!(log.count(announced) <= 1, "{announced:?} was applied twice");
    }
    for (at, log) in logs.iter().enumerate() {
        for number in numbers.clone() {
            assert_eq!(log.count(change(at, number)), 0, "nobody hears of its own changes");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_reaches_every_other_server_once() {
    let world = World::new(3).await;
    let logs = [0, 1, 2].map(|server| Log::of(&world, server));
    // They begin with everything, which covers what waits: until each has heard of one change of each other.
    let next = std::cell::Cell::new(10_000);
    until("all sessions have begun", || {
        next.set(next.get() + 1);
        for (at, server) in world.servers.iter().enumerate() {
            server.peers.announce(change(at, next.get()));
        }
        let heard = |log: &Log, of: usize| (10_000..next.get()).any(|number| log.count(change(of, number)) > 0);
        let mut pairs = (0..9).map(|pair| (pair / 3, pair % 3)).filter(|(at, of)| at != of);
        pairs.all(|(at, of)| heard(&logs[at], of))
    })
    .await;
    announce_on_all(&world, &logs, 0..40, &[]).await;
    let of_three: Vec<_> = (0..40).map(|number| change(2, number)).collect();
    for log in &logs[..2] {
        assert!(of_three.iter().all(|change| log.count(*change) == 1), "none was lost in a limit");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_break_lose_no_change_and_repeat_none() {
    let mut world = World::new(3).await;
    let logs = [0, 1, 2].map(|server| Log::of(&world, server));
    let mut ways = Vec::new();
    for server in &world.servers {
        ways.push((server.address, fragile(server.address).await));
    }
    let through = |address| ways.iter().find(|(direct, _)| *direct == address).unwrap().1.0;
    let epoch = world.agree(&[1, 2, 3]) + 1;
    let mut members = world.members(&[1, 2, 3], through);
    members.epoch = Epoch(epoch);
    world.servers.iter().for_each(|server| server.place.agreed(&members));
    world.settle(epoch);
    let broken: Vec<_> = ways.iter().map(|(_, (_, broken))| Arc::clone(broken)).collect();
    announce_on_all(&world, &logs, 0..1_000, &broken).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_away_reads_everything() {
    let mut world = World::new(3).await;
    let logs = [0, 1, 2].map(|server| Log::of(&world, server));
    announce_on_all(&world, &logs, 0..5, &[]).await;
    let before = logs.clone().map(|log| log.count(Change::EVERYTHING));
    let epoch = world.agree(&[1, 3]);
    world.settle(epoch);
    // Those who stay: what it announced last may be lost with it.
    for at in [0, 2] {
        until("everything is read", || logs[at].count(Change::EVERYTHING) > before[at]).await;
    }
    let missed = change(0, 1_000);
    world.servers[0].peers.announce(missed);
    until("the third server has it", || logs[2].covers(0, missed)).await;
    assert_eq!(logs[1].count(missed), 0);
    let since = logs[1].len();
    let epoch = world.agree(&[1, 2, 3]);
    world.settle(epoch);
    until("it reads everything", || logs[1].covers(since, missed)).await;
    announce_on_all(&world, &logs[..], 5..25, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_can_wait_becomes_everything() {
    let mut world = World::apart(2, PeersConfig::default()).await;
    // The first server finds nobody where the second one should be, and cannot tell it anything.
    let mut members = world.members(&[1, 2], |_| "127.0.0.1:9".parse().unwrap());
    members.epoch = Epoch(1);
    world.servers[0].place.agreed(&members);
    let log = Log::of(&world, 1);
    for number in 0..100_000 {
        world.servers[0].peers.announce(change(0, number));
    }
    assert_eq!(log.len(), 0);
    world.agree(&[1, 2]);
    world.agree(&[1, 2]);
    for number in [0, 50_000, 99_999] {
        until("it is covered", || log.covers(0, change(0, number))).await;
    }
    assert!(log.len() < 1_000, "{} were applied one by one", log.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_of_an_older_version_is_told_of_none() {
    let world = World::new(2).await;
    // The first server gives the second one up; somebody of an older version takes its place.
    let mut members = world.members(&[1], |address| address);
    members.epoch = Epoch(2);
    world.servers[0].place.agreed(&members);
    let channel = world
        .authority
        .tls()
        .channel(&world.servers[1].address.to_string(), std::time::Duration::from_secs(1))
        .unwrap();
    let hello = Hello {
        version_min: 1,
        version_max: 1,
        peer: 1,
        incarnation: 77,
        knows: 0,
        expects: 0,
    };
    let (out, outgoing) = mpsc::channel(4);
    let frame = Some(frame::Frame::Hello(hello));
    out.send(Frame { frame }).await.unwrap();
    let mut client = PeersClient::new(channel);
    let mut frames = soon("a session", client.session(ReceiverStream::new(outgoing)))
        .await
        .unwrap()
        .into_inner();
    assert!(matches!(
        soon("a hello", frames.next()).await.unwrap().unwrap().frame,
        Some(frame::Frame::Hello(_))
    ));
    world.servers[1].peers.announce(change(1, 1));
    let used = cluster::Used::message(1);
    let tenant = change(1, 1).tenant;
    cluster::UsageTeller::tell(&world.servers[1].peers, &[cluster::Usage { tenant, used }]);
    // What comes behind it comes first of all.
    let device = world.device_of(1);
    let lane = world.servers[1].router.lane(device).await.unwrap();
    lane.send(cluster::Delivery::Heard(1)).await.unwrap();
    match soon("an item", frames.next()).await.unwrap().unwrap().frame {
        Some(frame::Frame::Item(item)) => assert!(matches!(item.what, Some(item::What::Deliver(_))), "{item:?}"),
        other => panic!("{other:?}"),
    }
    drop(out);
}
