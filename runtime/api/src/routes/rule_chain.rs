//! Rule chains. Chain and nodes are one record, so they change together; after every change the tenant's actor is told.

use std::collections::HashSet;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use cluster::{Change, What};
use model::entity::{IdRef, RuleChain, RuleChainMetadata, StoredChain};
use model::{EntityKind, Page, PageRequest, RuleChainId, RuleNodeId, TenantId};
use serde::Deserialize;
use storage::{EntityFilter, Mutation};
use uuid::Uuid;

use super::rule_chain_check;
use crate::ApiError;
use crate::extract::{Body, Paging, Params, PathOf, TenantAdmin};
use crate::record::{self, check_name};
use crate::seed::chains::{first_node, identify};
use crate::state::ApiState;

/// Chains of a tenant at most: its actor serves no more.
const CHAINS_MAX: u32 = 1_000;

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/ruleChains", get(list))
        .route("/api/ruleChain", post(save))
        .route("/api/ruleChain/metadata", post(save_metadata))
        .route("/api/ruleChain/{id}", get(read).delete(remove))
        .route("/api/ruleChain/{id}/metadata", get(read_metadata))
        .route("/api/ruleChain/{id}/root", post(make_root))
}

#[derive(Deserialize)]
struct Asked {
    #[serde(rename = "type")]
    chain_type: Option<String>,
}

async fn list(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    Params(asked): Params<Asked>,
    Paging(page): Paging,
) -> Result<Json<Page<RuleChain>>, ApiError> {
    // There are no chains of other types.
    if asked.chain_type.is_some_and(|kind| !kind.is_empty() && kind != "CORE") {
        return Ok(Json(Page::of(Vec::new(), &page)));
    }
    let found = record::page(&*api.store, tenant, &EntityFilter::default(), &page).await?;
    Ok(Json(found.map(|stored: StoredChain| stored.chain)))
}

async fn read(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    PathOf(id): PathOf<Uuid>,
) -> Result<Json<RuleChain>, ApiError> {
    let stored: StoredChain = record::get(&*api.store, tenant, id).await?;
    Ok(Json(stored.chain))
}

async fn read_metadata(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    PathOf(id): PathOf<Uuid>,
) -> Result<Json<RuleChainMetadata>, ApiError> {
    let stored: StoredChain = record::get(&*api.store, tenant, id).await?;
    Ok(Json(shown(stored.metadata)))
}

/// Nodes as answers show them: ThingsBoard's clients take no null for the lists, nor for the first node of a chain without nodes.
fn shown(mut metadata: RuleChainMetadata) -> RuleChainMetadata {
    metadata.connections.get_or_insert_default();
    metadata.rule_chain_connections = Some(serde_json::json!([]));
    if metadata.nodes.is_empty() {
        metadata.first_node_index = Some(0);
    }
    metadata
}

async fn save(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    Body(chain): Body<RuleChain>,
) -> Result<Json<RuleChain>, ApiError> {
    check_name("Rule chain", "name", &chain.name)?;
    if chain.chain_type != "CORE" {
        return Err(ApiError::Invalid(format!(
            "Rule chains of the type {} are not supported yet",
            chain.chain_type
        )));
    }
    api.clone()
        .finish("save rule chain", async move {
            let stored = match record::given_id::<StoredChain>(chain.id)? {
                None => create(&api, tenant, chain).await?,
                Some(id) => {
                    let mut stored: StoredChain = record::get(&*api.store, tenant, id).await?;
                    let base = chain.version.or(stored.chain.version).unwrap_or(0);
                    // Which chain is the root, and which node the first, is changed in other ways.
                    let RuleChain {
                        root,
                        first_rule_node_id,
                        created_time,
                        tenant_id,
                        ..
                    } = stored.chain;
                    stored.chain = RuleChain {
                        root,
                        first_rule_node_id,
                        created_time,
                        tenant_id,
                        ..chain
                    };
                    store(&api, tenant, id, base, stored).await?
                }
            };
            Ok(Json(stored.chain))
        })
        .await
}

/// A new chain has no nodes, and is not the root.
async fn create(api: &ApiState, tenant: TenantId, chain: RuleChain) -> Result<StoredChain, ApiError> {
    let none = PageRequest::first(1);
    let count = api
        .store
        .entities(tenant, EntityKind::RuleChain, &EntityFilter::default(), &none)
        .await?
        .total_elements;
    if count >= u64::from(CHAINS_MAX) {
        return Err(ApiError::Invalid(format!(
            "Rule chains limit reached: a tenant has {CHAINS_MAX} at most"
        )));
    }
    let id = RuleChainId::generate(tenant);
    let chain = RuleChain {
        id: Some(id.into()),
        tenant_id: Some(IdRef::tenant(tenant)),
        created_time: api.clock.now_ms(),
        first_rule_node_id: None,
        root: false,
        ..chain
    };
    let metadata = RuleChainMetadata {
        rule_chain_id: Some(id.into()),
        version: None,
        first_node_index: None,
        nodes: Vec::new(),
        connections: Some(Vec::new()),
        rule_chain_connections: None,
    };
    store(api, tenant, id.id, 0, StoredChain { chain, metadata }).await
}

async fn save_metadata(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    Body(mut metadata): Body<RuleChainMetadata>,
) -> Result<Json<RuleChainMetadata>, ApiError> {
    if metadata.nodes.is_empty() {
        metadata.first_node_index = None;
    }
    let id = metadata
        .rule_chain_id
        .ok_or_else(|| ApiError::invalid("Rule chain id should be specified!"))?
        .id;
    let stored: StoredChain = record::get(&*api.store, tenant, id).await?;
    let base = metadata.version.or(stored.chain.version).unwrap_or(0);
    let mut metadata = rule_chain_check::check(&api, RuleChainId::new(tenant, id), &stored.chain.name, metadata).await?;
    api.clone()
        .finish("save rule chain", async move {
            identify(RuleChainId::new(tenant, id), &mut metadata, api.clock.now_ms());
            metadata.connections.get_or_insert_default();
            let kept: HashSet<_> = metadata.nodes.iter().filter_map(|node| node.id).collect();
            let gone = stored
                .metadata
                .nodes
                .iter()
                .filter_map(|node| node.id)
                .filter(|id| !kept.contains(id));
            let gone: Vec<_> = gone.map(|id| Mutation::DropNodeState(RuleNodeId::new(tenant, id.id))).collect();
            let chain = RuleChain {
                first_rule_node_id: first_node(&metadata),
                ..stored.chain
            };
            let saved = store(&api, tenant, id, base, StoredChain { chain, metadata }).await?;
            api.store.submit(gone).await?.await?;
            Ok(Json(shown(saved.metadata)))
        })
        .await
}

/// Two saves: in between, or if the server stops there, both chains are roots, which is better than none.
async fn make_root(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    PathOf(id): PathOf<Uuid>,
) -> Result<Json<RuleChain>, ApiError> {
    api.clone()
        .finish("set root rule chain", async move {
            let _turn = api.turns.take(("root chain", tenant)).await;
            let mut new: StoredChain = record::get(&*api.store, tenant, id).await?;
            if !new.chain.root {
                new.chain.root = true;
                write(&api, tenant, id, new.chain.version.unwrap_or(0), &mut new).await?;
            }
            let all = api
                .store
                .entities(
                    tenant,
                    EntityKind::RuleChain,
                    &EntityFilter::default(),
                    &PageRequest::first(CHAINS_MAX),
                )
                .await?;
            for record in all.data.into_iter().filter(|record| record.id.id != id) {
                let (other, base) = (record.id.id, record.version);
                let mut stored: StoredChain = record::read(record)?;
                if stored.chain.root {
                    stored.chain.root = false;
                    write(&api, tenant, other, base, &mut stored).await?;
                }
            }
            reload(&api, tenant).await?;
            Ok(Json(new.chain))
        })
        .await
}

async fn remove(State(api): State<ApiState>, TenantAdmin { tenant }: TenantAdmin, PathOf(id): PathOf<Uuid>) -> Result<(), ApiError> {
    api.clone()
        .finish("delete rule chain", async move {
            let _turn = api.turns.take(("root chain", tenant)).await;
            let stored: StoredChain = record::get(&*api.store, tenant, id).await?;
            if stored.chain.root {
                return Err(ApiError::invalid("Deletion of Root Tenant Rule Chain is prohibited!"));
            }
            api.store.delete_entity(RuleChainId::new(tenant, id).entity()).await?;
            reload(&api, tenant).await?;
            let nodes = stored.metadata.nodes.iter().filter_map(|node| node.id);
            let drop = nodes.map(|id| Mutation::DropNodeState(RuleNodeId::new(tenant, id.id))).collect();
            api.store.submit(drop).await?.await?;
            Ok(())
        })
        .await
}

/// Saves a chain and has it run.
async fn store(api: &ApiState, tenant: TenantId, id: Uuid, base: u64, mut stored: StoredChain) -> Result<StoredChain, ApiError> {
    write(api, tenant, id, base, &mut stored).await?;
    reload(api, tenant).await?;
    Ok(stored)
}

/// What is stored of chains has changed: it runs, here and on other servers.
async fn reload(api: &ApiState, tenant: TenantId) -> Result<(), ApiError> {
    api.app.announce(Change::new(tenant, What::RuleChains));
    Ok(api.app.reload(tenant).await?)
}

async fn write(api: &ApiState, tenant: TenantId, id: Uuid, base: u64, stored: &mut StoredChain) -> Result<(), ApiError> {
    record::save(&*api.store, tenant, id, base, stored)
        .await
        .map_err(|error| ApiError::saving("Rule chain", error))
}
