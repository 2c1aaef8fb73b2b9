//! The store: what all ports share.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use model::Clock;
use scylla::client::PoolSize;
use scylla::client::session_builder::SessionBuilder;
use storage::{StorageError, Tap};
use tokio::sync::{Mutex, MutexGuard, Semaphore};

use crate::buckets::Buckets;
use crate::config::CassandraConfig;
use crate::driver::{Driver, at_start, profile};
use crate::failure::Failure;
use crate::fence::Fenced;
use crate::known::Known;
use crate::migrate;
use crate::order::Order;
use crate::rows::Rows;

/// How long finding the cluster may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(20);
/// Connections to each node (to each of its shards, if it has any): two, so that a lost one is not missed.
const CONNECTIONS: usize = 2;
/// A connection that has been silent is asked whether it lives, and given up when it does not answer.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Transactions on one partition disturb each other: those of this process take turns.
const STRIPES: usize = 64;

/// The back end for clusters. Clones share it.
#[derive(Clone)]
pub struct CassandraStore(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) driver: Driver,
    pub(crate) order: Order,
    pub(crate) known: Known,
    pub(crate) buckets: Buckets,
    pub(crate) rows: Rows,
    /// Places for batches in hand.
    pub(crate) batches: Arc<Semaphore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) fenced: Fenced,
    pub(crate) tap: Option<Arc<dyn Tap>>,
    stripes: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl std::fmt::Debug for CassandraStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CassandraStore").finish_non_exhaustive()
    }
}

impl CassandraStore {
    /// Finds the cluster, creates keyspace and tables or brings them up to date, and prepares every statement.
    ///
    /// # Errors
    /// [`StorageError::Failed`] when no node answers, the keyspace cannot be created, or has another form or other time buckets.
    pub fn open(config: CassandraConfig) -> BoxFuture<'static, Result<Self, StorageError>> {
        // Boxed: the type of what happens in there is more than the compiler can see through elsewhere.
        Self::find(config).boxed()
    }

    async fn find(config: CassandraConfig) -> Result<Self, StorageError> {
        let mut builder = SessionBuilder::new()
            .known_nodes(&config.nodes)
            .default_execution_profile_handle(profile(&config, false).into_handle())
            .pool_size(PoolSize::PerHost(CONNECTIONS.try_into().unwrap_or(std::num::NonZeroUsize::MIN)))
            .keepalive_interval(KEEPALIVE_INTERVAL)
            .keepalive_timeout(KEEPALIVE_TIMEOUT)
            .keyspaces_to_fetch([&config.keyspace]);
        if let Some((user, password)) = &config.user {
            builder = builder.user(user, password);
        }
        let found = async { builder.build().await.map_err(|error| Failure::Lasting(error.to_string())) };
        let what = format!("no node of {} serves", config.nodes.join(", "));
        let session = at_start(CONNECT_PATIENCE, &what, found).await?;
        let bucket = migrate::bring_up(&session, &config).await?;
        let driver = Driver::new(session, &config).await?;
        Ok(CassandraStore(Arc::new(Inner {
            driver,
            order: Order::new(Arc::clone(&config.clock)),
            known: Known::new(config.entities_known_max),
            buckets: Buckets::new(bucket).since(config.cluster_version),
            rows: Rows::default(),
            batches: Arc::new(Semaphore::new(config.batches_max.max(1))),
            clock: config.clock,
            fenced: Fenced::by(config.fence),
            tap: config.tap,
            stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(),
            hasher: RandomState::new(),
        })))
    }
}

impl Inner {
    /// The turn of whoever decides about a partition.
    pub(crate) async fn turn(&self, partition: impl Hash) -> MutexGuard<'_, ()> {
        let hash = usize::try_from(self.hasher.hash_one(partition)).unwrap_or_default();
        self.stripes[hash % STRIPES].lock().await
    }
}

/// JSON of a text column.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(what: &str, text: &str) -> Result<T, StorageError> {
    storage::json::from_json(what, text.as_bytes())
}

/// JSON for a text column.
pub(crate) fn text(value: &impl serde::Serialize) -> Result<String, StorageError> {
    String::from_utf8(storage::json::json(value)?).map_err(|_| StorageError::Failed("JSON is no text".into()))
}

/// What a stored number of a version means.
pub(crate) fn count(stored: i64) -> Result<u64, StorageError> {
    u64::try_from(stored).map_err(|_| StorageError::Corrupt("a version is negative".into()))
}
