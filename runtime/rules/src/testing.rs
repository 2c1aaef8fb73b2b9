//! What the unit tests of this crate share: node types of the real components, and chains written down in one line.
//!
//! Needs what `cargo xtask guests` builds. It must not know an actor or a store.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use model::entity::RuleChainMetadata;
use model::{DeviceId, Message, MessageKind, Metadata, Payload, RuleChainId, RuleNodeId, TenantId};
use plugins::{Catalog, Host, HostConfig, Limits, LoadedComponent, NodeType};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::graph::{NodeSpec, Targets};
use crate::policy::FailurePolicy;
use crate::{ChainError, Graph};

/// Class ids of shipped node types.
pub(crate) const TYPE_SWITCH: &str = "org.thingsboard.rule.engine.filter.TbMsgTypeSwitchNode";
pub(crate) const FIELD_FILTER: &str = "org.pacificsoft.filter.FieldFilter";
pub(crate) const SAVE_TIME_SERIES: &str = "org.thingsboard.rule.engine.telemetry.TbMsgTimeseriesNode";
pub(crate) const CREATE_ALARM: &str = "org.thingsboard.rule.engine.action.TbCreateAlarmNode";
/// Forwards everything along `Success`.
pub(crate) const PASS: &str = "test.evil.pass";
/// Time that nodes have to open.
pub(crate) const OPEN_MS: u32 = 1_000;

/// The shipped node types and the misbehaving ones; compiled once for all tests.
pub(crate) fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(|| {
        // Patient: a machine that is busy with other tests must not make a good node late.
        let limits = Limits {
            open_ms: OPEN_MS,
            ..Limits::default()
        };
        let host = Host::new(HostConfig {
            limits,
            instances_max: 64,
            ..HostConfig::default()
        })
        .expect("the machine runs components");
        let mut catalog = Catalog::new();
        for name in [
            "filter.wasm",
            "enrichment.wasm",
            "transformation.wasm",
            "action.wasm",
            "test/evil-guests.wasm",
        ] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/components").join(name);
            let bytes = std::fs::read(path).expect("components are built by `cargo xtask guests`");
            match host.load(&bytes).expect("a good component") {
                LoadedComponent::Rules(component) => assert!(catalog.add(&component).is_empty(), "class ids are unique"),
                other => panic!("{other:?} is an adapter"),
            }
        }
        catalog
    })
}

pub(crate) fn node_type(class_id: &str) -> NodeType {
    catalog().resolve(class_id).expect("a node type of the test components")
}

/// Nodes without a configuration of their own (class id and default configuration), connected by `(from, relation, to)`.
pub(crate) fn metadata(first: Option<usize>, nodes: &[&str], connections: &[(usize, &str, usize)]) -> RuleChainMetadata {
    let node = |(index, class_id): (usize, &&str)| {
        let default = catalog()
            .resolve(class_id)
            .map_or(json!({}), |known| known.descriptor().default_configuration.clone());
        json!({"type": class_id, "name": format!("n{index}"), "configuration": default})
    };
    let connection = |(from, relation, to): &(usize, &str, usize)| json!({"fromIndex": from, "toIndex": to, "type": relation});
    let json = json!({
        "firstNodeIndex": first,
        "nodes": nodes.iter().enumerate().map(node).collect::<Vec<Json>>(),
        "connections": connections.iter().map(connection).collect::<Vec<Json>>(),
    });
    serde_json::from_value(json).expect("the form of a chain's file")
}

pub(crate) fn validate(metadata: &RuleChainMetadata) -> Result<Graph, Vec<ChainError>> {
    Graph::validate(RuleChainId::generate(TenantId::generate()), "chain under test", metadata, catalog())
}

/// A chain of `count` nodes for routing alone: any relation goes, nothing is validated.
pub(crate) fn routes(first: Option<usize>, count: usize, connections: &[(usize, &str, usize)]) -> Arc<Graph> {
    let tenant = TenantId::generate();
    let mut nodes: Vec<NodeSpec> = (0..count)
        .map(|index| NodeSpec {
            id: RuleNodeId::generate(tenant),
            name: format!("n{index}").into(),
            node_type: node_type(PASS),
            configuration: "{}".to_owned(),
            configuration_version: 0,
            failure: FailurePolicy::default(),
            in_turn: false,
            out: Vec::new(),
        })
        .collect();
    for (from, relation, to) in connections {
        match nodes[*from].out.iter_mut().find(|(name, _)| **name == **relation) {
            Some((_, targets)) => targets.push(*to),
            None => nodes[*from].out.push(((*relation).into(), Targets::from_slice(&[*to]))),
        }
    }
    Arc::new(Graph {
        chain: RuleChainId::generate(tenant),
        name: "routes".into(),
        first,
        nodes,
    })
}

pub(crate) fn message(payload: Json) -> Arc<Message> {
    Arc::new(Message {
        id: Uuid::now_v7(),
        kind: MessageKind::PostTelemetry,
        originator: DeviceId::generate(TenantId::generate()).entity(),
        customer: None,
        metadata: [("deviceName", "D")].into_iter().collect::<Metadata>(),
        payload: Payload::new(payload),
        ts_ms: 5,
    })
}
