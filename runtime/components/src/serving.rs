//! The port to whatever runs nodes: tries a catalog on every node that it changes, and switches them all, or none.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use model::TenantId;
use plugins::Catalog;

/// Where components are at work.
#[async_trait]
pub trait Serving: Send + Sync + 'static {
    /// Makes sure that a tenant's chains run, so that [`Serving::prepare`] can try all of them.
    ///
    /// # Errors
    /// Text, when they cannot be started.
    async fn ensure(&self, tenant: TenantId) -> Result<(), String>;

    /// Opens an instance for every node of a tenant that the catalog changes, beside the one that serves. Nothing changes yet.
    ///
    /// # Errors
    /// Every node that does not open, and every chain that makes no sense any more.
    async fn prepare(&self, tenant: TenantId, catalog: Arc<Catalog>) -> Result<Box<dyn Prepared>, Vec<Misfit>>;

    /// Brings a tenant's nodes in line with its catalog without trying it first, if they run.
    async fn reload(&self, _tenant: TenantId) {}

    /// What is stored of an owner's components was changed here: other servers, if there are any, are to hear of it. Never waits.
    fn announce(&self, _owner: TenantId) {}
}

/// Instances that wait for their turn. Dropped: the old ones go on.
#[async_trait]
pub trait Prepared: Send {
    /// Switches every node between two of its messages. The old instances end when what they have in hand is decided.
    async fn commit(self: Box<Self>);
}

/// Why a catalog does not fit a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Name of the chain.
    pub chain: String,
    /// Name of the node, when it is one node's fault.
    pub node: Option<String>,
    /// In words.
    pub reason: String,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Some(node) => write!(f, "rule chain {:?}, node {node:?}: {}", self.chain, self.reason),
            None => write!(f, "rule chain {:?}: {}", self.chain, self.reason),
        }
    }
}
