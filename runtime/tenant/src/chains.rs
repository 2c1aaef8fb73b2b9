//! Entrances of rule chains, by tenant. Written by tenant actors, read by device actors once for a batch of messages.

use std::sync::Arc;

use dashmap::DashMap;
use device::Chains;
use model::TenantId;
use rules::ChainLane;
use uuid::Uuid;

/// A tenant's entrances.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entrances {
    /// Of its root chain.
    pub(crate) root: Option<Uuid>,
    /// By chain.
    pub(crate) by_chain: Vec<(Uuid, ChainLane)>,
}

/// The table.
#[derive(Clone, Debug, Default)]
pub struct ChainTable(Arc<DashMap<TenantId, Entrances>>);

impl ChainTable {
    /// Empty.
    pub fn new() -> Self {
        ChainTable::default()
    }

    /// Whether a tenant's chains run.
    pub fn serves(&self, tenant: TenantId) -> bool {
        self.0.contains_key(&tenant)
    }

    pub(crate) fn publish(&self, tenant: TenantId, entrances: Entrances) {
        self.0.insert(tenant, entrances);
    }

    pub(crate) fn withdraw(&self, tenant: TenantId) {
        self.0.remove(&tenant);
    }
}

impl Chains for ChainTable {
    fn entrance(&self, tenant: TenantId, chain: Option<Uuid>) -> Option<ChainLane> {
        let entrances = self.0.get(&tenant)?;
        let find = |wanted: Uuid| {
            entrances
                .by_chain
                .iter()
                .find(|(id, _)| *id == wanted)
                .map(|(_, lane)| lane.clone())
        };
        // A chain that a profile names but that is gone gives way to the root chain.
        chain.and_then(find).or_else(|| entrances.root.and_then(find))
    }
}
