//! Alarms whose details a script makes of those before: each message sees what the one before has done, however fast they come.

use crate::world::{CREATE_ALARM, FIELD_FILTER, World, graph, patient, telemetry};
use model::entity::Alarm;
use model::{EntityId, PageRequest, RuleChainId};
use rules::{ChainError, Graph};
use serde_json::{Value as Json, json};
use storage::{AlarmFilter, AlarmStore};

const CLEAR_ALARM: &str = "org.thingsboard.rule.engine.action.TbClearAlarmNode";

/// Counts the messages of an alarm.
fn create() -> Json {
    let script = "var details = metadata.prevAlarmDetails ? JSON.parse(metadata.prevAlarmDetails) : {count: 0};
        details.count += 1; details.last = msg.t; return details;";
    json!({"alarmType": "hot", "severity": "MAJOR", "scriptLang": "JS", "alarmDetailsBuildJs": script})
}

/// Adds when it ended.
fn clear() -> Json {
    let script = "var details = JSON.parse(metadata.prevAlarmDetails); details.ended = msg.t; return details;";
    json!({"alarmType": "hot", "scriptLang": "JS", "alarmDetailsBuildJs": script})
}

impl World {
    /// Details of a device's alarms, oldest first, and whether they are cleared.
    async fn details(&self, device: EntityId) -> Vec<(Json, bool)> {
        let filter = AlarmFilter {
            entity: Some(device),
            ..AlarmFilter::default()
        };
        let page = self.store.alarms(self.tenant, &filter, &PageRequest::first(100)).await.unwrap();
        let mut alarms: Vec<Alarm> = page.data;
        alarms.sort_by_key(|alarm| alarm.created_time);
        alarms
            .into_iter()
            .map(|alarm| (alarm.details.unwrap_or_default(), alarm.cleared))
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_counts_messages_however_fast_they_come() {
    let world = World::new();
    let filter = json!({"key": "t", "operator": "GREATER", "value": 20});
    let nodes = [
        (FIELD_FILTER, filter, &[("True", 1), ("False", 2)][..]),
        (CREATE_ALARM, create(), &[]),
        (CLEAR_ALARM, clear(), &[]),
    ];
    let mut chain = world.chain("root", &nodes);
    let devices = [world.device(), world.device(), world.device()];
    let values = [30, 31, 32, 10, 33, 34, 11, 12, 35].into_iter().cycle().take(9 * 20);
    let messages = values
        .zip(1..)
        .flat_map(|(t, ts_ms)| devices.map(|device| telemetry(device, ts_ms, json!({"t": t}))));
    chain.settle_all(messages).await;
    for device in devices {
        let found = world.details(device).await;
        let mut expected = vec![(json!({"count": 3, "last": 32, "ended": 10}), true)];
        for _ in 1..20 {
            expected.push((json!({"count": 2, "last": 34, "ended": 11}), true));
            expected.push((json!({"count": 4, "last": 32, "ended": 10}), true));
        }
        expected.push((json!({"count": 2, "last": 34, "ended": 11}), true));
        expected.push((json!({"count": 1, "last": 35}), false));
        assert_eq!(found, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_no_script_needs_no_interpreter_and_is_the_same_node() {
    let world = World::new();
    let kept = "var details = {};\nif (metadata.prevAlarmDetails) { details = JSON.parse(metadata.prevAlarmDetails);\n\
        delete metadata.prevAlarmDetails; }\nreturn details;";
    let plain = json!({"alarmType": "plain", "severity": "MAJOR"});
    let default = json!({"alarmType": "default", "severity": "MAJOR", "scriptLang": "JS", "alarmDetailsBuildJs": kept});
    let nodes = [
        (CREATE_ALARM, plain, &[("Created", 1), ("Updated", 1)][..]),
        (CREATE_ALARM, default, &[("Created", 2), ("Updated", 2)][..]),
        (CREATE_ALARM, create(), &[]),
    ];
    let mut chain = world.chain("root", &nodes);
    let device = world.device();
    chain.settle_all([telemetry(device, 1, json!({"t": 30}))]).await;
    let told = async |of: &str| world.store.active_alarm(device, of).await.unwrap().unwrap().details;
    assert_eq!(told("plain").await, Some(json!({"t": 30})));
    assert_eq!(told("default").await, Some(json!({})));
    // The alarm itself is the message of the next node.
    assert_eq!(told("hot").await, Some(json!({"count": 1})));
}

#[test]
fn what_is_wrong_with_a_script_is_said_and_not_that_another_component_would_run_it() {
    let world = World::new();
    let wrong = |configuration: Json| {
        let metadata = json!({"firstNodeIndex": 0, "connections": [],
            "nodes": [{"type": CREATE_ALARM, "name": "raise", "configuration": configuration}]});
        let metadata = serde_json::from_value(metadata).unwrap();
        let graph = Graph::validate(RuleChainId::generate(world.tenant), "root", &metadata, patient()).unwrap();
        match &graph.check_configurations()[..] {
            [ChainError::Configuration { reason, .. }] => reason.clone(),
            other => panic!("{other:?}"),
        }
    };
    let script = |script: &str| json!({"alarmType": "hot", "scriptLang": "JS", "alarmDetailsBuildJs": script});
    for (configuration, says) in [
        (script("var a = 1;\nreturn a +;"), "line 2"),
        (json!({"alarmType": "hot", "severity": "HIGH"}), "unknown severity HIGH"),
        (
            json!({"alarmType": "hot", "scriptLang": "TBEL", "alarmDetailsBuildTbel": "return {};"}),
            "write the script in JavaScript",
        ),
    ] {
        let reason = wrong(configuration);
        assert!(reason.contains(says) && !reason.contains("has to be run"), "{reason}");
    }
    drop(graph(world.tenant, "root", &[(CREATE_ALARM, create(), &[])]));
}
