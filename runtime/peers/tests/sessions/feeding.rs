//! The live feed: who watches at one server is told what another one saves, or that something was missed.

use std::sync::Arc;

use cluster::Epoch;
use feed::{Interest, News, Outbox, OutboxLimits, Wanted, Watch};
use model::{AttributeScope, EntityId, EntityKind, TenantId, Value};
use parking_lot::Mutex;
use peers::PeersConfig;
use storage::{KeptIn, Mutation, Tap};
use uuid::Uuid;

use crate::breaking::fragile;
use crate::world::{World, until};

fn entity(tenant: u128, number: u128) -> EntityId {
    EntityId::new(TenantId(Uuid::from_u128(tenant)), EntityKind::Device, Uuid::from_u128(number))
}

fn points(entity: EntityId, ts_ms: i64) -> Mutation {
    Mutation::Points {
        entity,
        ts_ms,
        values: vec![("k".into(), Value::Double(0.5))],
        ttl_s: 0,
        kept: KeptIn::Both,
    }
}

/// Somebody who watches one entity, and all it has heard.
struct Watching {
    outbox: Outbox,
    heard: Mutex<Vec<News>>,
    _watch: Watch,
}

impl Watching {
    fn at(world: &World, server: usize, entity: EntityId, wanted: Wanted) -> Self {
        let outbox = Outbox::new(OutboxLimits {
            updates_max: 1_000_000,
            bytes_max: usize::MAX,
        });
        let interest = Arc::new(Interest::new(wanted, None));
        Watching {
            _watch: world.servers[server].feed.watch(entity, interest, &outbox).unwrap(),
            outbox,
            heard: Mutex::default(),
        }
    }

    fn heard(&self) -> Vec<News> {
        let mut heard = self.heard.lock();
        heard.extend(self.outbox.fetch().into_iter().map(|told| told.update.news.clone()));
        heard.clone()
    }

    /// Times of values, in the order in which they came.
    fn times(&self) -> Vec<i64> {
        let of = |news: News| match news {
            News::Points { ts_ms, .. } => Some(ts_ms),
            _ => None,
        };
        self.heard().into_iter().filter_map(of).collect()
    }

    fn missed(&self) -> usize {
        self.heard().iter().filter(|news| **news == News::Missed).count()
    }
}

const SERIES: Wanted = Wanted::Series { from_ms: 0 };

fn watched(world: &World, server: usize, count: usize) -> impl Fn() -> bool {
    let feed = world.servers[server].feed.clone();
    move || feed.watched() == count
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_server_saves_is_heard_at_the_others_that_watch_it() {
    let world = World::new(3).await;
    let watching = Watching::at(&world, 0, entity(1, 1), SERIES);
    for server in [1, 2] {
        until("the others know", watched(&world, server, 1)).await;
    }
    // Another entity, and the same id in another tenant.
    world.servers[1].feed.saved(&[points(entity(1, 2), 1), points(entity(2, 1), 2)]);
    for ts_ms in 10..500 {
        world.servers[1].feed.saved(&[points(entity(1, 1), ts_ms)]);
    }
    until("all of it came", || watching.times().len() == 490).await;
    world.servers[2].feed.saved(&[points(entity(1, 1), 1_000)]);
    until("from the third one, too", || watching.times().len() == 491).await;
    assert_eq!(
        watching.times(),
        (10..500).chain([1_000]).collect::<Vec<_>>(),
        "in order, and nothing else"
    );
    drop(watching);
    for server in [0, 1, 2] {
        until("nobody watches any more", watched(&world, server, 0)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_news_arrives_as_it_was() {
    let world = World::new(2).await;
    let (entity, scope) = (entity(1, 1), AttributeScope::ServerScope);
    let watching = [
        Watching::at(&world, 0, entity, SERIES),
        Watching::at(&world, 0, entity, Wanted::Attributes(Some(scope))),
    ];
    until("the other one knows", watched(&world, 1, 1)).await;
    let values: Vec<(Arc<str>, Value)> = vec![
        ("b".into(), Value::Bool(false)),
        ("l".into(), Value::Long(i64::MIN)),
        ("d".into(), Value::Double(-0.1)),
        ("t".into(), Value::Text("12".into())),
        ("j".into(), Value::Json("[1]".into())),
    ];
    let keys: Vec<Arc<str>> = vec!["b".into()];
    world.servers[1].feed.saved(&[
        Mutation::Points {
            entity,
            ts_ms: -1,
            values: values.clone(),
            ttl_s: 9,
            kept: KeptIn::Both,
        },
        Mutation::Points {
            entity,
            ts_ms: 1,
            values: values.clone(),
            ttl_s: 9,
            kept: KeptIn::Both,
        },
        Mutation::DeletePoints {
            entity,
            key: "b".into(),
            from_ms: 0,
            to_ms: 9,
        },
        Mutation::Attributes {
            entity,
            scope,
            ts_ms: 2,
            values: values.clone(),
        },
        Mutation::DeleteAttributes {
            entity,
            scope,
            keys: keys.clone(),
        },
    ]);
    let heard = |watching: &Watching| {
        let mut heard = watching.heard();
        heard.retain(|news| *news != News::Missed);
        heard
    };
    let of_series = [
        News::Points {
            ts_ms: 1,
            values: values.clone(),
        },
        News::PointsRemoved { key: "b".into() },
    ];
    let of_attributes = [
        News::Attributes { scope, ts_ms: 2, values },
        News::AttributesRemoved { scope, keys },
    ];
    until("all came", || heard(&watching[0]).len() == 2 && heard(&watching[1]).len() == 2).await;
    assert_eq!(
        (heard(&watching[0]), heard(&watching[1])),
        (of_series.to_vec(), of_attributes.to_vec())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_break_lose_nothing_that_was_saved() {
    let mut world = World::new(2).await;
    let (through, broken) = fragile(world.servers[1].address).await;
    let epoch = world.agree(&[1, 2]) + 1;
    let mut members = world.members(&[1, 2], |_| through);
    members.epoch = Epoch(epoch);
    world.servers.iter().for_each(|server| server.place.agreed(&members));
    world.settle(epoch);
    let watching = Watching::at(&world, 0, entity(1, 1), SERIES);
    until("the other one knows", watched(&world, 1, 1)).await;
    until("it has said so", || watching.missed() >= 1).await;
    for ts_ms in 0..900 {
        world.servers[1].feed.saved(&[points(entity(1, 1), ts_ms)]);
        if ts_ms % 100 == 50 {
            broken.notify_waiters();
            tokio::task::yield_now().await;
        }
    }
    until("all of it came", || watching.times().len() >= 900).await;
    assert_eq!(watching.times(), (0..900).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_could_not_be_told_hears_that_something_was_missed() {
    let mut world = World::apart(2, PeersConfig::default()).await;
    let watching = Watching::at(&world, 0, entity(1, 1), SERIES);
    world.servers[1].feed.saved(&[points(entity(1, 1), 1)]);
    let epoch = world.agree(&[1, 2]);
    world.settle(epoch);
    // Before they met: it has to be read.
    until("they have met", watched(&world, 1, 1)).await;
    until("it is said", || watching.missed() >= 1).await;
    assert_eq!(watching.times(), Vec::<i64>::new());
    // Far more than may wait, at once.
    let before = watching.missed();
    let flood: Vec<Mutation> = (0..100_000).map(|ts_ms| points(entity(1, 1), ts_ms)).collect();
    world.servers[1].feed.saved(&flood);
    until("the newest came", || watching.times().last() == Some(&99_999)).await;
    assert!(watching.missed() > before && watching.times().len() < 50_000);
    // The other one goes, and what it may have said with it.
    let before = watching.missed();
    world.agree(&[1]);
    until("it is said again", || watching.missed() > before).await;
}
