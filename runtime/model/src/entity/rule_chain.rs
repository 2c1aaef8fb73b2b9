//! Rule chains, in the form of ThingsBoard's files and API.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::IdRef;

/// A rule chain without its nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleChain {
    /// None while it is being created.
    #[serde(default)]
    pub id: Option<IdRef>,
    /// Milliseconds since 1970-01-01 UTC.
    #[serde(default)]
    pub created_time: i64,
    /// Owner.
    #[serde(default)]
    pub tenant_id: Option<IdRef>,
    /// Name.
    pub name: String,
    /// `CORE` or `EDGE`.
    #[serde(rename = "type", default = "core")]
    pub chain_type: String,
    /// Node that messages enter.
    #[serde(default)]
    pub first_rule_node_id: Option<IdRef>,
    /// Whether it is the tenant's root chain.
    #[serde(default)]
    pub root: bool,
    /// Old flag, kept.
    #[serde(default)]
    pub debug_mode: bool,
    /// Always null.
    #[serde(default)]
    pub configuration: Option<Json>,
    /// Free data: `description`.
    #[serde(default)]
    pub additional_info: Option<Json>,
    /// Counts saves.
    #[serde(default)]
    pub version: Option<u64>,
}

/// The nodes of a chain and how they are connected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleChainMetadata {
    /// The chain. None in export files.
    #[serde(default)]
    pub rule_chain_id: Option<IdRef>,
    /// Counts saves of the chain.
    #[serde(default)]
    pub version: Option<u64>,
    /// Index of the node that messages enter.
    #[serde(default)]
    pub first_node_index: Option<usize>,
    /// Nodes.
    #[serde(default)]
    pub nodes: Vec<RuleNode>,
    /// Connections between them.
    #[serde(default)]
    pub connections: Option<Vec<Connection>>,
    /// Connections to other chains, in files from before version 3.3.
    #[serde(default)]
    pub rule_chain_connections: Option<Json>,
}

/// A chain as the store keeps it: one record, so that chain and nodes change together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredChain {
    /// The chain.
    pub chain: RuleChain,
    /// Its nodes.
    pub metadata: RuleChainMetadata,
}

/// A node of a chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleNode {
    /// None in export files.
    #[serde(default)]
    pub id: Option<IdRef>,
    /// Milliseconds since 1970-01-01 UTC.
    #[serde(default)]
    pub created_time: i64,
    /// The chain.
    #[serde(default)]
    pub rule_chain_id: Option<IdRef>,
    /// Class id of the node type.
    #[serde(rename = "type")]
    pub node_type: String,
    /// Name.
    pub name: String,
    /// What is recorded.
    #[serde(default)]
    pub debug_settings: Option<DebugSettings>,
    /// Whether one peer runs it for all.
    #[serde(default)]
    pub singleton_mode: bool,
    /// Queue, for nodes that change it.
    #[serde(default)]
    pub queue_name: Option<String>,
    /// Version of the configuration's form.
    #[serde(default)]
    pub configuration_version: u32,
    /// Configuration.
    #[serde(default)]
    pub configuration: Json,
    /// Free data: `layoutX`, `layoutY`, `description`.
    #[serde(default)]
    pub additional_info: Option<Json>,
}

/// What of a node is recorded as events.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DebugSettings {
    /// Failures.
    #[serde(default)]
    pub failures_enabled: bool,
    /// Everything.
    #[serde(default)]
    pub all_enabled: bool,
    /// End of recording everything, milliseconds since 1970-01-01 UTC.
    #[serde(default)]
    pub all_enabled_until: i64,
}

/// A connection between two nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// Index of the node it leaves.
    pub from_index: usize,
    /// Index of the node it enters.
    pub to_index: usize,
    /// Relation.
    #[serde(rename = "type")]
    pub relation: String,
}

fn core() -> String {
    "CORE".to_owned()
}
