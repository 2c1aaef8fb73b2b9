//! The nodes that save: what is kept, who is told, and what the chain hears of it.

#![allow(clippy::unwrap_used, missing_docs)]

use serde_json::{Value as Json, json};
use tests::clients::python;
use tests::live::{Watcher, command, values};
use tests::rest::{Rest, exchange};
use tests::server::{Options, Server};

const SWITCH: &str = "org.thingsboard.rule.engine.filter.TbMsgTypeSwitchNode";
const SERIES: &str = "org.thingsboard.rule.engine.telemetry.TbMsgTimeseriesNode";
const ATTRIBUTES: &str = "org.thingsboard.rule.engine.telemetry.TbMsgAttributesNode";
const DELETE: &str = "org.thingsboard.rule.engine.telemetry.TbMsgDeleteAttributesNode";
const VIEWS: &str = "org.thingsboard.rule.engine.action.TbCopyAttributesToEntityViewNode";
const ALARM: &str = "org.thingsboard.rule.engine.action.TbCreateAlarmNode";

fn says(server: &Server, what: &str, values: &Json) {
    let url = format!("{}/api/v1/A1_TEST_TOKEN/{what}", server.http);
    let (status, body) = exchange(&["-d", &values.to_string(), &url]);
    assert_eq!(status, 200, "{body}");
}

/// A server whose chain saves telemetry by these settings, the id of its device, and who watches that.
fn saving(settings: &Json) -> (Server, Rest, String, Watcher) {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let configuration = json!({"defaultTTL": 0, "useServerTs": false, "processingSettings": settings});
    tenant.root_chain(&[(SERIES, "save", configuration)], &json!([]));
    let device = tenant.device("Demo device");
    let mut watcher = Watcher::open(&server, tenant.token());
    let series = json!({"scope": "LATEST_TELEMETRY", "keys": "level"});
    watcher.asked(&json!({"tsSubCmds": [command(1, &device, &series)]}));
    (server, tenant, device, watcher)
}

/// Times and values of the history of `level`, the oldest first.
fn history(tenant: &Rest, device: &str) -> Vec<(i64, Json)> {
    let found = tenant.get(&format!(
        "/api/plugins/telemetry/DEVICE/{device}/values/timeseries?useStrictDataTypes=true&keys=level&startTs=0&endTs=100000&orderBy=ASC"
    ));
    let rows = found["level"].as_array().cloned().unwrap_or_default();
    rows.into_iter()
        .map(|row| (row["ts"].as_i64().unwrap(), row["value"].clone()))
        .collect()
}

fn at(ts: i64, level: i64) -> Json {
    json!({"ts": ts, "values": {"level": level}})
}

#[test]
fn what_is_only_for_those_who_watch_is_not_kept() {
    let (server, tenant, device, mut watcher) = saving(&json!({"type": "WEBSOCKETS_ONLY"}));
    says(&server, "telemetry", &at(1_000, 1));
    assert_eq!(values(&watcher.hear(), "level"), ["1"]);
    assert_eq!(history(&tenant, &device), []);
    assert_eq!(tenant.latest(&device, "level")["level"][0]["value"], Json::Null);
}

#[test]
fn the_latest_value_may_be_all_that_is_kept() {
    let every = json!({"type": "ON_EVERY_MESSAGE"});
    let (server, tenant, device, mut watcher) = saving(&json!({
        "type": "ADVANCED", "timeseries": {"type": "DEDUPLICATE", "deduplicationIntervalSecs": 10}, "latest": every, "webSockets": every,
        "calculatedFields": every,
    }));
    for (ts, level) in [(1_000, 1), (2_000, 2), (9_999, 3)] {
        says(&server, "telemetry", &at(ts, level));
        assert_eq!(values(&watcher.hear(), "level"), [level.to_string()]);
    }
    assert_eq!(history(&tenant, &device), [(1_000, json!(1))], "the first of ten seconds");
    let latest = tenant.latest(&device, "level")["level"][0].clone();
    assert_eq!((&latest["ts"], &latest["value"]), (&json!(9_999), &json!(3)), "{latest}");
    says(&server, "telemetry", &at(12_000, 4));
    assert_eq!(history(&tenant, &device), [(1_000, json!(1)), (12_000, json!(4))]);
    assert_eq!(tenant.latest(&device, "level")["level"][0]["value"], 4);
    // It survives, and goes with the rest.
    says(&server, "telemetry", &at(13_000, 5));
    let server = server.kill_and_restart();
    let tenant = server.tenant();
    assert_eq!(tenant.latest(&device, "level")["level"][0]["value"], 5);
    let all = format!("/api/plugins/telemetry/DEVICE/{device}/timeseries/delete?keys=level&deleteAllDataForKeys=true");
    assert_eq!(tenant.delete(&all).0, 200);
    assert_eq!(
        (
            history(&tenant, &device),
            tenant.latest(&device, "level")["level"][0]["value"].clone()
        ),
        (vec![], Json::Null)
    );
}

#[test]
fn a_history_may_leave_the_latest_value_alone() {
    let (every, skip) = (json!({"type": "ON_EVERY_MESSAGE"}), json!({"type": "SKIP"}));
    let (server, tenant, device, mut watcher) = saving(&every);
    says(&server, "telemetry", &at(5_000, 5));
    assert_eq!(values(&watcher.hear(), "level"), ["5"]);
    let settings = json!({
        "type": "ADVANCED", "timeseries": every, "latest": skip, "webSockets": every, "calculatedFields": every,
    });
    tenant.root_chain(&[(SERIES, "save", json!({"processingSettings": settings}))], &json!([]));
    for (ts, level) in [(4_000, 4), (90_000, 9)] {
        says(&server, "telemetry", &at(ts, level));
        assert_eq!(values(&watcher.hear(), "level"), [level.to_string()]);
    }
    let kept = vec![(4_000, json!(4)), (5_000, json!(5)), (90_000, json!(9))];
    assert_eq!(history(&tenant, &device), kept);
    let server = server.kill_and_restart();
    let tenant = server.tenant();
    assert_eq!(history(&tenant, &device), kept);
    let latest = tenant.latest(&device, "level")["level"][0].clone();
    assert_eq!((&latest["ts"], &latest["value"]), (&json!(5_000), &json!(5)), "{latest}");
}

#[test]
fn of_each_interval_one_message_counts() {
    let (server, tenant, device, mut watcher) = saving(&json!({"type": "DEDUPLICATE", "deduplicationIntervalSecs": 10}));
    for (ts, level) in [(1_000, 1), (2_000, 2), (11_000, 3), (12_000, 4)] {
        says(&server, "telemetry", &at(ts, level));
    }
    assert_eq!(history(&tenant, &device), [(1_000, json!(1)), (11_000, json!(3))]);
    let seen = watcher.until(1, "level", "3");
    assert_eq!(seen.iter().flat_map(|frame| values(frame, "level")).collect::<Vec<_>>(), ["1", "3"]);
}

/// By its nodes, and by people: another node raises an alarm of it.
#[test]
fn the_chain_hears_of_attributes_that_are_written() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let device = tenant.device("Demo device");
    let save = json!({"scope": "SERVER_SCOPE", "notifyDevice": false, "sendAttributesUpdatedNotification": true,
        "updateAttributesOnlyOnValueChange": true});
    let delete = json!({"scope": "SERVER_SCOPE", "keys": ["mode"], "sendAttributesDeletedNotification": true, "notifyDevice": false});
    let alarm = |kind: &str| {
        json!({"alarmType": format!("{kind} ${{scope}}"), "severity": "MINOR", "propagate": true, "propagateToOwner": true,
            "propagateToTenant": false, "relationTypes": ["Contains"]})
    };
    let line = |from: u32, to: u32, kind: &str| json!({"fromIndex": from, "toIndex": to, "type": kind});
    tenant.root_chain(
        &[
            (SWITCH, "switch", json!({"version": 0})),
            (ATTRIBUTES, "save", save),
            (DELETE, "delete", delete),
            (ALARM, "changed", alarm("changed")),
            (ALARM, "gone", alarm("gone")),
        ],
        &json!([
            line(0, 1, "Post telemetry"),
            line(0, 2, "Post attributes"),
            line(0, 3, "Attributes Updated"),
            line(0, 4, "Attributes Deleted"),
        ]),
    );
    let raised = |count: usize| {
        let mut alarms = Vec::new();
        tests::until("it is raised", || {
            alarms = tenant.alarms(&device);
            alarms.len() >= count
        });
        alarms.sort_by_key(|alarm| alarm["type"].as_str().unwrap().to_owned());
        alarms
    };
    says(&server, "telemetry", &json!({"mode": "eco", "level": 1}));
    let alarms = raised(1);
    assert_eq!(alarms[0]["type"], "changed SERVER_SCOPE");
    assert_eq!(alarms[0]["details"], json!({"mode": "eco", "level": 1}));
    assert_eq!(
        (
            &alarms[0]["propagate"],
            &alarms[0]["propagateToOwner"],
            &alarms[0]["propagateRelationTypes"]
        ),
        (&json!(true), &json!(true), &json!(["Contains"]))
    );
    // One value changes, one does not.
    says(&server, "telemetry", &json!({"mode": "eco", "level": 2}));
    tests::until("the change is told", || raised(1)[0]["details"] == json!({"level": 2}));
    says(&server, "attributes", &json!({"any": 1}));
    let alarms = raised(2);
    assert_eq!(
        (&alarms[1]["type"], &alarms[1]["details"]),
        (&json!("gone SERVER_SCOPE"), &json!({"attributes": ["mode"]}))
    );
    assert_eq!(tenant.alarms(&device).len(), 2);
    // And of what somebody writes over REST.
    let shared = format!("/api/plugins/telemetry/DEVICE/{device}/SHARED_SCOPE");
    assert_eq!(tenant.try_post(&shared, &json!({"limit": 5})).0, 200);
    let alarms = raised(3);
    assert_eq!(
        (&alarms[1]["type"], &alarms[1]["details"]),
        (&json!("changed SHARED_SCOPE"), &json!({"limit": 5}))
    );
}

/// The view is made by ThingsBoard's own client. What the device says of itself is in it then, and in the history of the view's own chain.
#[test]
fn what_a_device_says_of_itself_is_so_of_its_views() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let device = tenant.device("Demo device");
    let view = python(TB_VIEW, &[&server.http, &device]);
    let save = json!({"scope": "CLIENT_SCOPE", "processingSettings": {"type": "ON_EVERY_MESSAGE"}});
    let nodes = [
        (SWITCH, "switch", json!({"version": 0})),
        (ATTRIBUTES, "save", save),
        (VIEWS, "copy", json!({"version": 0})),
        (SERIES, "note", json!({"defaultTTL": 0})),
    ];
    let connections = json!([
        {"fromIndex": 0, "toIndex": 1, "type": "Post attributes"}, {"fromIndex": 1, "toIndex": 2, "type": "Success"},
        {"fromIndex": 2, "toIndex": 3, "type": "Success"}, {"fromIndex": 0, "toIndex": 3, "type": "Post telemetry"}
    ]);
    tenant.root_chain(&nodes, &connections);
    says(&server, "attributes", &json!({"fw": "v1.2", "serial": 7}));
    says(&server, "telemetry", &at(5_000, 5));
    let server = server.kill_and_restart();
    let tenant = server.tenant();
    let of = |what: &str| tenant.get(&format!("/api/plugins/telemetry/ENTITY_VIEW/{}/values/{what}", view.trim()));
    let attributes = of("attributes/CLIENT_SCOPE");
    assert_eq!(
        (&attributes[0]["key"], &attributes[0]["value"], &attributes[1]),
        (&json!("fw"), &json!("v1.2"), &Json::Null),
        "{attributes}"
    );
    let series = of("timeseries?keys=level&useStrictDataTypes=true");
    assert_eq!(
        (&series["level"][0]["ts"], &series["level"][0]["value"]),
        (&json!(5_000), &json!(5)),
        "{series}"
    );
    let (status, said) = tenant.delete(&format!("/api/device/{device}"));
    assert!(status == 400 && said.contains("entity views"), "{said}");
}

const TB_VIEW: &str = r#"
import sys
from tb_ce_client import ThingsboardClient
from tb_ce_client.models.entity_view import EntityView
url, device = sys.argv[1:]
with ThingsboardClient(url, "tenant@pacificsoft.org", "tenant") as client:
    keys = {"timeseries": ["level"], "attributes": {"cs": ["fw"], "ss": [], "sh": []}}
    made = client.save_entity_view(EntityView.from_dict({"name": "V", "type": "part", "keys": keys,
        "entityId": {"entityType": "DEVICE", "id": device}}))
    found = client.get_tenant_entity_view_by_name("V")
    assert found.id.id == made.id.id and found.keys.attributes.cs == ["fw"], found
    assert [one.name for one in client.get_tenant_entity_views(10, 0).data] == ["V"]
    assert client.get_entity_view_info_by_id(str(made.id.id)).customer_title is None
    other = client.save_entity_view(EntityView.from_dict({"name": "W", "type": "part", "keys": keys,
        "entityId": {"entityType": "DEVICE", "id": device}}))
    client.delete_entity_view(str(other.id.id))
    assert client.get_tenant_entity_views(10, 0).total_elements == 1
print(made.id.id)
"#;
