//! Promises of [`crate::AttributeStore`].

use model::AttributeScope::{ClientScope, ServerScope, SharedScope};
use model::{AttributeScope, Reading};

use super::sample::{attributes, commit, device, keys, readings, sibling, values};
use crate::{Mutation, Store};

/// Every form of value, exactly, with the time of its change.
pub async fn come_back_as_written(store: &dyn Store) {
    let entity = device();
    for ts_ms in [-1, 1_700_000_000_000] {
        commit(
            store,
            vec![Mutation::Attributes {
                entity,
                scope: ClientScope,
                ts_ms,
                values: values(),
            }],
        )
        .await;
        let stored = store.attributes(entity, ClientScope, None).await.expect("reads");
        let expected: Vec<_> = values().into_iter().map(|(key, value)| (key, Reading { ts_ms, value })).collect();
        assert_eq!(stored, expected);
    }
}

/// A key of one scope has nothing to do with the same key of another scope or entity.
pub async fn scopes_are_apart(store: &dyn Store) {
    let entity = device();
    let batch = AttributeScope::ALL
        .into_iter()
        .enumerate()
        .map(|(at, scope)| attributes(entity, scope, 1, &[("a", at as i64)]));
    commit(store, batch.collect()).await;
    for (at, scope) in AttributeScope::ALL.into_iter().enumerate() {
        assert_eq!(
            store.attributes(entity, scope, None).await.expect("reads"),
            readings(&[("a", 1, at as i64)])
        );
        assert_eq!(store.attributes(sibling(entity), scope, None).await.expect("reads"), []);
    }
}

/// The keys asked for, or all; sorted, each once, and none that is not there.
pub async fn are_chosen_by_key(store: &dyn Store) {
    let entity = device();
    commit(
        store,
        vec![attributes(entity, SharedScope, 1, &[("b", 2), ("a", 1), ("ab", 3), ("ä", 4)])],
    )
    .await;
    type Expected = &'static [(&'static str, i64, i64)];
    let cases: [(Option<&[&str]>, Expected); 4] = [
        (None, &[("a", 1, 1), ("ab", 1, 3), ("b", 1, 2), ("ä", 1, 4)]),
        (Some(&["b", "a", "b", "none", ""]), &[("a", 1, 1), ("b", 1, 2)]),
        (Some(&[]), &[]),
        (Some(&["A"]), &[]),
    ];
    for (asked, expected) in cases {
        let asked = asked.map(keys);
        let stored = store.attributes(entity, SharedScope, asked.as_deref()).await.expect("reads");
        assert_eq!(stored, readings(expected), "{asked:?}");
    }
    let many: Vec<_> = (0..200)
        .map(|at| format!("k{at}"))
        .chain(["a".to_owned()])
        .map(Into::into)
        .collect();
    assert_eq!(
        store.attributes(entity, SharedScope, Some(&many)).await.expect("reads"),
        readings(&[("a", 1, 1)])
    );
}

/// The keys named go, others stay.
pub async fn are_deleted(store: &dyn Store) {
    let entity = device();
    for scope in [ServerScope, SharedScope] {
        commit(store, vec![attributes(entity, scope, 1, &[("a", 1), ("b", 2), ("c", 3)])]).await;
    }
    commit(
        store,
        vec![Mutation::DeleteAttributes {
            entity,
            scope: ServerScope,
            keys: keys(&["a", "c", "none"]),
        }],
    )
    .await;
    assert_eq!(
        store.attributes(entity, ServerScope, None).await.expect("reads"),
        readings(&[("b", 1, 2)])
    );
    assert_eq!(store.attributes(entity, SharedScope, None).await.expect("reads").len(), 3);
}
