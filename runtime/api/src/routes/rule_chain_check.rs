//! What is refused before a chain's nodes are saved: unknown node types, bad configurations, connections that lead nowhere, cycles.
//! Configurations in an older form are brought to the present one first.

use std::collections::HashSet;

use model::RuleChainId;
use model::entity::{RuleChainMetadata, RuleNode};
use plugins::{Catalog, NodeInstance};
use rules::Graph;
use serde_json::Value as Json;

use crate::ApiError;
use crate::state::ApiState;

/// Defects told at most.
const DEFECTS_MAX: usize = 20;

/// Checks a chain's nodes and connections; answers them with configurations in their present form.
///
/// # Errors
/// [`ApiError::Invalid`] with every defect found, each saying where.
pub(super) async fn check(
    api: &ApiState,
    chain: RuleChainId,
    name: &str,
    metadata: RuleChainMetadata,
) -> Result<RuleChainMetadata, ApiError> {
    check_form(&metadata).map_err(|defect| refusal([defect]))?;
    let (catalog, name) = (api.components.catalog(chain.tenant).await?, name.to_owned());
    let check = move || check_all(&catalog, chain, &name, metadata);
    api.checked(chain.tenant, check).await?.map_err(refusal)
}

fn check_all(catalog: &Catalog, chain: RuleChainId, name: &str, mut metadata: RuleChainMetadata) -> Result<RuleChainMetadata, Vec<String>> {
    let told = |errors: Vec<rules::ChainError>| errors.iter().map(ToString::to_string).collect::<Vec<_>>();
    // Connections and types first: they cost nothing to check.
    Graph::validate(chain, name, &metadata, catalog).map_err(told)?;
    let defects: Vec<String> = metadata
        .nodes
        .iter_mut()
        .enumerate()
        .filter_map(|(index, node)| {
            upgrade(catalog, node)
                .err()
                .map(|reason| format!("node {index} ({:?}): {reason}", node.name))
        })
        .collect();
    if !defects.is_empty() {
        return Err(defects);
    }
    let graph = Graph::validate(chain, name, &metadata, catalog).map_err(told)?;
    let defects = told(graph.check_configurations());
    if defects.is_empty() { Ok(metadata) } else { Err(defects) }
}

/// Brings a node's configuration to the form of its type's present version.
fn upgrade(catalog: &Catalog, node: &mut RuleNode) -> Result<(), String> {
    let Some(node_type) = catalog.resolve(&node.node_type) else {
        return Ok(());
    };
    let (from, present) = (node.configuration_version, node_type.descriptor().version);
    if from > present {
        return Err(format!(
            "the configuration has version {from}, but the node type knows versions up to {present}"
        ));
    }
    if from < present {
        let old = node.configuration.to_string();
        let new = NodeInstance::upgrade(node_type.component(), &node_type.descriptor().type_name, from, &old)
            .map_err(|error| error.to_string())?;
        node.configuration = serde_json::from_str(&new).map_err(|error| format!("the upgraded configuration is not JSON: {error}"))?;
        node.configuration_version = present;
    }
    Ok(())
}

/// What is wrong with the nodes as such.
fn check_form(metadata: &RuleChainMetadata) -> Result<(), String> {
    let old_connections = match &metadata.rule_chain_connections {
        None | Some(Json::Null) => false,
        Some(Json::Array(list)) => !list.is_empty(),
        Some(_) => true,
    };
    if old_connections {
        return Err("ruleChainConnections lead to other chains, which is not supported yet".to_owned());
    }
    let mut ids = HashSet::new();
    for (index, node) in metadata.nodes.iter().enumerate() {
        if node.name.trim().is_empty() || node.name.chars().count() > 255 {
            return Err(format!("node {index}: the name must have between 1 and 255 characters"));
        }
        if node.id.is_some_and(|id| !ids.insert(id.id)) {
            return Err(format!("node {index} ({:?}) has the id of another node", node.name));
        }
    }
    Ok(())
}

fn refusal(defects: impl IntoIterator<Item = String>) -> ApiError {
    let mut defects: Vec<String> = defects.into_iter().collect();
    let more = defects.len().saturating_sub(DEFECTS_MAX);
    defects.truncate(DEFECTS_MAX);
    if more > 0 {
        defects.push(format!("and {more} more"));
    }
    ApiError::Invalid(format!("The rule chain is refused: {}", defects.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::default_root_chain;
    use serde_json::json;

    #[test]
    fn refuses_nodes_that_make_no_sense_by_themselves() {
        let (_, good) = default_root_chain("Root");
        assert_eq!(check_form(&good), Ok(()));
        let mut unnamed = good.clone();
        unnamed.nodes[3].name = " ".to_owned();
        let mut twins = good.clone();
        crate::seed::chains::identify(RuleChainId::generate(model::TenantId::generate()), &mut twins, 0);
        twins.nodes[1].id = twins.nodes[0].id;
        let mut connected = good.clone();
        connected.rule_chain_connections = Some(json!([{"fromIndex": 0}]));
        for (bad, word) in [(unnamed, "node 3"), (twins, "node 1"), (connected, "ruleChainConnections")] {
            assert!(check_form(&bad).is_err_and(|defect| defect.contains(word)), "{word}");
        }
    }

    #[test]
    fn tells_only_so_much() {
        let refusal = refusal((0..30).map(|number| format!("defect {number}"))).to_string();
        assert!(
            refusal.contains("defect 19") && !refusal.contains("defect 20") && refusal.ends_with("and 10 more"),
            "{refusal}"
        );
    }
}
