//! Batches: carried out side by side, completed in order.
//!
//! ```text
//! submit → a place among the batches in hand (this is the back-pressure) → a place in the order → a task:
//!          plan → requests, one for each partition, side by side → all durable → those before are over → the Commit resolves
//! ```
//!
//! A batch that fails has failed alone: what had no answer within the patience may be there or not, its sender repeats it, and repeating
//! changes nothing. The store goes on by itself when the cluster answers again.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use model::EntityId;
use storage::{Commit, Journal, Mutation, StorageError, text};

use crate::bind::{Write, part};
use crate::buckets::LATEST;
use crate::order::Place;
use crate::plan::{STAMPS, Step, plan};
use crate::queries::Query;
use crate::relations;
use crate::store::{CassandraStore, Inner};

#[async_trait]
impl Journal for CassandraStore {
    async fn submit(&self, batch: Vec<Mutation>) -> Result<Commit, StorageError> {
        text::check_batch(&batch)?;
        let in_hand = Arc::clone(&self.0.batches).acquire_owned().await;
        let in_hand = in_hand.map_err(|_| StorageError::Unavailable("the store is closed"))?;
        let mut place = self.0.order.place(batch.len() * STAMPS)?;
        self.0.fenced.check()?;
        let (done, commit) = Commit::pending();
        let inner = Arc::clone(&self.0);
        // Ends with the batch; what it is to do, it does although nobody waits for it.
        actor::spawn("commit", async move {
            let started = Instant::now();
            let result = inner.carry_out(&batch, &mut place).await;
            place.first().await;
            metrics::counter!("storage_commits_total").increment(1);
            metrics::counter!("storage_mutations_total").increment(batch.len() as u64);
            metrics::histogram!("storage_commit_seconds").record(started.elapsed().as_secs_f64());
            if let (Ok(()), Some(tap)) = (&result, &inner.tap) {
                tap.saved(&batch);
            }
            // Whoever dropped the promise does not want to know.
            let _ = done.send(result);
            drop((place, in_hand));
        });
        Ok(commit)
    }

    async fn close(&self) -> Result<(), StorageError> {
        self.0.order.close().await;
        Ok(())
    }
}

impl Inner {
    async fn carry_out(&self, batch: &[Mutation], place: &mut Place) -> Result<(), StorageError> {
        let mut plan = plan(batch, place.stamp_us, self.buckets, &self.known)?;
        for step in std::mem::take(&mut plan.steps) {
            if let Step::Write(writes) = step {
                self.driver.write(writes).await?;
                continue;
            }
            // What is read now decides what is removed: everything before must be there.
            place.first().await;
            match step {
                Step::Write(_) => {}
                Step::DeletePoints {
                    entity,
                    key,
                    from_ms,
                    to_ms,
                    stamp_us,
                } => self.delete_points(entity, &key, from_ms, to_ms, stamp_us).await?,
                Step::DropRelations { entity, group, stamp_us } => relations::remove_all(self, entity, group, stamp_us).await?,
            }
        }
        plan.done();
        Ok(())
    }

    async fn delete_points(&self, entity: EntityId, key: &Arc<str>, from_ms: i64, to_ms: i64, stamp_us: i64) -> Result<(), StorageError> {
        if from_ms >= to_ms {
            return Ok(());
        }
        let (mut buckets, apart) = self.buckets_of(entity, key, from_ms, to_ms).await?;
        buckets.extend(apart);
        let remove = |bucket: i64, from_ms: i64, to_ms: i64| {
            let rest = [key.into(), from_ms.into(), to_ms.into()];
            Write::remove(Query::DeletePoints, part(entity, bucket), rest, stamp_us)
        };
        let mut writes: Vec<_> = buckets.into_iter().map(|bucket| remove(bucket, from_ms, to_ms)).collect();
        let latest = self.latest_of(entity, key).await?;
        if latest.is_some_and(|latest| (from_ms..to_ms).contains(&latest.ts_ms)) {
            let (key_ms, bucket) = LATEST;
            writes.push(remove(bucket, key_ms, key_ms + 1));
        }
        self.driver.write(writes).await
    }
}
