//! A validated rule chain: node types resolved, connections as indices, no cycle that messages cannot leave.

use std::collections::HashMap;
use std::sync::Arc;

use model::entity::RuleChainMetadata;
use model::{RuleChainId, RuleNodeId};
use plugins::{Catalog, NodeInstance, NodeType};
use smallvec::SmallVec;
use uuid::Uuid;

use crate::ChainError;
use crate::policy::FailurePolicy;

#[cfg(test)]
mod tests;

/// Nodes of a chain at most.
pub const NODES_MAX: usize = 1_000;
/// Connections of a chain at most.
pub const CONNECTIONS_MAX: usize = 10_000;

/// Nodes that a relation leads to.
pub type Targets = SmallVec<[usize; 2]>;

/// A chain ready to run.
#[derive(Debug)]
pub struct Graph {
    /// Which chain.
    pub chain: RuleChainId,
    /// Its name, for people.
    pub name: Arc<str>,
    /// The node that messages enter; none: messages end at once.
    pub first: Option<usize>,
    /// Nodes by index.
    pub nodes: Vec<NodeSpec>,
}

/// A node ready to run.
#[derive(Debug)]
pub struct NodeSpec {
    /// Who.
    pub id: RuleNodeId,
    /// Its name, for people.
    pub name: Arc<str>,
    /// What it runs.
    pub node_type: NodeType,
    /// Configuration, as JSON text.
    pub configuration: String,
    /// Version of its form; an older one than the type's present one is upgraded when an instance is opened.
    pub configuration_version: u32,
    /// What becomes of messages that fail there.
    pub failure: FailurePolicy,
    /// Whether it takes messages of an originator in turn with the chain's other nodes of that kind, as its type wants it.
    pub in_turn: bool,
    /// Relations that lead somewhere.
    pub out: Vec<(Box<str>, Targets)>,
}

impl NodeSpec {
    /// Where a relation leads; empty: nowhere.
    pub fn targets(&self, relation: &str) -> &[usize] {
        self.out
            .iter()
            .find(|(name, _)| **name == *relation)
            .map_or(&[], |(_, targets)| targets)
    }
}

impl Graph {
    /// Checks a chain's nodes and connections.
    ///
    /// # Errors
    /// Every defect found, each saying where.
    pub fn validate(chain: RuleChainId, name: &str, metadata: &RuleChainMetadata, catalog: &Catalog) -> Result<Graph, Vec<ChainError>> {
        let connections = metadata.connections.as_deref().unwrap_or_default();
        let count = metadata.nodes.len();
        let mut errors = Vec::new();
        for (what, count, max) in [("nodes", count, NODES_MAX), ("connections", connections.len(), CONNECTIONS_MAX)] {
            if count > max {
                return Err(vec![ChainError::TooMany { what, count, max }]);
            }
        }
        let mut nodes = Vec::with_capacity(count);
        for (index, node) in metadata.nodes.iter().enumerate() {
            let Some(node_type) = catalog.resolve(&node.node_type) else {
                errors.push(ChainError::UnknownType {
                    index,
                    name: node.name.clone(),
                    class_id: node.node_type.clone(),
                });
                continue;
            };
            let failure = FailurePolicy::read(node.additional_info.as_ref()).unwrap_or_else(|reason| {
                errors.push(ChainError::Configuration {
                    index,
                    name: node.name.clone(),
                    reason,
                });
                FailurePolicy::default()
            });
            nodes.push(NodeSpec {
                id: RuleNodeId::new(chain.tenant, node.id.map_or_else(Uuid::now_v7, |id| id.id)),
                name: node.name.as_str().into(),
                in_turn: node_type.descriptor().in_turn,
                node_type,
                configuration: node.configuration.to_string(),
                configuration_version: node.configuration_version,
                failure,
                out: Vec::new(),
            });
        }
        if let Some(index) = metadata.first_node_index.filter(|index| *index >= count) {
            errors.push(ChainError::FirstNode { index, count });
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        for (position, connection) in connections.iter().enumerate() {
            errors.extend(connect(&mut nodes, position, connection));
        }
        let graph = Graph {
            chain,
            name: name.into(),
            first: metadata.first_node_index,
            nodes,
        };
        errors.extend(graph.cycles_without_exit());
        if errors.is_empty() { Ok(graph) } else { Err(errors) }
    }

    /// Whether messages find the same ways through both: then one can take the place of the other while messages are on their way.
    pub fn has_shape_of(&self, other: &Graph) -> bool {
        self.first == other.first
            && self.nodes.len() == other.nodes.len()
            && self
                .nodes
                .iter()
                .zip(&other.nodes)
                .all(|(one, two)| one.id == two.id && one.out == two.out)
    }

    /// The nodes that another component, or another version of it, is at work for than in the other graph of the same shape.
    pub fn nodes_renewed(&self, other: &Graph) -> Vec<usize> {
        let differs = |(index, (one, two)): (usize, (&NodeSpec, &NodeSpec))| (!one.node_type.is_same(&two.node_type)).then_some(index);
        self.nodes.iter().zip(&other.nodes).enumerate().filter_map(differs).collect()
    }

    /// Tries every node's configuration on its type, in an instance of its own each. Blocks for as long as that takes.
    pub fn check_configurations(&self) -> Vec<ChainError> {
        let check = |(index, node): (usize, &NodeSpec)| {
            let checked = node.node_type.open_by(|node_type| {
                let type_name = &node_type.descriptor().type_name;
                NodeInstance::check(node_type.component(), type_name, &node.configuration)
            });
            checked.err().map(|error| ChainError::Configuration {
                index,
                name: node.name.to_string(),
                reason: error.to_string(),
            })
        };
        self.nodes.iter().enumerate().filter_map(check).collect()
    }

    /// Sets of nodes that messages circle in and cannot leave: every relation that a node of the set can use, but `Failure`, leads
    /// only to nodes of the set.
    fn cycles_without_exit(&self) -> Vec<ChainError> {
        components(&self.nodes)
            .into_iter()
            .filter(|members| members.len() > 1 || self.nodes[members[0]].out.iter().any(|(_, targets)| targets.contains(&members[0])))
            .filter(|members| members.iter().all(|index| !self.has_exit(*index, members)))
            .map(|members| {
                let names: Vec<_> = members
                    .iter()
                    .map(|index| format!("node {index} ({:?})", self.nodes[*index].name))
                    .collect();
                ChainError::Cycle(names.join(", "))
            })
            .collect()
    }

    fn has_exit(&self, index: usize, members: &[usize]) -> bool {
        let node = &self.nodes[index];
        let descriptor = node.node_type.descriptor();
        descriptor.custom_relations
            || descriptor
                .relations
                .iter()
                .filter(|relation| &***relation != "Failure")
                .any(|relation| {
                    let targets = node.targets(relation);
                    targets.is_empty() || targets.iter().any(|target| !members.contains(target))
                })
    }
}

fn connect(nodes: &mut [NodeSpec], position: usize, connection: &model::entity::Connection) -> Option<ChainError> {
    let (from, to, relation) = (connection.from_index, connection.to_index, &connection.relation);
    let count = nodes.len();
    if let Some(index) = [from, to].into_iter().find(|index| *index >= count) {
        return Some(ChainError::NoSuchNode {
            connection: position,
            relation: relation.clone(),
            index,
            count,
        });
    }
    if !nodes[to].node_type.descriptor().takes_messages {
        return Some(ChainError::TakesNoMessages {
            connection: position,
            relation: relation.clone(),
            index: to,
            name: nodes[to].name.to_string(),
        });
    }
    let node = &mut nodes[from];
    let descriptor = node.node_type.descriptor();
    if !descriptor.custom_relations && relation != "Failure" && !descriptor.relations.iter().any(|known| **known == **relation) {
        let known = descriptor.relations.iter().map(|name| &**name).collect::<Vec<_>>().join(", ");
        return Some(ChainError::UnknownRelation {
            connection: position,
            relation: relation.clone(),
            index: from,
            name: node.name.to_string(),
            known,
        });
    }
    match node.out.iter_mut().find(|(name, _)| **name == **relation) {
        Some((_, targets)) if targets.contains(&to) => {}
        Some((_, targets)) => targets.push(to),
        None => node.out.push((relation.as_str().into(), Targets::from_slice(&[to]))),
    }
    None
}

/// Strongly connected components, by two passes of depth-first search (Kosaraju), without recursion.
fn components(nodes: &[NodeSpec]) -> Vec<Vec<usize>> {
    let forward: Vec<Vec<usize>> = nodes
        .iter()
        .map(|node| node.out.iter().flat_map(|(_, targets)| targets.iter().copied()).collect())
        .collect();
    let mut backward = vec![Vec::new(); nodes.len()];
    for (from, targets) in forward.iter().enumerate() {
        for to in targets {
            backward[*to].push(from);
        }
    }
    let mut finished = Vec::with_capacity(nodes.len());
    let mut seen = vec![false; nodes.len()];
    for start in 0..nodes.len() {
        visit(start, &forward, &mut seen, &mut finished);
    }
    let mut seen = vec![false; nodes.len()];
    let mut found = Vec::new();
    for start in finished.into_iter().rev() {
        let mut members = Vec::new();
        visit(start, &backward, &mut seen, &mut members);
        if !members.is_empty() {
            members.sort_unstable();
            found.push(members);
        }
    }
    found
}

/// Appends what can be reached from `start` and was not seen, each after all it leads to.
fn visit(start: usize, edges: &[Vec<usize>], seen: &mut [bool], finished: &mut Vec<usize>) {
    if std::mem::replace(&mut seen[start], true) {
        return;
    }
    let mut next: HashMap<usize, usize> = HashMap::new();
    let mut path = vec![start];
    while let Some(at) = path.last().copied() {
        let position = next.entry(at).or_insert(0);
        match edges[at].get(*position) {
            Some(to) => {
                *position += 1;
                if !std::mem::replace(&mut seen[*to], true) {
                    path.push(*to);
                }
            }
            None => {
                finished.push(at);
                path.pop();
            }
        }
    }
}
