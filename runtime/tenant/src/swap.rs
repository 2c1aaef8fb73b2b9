//! What it takes to switch a tenant's chains to another catalog: which nodes change, and what does not fit. Pure, but for opening.

use std::sync::Arc;
use std::time::{Duration, Instant};

use components::Misfit;
use model::entity::{EntityRecord, StoredChain};
use model::{RuleChainId, TenantId};
use plugins::{Catalog, SharedMemory};
use rules::{Graph, NodeSurroundings, OpenNode, open_node};
use storage::StorageError;
use uuid::Uuid;

/// How long opening all nodes may take: a component that opens slowly must not hold up others for ever.
const OPENING_MAX: Duration = Duration::from_secs(10);

/// Chains that run, and what the catalog makes of them.
pub(crate) struct SwapPlan {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) chains: Vec<ChainPlan>,
}

/// A chain.
pub(crate) struct ChainPlan {
    pub(crate) id: Uuid,
    /// Version of the chain that this is about.
    pub(crate) version: u64,
    pub(crate) graph: Arc<Graph>,
    /// Nodes that change.
    pub(crate) renewed: Vec<usize>,
    /// Their new instances.
    pub(crate) opened: Vec<(usize, OpenNode)>,
}

/// Compares what runs with what the catalog makes of what is stored. Chains that do not run, because they make no sense today, hinder
/// nobody.
pub(crate) fn plan<'a>(
    tenant: TenantId,
    stored: Vec<EntityRecord>,
    running: impl Fn(&Uuid) -> Option<(u64, &'a Arc<Graph>)>,
    catalog: Arc<Catalog>,
) -> Result<SwapPlan, Vec<Misfit>> {
    let mut chains = Vec::new();
    let mut misfits = Vec::new();
    for record in stored {
        let id = record.id.id;
        let Some((version, old)) = running(&id).filter(|(version, _)| *version == record.version) else {
            continue;
        };
        let Ok(StoredChain { chain, metadata }) = serde_json::from_value(record.body) else {
            continue;
        };
        match Graph::validate(RuleChainId::new(tenant, id), &chain.name, &metadata, &catalog) {
            Ok(graph) => chains.push(ChainPlan {
                id,
                version,
                renewed: graph.nodes_renewed(old),
                graph: Arc::new(graph),
                opened: Vec::new(),
            }),
            Err(errors) => misfits.extend(errors.into_iter().map(|error| Misfit {
                chain: chain.name.clone(),
                node: None,
                reason: error.to_string(),
            })),
        }
    }
    if misfits.is_empty() {
        Ok(SwapPlan { catalog, chains })
    } else {
        Err(misfits)
    }
}

/// What is told when chains cannot be read.
pub(crate) fn unreadable(error: &StorageError) -> Misfit {
    Misfit {
        chain: "all".to_owned(),
        node: None,
        reason: error.to_string(),
    }
}

impl SwapPlan {
    /// Opens an instance for every node that changes. Blocks: the guests take their time.
    pub(crate) fn open(mut self, tenant: TenantId, around: &NodeSurroundings) -> Result<SwapPlan, Vec<Misfit>> {
        let started = Instant::now();
        let mut misfits = Vec::new();
        for chain in &mut self.chains {
            for index in chain.renewed.iter().copied() {
                let opened = if started.elapsed() > OPENING_MAX {
                    Err(format!("opening all nodes takes longer than {} s", OPENING_MAX.as_secs()))
                } else {
                    open_node(&chain.graph, index, tenant, around, beside(&chain.graph, index))
                };
                match opened {
                    Ok(node) => chain.opened.push((index, node)),
                    Err(reason) => misfits.push(Misfit {
                        chain: chain.graph.name.to_string(),
                        node: Some(chain.graph.nodes[index].name.to_string()),
                        reason,
                    }),
                }
            }
        }
        if misfits.is_empty() { Ok(self) } else { Err(misfits) }
    }
}

/// What an instance keeps that is opened beside the one that serves: nothing, in the form of its type.
fn beside(graph: &Graph, index: usize) -> SharedMemory {
    let schema = graph.nodes.get(index).map(|spec| &*spec.node_type.descriptor().state_schema);
    SharedMemory::restore(schema.unwrap_or_default(), None)
}
