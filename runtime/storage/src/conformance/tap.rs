//! What a store tells of what has become durable. The store under test must have been opened with the [`Heard`] given here.

use std::sync::{Arc, Mutex, PoisonError};

use model::{DeviceId, EntityId, TenantId, Value};

use crate::{KeptIn, Mutation, Store, Tap};

/// Batches at once.
const BATCHES: i64 = 200;

/// Remembers what it was told.
#[derive(Default)]
pub struct Heard(Mutex<Vec<Mutation>>);

impl Heard {
    /// All of it, in order.
    pub fn all(&self) -> Vec<Mutation> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Tap for Heard {
    fn saved(&self, batch: &[Mutation]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(batch);
    }
}

fn points(entity: EntityId, ts_ms: i64) -> Mutation {
    Mutation::Points {
        entity,
        ts_ms,
        values: vec![("a".into(), Value::Long(ts_ms))],
        ttl_s: 0,
        kept: KeptIn::Both,
    }
}

/// A tap hears of every batch, in the order in which they were handed over, before their commits resolve; when it hears of a value, that
/// can be read.
pub async fn hears_in_order(store: Arc<dyn Store>, heard: Arc<Heard>) {
    let entity = DeviceId::generate(TenantId::generate()).entity();
    let mut commits = Vec::new();
    for ts_ms in 0..BATCHES {
        let removal = Mutation::DeletePoints {
            entity,
            key: "b".into(),
            from_ms: 0,
            to_ms: 1,
        };
        // Some take longer than others.
        let batch = if ts_ms % 17 == 0 {
            vec![removal, points(entity, ts_ms)]
        } else {
            vec![points(entity, ts_ms)]
        };
        commits.push((ts_ms, store.submit(batch).await.expect("takes the batch")));
    }
    for (ts_ms, commit) in commits {
        commit.await.expect("makes it durable");
        assert!(heard.all().contains(&points(entity, ts_ms)), "the tap heard of {ts_ms} first");
    }
    let times: Vec<i64> = heard
        .all()
        .iter()
        .filter_map(|mutation| match mutation {
            Mutation::Points { ts_ms, .. } => Some(*ts_ms),
            _ => None,
        })
        .collect();
    assert_eq!(times, (0..BATCHES).collect::<Vec<_>>());
    let latest = store.latest(entity, None).await.expect("reads");
    assert_eq!(latest[0].1.ts_ms, BATCHES - 1);
}
