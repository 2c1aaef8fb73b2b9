//! Promises of [`crate::TimeSeriesStore`].

use std::time::Duration;

use model::{EntityId, Reading, TenantId, Value};

use super::sample::{commit, device, keys, points, readings, sibling, values};
use crate::{KeptIn, Mutation, SeriesQuery, Store};

fn all() -> SeriesQuery {
    SeriesQuery {
        from_ms: i64::MIN,
        to_ms: i64::MAX,
        limit: 100_000,
        descending: false,
    }
}

async fn times(store: &dyn Store, entity: EntityId, key: &str, query: &SeriesQuery) -> Vec<i64> {
    let readings = store.series(entity, key, query).await.expect("reads");
    readings.into_iter().map(|reading| reading.ts_ms).collect()
}

/// Every form of value, exactly. A reading of the same time replaces the one before.
pub async fn come_back_as_written(store: &dyn Store) {
    let entity = device();
    for value in [Value::Long(1), Value::Text("replaced".into())] {
        let before = values().into_iter().map(|(key, _)| (key, value.clone())).collect();
        commit(
            store,
            vec![Mutation::Points {
                entity,
                ts_ms: 5,
                values: before,
                ttl_s: 0,
                kept: KeptIn::Both,
            }],
        )
        .await;
    }
    commit(
        store,
        vec![Mutation::Points {
            entity,
            ts_ms: 5,
            values: values(),
            ttl_s: 0,
            kept: KeptIn::Both,
        }],
    )
    .await;
    for (key, value) in values() {
        assert_eq!(
            store.series(entity, &key, &all()).await.expect("reads"),
            [Reading { ts_ms: 5, value }]
        );
    }
    let expected: Vec<_> = values().into_iter().map(|(key, _)| key).collect();
    assert_eq!(store.series_keys(entity).await.expect("reads"), expected);
}

/// The newest reading is the one with the largest time, not the one that came last.
pub async fn latest_is_the_largest_time(store: &dyn Store) {
    let entity = device();
    for ts in [-5, 10, 5, i64::MIN, 9] {
        commit(store, vec![points(entity, ts, &[("a", ts)])]).await;
    }
    assert_eq!(store.latest(entity, None).await.expect("reads"), readings(&[("a", 10, 10)]));
    assert_eq!(times(store, entity, "a", &all()).await, [i64::MIN, -5, 5, 9, 10]);
}

/// The keys asked for, or all; sorted, each once, and none without readings.
pub async fn latest_is_chosen_by_key(store: &dyn Store) {
    let entity = device();
    commit(store, vec![points(entity, 1, &[("b", 2), ("a", 1), ("gone", 3)])]).await;
    commit(
        store,
        vec![Mutation::DeletePoints {
            entity,
            key: "gone".into(),
            from_ms: 0,
            to_ms: 2,
        }],
    )
    .await;
    assert_eq!(
        store.latest(entity, None).await.expect("reads"),
        readings(&[("a", 1, 1), ("b", 1, 2)])
    );
    let asked = keys(&["b", "none", "gone", "b", "", "a"]);
    assert_eq!(
        store.latest(entity, Some(&asked)).await.expect("reads"),
        readings(&[("a", 1, 1), ("b", 1, 2)])
    );
    assert_eq!(store.latest(entity, Some(&[])).await.expect("reads"), []);
    assert_eq!(store.latest(sibling(entity), None).await.expect("reads"), []);
}

/// From is within, to is not; newest first on demand; no more than the limit.
pub async fn queries_bound_order_and_limit(store: &dyn Store) {
    let entity = device();
    commit(store, (0..10).map(|ts| points(entity, ts * 10, &[("a", ts)])).collect()).await;
    let cases: [(i64, i64, u32, bool, &[i64]); 8] = [
        (20, 50, 100, false, &[20, 30, 40]),
        (20, 50, 100, true, &[40, 30, 20]),
        (20, 51, 2, false, &[20, 30]),
        (20, 51, 2, true, &[50, 40]),
        (21, 30, 100, false, &[]),
        (50, 50, 100, false, &[]),
        (50, 20, 100, true, &[]),
        (85, i64::MAX, 100, false, &[90]),
    ];
    for (from_ms, to_ms, limit, descending, expected) in cases {
        let query = SeriesQuery {
            from_ms,
            to_ms,
            limit,
            descending,
        };
        assert_eq!(times(store, entity, "a", &query).await, expected, "{query:?}");
    }
    for nothing in ["", "none", &"x".repeat(100_000)] {
        assert_eq!(times(store, entity, nothing, &all()).await, [0; 0]);
    }
}

/// It is the latest one unless the history has a newer one; the one that is written last takes the place of the one before; it goes with
/// what is removed, and when its time is up.
pub async fn one_reading_of_a_key_is_in_no_history(store: &dyn Store) {
    let entity = device();
    let only = |ts_ms: i64, values: &[(&str, i64)], ttl_s: u32| Mutation::Points {
        entity,
        ts_ms,
        values: values.iter().map(|(key, value)| ((*key).into(), Value::Long(*value))).collect(),
        ttl_s,
        kept: KeptIn::Latest,
    };
    let latest = async |expected: &[(&str, i64, i64)]| {
        assert_eq!(store.latest(entity, None).await.expect("reads"), readings(expected));
    };
    commit(store, vec![only(5, &[("a", 5), ("b", 5)], 0)]).await;
    latest(&[("a", 5, 5), ("b", 5, 5)]).await;
    assert_eq!(times(store, entity, "a", &all()).await, [0; 0]);
    assert_eq!(store.series_keys(entity).await.expect("reads"), keys(&["a", "b"]));
    commit(store, vec![points(entity, 4, &[("a", 4)]), points(entity, 6, &[("b", 6)])]).await;
    latest(&[("a", 5, 5), ("b", 6, 6)]).await;
    assert_eq!(times(store, entity, "a", &all()).await, [4]);
    commit(store, vec![only(3, &[("a", 3)], 0), only(i64::MAX, &[("b", 7)], 0)]).await;
    latest(&[("a", 4, 4), ("b", i64::MAX, 7)]).await;
    let delete = |key: &str, from_ms, to_ms| Mutation::DeletePoints {
        entity,
        key: key.into(),
        from_ms,
        to_ms,
    };
    commit(store, vec![delete("a", 4, 5), delete("b", 0, i64::MAX)]).await;
    latest(&[("a", 3, 3), ("b", i64::MAX, 7)]).await;
    commit(store, vec![delete("a", 3, 4), only(8, &[("b", 8), ("c", 8)], 1)]).await;
    let gone = async {
        while !store.latest(entity, None).await.expect("reads").is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.expect("expires");
}

/// It is in the history, among the others, and never the latest one; at the time of another one it is not seen; it goes with what is
/// removed, and when its time is up.
pub async fn a_reading_can_be_in_the_history_alone(store: &dyn Store) {
    let entity = device();
    let only = |ts_ms: i64, values: &[(&str, i64)], ttl_s: u32| Mutation::Points {
        entity,
        ts_ms,
        values: values.iter().map(|(key, value)| ((*key).into(), Value::Long(*value))).collect(),
        ttl_s,
        kept: KeptIn::History,
    };
    let latest = async |expected: &[(&str, i64, i64)]| {
        assert_eq!(store.latest(entity, None).await.expect("reads"), readings(expected));
    };
    let history = async |key: &str, descending, limit, expected: &[(i64, i64)]| {
        let query = SeriesQuery {
            descending,
            limit,
            ..all()
        };
        let found = store.series(entity, key, &query).await.expect("reads");
        let expected = expected.iter().map(|(ts_ms, value)| Reading {
            ts_ms: *ts_ms,
            value: Value::Long(*value),
        });
        assert_eq!(found, expected.collect::<Vec<_>>(), "{key}");
    };
    commit(store, vec![only(5, &[("a", 5)], 0), only(3, &[("a", 3)], 0)]).await;
    latest(&[]).await;
    assert_eq!(store.series_keys(entity).await.expect("reads"), keys(&["a"]));
    // Months lie between them.
    let late = 400 * 86_400_000;
    commit(store, vec![points(entity, 4, &[("a", 4)]), only(late, &[("a", 9)], 0)]).await;
    latest(&[("a", 4, 4)]).await;
    history("a", false, 100, &[(3, 3), (4, 4), (5, 5), (late, 9)]).await;
    history("a", true, 3, &[(late, 9), (5, 5), (4, 4)]).await;
    // Of one time: the one that may be the latest, whichever came first.
    commit(store, vec![only(4, &[("a", 40)], 0), points(entity, 5, &[("a", 50)])]).await;
    history("a", false, 100, &[(3, 3), (4, 4), (5, 50), (late, 9)]).await;
    latest(&[("a", 5, 50)]).await;
    let told = Mutation::Points {
        entity,
        ts_ms: 6,
        values: vec![("a".into(), Value::Long(6))],
        ttl_s: 0,
        kept: KeptIn::Latest,
    };
    commit(store, vec![told]).await;
    latest(&[("a", 6, 6)]).await;
    let delete = |from_ms, to_ms| Mutation::DeletePoints {
        entity,
        key: "a".into(),
        from_ms,
        to_ms,
    };
    commit(store, vec![delete(5, late + 1)]).await;
    history("a", false, 100, &[(3, 3), (4, 4)]).await;
    latest(&[("a", 4, 4)]).await;
    commit(store, vec![only(1, &[("b", 1)], 1), only(2, &[("b", 2)], 0)]).await;
    let gone = async {
        while times(store, entity, "b", &all()).await != [2] {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.expect("expires");
    store.delete_entity(entity).await.expect("deletes");
    commit(store, vec![points(entity, 1, &[("a", 1)])]).await;
    assert_eq!(times(store, entity, "a", &all()).await, [1], "nothing came back");
}

/// What is done without being told of is there; what is only told is not, and is no error.
pub async fn what_is_only_told_is_not_stored(store: &dyn Store) {
    let entity = device();
    let (quiet, told) = (points(entity, 1, &[("a", 1)]), points(entity, 2, &[("a", 2), ("b", 2)]));
    commit(
        store,
        vec![Mutation::Untold(Box::new(quiet)), Mutation::OnlyTold(Box::new(told.clone()))],
    )
    .await;
    commit(store, vec![Mutation::OnlyTold(Box::new(told))]).await;
    assert_eq!(store.latest(entity, None).await.expect("reads"), readings(&[("a", 1, 1)]));
}

/// From is removed, to is not; the key stays known.
pub async fn deletion_takes_a_range(store: &dyn Store) {
    let entity = device();
    commit(store, (0..5).map(|ts| points(entity, ts, &[("a", ts), ("b", ts)])).collect()).await;
    let delete = |from_ms, to_ms| Mutation::DeletePoints {
        entity,
        key: "a".into(),
        from_ms,
        to_ms,
    };
    commit(store, vec![delete(1, 3), delete(4, 4), delete(3, 0)]).await;
    assert_eq!(times(store, entity, "a", &all()).await, [0, 3, 4]);
    assert_eq!(times(store, entity, "b", &all()).await, [0, 1, 2, 3, 4]);
    commit(store, vec![delete(i64::MIN, i64::MAX)]).await;
    assert_eq!(times(store, entity, "a", &all()).await, [0; 0]);
    assert_eq!(store.series_keys(entity).await.expect("reads"), keys(&["a", "b"]));
}

/// Keys that start alike, entities and tenants do not mix.
pub async fn keys_and_entities_are_apart(store: &dyn Store) {
    let entity = device();
    let others = [
        sibling(entity),
        EntityId {
            tenant: TenantId::generate(),
            ..entity
        },
        EntityId {
            kind: model::EntityKind::Asset,
            ..entity
        },
    ];
    commit(store, vec![points(entity, 1, &[("a", 1), ("ab", 2), ("abc", 3)])]).await;
    for (at, other) in others.into_iter().enumerate() {
        commit(store, vec![points(other, 2, &[("a", 10 + at as i64)])]).await;
    }
    assert_eq!(
        store.latest(entity, None).await.expect("reads"),
        readings(&[("a", 1, 1), ("ab", 1, 2), ("abc", 1, 3)])
    );
    for (at, other) in others.into_iter().enumerate() {
        assert_eq!(
            store.latest(other, None).await.expect("reads"),
            readings(&[("a", 2, 10 + at as i64)])
        );
    }
}

/// A reading with a time to live goes when that is over, an older one that stays is the newest then.
pub async fn readings_expire(store: &dyn Store) {
    let entity = device();
    let brief = Mutation::Points {
        entity,
        ts_ms: 2,
        values: vec![("a".into(), Value::Long(2)), ("b".into(), Value::Long(2))],
        ttl_s: 1,
        kept: KeptIn::Both,
    };
    let long = Mutation::Points {
        entity,
        ts_ms: 3,
        values: vec![("c".into(), Value::Long(3))],
        ttl_s: 3600,
        kept: KeptIn::Both,
    };
    commit(store, vec![points(entity, 1, &[("a", 1)]), brief, long]).await;
    let gone = async {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        while !store.latest(entity, Some(&keys(&["b"]))).await.expect("reads").is_empty() {
            tick.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.expect("expires");
    assert_eq!(
        store.latest(entity, None).await.expect("reads"),
        readings(&[("a", 1, 1), ("c", 3, 3)])
    );
    assert_eq!(times(store, entity, "a", &all()).await, [1]);
    assert_eq!(
        times(
            store,
            entity,
            "a",
            &SeriesQuery {
                descending: true,
                limit: 1,
                ..all()
            }
        )
        .await,
        [1]
    );
}
