//! The actor of a tenant: owns its rule chains.

use std::collections::HashMap;
use std::sync::Arc;

use actor::{Control, Observe, Stop};
use effects::Effects;
use model::entity::StoredChain;
use model::{EntityKind, PageRequest, RuleChainId, TenantId};
use plugins::Catalog;
use rules::chain::Replace;
use rules::{ChainHandle, ChainState, Graph, NodeSurroundings, start_chain};
use serde::Serialize;
use storage::{EntityFilter, StorageError, Store};
use uuid::Uuid;
use xtra::{Actor, Context, Handler};

use crate::chains::{ChainTable, Entrances};

/// Chains of a tenant that are served at most.
const CHAINS_MAX: u32 = 1_000;

/// What tenant actors work with.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) catalog: Arc<Catalog>,
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
}

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

    /// Starts, replaces and drops chains so that what runs is what is stored, then publishes the entrances.
    async fn reload(&mut self) -> Result<(), StorageError> {
        let stored = self
            .around
            .store
            .entities(
                self.tenant,
                EntityKind::RuleChain,
                &EntityFilter::default(),
                &PageRequest::first(CHAINS_MAX),
            )
            .await?;
        let mut root = None;
        let mut seen = Vec::with_capacity(stored.data.len());
        for record in stored.data {
            let id = record.id.id;
            seen.push(id);
            let Ok(chain) = serde_json::from_value::<StoredChain>(record.body) else {
                tracing::error!(chain = %id, "the stored rule chain cannot be read");
                continue;
            };
            if chain.chain.root {
                root = Some(id);
            }
            if self.running.get(&id).is_some_and(|running| running.version == record.version) {
                continue;
            }
            let chain_id = RuleChainId::new(self.tenant, id);
            match Graph::validate(chain_id, &chain.chain.name, &chain.metadata, &self.around.catalog) {
                Ok(graph) => self.run(id, record.version, Arc::new(graph)).await,
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
            .map(|(id, running)| (*id, running.handle.lane.clone()))
            .collect();
        self.around.table.publish(self.tenant, Entrances { root, by_chain });
        Ok(())
    }

    async fn run(&mut self, id: Uuid, version: u64, graph: Arc<Graph>) {
        if let Some(running) = self.running.get_mut(&id)
            && running.handle.control.tell(Replace(Arc::clone(&graph))).await.is_ok()
        {
            running.version = version;
            return;
        }
        let handle = start_chain(graph, self.tenant, self.around.effects.clone(), self.around.nodes.clone());
        self.running.insert(id, Running { handle, version });
    }
}
