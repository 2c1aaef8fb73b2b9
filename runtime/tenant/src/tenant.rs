//! The actor of a tenant: owns its rule chains.

use std::collections::HashMap;
use std::sync::Arc;

use actor::{Control, Observe, Stop};
use components::{Components, Misfit};
use effects::Effects;
use model::entity::{EntityRecord, StoredChain};
use model::{EntityKind, PageRequest, RuleChainId, TenantId};
use plugins::Catalog;
use rules::chain::{Replace, Swap};
use rules::{ChainHandle, ChainState, Graph, NodeSurroundings, start_chain};
use serde::Serialize;
use storage::{EntityFilter, StorageError, Store};
use uuid::Uuid;
use xtra::{Actor, Context, Handler};

use crate::chains::{ChainTable, Doors, Entrances};
use crate::swap::{self, SwapPlan};

/// Chains of a tenant that are served at most.
const CHAINS_MAX: u32 = 1_000;

/// What tenant actors work with.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) components: Components,
    pub(crate) effects: Effects,
    pub(crate) nodes: NodeSurroundings,
    pub(crate) table: ChainTable,
}

/// A chain was saved, deleted, or made the root: bring what runs in line with what is stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reload;

/// What can be seen of a tenant's actor from outside.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantState {
    /// Which tenant.
    pub tenant: TenantId,
    /// Its chains.
    pub chains: Vec<ChainState>,
}

/// The actor.
pub struct TenantActor {
    tenant: TenantId,
    around: Surroundings,
    running: HashMap<Uuid, Running>,
}

struct Running {
    handle: ChainHandle,
    version: u64,
    graph: Arc<Graph>,
    /// Where its node types come from.
    catalog: Arc<Catalog>,
}

/// Compares what runs with what another catalog would make of it. Answers what to open, or why it does not fit.
pub(crate) struct PlanSwap(pub(crate) Arc<Catalog>);

/// Switches the chains of a plan, and brings everything else in line with the catalog.
pub(crate) struct CommitSwap(pub(crate) SwapPlan);

impl Actor for TenantActor {
    type Stop = ();
    async fn stopped(self) {
        self.around.table.withdraw(self.tenant);
    }
}

impl Handler<Reload> for TenantActor {
    type Return = Result<(), StorageError>;
    async fn handle(&mut self, _: Reload, _: &mut Context<Self>) -> Result<(), StorageError> {
        self.reload().await
    }
}

impl Handler<PlanSwap> for TenantActor {
    type Return = Result<SwapPlan, Vec<Misfit>>;
    async fn handle(&mut self, PlanSwap(catalog): PlanSwap, _: &mut Context<Self>) -> Result<SwapPlan, Vec<Misfit>> {
        let stored = self.stored_chains().await.map_err(|error| vec![swap::unreadable(&error)])?;
        let running = |id: &Uuid| self.running.get(id).map(|running| (running.version, &running.graph));
        swap::plan(self.tenant, stored, running, catalog)
    }
}

impl Handler<CommitSwap> for TenantActor {
    type Return = ();
    async fn handle(&mut self, CommitSwap(plan): CommitSwap, _: &mut Context<Self>) {
        for chain in plan.chains {
            // Saved again meanwhile: the reload below takes care of it.
            let Some(running) = self.running.get_mut(&chain.id).filter(|running| running.version == chain.version) else {
                continue;
            };
            if !chain.opened.is_empty() {
                let swap = Swap {
                    graph: Arc::clone(&chain.graph),
                    opened: chain.opened,
                };
                if running.handle.control.ask(swap).await.is_err() {
                    continue;
                }
                running.graph = chain.graph;
            }
            running.catalog = Arc::clone(&plan.catalog);
        }
        if let Err(error) = self.reload().await {
            tracing::error!(tenant = %self.tenant, %error, "the rule chains could not be read after a component was activated");
        }
    }
}

impl Handler<Observe> for TenantActor {
    type Return = TenantState;
    async fn handle(&mut self, _: Observe, _: &mut Context<Self>) -> TenantState {
        let mut chains = Vec::with_capacity(self.running.len());
        for running in self.running.values() {
            chains.extend(running.handle.control.ask(Observe).await);
        }
        TenantState {
            tenant: self.tenant,
            chains,
        }
    }
}

impl Handler<Stop> for TenantActor {
    type Return = ();
    async fn handle(&mut self, _: Stop, context: &mut Context<Self>) {
        context.stop_self();
    }
}

impl TenantActor {
    pub(crate) fn start(tenant: TenantId, around: Surroundings) -> Control<TenantActor> {
        let (control, mailbox) = Control::mailbox();
        actor::spawn(
            "tenant",
            xtra::run(
                mailbox,
                TenantActor {
                    tenant,
                    around,
                    running: HashMap::new(),
                },
            ),
        );
        control
    }

    async fn stored_chains(&self) -> Result<Vec<EntityRecord>, StorageError> {
        let (filter, page) = (EntityFilter::default(), PageRequest::first(CHAINS_MAX));
        let stored = self
            .around
            .store
            .entities(self.tenant, EntityKind::RuleChain, &filter, &page)
            .await?;
        Ok(stored.data)
    }

    /// Starts, replaces and drops chains so that what runs is what is stored, then publishes the entrances.
    async fn reload(&mut self) -> Result<(), StorageError> {
        let catalog = self.around.components.catalog(self.tenant).await?;
        let quotas = self.around.components.quotas(self.tenant).await?;
        self.around.nodes.shares.of(self.tenant).allow(quotas.cpu_per_second);
        let stored = self.stored_chains().await?;
        let mut root = None;
        let mut seen = Vec::with_capacity(stored.len());
        for record in stored {
            let id = record.id.id;
            seen.push(id);
            let Ok(chain) = serde_json::from_value::<StoredChain>(record.body) else {
                tracing::error!(chain = %id, "the stored rule chain cannot be read");
                continue;
            };
            if chain.chain.root {
                root = Some(id);
            }
            let is_current = |running: &Running| running.version == record.version && Arc::ptr_eq(&running.catalog, &catalog);
            if self.running.get(&id).is_some_and(is_current) {
                continue;
            }
            let chain_id = RuleChainId::new(self.tenant, id);
            match Graph::validate(chain_id, &chain.chain.name, &chain.metadata, &catalog) {
                Ok(graph) => self.run(id, record.version, Arc::new(graph), &catalog).await,
                // What was valid when it was saved can become invalid, for instance when a component is missing.
                Err(errors) => {
                    let reasons = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                    tracing::error!(chain = %id, name = chain.chain.name, reasons, "the rule chain cannot be started");
                }
            }
        }
        self.running.retain(|id, _| seen.contains(id));
        let by_chain = self
            .running
            .iter()
            .map(|(id, running)| {
                let doors = Doors {
                    lane: running.handle.lane.clone(),
                    calls: running.handle.calls.clone(),
                };
                (*id, doors)
            })
            .collect();
        self.around.table.publish(self.tenant, Entrances { root, by_chain });
        Ok(())
    }

    async fn run(&mut self, id: Uuid, version: u64, graph: Arc<Graph>, catalog: &Arc<Catalog>) {
        let catalog = Arc::clone(catalog);
        if let Some(running) = self.running.get_mut(&id)
            && running.handle.control.tell(Replace(Arc::clone(&graph))).await.is_ok()
        {
            (running.version, running.graph, running.catalog) = (version, graph, catalog);
            return;
        }
        let handle = start_chain(
            Arc::clone(&graph),
            self.tenant,
            self.around.effects.clone(),
            Arc::new(self.around.table.clone()),
            self.around.nodes.clone(),
        );
        let running = Running {
            handle,
            version,
            graph,
            catalog,
        };
        self.running.insert(id, running);
    }
}
