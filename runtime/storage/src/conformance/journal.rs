//! Promises of [`crate::Journal`] and [`crate::Commit`].

use model::AttributeScope::ServerScope;
use model::{EntityId, Reading, Value};

use super::sample::{append, attributes, commit, device, event, keys, points, readings};
use crate::{Mutation, SeriesQuery, StorageError, Store};

async fn series(store: &dyn Store, entity: EntityId, key: &str) -> Vec<(i64, Value)> {
    let query = SeriesQuery {
        from_ms: i64::MIN,
        to_ms: i64::MAX,
        limit: 100_000,
        descending: false,
    };
    let readings = store.series(entity, key, &query).await.expect("reads");
    readings.into_iter().map(|Reading { ts_ms, value }| (ts_ms, value)).collect()
}

/// What a kept [`crate::Commit`] speaks of is what readers see.
pub async fn a_commit_is_readable(store: &dyn Store) {
    let entity = device();
    for round in 1..=20 {
        commit(
            store,
            vec![
                points(entity, round, &[("n", round)]),
                attributes(entity, ServerScope, round, &[("n", round)]),
            ],
        )
        .await;
        assert_eq!(store.latest(entity, None).await.expect("reads"), readings(&[("n", round, round)]));
        assert_eq!(
            store.attributes(entity, ServerScope, None).await.expect("reads"),
            readings(&[("n", round, round)])
        );
    }
}

/// Batches handed over one after the other, without waiting for their commits, take effect in that order.
pub async fn batches_take_effect_in_order(store: &dyn Store) {
    let entity = device();
    let mut commits = Vec::new();
    for round in 0..300 {
        let batch = vec![
            points(entity, 7, &[("same", round)]),
            attributes(entity, ServerScope, round, &[("same", round)]),
        ];
        commits.push(store.submit(batch).await.expect("takes the batch"));
    }
    for commit in commits {
        commit.await.expect("makes it durable");
    }
    assert_eq!(series(store, entity, "same").await, [(7, Value::Long(299))]);
    assert_eq!(
        store.attributes(entity, ServerScope, None).await.expect("reads"),
        readings(&[("same", 299, 299)])
    );
}

/// Within a batch the later change wins, also over ones of another form.
pub async fn mutations_of_a_batch_take_effect_in_order(store: &dyn Store) {
    let entity = device();
    let delete = |key: &str| Mutation::DeletePoints {
        entity,
        key: key.into(),
        from_ms: 0,
        to_ms: 10,
    };
    let drop = |key: &str| Mutation::DeleteAttributes {
        entity,
        scope: ServerScope,
        keys: keys(&[key]),
    };
    let put = |key: &str, value| attributes(entity, ServerScope, value, &[(key, value)]);
    let batch = vec![
        points(entity, 5, &[("twice", 1), ("gone", 1), ("back", 1)]),
        points(entity, 5, &[("twice", 2)]),
        delete("gone"),
        delete("back"),
        delete("never"),
        points(entity, 5, &[("back", 2)]),
        put("twice", 1),
        put("twice", 2),
        put("gone", 1),
        drop("gone"),
        put("back", 1),
        drop("back"),
        put("back", 2),
        drop("never"),
    ];
    commit(store, batch).await;
    assert_eq!(
        store.latest(entity, None).await.expect("reads"),
        readings(&[("back", 5, 2), ("twice", 5, 2)])
    );
    assert_eq!(
        store.attributes(entity, ServerScope, None).await.expect("reads"),
        readings(&[("back", 2, 2), ("twice", 2, 2)])
    );
}

/// At-least-once delivery is safe.
pub async fn repeating_a_batch_changes_nothing(store: &dyn Store) {
    let entity = device();
    let happened = event(entity, model::entity::EventKind::LifeCycle, 3);
    let batch = vec![points(entity, 1, &[("a", 1)]), points(entity, 2, &[("a", 2)]), append(&happened)];
    for _ in 0..3 {
        commit(store, batch.clone()).await;
    }
    assert_eq!(series(store, entity, "a").await, [(1, Value::Long(1)), (2, Value::Long(2))]);
    let filter = crate::EventFilter {
        kind: happened.kind,
        from_ms: None,
        to_ms: None,
    };
    let events = store.events(entity, &filter, &model::PageRequest::first(10)).await.expect("reads");
    assert_eq!(events.data, [happened]);
}

/// A batch without changes commits like any other.
pub async fn an_empty_batch_is_durable(store: &dyn Store) {
    commit(store, vec![]).await;
}

/// Nobody has to wait for a commit.
pub async fn a_dropped_commit_undoes_nothing(store: &dyn Store) {
    let entity = device();
    drop(store.submit(vec![points(entity, 1, &[("a", 1)])]).await.expect("takes the batch"));
    commit(store, vec![]).await;
    assert_eq!(store.latest(entity, None).await.expect("reads"), readings(&[("a", 1, 1)]));
}

/// Closing makes durable what was handed over, and refuses everything after; closing again is no error.
pub async fn a_closed_store_takes_no_more(store: &dyn Store) {
    let entity = device();
    let last = store.submit(vec![points(entity, 1, &[("a", 1)])]).await.expect("takes the batch");
    store.close().await.expect("closes");
    last.await.expect("was handed over before");
    store.close().await.expect("is closed");
    let refused = store.submit(vec![points(entity, 2, &[("a", 2)])]).await.expect_err("takes no more");
    assert!(matches!(refused, StorageError::Unavailable(_)), "{refused}");
    let refused = store.save_setting("late", vec![1]).await.expect_err("takes no more");
    assert!(matches!(refused, StorageError::Unavailable(_)), "{refused}");
}
