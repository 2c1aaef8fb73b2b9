//! The store, as configured: in the data folder, or a cluster of its own.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use plugins::Source;
use readings::{LocalReadings, RemoteReadings};
use storage::{EmbeddedConfig, EmbeddedStore, NodeStateStore, Store, Tap};
use storage_cassandra::{CassandraConfig, CassandraStore};

use crate::config::{Config, Storage};
use crate::peer::Introduced;
use crate::wire::blocking;

/// Bytes of the secrets a server makes for itself.
const SECRET_BYTES: usize = 64;

/// A store, and the views of it that rule nodes have.
pub struct Opened {
    /// Everything.
    pub store: Arc<dyn Store>,
    /// What guests read while they decide.
    pub readings: Source,
    /// What rule nodes keep.
    pub states: Arc<dyn NodeStateStore>,
}

/// Opens it. `peer`: this server among others, which share the store; none: it has the store for itself. `tap`: who is told of what has
/// become durable.
pub async fn open(config: &Config, peer: Option<&Introduced>, tap: Arc<dyn Tap>) -> Result<Opened> {
    match &config.storage {
        Storage::Embedded => {
            let dir = config.data_dir.join("store");
            let store = blocking(move || {
                let mut embedded = EmbeddedConfig::new(&dir);
                embedded.tap = Some(tap);
                EmbeddedStore::open(embedded).with_context(|| format!("the store in {} cannot be opened", dir.display()))
            });
            let store = store.await??;
            Ok(Opened {
                store: Arc::new(store.clone()),
                readings: Arc::new(LocalReadings(store.clone())).into(),
                states: Arc::new(store),
            })
        }
        Storage::Cassandra { url, user } => {
            let mut cassandra: CassandraConfig = url.parse()?;
            cassandra.user.clone_from(user);
            cassandra.fence = peer.map(Introduced::fence);
            cassandra.cluster_version = peer.map(Introduced::version);
            cassandra.tap = Some(tap);
            let store = CassandraStore::open(cassandra).await;
            let store = Arc::new(store.with_context(|| format!("the store {url} cannot be opened"))?);
            let all: Arc<dyn Store> = store.clone();
            Ok(Opened {
                readings: Source::Awaited(Arc::new(RemoteReadings::new(Arc::clone(&all)))),
                store: all,
                states: store,
            })
        }
    }
}

/// A secret this server made for itself at its first start.
pub async fn secret(store: &dyn Store, name: &str) -> Result<Vec<u8>> {
    let fresh: [u8; SECRET_BYTES] = rand::random();
    Ok(store.setting_or_init(name, fresh.to_vec()).await?)
}

/// Makes a folder that data is kept in.
pub fn create(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("the folder {} cannot be made", dir.display()))
}
