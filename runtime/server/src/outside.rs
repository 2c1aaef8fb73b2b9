//! The way outside: who may be reached, and the secrets that are sent along.

use std::sync::Arc;

use anyhow::{Context, Result};
use effects::Outside;
use egress::{Addresses, Egress, EgressConfig, SystemResolver, Trust};
use secrets::{Key, Vault};
use storage::Store;

use crate::config::Config;

/// Name of the file in the data folder that holds the key of all secrets.
const KEY_FILE: &str = "secrets.key";

/// Reads the key and the certificates. Blocks.
pub fn build(config: &Config, store: &Arc<dyn Store>) -> Result<Outside> {
    let key = Key::open(&config.data_dir.join(KEY_FILE)).context("secrets cannot be kept")?;
    let trust = Trust::system(config.egress_authorities.as_deref()).context("egress-authorities cannot be used")?;
    Ok(Outside {
        egress: Egress::new(EgressConfig {
            store: Arc::clone(store),
            addresses: Addresses::except(config.egress_networks.clone()),
            resolver: Arc::new(SystemResolver),
            trust,
        }),
        secrets: Vault::new(Arc::clone(store), key),
    })
}
