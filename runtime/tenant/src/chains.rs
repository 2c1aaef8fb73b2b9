//! Entrances of rule chains, by tenant. Written by tenant actors, read by device actors once for a batch of messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use device::Chains;
use model::TenantId;
use rules::{CallLane, ChainLane, Neighbours};
use uuid::Uuid;

/// A tenant's entrances.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entrances {
    /// Of its root chain.
    pub(crate) root: Option<Uuid>,
    /// By chain.
    pub(crate) by_chain: Vec<(Uuid, Doors)>,
}

/// The ways into a chain.
#[derive(Clone, Debug)]
pub(crate) struct Doors {
    /// For devices.
    pub(crate) lane: ChainLane,
    /// For messages of other chains.
    pub(crate) calls: CallLane,
}

impl Entrances {
    /// Whether the same chains are there, and the same one is the root.
    fn leads_as(&self, other: &Self) -> bool {
        let has = |one: &Self, id: Uuid| one.doors(id).is_some();
        self.root == other.root && self.by_chain.len() == other.by_chain.len() && self.by_chain.iter().all(|(id, _)| has(other, *id))
    }

    fn doors(&self, wanted: Uuid) -> Option<&Doors> {
        let found = self.by_chain.iter().find(|(id, _)| *id == wanted);
        found.map(|(_, doors)| doors)
    }
}

/// The table.
#[derive(Clone, Debug, Default)]
pub struct ChainTable(Arc<Table>);

#[derive(Debug, Default)]
struct Table {
    tenants: DashMap<TenantId, Entrances>,
    /// Counts what makes an entrance another one, of any tenant.
    revision: AtomicU64,
}

impl ChainTable {
    /// Empty.
    pub fn new() -> Self {
        ChainTable::default()
    }

    /// Whether a tenant's chains run.
    pub fn serves(&self, tenant: TenantId) -> bool {
        self.0.tenants.contains_key(&tenant)
    }

    pub(crate) fn publish(&self, tenant: TenantId, entrances: Entrances) {
        let before = self.0.tenants.insert(tenant, entrances.clone());
        if before.is_none_or(|before| !before.leads_as(&entrances)) {
            // After the entrances: who sees the number sees them.
            self.0.revision.fetch_add(1, Ordering::Release);
        }
    }

    pub(crate) fn withdraw(&self, tenant: TenantId) {
        self.0.tenants.remove(&tenant);
        self.0.revision.fetch_add(1, Ordering::Release);
    }
}

impl Chains for ChainTable {
    fn entrance(&self, tenant: TenantId, chain: Option<Uuid>) -> Option<ChainLane> {
        let entrances = self.0.tenants.get(&tenant)?;
        let find = |wanted: Uuid| entrances.doors(wanted).map(|doors| doors.lane.clone());
        // A chain that a profile names but that is gone gives way to the root chain.
        chain.and_then(find).or_else(|| entrances.root.and_then(find))
    }

    fn revision(&self) -> u64 {
        self.0.revision.load(Ordering::Acquire)
    }
}

impl Neighbours for ChainTable {
    fn call_lane(&self, tenant: TenantId, chain: Uuid) -> Option<CallLane> {
        let entrances = self.0.tenants.get(&tenant)?;
        entrances.doors(chain).map(|doors| doors.calls.clone())
    }
}
