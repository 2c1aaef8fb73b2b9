//! The embedded store: the suite every back end passes, and what only this one promises.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use model::entity::{EntityRecord, Event, EventKind};
use model::{AttributeScope, Clock, DeviceId, EntityId, PageRequest, Reading, TenantId, Value};
use serde_json::json;
use storage::{EmbeddedConfig, EmbeddedStore, EventFilter, KeptIn, Login, Mutation, SeriesQuery, StorageError, conformance};
use storage::{EntityStore as _, EventStore as _, Journal as _, LoginStore as _, SettingStore as _, TimeSeriesStore as _};
use uuid::Uuid;

fn open(dir: &tempfile::TempDir) -> EmbeddedStore {
    EmbeddedStore::open(EmbeddedConfig::new(dir.path())).expect("opens")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("temp dir")
}

fn device() -> EntityId {
    DeviceId::generate(TenantId::generate()).entity()
}

fn points(entity: EntityId, ts_ms: i64, key: &str, value: i64) -> Mutation {
    Mutation::Points {
        entity,
        ts_ms,
        values: vec![(key.into(), Value::Long(value))],
        ttl_s: 0,
        kept: KeptIn::Both,
    }
}

async fn commit(store: &EmbeddedStore, batch: Vec<Mutation>) {
    store.submit(batch).await.expect("takes the batch").await.expect("makes it durable");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_every_promise() {
    let dir = folder();
    conformance::run(Arc::new(open(&dir))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tap_hears_of_what_is_durable() {
    let dir = folder();
    let heard = Arc::new(conformance::tap::Heard::default());
    let mut config = EmbeddedConfig::new(dir.path());
    config.tap = Some(heard.clone());
    let store = EmbeddedStore::open(config).expect("opens");
    conformance::tap::hears_in_order(Arc::new(store), heard).await;
}

#[tokio::test]
async fn keeps_every_promise_with_tiny_limits() {
    let dir = folder();
    let mut config = EmbeddedConfig::new(dir.path());
    (config.queue_len_max, config.cache_bytes, config.series_cached_max) = (1, 0, 1);
    conformance::run(Arc::new(EmbeddedStore::open(config).expect("opens"))).await;
}

#[tokio::test]
async fn everything_is_there_after_reopening() {
    let dir = folder();
    let (entity, user) = (device(), model::UserId::generate(TenantId::generate()));
    let record = EntityRecord {
        id: entity,
        version: 0,
        name: "a".into(),
        subtype: "".into(),
        customer: None,
        body: json!({"x": 1.5}),
    };
    let login = Login {
        user,
        email: "a@b.c".into(),
        password_hash: None,
        enabled: true,
        tokens_valid_from_ms: 0,
    };
    let event = Event {
        id: Uuid::now_v7(),
        entity,
        kind: EventKind::Error,
        ts_ms: 1,
        body: json!({"e": 1}),
    };
    let scope = AttributeScope::SharedScope;
    for round in 0..3 {
        let store = open(&dir);
        if round == 0 {
            store.save_entity(record.clone()).await.expect("saves");
            store.save_login(login.clone()).await.expect("saves");
            store.save_setting("s", vec![1, 2]).await.expect("saves");
            let attribute = Mutation::Attributes {
                entity,
                scope,
                ts_ms: 7,
                values: vec![("on".into(), Value::Bool(true))],
            };
            commit(&store, vec![attribute, Mutation::AppendEvent(Arc::new(event.clone()))]).await;
        }
        // Old and new keys: numbers of series must go on where they ended.
        commit(
            &store,
            vec![
                points(entity, round, "old", round),
                points(entity, round, &format!("new {round}"), round),
            ],
        )
        .await;
        let (expected_keys, expected) = (
            round as usize + 2,
            Some(Reading {
                ts_ms: round,
                value: Value::Long(round),
            }),
        );
        assert_eq!(store.series_keys(entity).await.expect("reads").len(), expected_keys);
        for key in ["old".to_owned(), format!("new {round}")] {
            assert_eq!(store.latest_now(entity, &key).expect("reads"), expected, "round {round}: {key}");
        }
        let query = SeriesQuery {
            from_ms: 0,
            to_ms: 10,
            limit: 10,
            descending: false,
        };
        assert_eq!(store.series(entity, "old", &query).await.expect("reads").len(), expected_keys - 1);
        assert_eq!(store.series(entity, "new 0", &query).await.expect("reads").len(), 1);
        assert_eq!(
            store.entity(entity).await.expect("reads"),
            Some(EntityRecord {
                version: 1,
                ..record.clone()
            })
        );
        assert_eq!(store.login("A@b.c").await.expect("reads"), Some(login.clone()));
        assert_eq!(store.setting("s").await.expect("reads"), Some(vec![1, 2]));
        let on = store.attribute_now(entity, scope, "on").expect("reads");
        assert_eq!(
            on,
            Some(Reading {
                ts_ms: 7,
                value: Value::Bool(true)
            })
        );
        let filter = EventFilter {
            kind: EventKind::Error,
            from_ms: None,
            to_ms: None,
        };
        assert_eq!(
            store.events(entity, &filter, &PageRequest::first(5)).await.expect("reads").data,
            std::slice::from_ref(&event)
        );
        // Closed or just dropped: both give the folder free.
        if round == 1 {
            store.close().await.expect("closes");
        }
    }
}

#[tokio::test]
async fn changes_of_one_batch_keep_their_order_after_reopening() {
    let dir = folder();
    let (entity, scope) = (device(), AttributeScope::ServerScope);
    let set = |value| Mutation::Attributes {
        entity,
        scope,
        ts_ms: value,
        values: vec![("a".into(), Value::Long(value))],
    };
    let unset = || Mutation::DeleteAttributes {
        entity,
        scope,
        keys: vec!["a".into()],
    };
    for (batch, expected) in [(vec![set(1), unset(), set(2)], Some(2)), (vec![set(3), set(4), unset()], None)] {
        commit(&open(&dir), batch).await;
        let found = open(&dir).attribute_now(entity, scope, "a").expect("reads");
        assert_eq!(found.map(|reading| reading.ts_ms), expected);
    }
}

#[tokio::test]
async fn a_folder_belongs_to_one_store() {
    let dir = folder();
    let store = open(&dir);
    let clone = store.clone();
    drop(store);
    let refused = EmbeddedStore::open(EmbeddedConfig::new(dir.path())).expect_err("in use");
    assert!(refused.to_string().contains("in use by another process"), "{refused}");
    drop(clone);
    open(&dir);
}

#[tokio::test]
async fn text_that_fits_no_key_is_refused_before_it_is_queued() {
    let dir = folder();
    let (store, entity, scope) = (open(&dir), device(), AttributeScope::ServerScope);
    let long: Arc<str> = "x".repeat(5000).into();
    let values = vec![("fits".into(), Value::Bool(true)), (Arc::clone(&long), Value::Bool(true))];
    let refused = [
        Mutation::Points {
            entity,
            ts_ms: 1,
            values: values.clone(),
            ttl_s: 0,
            kept: KeptIn::Both,
        },
        Mutation::Attributes {
            entity,
            scope,
            ts_ms: 1,
            values,
        },
        Mutation::DeleteAttributes {
            entity,
            scope,
            keys: vec![Arc::clone(&long)],
        },
        points(entity, 1, "", 1),
    ];
    for mutation in refused {
        let error = store
            .submit(vec![points(entity, 1, "fits", 1), mutation])
            .await
            .expect_err("refused");
        assert!(error.to_string().contains("1 to 4096"), "{error}");
    }
    let record = EntityRecord {
        id: entity,
        version: 0,
        name: long.to_string(),
        subtype: "".into(),
        customer: None,
        body: json!({}),
    };
    assert!(matches!(store.save_entity(record).await, Err(StorageError::Failed(_))));
    assert_eq!(store.latest_now(entity, &long).expect("reads"), None);
    commit(&store, vec![points(entity, 1, "good", 1)]).await;
    assert_eq!(store.series_keys(entity).await.expect("reads"), ["good".into()]);
}

#[derive(Default)]
struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn readings_expire_by_the_clock_given() {
    let dir = folder();
    let clock = Arc::new(SetClock::default());
    let mut config = EmbeddedConfig::new(dir.path());
    config.clock = Arc::clone(&clock) as Arc<dyn Clock>;
    let (store, entity) = (EmbeddedStore::open(config).expect("opens"), device());
    clock.0.store(1_000, Ordering::Relaxed);
    commit(
        &store,
        vec![Mutation::Points {
            entity,
            ts_ms: 5,
            values: vec![("a".into(), Value::Long(1))],
            ttl_s: 2,
            kept: KeptIn::Both,
        }],
    )
    .await;
    for (now, alive) in [(1_000, true), (2_999, true), (3_000, false)] {
        clock.0.store(now, Ordering::Relaxed);
        assert_eq!(store.latest_now(entity, "a").expect("reads").is_some(), alive, "at {now}");
    }
}
