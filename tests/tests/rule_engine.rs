//! Requests to rule chains over REST: a chain is an API of the tenant's own.

#![allow(clippy::unwrap_used, missing_docs)]

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tests::clients::python;
use tests::rest::{Rest, exchange};
use tests::scene::{Scene, lenient};

const REPLY: &str = "org.thingsboard.rule.engine.rest.TbSendRestApiCallReplyNode";
const RENAME: &str = "org.thingsboard.rule.engine.transform.TbRenameKeysNode";
const TABLE: &str = "org.thingsboard.rule.engine.action.TbSaveToCustomCassandraTableNode";

fn reply() -> Json {
    json!({"serviceIdMetaDataAttribute": "serviceId", "requestIdMetaDataAttribute": "requestUUID"})
}

fn ask(rest: &Rest, path: &str, body: &Json) -> (u16, Json) {
    let (status, text) = rest.try_post(&format!("/api/rule-engine{path}"), body);
    (status, serde_json::from_str(&text).unwrap_or(Json::Null))
}

#[test]
fn a_chain_answers_what_it_is_asked_over_rest() {
    let (server, _folder) = lenient(&[]);
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);
    let renaming = json!({"renameIn": "DATA", "renameKeysMapping": {"a": "b"}});
    scene.place_all(&[(RENAME, &renaming), (REPLY, &reply())]);
    let device = format!("/DEVICE/{}", scene.device);
    for path in [device.clone(), format!("{device}/5000"), format!("{device}/Main/5000")] {
        assert_eq!(ask(&tenant, &path, &json!({"a": [1]})), (200, json!({"b": [1]})), "{path}");
    }
    let (relation, metadata, payload) = scene.told();
    assert_eq!((&*relation, payload), ("Success", json!({"b": [1]})), "{metadata}");
    assert_eq!(metadata["deviceName"], "Demo device", "a message about a device is like its others");
    let expires: i64 = metadata["expirationTime"].as_str().unwrap().parse().unwrap();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_millis();
    assert!((expires - i64::try_from(now).unwrap()).abs() < 60_000, "{metadata}");
    // About whoever asks, and about the tenant.
    for path in ["", "/"] {
        assert_eq!(ask(&tenant, path, &json!({"a": 5})), (200, json!({"b": 5})), "{path:?}");
    }
    let tenants = tenant.get("/api/auth/user")["tenantId"]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        ask(&tenant, &format!("/TENANT/{tenants}"), &json!({"a": 6})),
        (200, json!({"b": 6}))
    );
    // What no chain renames fails there, so nobody answers.
    assert_eq!(ask(&tenant, &format!("{device}/300"), &json!([1])).0, 408);
}

#[test]
fn an_answer_is_given_once_and_only_to_who_waits() {
    let (server, _folder) = lenient(&[]);
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);
    scene.place(REPLY, &reply());
    scene.report(r#"{"a": 1}"#);
    let (relation, metadata, _) = scene.told();
    assert_eq!(relation, "Failure", "a device's telemetry is no request");
    assert!(metadata["error"].as_str().unwrap().contains("requestUUID"), "{metadata}");

    scene.place_all(&[(REPLY, &reply()), (REPLY, &reply())]);
    let device = format!("/DEVICE/{}", scene.device);
    assert_eq!(ask(&tenant, &device, &json!({"a": 1})), (200, json!({"a": 1})));
    let (relation, metadata, _) = scene.told();
    assert_eq!(relation, "Failure");
    assert!(metadata["error"].as_str().unwrap().contains("nobody waits"), "{metadata}");
}

#[test]
fn only_those_who_may_ask_a_chain() {
    let (server, _folder) = lenient(&[]);
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);
    scene.place(REPLY, &reply());
    let (own, other) = (scene.device.clone(), tenant.create_device("other", "other-token"));
    let customer = tenant.post("/api/customer", &json!({"title": "alice"}))["id"].clone();
    let alice = tenant.invite(&json!({"email": "alice@example.org", "authority": "CUSTOMER_USER", "customerId": customer}));
    tenant.post(
        &format!("/api/customer/{}/device/{own}", customer["id"].as_str().unwrap()),
        &Json::Null,
    );
    let body = json!({"a": 1});
    assert_eq!(ask(&alice, &format!("/DEVICE/{own}"), &body), (200, body.clone()));
    assert_eq!(ask(&alice, "", &body), (200, body.clone()));
    assert_eq!(ask(&alice, &format!("/DEVICE/{other}"), &body).0, 404);
    assert_eq!(ask(&tenant, &format!("/DEVICE/{other}"), &body), (200, body.clone()));

    let system = server.login("sysadmin@pacificsoft.org", "sysadmin");
    assert_eq!(ask(&system, &format!("/DEVICE/{own}"), &body).0, 403);
    let stranger = json!({"title": "another tenant"});
    let stranger = system.post("/api/tenant", &stranger)["id"].clone();
    let admin = json!({"email": "bob@example.org", "authority": "TENANT_ADMIN", "tenantId": stranger});
    let bob = system.invite(&admin);
    assert_eq!(
        ask(&bob, &format!("/DEVICE/{own}"), &body).0,
        404,
        "another tenant's device is not there"
    );
    let begun = Instant::now();
    assert_eq!(
        ask(&bob, &format!("/TENANT/{}/500", stranger["id"].as_str().unwrap()), &body).0,
        408,
        "its own chain answers nothing"
    );
    assert!(begun.elapsed() < Duration::from_secs(5));

    let (status, _) = exchange(&["--json", "{}", &format!("{}/api/rule-engine/DEVICE/{own}", server.http)]);
    assert_eq!(status, 401);
    for (path, expected) in [
        (format!("/NOTHING/{own}"), 400),
        ("/DEVICE/no-id".to_owned(), 400),
        (format!("/DEVICE/{own}/soon"), 400),
        (format!("/DEVICE/{own}/3600001"), 400),
    ] {
        assert_eq!(ask(&tenant, &path, &body).0, expected, "{path}");
    }
    assert_eq!(ask(&tenant, &format!("/DEVICE/{own}"), &json!("x".repeat(70_000))).0, 413);
}

#[test]
fn the_thingsboard_rest_client_asks_a_chain() {
    let (server, _folder) = lenient(&[]);
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);
    scene.place(REPLY, &reply());
    let said = python(TB_CLIENT, &[&server.http, &scene.device]);
    assert!(said.contains("done"), "{said}");
}

const TB_CLIENT: &str = r#"
import json, sys
from tb_ce_client import ThingsboardClient
from tb_ce_client.exceptions import ApiException
url, device = sys.argv[1:]
with ThingsboardClient(url, "tenant@pacificsoft.org", "tenant") as client:
    told = client.handle_rule_engine_request_for_entity("DEVICE", device, body='{"a": 1}')
    assert "a" in str(told), told
    told = client.handle_rule_engine_request_for_entity_with_timeout("DEVICE", device, 5000, body='{"b": 1}')
    assert "b" in str(told), told
    told = client.handle_rule_engine_request_for_entity_with_queue_and_timeout("DEVICE", device, "Main", 5000, body='{"c": 1}')
    assert "c" in str(told), told
    told = client.handle_rule_engine_request_for_user(body='{"d": 1}')
    assert "d" in str(told), told
    assert client.is_tbel_enabled() is False
    tried = client.test_rule_chain_script(script_lang="JS", body={"script": "return msg.a + 1 > metadata.least;", "scriptType": "filter",
        "argNames": ["msg", "metadata", "msgType"], "msg": '{"a": 5}', "metadata": {"least": "5"}, "msgType": "T"})
    assert "true" in str(tried), tried
    try:
        client.handle_rule_engine_request_for_entity("DEVICE", "00000000-0000-4000-8000-000000000001", body="{}")
        raise SystemExit("a device that is not there was asked")
    except ApiException as refused:
        assert refused.status == 404, refused
print("done")
"#;

#[test]
fn without_a_cassandra_there_are_no_tables_of_ones_own() {
    let (server, _folder) = lenient(&[]);
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);
    let table = json!({"tableName": "readings", "fieldsMapping": {"temperature": "temperature"}, "defaultTtl": 0});
    let (relation, metadata, _) = scene.ask(TABLE, &table);
    assert_eq!(relation, "Failure");
    let error = metadata["error"].as_str().unwrap();
    assert!(error.contains("cs_tb_readings") && error.contains("Cassandra"), "{error}");
}
