//! The rule chains that tenants start with: ThingsBoard's default root chain, as far as its nodes are shipped, and one with an alarm.

use model::entity::{Connection, IdRef, RuleChain, RuleChainMetadata, RuleNode};
use model::{EntityKind, RuleChainId};
use serde_json::{Value as Json, json};
use uuid::Uuid;

const SAVE_TIME_SERIES: usize = 0;
const SAVE_ATTRIBUTES: usize = 1;
const TYPE_SWITCH: usize = 2;
const LOG_RPC: usize = 3;
const LOG_OTHER: usize = 4;
const RPC_REQUEST: usize = 5;
const IS_HOT: usize = 6;
const IS_NOT_HOT: usize = 7;
const RAISE: usize = 8;
const CLEAR: usize = 9;

/// The alarm of the demo, and the temperature above which it is raised.
const ALARM: &str = "High temperature";
const THRESHOLD: i64 = 25;

/// What every tenant starts with: time series and client attributes are saved, requests to devices are sent, the rest is logged.
pub fn default_root_chain(name: &str) -> (RuleChain, RuleChainMetadata) {
    let chain = RuleChain {
        id: None,
        created_time: 0,
        tenant_id: None,
        name: name.to_owned(),
        chain_type: "CORE".to_owned(),
        first_rule_node_id: None,
        root: true,
        debug_mode: false,
        configuration: None,
        additional_info: None,
        version: None,
    };
    let every = json!({"type": "ON_EVERY_MESSAGE"});
    let nodes = vec![
        node(
            "telemetry.TbMsgTimeseriesNode",
            "Save Timeseries",
            (824, 156),
            1,
            json!({"defaultTTL": 0, "useServerTs": false, "processingSettings": every}),
        ),
        node(
            "telemetry.TbMsgAttributesNode",
            "Save Client Attributes",
            (825, 52),
            3,
            json!({
                "processingSettings": every,
                "scope": "CLIENT_SCOPE",
                "notifyDevice": false,
                "sendAttributesUpdatedNotification": false,
                "updateAttributesOnlyOnValueChange": true,
            }),
        ),
        node(
            "filter.TbMsgTypeSwitchNode",
            "Message Type Switch",
            (347, 149),
            0,
            json!({"version": 0}),
        ),
        node(
            "action.TbLogNode",
            "Log RPC from Device",
            (825, 266),
            0,
            json!({"scriptLang": "TBEL"}),
        ),
        node("action.TbLogNode", "Log Other", (825, 379), 0, json!({"scriptLang": "TBEL"})),
        node(
            "rpc.TbSendRPCRequestNode",
            "RPC Call Request",
            (825, 468),
            0,
            json!({"timeoutInSeconds": 60}),
        ),
    ];
    let connections = vec![
        connection(TYPE_SWITCH, SAVE_TIME_SERIES, "Post telemetry"),
        connection(TYPE_SWITCH, SAVE_ATTRIBUTES, "Post attributes"),
        connection(TYPE_SWITCH, LOG_RPC, "RPC Request from Device"),
        connection(TYPE_SWITCH, LOG_OTHER, "Other"),
        connection(TYPE_SWITCH, RPC_REQUEST, "RPC Request to Device"),
    ];
    let metadata = RuleChainMetadata {
        rule_chain_id: None,
        version: None,
        first_node_index: Some(TYPE_SWITCH),
        nodes,
        connections: Some(connections),
        rule_chain_connections: None,
    };
    (chain, metadata)
}

/// The default chain, and an alarm on every saved temperature above 25 that is cleared by one at or below 25. Telemetry without a
/// temperature leaves both filters along `False` and changes nothing.
pub fn demo_root_chain(name: &str) -> (RuleChain, RuleChainMetadata) {
    let (chain, mut metadata) = default_root_chain(name);
    let compares = |operator: &str| json!({"key": "temperature", "operator": operator, "value": THRESHOLD, "source": "DATA"});
    let raises = json!({
        "alarmType": ALARM,
        "severity": "CRITICAL",
        "propagate": false,
        "propagateToOwner": false,
        "propagateToTenant": false,
        "useMessageAlarmData": false,
        "overwriteAlarmDetails": false,
        "dynamicSeverity": false,
        "relationTypes": [],
        "scriptLang": "TBEL",
    });
    metadata.nodes.extend([
        filter("Temperature above 25", (1140, 120), compares("GREATER")),
        filter("Temperature at most 25", (1140, 230), compares("LESS_OR_EQUAL")),
        node("action.TbCreateAlarmNode", "Raise High Temperature", (1450, 120), 0, raises),
        node(
            "action.TbClearAlarmNode",
            "Clear High Temperature",
            (1450, 230),
            0,
            json!({"alarmType": ALARM, "scriptLang": "TBEL"}),
        ),
    ]);
    metadata.connections.get_or_insert_default().extend([
        connection(SAVE_TIME_SERIES, IS_HOT, "Success"),
        connection(IS_HOT, RAISE, "True"),
        connection(IS_HOT, IS_NOT_HOT, "False"),
        connection(IS_NOT_HOT, CLEAR, "True"),
    ]);
    (chain, metadata)
}

/// Gives nodes without an id one, and tells every node its chain.
pub(crate) fn identify(chain: RuleChainId, metadata: &mut RuleChainMetadata, now_ms: i64) {
    metadata.rule_chain_id = Some(chain.into());
    for node in &mut metadata.nodes {
        node.id = Some(IdRef::new(EntityKind::RuleNode, node.id.map_or_else(Uuid::now_v7, |id| id.id)));
        node.rule_chain_id = Some(chain.into());
        if node.created_time == 0 {
            node.created_time = now_ms;
        }
    }
}

/// The node that messages enter.
pub(crate) fn first_node(metadata: &RuleChainMetadata) -> Option<IdRef> {
    metadata.nodes.get(metadata.first_node_index?)?.id
}

fn node(class: &str, name: &str, (x, y): (i32, i32), version: u32, configuration: Json) -> RuleNode {
    full_node(format!("org.thingsboard.rule.engine.{class}"), name, (x, y), version, configuration)
}

fn filter(name: &str, place: (i32, i32), configuration: Json) -> RuleNode {
    full_node("org.pacificsoft.filter.FieldFilter".to_owned(), name, place, 0, configuration)
}

fn full_node(node_type: String, name: &str, (x, y): (i32, i32), version: u32, configuration: Json) -> RuleNode {
    RuleNode {
        id: None,
        created_time: 0,
        rule_chain_id: None,
        node_type,
        name: name.to_owned(),
        debug_settings: None,
        singleton_mode: false,
        queue_name: None,
        configuration_version: version,
        configuration,
        additional_info: Some(json!({"description": "", "layoutX": x, "layoutY": y})),
    }
}

fn connection(from_index: usize, to_index: usize, relation: &str) -> Connection {
    Connection {
        from_index,
        to_index,
        relation: relation.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::TenantId;

    #[test]
    fn nodes_stand_where_their_indices_say() {
        let (_, metadata) = demo_root_chain("Root");
        for (index, name) in [
            (SAVE_TIME_SERIES, "Save Timeseries"),
            (SAVE_ATTRIBUTES, "Save Client Attributes"),
            (TYPE_SWITCH, "Message Type Switch"),
            (LOG_RPC, "Log RPC from Device"),
            (LOG_OTHER, "Log Other"),
            (RPC_REQUEST, "RPC Call Request"),
            (IS_HOT, "Temperature above 25"),
            (IS_NOT_HOT, "Temperature at most 25"),
            (RAISE, "Raise High Temperature"),
            (CLEAR, "Clear High Temperature"),
        ] {
            assert_eq!(metadata.nodes[index].name, name);
        }
    }

    #[test]
    fn ids_are_kept_or_made() {
        let (_, mut metadata) = default_root_chain("Root");
        let kept = IdRef::new(EntityKind::RuleNode, Uuid::from_u128(7));
        metadata.nodes[TYPE_SWITCH].id = Some(kept);
        let chain = RuleChainId::generate(TenantId::generate());
        identify(chain, &mut metadata, 5);
        assert_eq!(first_node(&metadata), Some(kept));
        assert!(
            metadata
                .nodes
                .iter()
                .all(|node| node.id.is_some() && node.rule_chain_id == Some(chain.into()) && node.created_time == 5)
        );
    }
}
