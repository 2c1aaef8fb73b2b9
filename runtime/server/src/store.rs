//! The store, as configured: in the data folder, or a cluster of its own.

use std::sync::Arc;

use anyhow::{Context, Result};
use plugins::Readings;
use storage::{EmbeddedConfig, EmbeddedStore, NodeStateStore, Store};
use storage_cassandra::{CassandraConfig, CassandraStore};

use crate::config::{Config, Storage};
use crate::peer::Introduced;
use crate::readings::{LocalReadings, RemoteReadings};
use crate::wire::blocking;

/// A store, and the views of it that rule nodes have.
pub struct Opened {
    /// Everything.
    pub store: Arc<dyn Store>,
    /// What guests read while they decide.
    pub readings: Arc<dyn Readings>,
    /// What rule nodes keep.
    pub states: Arc<dyn NodeStateStore>,
}

/// Opens it. `peer`: this server among others, which share the store; none: it has the store for itself.
pub async fn open(config: &Config, peer: Option<&Introduced>) -> Result<Opened> {
    match &config.storage {
        Storage::Embedded => {
            let dir = config.data_dir.join("store");
            let store = blocking(move || {
                EmbeddedStore::open(EmbeddedConfig::new(&dir)).with_context(|| format!("the store in {} cannot be opened", dir.display()))
            });
            let store = store.await??;
            Ok(Opened {
                store: Arc::new(store.clone()),
                readings: Arc::new(LocalReadings(store.clone())),
                states: Arc::new(store),
            })
        }
        Storage::Cassandra { url, user } => {
            let mut cassandra: CassandraConfig = url.parse()?;
            cassandra.user.clone_from(user);
            cassandra.fence = peer.map(Introduced::fence);
            cassandra.cluster_version = peer.map(Introduced::version);
            let store = CassandraStore::open(cassandra).await;
            let store = Arc::new(store.with_context(|| format!("the store {url} cannot be opened"))?);
            let all: Arc<dyn Store> = store.clone();
            Ok(Opened {
                readings: Arc::new(RemoteReadings::new(Arc::clone(&all))),
                store: all,
                states: store,
            })
        }
    }
}
