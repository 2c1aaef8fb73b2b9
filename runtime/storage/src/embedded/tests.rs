//! What only shows from inside: a disk that fails, rows that must be gone, groups that share a sync.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc as gate;
use std::time::Duration;

use model::{DeviceId, EntityId, TenantId, Value};

use super::tables::{Sync, Table, Tables};
use super::{EmbeddedConfig, EmbeddedStore};
use crate::{EntityStore as _, Journal as _, KeptIn, Mutation, SettingStore as _, StorageError, TimeSeriesStore as _};

fn device() -> EntityId {
    DeviceId::generate(TenantId::generate()).entity()
}

fn points(entity: EntityId, key: &str, times: std::ops::Range<i64>, ttl_s: u32) -> Vec<Mutation> {
    times
        .map(|ts_ms| Mutation::Points {
            entity,
            ts_ms,
            values: vec![(key.into(), Value::Long(ts_ms))],
            ttl_s,
            kept: KeptIn::Both,
        })
        .collect()
}

async fn commit(store: &EmbeddedStore, batch: Vec<Mutation>) {
    store.submit(batch).await.expect("takes the batch").await.expect("makes it durable");
}

async fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let wait = async {
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        while !reached() {
            tick.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect(what);
}

/// A store whose syncs a test decides on.
fn store_with(dir: &tempfile::TempDir, sync: impl FnOnce(Sync) -> Sync) -> EmbeddedStore {
    let mut config = EmbeddedConfig::new(dir.path());
    config.queue_len_max = 8;
    let tables = Tables::open(&config).expect("opens");
    let real = tables.sync();
    EmbeddedStore::start(tables, &config, sync(real)).expect("starts")
}

fn is_failed(error: &StorageError) -> bool {
    matches!(error, StorageError::Failed(text) if text == "disk full")
}

#[tokio::test]
async fn after_a_failed_sync_everything_is_refused() {
    let dir = tempfile::tempdir().expect("temp dir");
    let broken = Arc::new(AtomicBool::new(false));
    let breaks = Arc::clone(&broken);
    let store = store_with(&dir, |mut sync| {
        Box::new(move || {
            if breaks.load(Ordering::SeqCst) {
                Err(StorageError::Failed("disk full".into()))
            } else {
                sync()
            }
        })
    });
    let entity = device();
    commit(&store, points(entity, "a", 0..1, 0)).await;
    broken.store(true, Ordering::SeqCst);
    let promise = store.submit(points(entity, "a", 1..2, 0)).await.expect("is queued");
    assert!(is_failed(&promise.await.expect_err("is not durable")));
    // The disk gets well, but what is on it is unknown: only a restart helps.
    broken.store(false, Ordering::SeqCst);
    until("the queue closes", || store.0.jobs.as_ref().expect("open").is_closed()).await;
    assert!(is_failed(&store.submit(vec![]).await.expect_err("refused")));
    assert!(is_failed(&store.save_setting("a", vec![]).await.expect_err("refused")));
    assert!(is_failed(&store.delete_entity(entity).await.expect_err("refused")));
    assert!(is_failed(&store.close().await.expect_err("says so")));
    drop(store);
    let store = EmbeddedStore::open(EmbeddedConfig::new(dir.path())).expect("opens again");
    assert_eq!(store.series_keys(entity).await.expect("reads").len(), 1);
    commit(&store, points(entity, "a", 2..3, 0)).await;
}

#[tokio::test]
async fn a_tap_hears_nothing_of_what_failed() {
    let dir = tempfile::tempdir().expect("temp dir");
    let heard = Arc::new(crate::conformance::tap::Heard::default());
    let mut config = EmbeddedConfig::new(dir.path());
    config.tap = Some(heard.clone());
    let tables = Tables::open(&config).expect("opens");
    let store = EmbeddedStore::start(tables, &config, Box::new(|| Err(StorageError::Failed("disk full".into())))).expect("starts");
    let promise = store.submit(points(device(), "a", 0..1, 0)).await.expect("is queued");
    assert!(is_failed(&promise.await.expect_err("is not durable")));
    assert_eq!(heard.all(), []);
}

/// A store whose every sync waits for the test, and how many syncs there were.
fn gated(dir: &tempfile::TempDir) -> (EmbeddedStore, gate::SyncSender<Result<(), StorageError>>, Arc<AtomicUsize>) {
    let (open, wait) = gate::sync_channel(1);
    let syncs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&syncs);
    let store = store_with(dir, move |mut sync| {
        Box::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            wait.recv().unwrap_or(Ok(())).and_then(|()| sync())
        })
    });
    (store, open, syncs)
}

#[tokio::test]
async fn what_queues_up_during_a_sync_shares_the_next_one() {
    let dir = tempfile::tempdir().expect("temp dir");
    let (store, open, syncs) = gated(&dir);
    let entity = device();
    let first = store.submit(points(entity, "a", 0..1, 0)).await.expect("is queued");
    until("the first sync begins", || syncs.load(Ordering::SeqCst) == 1).await;
    let mut queued = Vec::new();
    for ts in 1..=8 {
        queued.push(store.submit(points(entity, "a", ts..ts + 1, 0)).await.expect("is queued"));
    }
    // The queue has eight places: one more waits.
    let more = store.submit(points(entity, "a", 9..10, 0));
    tokio::pin!(more);
    assert!(
        tokio::time::timeout(Duration::from_millis(50), &mut more).await.is_err(),
        "back-pressure"
    );
    open.send(Ok(())).expect("the writer waits");
    first.await.expect("durable");
    until("the second sync begins", || syncs.load(Ordering::SeqCst) == 2).await;
    drop(open);
    for commit in queued {
        commit.await.expect("durable");
    }
    more.await.expect("has a place now").await.expect("durable");
    let syncs = syncs.load(Ordering::SeqCst);
    assert!((2..=3).contains(&syncs), "nine batches behind the first took {} syncs", syncs - 1);
}

#[tokio::test]
async fn a_failed_sync_fails_the_group_and_the_queue() {
    let dir = tempfile::tempdir().expect("temp dir");
    let (store, open, syncs) = gated(&dir);
    let entity = device();
    let first = store.submit(points(entity, "a", 0..1, 0)).await.expect("is queued");
    until("the first sync begins", || syncs.load(Ordering::SeqCst) == 1).await;
    let queued = store.submit(points(entity, "a", 1..2, 0)).await.expect("is queued");
    let command = store.save_setting("late", vec![1]);
    tokio::pin!(command);
    assert!(
        tokio::time::timeout(Duration::from_millis(20), &mut command).await.is_err(),
        "is queued"
    );
    open.send(Err(StorageError::Failed("disk full".into()))).expect("the writer waits");
    for commit in [first, queued] {
        assert!(is_failed(&commit.await.expect_err("not durable")));
    }
    assert!(is_failed(&command.await.expect_err("not durable")));
    assert_eq!(
        store.setting("late").await.expect("reads"),
        None,
        "a command behind a failure is not run"
    );
    assert_eq!(syncs.load(Ordering::SeqCst), 1, "nobody tries again");
}

#[tokio::test]
async fn dropping_the_store_finishes_what_is_queued() {
    let dir = tempfile::tempdir().expect("temp dir");
    let (store, open, _) = gated(&dir);
    let entity = device();
    let mut commits = Vec::new();
    for ts in 0..5 {
        commits.push(store.submit(points(entity, "a", ts..ts + 1, 0)).await.expect("is queued"));
    }
    drop(open);
    drop(store);
    for commit in commits {
        commit.await.expect("durable");
    }
}

#[tokio::test]
async fn readings_of_a_deleted_entity_are_removed_when_there_is_time() {
    let dir = tempfile::tempdir().expect("temp dir");
    let (gone, stays) = (device(), device());
    let store = EmbeddedStore::open(EmbeddedConfig::new(dir.path())).expect("opens");
    let rows = |store: &EmbeddedStore, table| store.0.tables.prefix(table, &[]).count();
    // More than one sweep takes.
    for key in ["a", "b"] {
        for part in 0..3 {
            commit(&store, points(gone, key, part * 5_000..(part + 1) * 5_000, 0)).await;
        }
    }
    commit(&store, points(stays, "a", 0..10, 0)).await;
    assert_eq!(rows(&store, Table::Points), 30_010);
    assert!(
        !store.delete_entity(gone).await.expect("deletes"),
        "there was no record, only readings"
    );
    assert_eq!(store.series_keys(gone).await.expect("reads"), []);
    until("all are removed", || rows(&store, Table::Garbage) == 0).await;
    assert_eq!((rows(&store, Table::Points), rows(&store, Table::Series)), (10, 1));
}

#[tokio::test]
async fn a_leftover_of_the_last_process_is_swept() {
    let dir = tempfile::tempdir().expect("temp dir");
    let config = EmbeddedConfig::new(dir.path());
    let tables = Tables::open(&config).expect("opens");
    tables.space(Table::Points).insert(super::keys::point(7, 1), "x").expect("writes");
    tables.space(Table::Garbage).insert(7_u64.to_be_bytes(), "").expect("writes");
    drop(tables);
    let store = EmbeddedStore::open(config).expect("opens");
    commit(&store, vec![]).await;
    until("it is removed", || store.0.tables.prefix(Table::Garbage, &[]).count() == 0).await;
    assert_eq!(store.0.tables.prefix(Table::Points, &[]).count(), 0);
}

#[tokio::test]
async fn a_long_removal_is_done_in_pieces() {
    let dir = tempfile::tempdir().expect("temp dir");
    let store = EmbeddedStore::open(EmbeddedConfig::new(dir.path())).expect("opens");
    let entity = device();
    commit(&store, points(entity, "a", 0..25_000, 0)).await;
    commit(
        &store,
        vec![Mutation::DeletePoints {
            entity,
            key: "a".into(),
            from_ms: 1,
            to_ms: 24_999,
        }],
    )
    .await;
    assert_eq!(store.0.tables.prefix(Table::Points, &[]).count(), 2);
}

#[tokio::test]
async fn expired_readings_give_their_space_back() {
    let dir = tempfile::tempdir().expect("temp dir");
    let store = EmbeddedStore::open(EmbeddedConfig::new(dir.path())).expect("opens");
    let entity = device();
    commit(&store, points(entity, "brief", 0..100, 1)).await;
    commit(&store, points(entity, "long", 0..100, 1000)).await;
    commit(&store, points(entity, "for ever", 0..100, 0)).await;
    until("the brief ones expire", || {
        store.latest_now(entity, "brief").expect("reads").is_none()
    })
    .await;
    let space = store.0.tables.space(Table::Points);
    space.rotate_memtable_and_wait().expect("flushes");
    space.major_compact().expect("compacts");
    assert_eq!(store.0.tables.prefix(Table::Points, &[]).count(), 200);
}

#[tokio::test]
async fn rows_that_cannot_be_read_are_named_corrupt() {
    let dir = tempfile::tempdir().expect("temp dir");
    let store = EmbeddedStore::open(EmbeddedConfig::new(dir.path())).expect("opens");
    let entity = device();
    commit(&store, points(entity, "a", 0..1, 0)).await;
    let tables = &store.0.tables;
    let id = tables
        .get(Table::Series, super::keys::series(entity, "a"))
        .expect("reads")
        .expect("is there");
    let id = super::series_ids::number(&id).expect("8 bytes");
    tables.space(Table::Points).insert(super::keys::point(id, 0), [99]).expect("writes");
    tables
        .space(Table::Entities)
        .insert(super::keys::entity(entity), "{")
        .expect("writes");
    assert!(matches!(store.latest_now(entity, "a"), Err(StorageError::Corrupt(_))));
    assert!(matches!(store.entity(entity).await, Err(StorageError::Corrupt(_))));
}
