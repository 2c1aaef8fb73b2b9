//! The driver with this store's rules: every request has a place, a time-out and a way to be repeated.
//!
//! - **Places.** So many writes and so many reads are under way at most, each below the 32 768 that a connection can tell apart; who
//!   comes later waits. Reads and writes do not take each other's places.
//! - **Repetition.** The driver itself asks the next node when one is not there. Beyond that, what failed for the moment is tried again
//!   after a pause that doubles, until patience is over. Writes carry their time, so they may be repeated; transactions may have been
//!   taken although nobody heard of it, and their callers look.
//! - **Speculation.** A read that has no answer after [`SPECULATE_AFTER`] is also sent to another replica: one slow node must not slow
//!   those who read. Writes are not: the node that coordinates one has sent it to all replicas already, and a cluster that is behind
//!   would get twice the work.
//! - **Consistency.** LOCAL_QUORUM for reads and writes, LOCAL_SERIAL for transactions: what was acknowledged is seen, and one node of
//!   three may be gone.

use std::future::Future;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use scylla::client::execution_profile::{ExecutionProfile, ExecutionProfileHandle};
use scylla::client::session::Session;
use scylla::deserialize::row::DeserializeRow;
use scylla::errors::{DbError, ExecutionError, RequestAttemptError};
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::policies::speculative_execution::SimpleSpeculativeExecutionPolicy;
use scylla::serialize::row::SerializeRow;
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::{Consistency, SerialConsistency};
use scylla::value::{CqlValue, Row};
use storage::StorageError;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::bind::Write;
use crate::config::CassandraConfig;
use crate::failure::Failure;
use crate::health::Health;
use crate::queries::{Query, Use};

/// After this a read is sent to a second replica as well: well above a usual answer, well below a time-out.
const SPECULATE_AFTER: Duration = Duration::from_millis(100);
/// Rows of a page.
const PAGE_ROWS: i32 = 2000;
/// Rows a scan reads at most. What lies beyond is not seen, and the operator is told.
const SCAN_ROWS_MAX: usize = 1_000_000;
/// A scan has pages: it may take longer than what has one.
const SCAN_PATIENCE: u32 = 6;
/// Pauses between attempts.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// Statements prepared at the same time.
const PREPARED_AT_ONCE: usize = 8;
/// Writes of one request, and their bytes.
const BATCH_WRITES_MAX: usize = 128;
const BATCH_BYTES_MAX: usize = 48 * 1024;
/// Requests of one caller under way at most.
const SIDE_BY_SIDE: usize = 128;

/// A session, and every statement.
pub(crate) struct Driver {
    session: Session,
    statements: Vec<PreparedStatement>,
    reads: Semaphore,
    writes: Semaphore,
    patience: Duration,
    health: Health,
}

/// How requests of the session are carried out unless their use says otherwise.
pub(crate) fn profile(config: &CassandraConfig, speculative: bool) -> ExecutionProfile {
    let policy = DefaultPolicy::builder().token_aware(true);
    let policy = match &config.datacenter {
        Some(name) => policy.prefer_datacenter(name.clone()).permit_dc_failover(false),
        None => policy,
    };
    let profile = ExecutionProfile::builder()
        .consistency(Consistency::LocalQuorum)
        .serial_consistency(Some(SerialConsistency::LocalSerial))
        .request_timeout(Some(config.attempt_timeout))
        .load_balancing_policy(policy.build());
    match speculative {
        true => profile.speculative_execution_policy(Some(std::sync::Arc::new(SimpleSpeculativeExecutionPolicy {
            max_retry_count: 1,
            retry_interval: SPECULATE_AFTER,
        }))),
        false => profile,
    }
    .build()
}

impl Driver {
    /// Prepares every statement in the session's keyspace.
    pub(crate) async fn new(session: Session, config: &CassandraConfig) -> Result<Self, StorageError> {
        let reading = profile(config, true).into_handle();
        let all = Query::ALL.iter();
        let all: Vec<_> = all.map(|&(_, of, text)| prepare(&session, reading.clone(), of, text)).collect();
        let statements = futures::stream::iter(all).buffered(PREPARED_AT_ONCE).try_collect().await?;
        Ok(Driver {
            session,
            statements,
            reads: Semaphore::new(config.requests_max.max(1)),
            writes: Semaphore::new(config.requests_max.max(1)),
            patience: config.patience,
            health: Health::default(),
        })
    }

    fn statement(&self, query: Query) -> &PreparedStatement {
        &self.statements[query as usize]
    }

    /// The first row, if there is one.
    pub(crate) async fn first<R>(&self, query: Query, values: impl SerializeRow) -> Result<Option<R>, StorageError>
    where
        R: for<'r> DeserializeRow<'r, 'r>,
    {
        let values = &values;
        let attempt = || async move {
            let _place = place(&self.reads).await?;
            let result = self.session.execute_unpaged(self.statement(query), values).await?;
            Ok(result.into_rows_result()?.maybe_first_row::<R>()?)
        };
        self.patiently("read", self.patience, attempt).await
    }

    /// All rows, page by page. `what` names them to the operator when they are too many.
    pub(crate) async fn rows<R>(&self, what: &'static str, query: Query, values: impl SerializeRow) -> Result<Vec<R>, StorageError>
    where
        R: for<'f, 'm> DeserializeRow<'f, 'm> + 'static,
    {
        let values = &values;
        let attempt = || async move {
            let _place = place(&self.reads).await?;
            let pages = self.session.execute_iter(self.statement(query).clone(), values).await?;
            let mut pages = pages.rows_stream::<R>()?;
            let mut rows = Vec::new();
            while let Some(row) = pages.try_next().await? {
                if rows.len() == SCAN_ROWS_MAX {
                    tracing::warn!(
                        what,
                        rows = SCAN_ROWS_MAX,
                        "a list is too long to be read as a whole: its end is left out"
                    );
                    break;
                }
                rows.push(row);
            }
            Ok(rows)
        };
        self.patiently("scan", self.patience * SCAN_PATIENCE, attempt).await
    }

    /// Whether a transaction was applied. False may also mean that an attempt before, which seemed to fail, was.
    pub(crate) async fn decide(&self, query: Query, values: impl SerializeRow) -> Result<bool, StorageError> {
        let values = &values;
        let attempt = || async move {
            let _place = place(&self.writes).await?;
            let result = self.session.execute_unpaged(self.statement(query), values).await?;
            let row = result.into_rows_result()?.maybe_first_row::<Row>()?;
            match row.as_ref().and_then(|row| row.columns.first()) {
                Some(Some(CqlValue::Boolean(applied))) => Ok(*applied),
                _ => Err(Failure::Lasting("a transaction does not say whether it was applied".into())),
            }
        };
        self.patiently("decide", self.patience, attempt).await
    }

    /// Writes all of them, those of a partition together; done when all are durable.
    pub(crate) async fn write(&self, writes: Vec<Write>) -> Result<(), StorageError> {
        let requests = futures::stream::iter(requests(writes).into_iter().map(Ok));
        requests
            .try_for_each_concurrent(SIDE_BY_SIDE, |request| async move { self.request(&request).await })
            .await
    }

    /// The keyspace in which it works.
    pub(crate) fn keyspace(&self) -> Option<std::sync::Arc<String>> {
        self.session.get_keyspace()
    }

    /// Prepares a write that is none of the store's own.
    pub(crate) async fn prepare(&self, text: &str) -> Result<PreparedStatement, StorageError> {
        let attempt = || async move {
            let prepared = self.session.prepare(text).await;
            let mut statement = prepared.map_err(|error| Failure::Passing(error.to_string()))?;
            statement.set_is_idempotent(true);
            Ok(statement)
        };
        self.patiently("prepare", self.patience, attempt).await
    }

    /// Writes by such a statement. What does not fit the table's columns is refused in the database's words.
    pub(crate) async fn insert(&self, statement: &PreparedStatement, values: impl SerializeRow) -> Result<(), StorageError> {
        let values = &values;
        let attempt = || async move {
            let _place = place(&self.writes).await?;
            match self.session.execute_unpaged(statement, values).await {
                Ok(_) => Ok(Ok(())),
                Err(ExecutionError::LastAttemptError(RequestAttemptError::DbError(DbError::Invalid, why))) => Ok(Err(why)),
                Err(error) => Err(error.into()),
            }
        };
        let taken = self.patiently("insert", self.patience, attempt).await?;
        taken.map_err(StorageError::Unfit)
    }

    async fn request(&self, writes: &[Write]) -> Result<(), StorageError> {
        let attempt = || async move {
            let _place = place(&self.writes).await?;
            match writes {
                [one] => drop(self.session.execute_unpaged(self.statement(one.query), &one.values).await?),
                many => {
                    let mut batch = Batch::new(BatchType::Unlogged);
                    batch.set_is_idempotent(true);
                    many.iter()
                        .for_each(|write| batch.append_statement(self.statement(write.query).clone()));
                    let values: Vec<_> = many.iter().map(|write| &write.values).collect();
                    drop(self.session.batch(&batch, values).await?);
                }
            }
            Ok(())
        };
        self.patiently("write", self.patience, attempt).await
    }

    /// Attempts until one succeeds, patience is over, or another attempt would not help.
    async fn patiently<T, F>(&self, what: &'static str, patience: Duration, attempt: impl Fn() -> F) -> Result<T, StorageError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let started = Instant::now();
        let deadline = started + patience;
        let mut pause = PAUSE_FIRST;
        loop {
            let tried = timeout_at(deadline, attempt()).await;
            match tried.unwrap_or_else(|_| Err(Failure::timed_out(patience))) {
                Ok(done) => {
                    self.health.answered();
                    metrics::histogram!("storage_request_seconds", "kind" => what).record(started.elapsed().as_secs_f64());
                    return Ok(done);
                }
                Err(Failure::Passing(why)) if Instant::now() + pause < deadline => {
                    self.health.failed(&why);
                    metrics::counter!("storage_retries_total", "kind" => what).increment(1);
                    sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                Err(failure) => {
                    if let Failure::Passing(why) = &failure {
                        self.health.failed(why);
                    }
                    metrics::counter!("storage_failures_total", "kind" => what).increment(1);
                    return Err(failure.meaning());
                }
            }
        }
    }
}

async fn prepare(
    session: &Session,
    reading: ExecutionProfileHandle,
    of: Use,
    text: &'static str,
) -> Result<PreparedStatement, StorageError> {
    let prepared = session.prepare(text).await;
    let mut statement = prepared.map_err(|error| StorageError::Failed(format!("a statement is not understood: {error} ({text})")))?;
    statement.set_is_idempotent(of != Use::Decide);
    statement.set_page_size(PAGE_ROWS);
    match of {
        Use::Read => statement.set_execution_profile_handle(Some(reading)),
        Use::Settled => statement.set_consistency(Consistency::LocalSerial),
        Use::Write | Use::Decide => {}
    }
    Ok(statement)
}

/// A place among the requests under way.
async fn place(places: &Semaphore) -> Result<tokio::sync::SemaphorePermit<'_>, Failure> {
    // They are never closed.
    places.acquire().await.map_err(|_| Failure::Passing("the store is closed".into()))
}

/// Puts writes of a partition together, as many as one request should have. Their order is of no account: each has its time.
fn requests(writes: Vec<Write>) -> Vec<Vec<Write>> {
    if writes.len() < 2 {
        return writes.into_iter().map(|write| vec![write]).collect();
    }
    let mut requests: Vec<Vec<Write>> = Vec::new();
    let mut open: std::collections::HashMap<Vec<crate::bind::Bind>, (usize, usize)> = std::collections::HashMap::new();
    for write in writes {
        let bytes = write.len();
        match open.get_mut(&write.key) {
            Some((at, held)) if requests[*at].len() < BATCH_WRITES_MAX && *held + bytes <= BATCH_BYTES_MAX => {
                *held += bytes;
                requests[*at].push(write);
            }
            _ => {
                open.insert(write.key.clone(), (requests.len(), bytes));
                requests.push(vec![write]);
            }
        }
    }
    requests
}

/// Waits for what is asked before the store is open: there is nobody yet who could be told to come again.
pub(crate) async fn at_start<T, E: Into<Failure>>(
    patience: Duration,
    what: &str,
    asked: impl Future<Output = Result<T, E>>,
) -> Result<T, StorageError> {
    let answer = timeout(patience, asked)
        .await
        .map_err(|_| Failure::timed_out(patience))
        .and_then(|answer| answer.map_err(Into::into));
    answer.map_err(|failure| match failure {
        Failure::Passing(why) | Failure::Lasting(why) => StorageError::Failed(format!("{what}: {why}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bind::Bind;

    fn write(key: i64, bytes: usize) -> Write {
        Write::put(Query::PutAttribute, vec![Bind::Big(key)], [Bind::Blob(vec![0; bytes].into())], 1)
    }

    fn sizes(writes: Vec<Write>) -> Vec<usize> {
        requests(writes).iter().map(Vec::len).collect()
    }

    #[test]
    fn writes_of_a_partition_share_requests_of_limited_size() {
        assert_eq!(sizes(vec![]), [0; 0]);
        assert_eq!(sizes(vec![write(1, 1), write(2, 1), write(1, 1), write(2, 1), write(1, 1)]), [3, 2]);
        assert_eq!(sizes((0..300).map(|_| write(1, 1)).collect()), [128, 128, 44]);
        assert_eq!(sizes(vec![write(1, 1), write(1, 100_000), write(1, 1)]), [1, 1, 1]);
    }
}
