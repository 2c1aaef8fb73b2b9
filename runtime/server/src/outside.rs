//! The way outside: who may be reached, and the secrets that are sent along.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use effects::{Allowances, Outside};
use egress::{Addresses, Egress, EgressConfig, SystemResolver, Trust};
use secrets::{Key, Vault};
use storage::Store;

use crate::config::{Config, EgressProxy};

/// Reads the key and the certificates. Blocks.
pub fn build(config: &Config, store: &Arc<dyn Store>) -> Result<Outside> {
    let key = Key::open(&config.secrets_key).context("secrets cannot be kept")?;
    let trust = Trust::system(config.egress_authorities.as_deref()).context("egress-authorities cannot be used")?;
    Ok(Outside {
        egress: Egress::new(EgressConfig {
            store: Arc::clone(store),
            addresses: Addresses::except(config.egress_networks.clone()),
            resolver: Arc::new(SystemResolver),
            trust,
        }),
        secrets: Vault::new(Arc::clone(store), key),
        allowances: Allowances::default(),
        proxy: config.egress_proxy.as_ref().map(EgressProxy::proxy).transpose()?,
    })
}

/// Sees to it that servers of one cluster seal with one key.
pub async fn check_key(config: &Config, outside: &Outside) -> Result<()> {
    if outside.secrets.has_the_key().await? {
        return Ok(());
    }
    bail!(
        "{} is not the key with which the other servers of this cluster seal secrets: copy theirs there",
        config.secrets_key.display()
    )
}
