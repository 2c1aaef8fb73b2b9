//! Brings a keyspace to the form this program reads: creates it, takes the steps that are missing, one program at a time.
//!
//! What `meta` says is decided by transactions. Of several peers that start at once one takes the lock and the steps, the others wait for
//! it. Only the keyspace and `meta` itself are created without: the first peer of a new cluster is best started alone.

use std::time::Duration;

use scylla::client::session::Session;
use scylla::errors::ExecutionError;
use scylla::response::query_result::QueryResult;
use scylla::value::{CqlValue, Row};
use storage::StorageError;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::config::CassandraConfig;
use crate::driver::at_start;
use crate::failure::Failure;
use crate::schema::{META, STEPS, VERSION, wanted};

const DAY: Duration = Duration::from_secs(24 * 3600);
const BUCKET_DAYS: u64 = 7;
/// Copies of everything at most, unless somebody says otherwise.
const REPLICATION_MAX: usize = 3;
/// How long one statement may take: tables are made slowly.
const STATEMENT_PATIENCE: Duration = Duration::from_secs(30);
/// The lock goes by itself when its holder is gone.
const LOCK_S: u64 = 120;
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Does it; answers the width of time buckets.
pub(crate) async fn bring_up(session: &Session, config: &CassandraConfig) -> Result<Duration, StorageError> {
    create_keyspace(session, config).await?;
    let keyspace = &config.keyspace;
    use_keyspace(session, keyspace).await?;
    run(session, META).await?;
    let days = bucket_days(session, config).await?;
    let deadline = Instant::now() + Duration::from_secs(LOCK_S);
    let holder = Uuid::now_v7().to_string();
    let wanted = wanted(&STEPS, config.cluster_version);
    loop {
        let version = version(session).await?;
        if (wanted..=VERSION).contains(&version) {
            break;
        }
        if version > VERSION {
            return Err(StorageError::Failed(format!(
                "the keyspace {keyspace} has form {version}, this program reads form {VERSION}: start a newer program"
            )));
        }
        if put_once(session, "lock", &holder, Some(LOCK_S)).await? {
            take_steps(session, version, wanted, days).await?;
            let free = format!("DELETE FROM meta WHERE name = 'lock' IF value = '{holder}'");
            run(session, &free).await?;
            tracing::info!(keyspace, version = wanted, "the keyspace has the form of this program");
            break;
        }
        if Instant::now() > deadline {
            return Err(StorageError::Failed(format!(
                "another program is changing the keyspace {keyspace} and does not end"
            )));
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(DAY * u32::try_from(days).unwrap_or(u32::MAX))
}

async fn create_keyspace(session: &Session, config: &CassandraConfig) -> Result<(), StorageError> {
    let keyspace = &config.keyspace;
    let there = run(
        session,
        &format!("SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = '{keyspace}'"),
    )
    .await?;
    if rows(there)?.is_some() {
        return Ok(());
    }
    let nodes = session.get_cluster_state().get_nodes_info().len();
    let copies = config.replication.map_or(nodes.clamp(1, REPLICATION_MAX), usize::from);
    let place = config.datacenter.as_deref().unwrap_or("replication_factor").replace('\'', "''");
    tracing::info!(keyspace, copies, "creating the keyspace");
    let create =
        format!("CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {{'class': 'NetworkTopologyStrategy', '{place}': {copies}}}");
    run(session, &create).await.map(drop)
}

/// A keyspace that another program has just created may be seen before it can be used.
async fn use_keyspace(session: &Session, keyspace: &str) -> Result<(), StorageError> {
    let deadline = Instant::now() + STATEMENT_PATIENCE;
    loop {
        match session.use_keyspace(keyspace, false).await {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > deadline => {
                return Err(StorageError::Failed(format!("the keyspace {keyspace} cannot be used: {error}")));
            }
            Err(_) => sleep(LOOK_EVERY).await,
        }
    }
}

/// The width that was chosen first.
async fn bucket_days(session: &Session, config: &CassandraConfig) -> Result<u64, StorageError> {
    let wanted = config.bucket.map(|width| width.as_secs() / DAY.as_secs());
    put_once(session, "bucket-days", &wanted.unwrap_or(BUCKET_DAYS).to_string(), None).await?;
    let stored = value(session, "bucket-days").await?;
    let days: u64 = stored
        .as_deref()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| StorageError::Corrupt("the keyspace does not say how wide its time buckets are".into()))?;
    match wanted {
        Some(wanted) if wanted != days => Err(StorageError::Failed(format!(
            "the keyspace {} has time buckets of {days} days, not {wanted}: the width cannot be changed",
            config.keyspace
        ))),
        _ => Ok(days),
    }
}

async fn take_steps(session: &Session, from: i32, to: i32, days: u64) -> Result<(), StorageError> {
    for step in STEPS.iter().filter(|step| step.form > from && step.form <= to) {
        let version = step.form;
        for statement in step.statements {
            run(session, &statement.replace("{days}", &days.to_string())).await?;
        }
        if !put_once(session, "version", &version.to_string(), None).await? {
            let step = format!("UPDATE meta SET value = '{version}' WHERE name = 'version' IF EXISTS");
            run(session, &step).await?;
        }
    }
    Ok(())
}

async fn version(session: &Session) -> Result<i32, StorageError> {
    match value(session, "version").await? {
        None => Ok(0),
        Some(text) => text
            .parse()
            .map_err(|_| StorageError::Corrupt(format!("the keyspace has the form {text:?}"))),
    }
}

async fn value(session: &Session, name: &str) -> Result<Option<String>, StorageError> {
    let found = rows(run(session, &format!("SELECT value FROM meta WHERE name = '{name}'")).await?)?;
    match found.map(|row| row.columns.into_iter().next()) {
        Some(Some(Some(CqlValue::Text(text)))) => Ok(Some(text)),
        _ => Ok(None),
    }
}

/// Writes a value if there is none; answers whether this did.
async fn put_once(session: &Session, name: &str, value: &str, seconds: Option<u64>) -> Result<bool, StorageError> {
    let ttl = seconds.map_or(String::new(), |seconds| format!(" USING TTL {seconds}"));
    let put = format!("INSERT INTO meta (name, value) VALUES ('{name}', '{value}') IF NOT EXISTS{ttl}");
    let applied = rows(run(session, &put).await?)?.and_then(|row| row.columns.into_iter().next());
    Ok(matches!(applied, Some(Some(CqlValue::Boolean(true)))))
}

/// Carries a statement out that has no values but the program's own. The driver waits until all nodes know of a new table. What a database
/// that starts or is busy does not answer in time is asked again, unless it is a transaction: that may have been carried out.
async fn run(session: &Session, statement: &str) -> Result<QueryResult, StorageError> {
    let repeatable = ["SELECT", "CREATE", "ALTER"].iter().any(|word| statement.starts_with(word));
    let asked = async {
        loop {
            let answer = session.query_unpaged(statement, ()).await;
            match answer.map_err(|error: ExecutionError| Failure::from(error)) {
                Err(Failure::Passing(why)) if repeatable => tracing::warn!(why, "the keyspace cannot be prepared yet"),
                answer => return answer,
            }
            sleep(LOOK_EVERY).await;
        }
    };
    at_start(STATEMENT_PATIENCE, "the keyspace cannot be prepared", asked).await
}

fn rows(result: QueryResult) -> Result<Option<Row>, StorageError> {
    let failed = |error: &dyn std::fmt::Display| StorageError::Failed(format!("the keyspace cannot be read: {error}"));
    let rows = result.into_rows_result().map_err(|error| failed(&error))?;
    rows.maybe_first_row::<Row>().map_err(|error| failed(&error))
}
