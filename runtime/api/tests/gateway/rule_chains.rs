//! Rule chains and node types.

use model::DeviceId;
use serde_json::{Value as Json, json};

use crate::support::{Gateway, People, id};

const FILTER: &str = "org.pacificsoft.filter.FieldFilter";
const LOG: &str = "org.thingsboard.rule.engine.action.TbLogNode";
const SERIES: &str = "org.thingsboard.rule.engine.telemetry.TbMsgTimeseriesNode";

pub async fn chain(gateway: &Gateway, people: &People, name: &str) -> Json {
    gateway
        .post(
            "/api/ruleChain",
            &people.admin,
            json!({"name": name, "type": "CORE", "root": true, "debugMode": false}),
        )
        .await
        .ok()
}

pub fn node(class: &str, name: &str, configuration: Json) -> Json {
    json!({"type": class, "name": name, "configuration": configuration, "additionalInfo": {"layoutX": 1, "layoutY": 2}, "debugMode": true})
}

pub fn metadata(chain: &Json, nodes: Json, connections: Json) -> Json {
    json!({"ruleChainId": chain["id"], "firstNodeIndex": 0, "nodes": nodes, "connections": connections, "ruleChainConnections": null})
}

#[tokio::test]
async fn a_chain_is_saved_with_its_nodes_and_runs_when_it_is_the_root() {
    let gateway = Gateway::start().await;
    let people = gateway.tenant("a").await;
    let new = chain(&gateway, &people, "Mine").await;
    assert_eq!(
        (&new["root"], &new["firstRuleNodeId"], &new["version"]),
        (&json!(false), &json!(null), &json!(1))
    );
    // What clients of ThingsBoard take for an empty chain, and send back unchanged.
    let empty = gateway
        .get(&format!("/api/ruleChain/{}/metadata", id(&new)), &people.admin)
        .await
        .ok();
    let lists = json!([[], [], []]);
    assert_eq!(json!([empty["nodes"], empty["connections"], empty["ruleChainConnections"]]), lists);
    assert_eq!(empty["firstNodeIndex"], json!(0));
    gateway.post("/api/ruleChain/metadata", &people.admin, empty).await.ok();
    // From before configurations had versions: brought up to date.
    let old = metadata(&new, json!([node(SERIES, "save", json!({"defaultTTL": 0}))]), json!([]));
    let saved = gateway.post("/api/ruleChain/metadata", &people.admin, old.clone()).await.ok();
    assert_eq!(
        (&saved["version"], &saved["nodes"][0]["configurationVersion"]),
        (&json!(3), &json!(1))
    );
    assert_eq!(
        saved["nodes"][0]["configuration"]["processingSettings"]["type"],
        json!("ON_EVERY_MESSAGE")
    );
    let path = format!("/api/ruleChain/{}", id(&new));
    assert_eq!(
        gateway.get(&path, &people.admin).await.ok()["firstRuleNodeId"],
        saved["nodes"][0]["id"]
    );
    assert_eq!(gateway.get(&format!("{path}/metadata"), &people.admin).await.ok(), saved);

    // Ids of nodes are kept; a save based on an older version is refused.
    let again = gateway.post("/api/ruleChain/metadata", &people.admin, saved.clone()).await.ok();
    assert_eq!((&again["version"], &again["nodes"][0]["id"]), (&json!(4), &saved["nodes"][0]["id"]));
    gateway.post("/api/ruleChain/metadata", &people.admin, saved).await.refused(409, 35);

    // The demo's root chain raises alarms; this one does not. The device is awake, and has found the way into the other one.
    let device = gateway.device(&people.admin, "D1").await;
    gateway
        .report(DeviceId::new(people.tenant, id(&device)), json!({"temperature": 20}))
        .await;
    assert_eq!(
        gateway.post(&format!("{path}/root"), &people.admin, Json::Null).await.ok()["root"],
        json!(true)
    );
    gateway
        .report(DeviceId::new(people.tenant, id(&device)), json!({"temperature": 99}))
        .await;
    let values = format!("/api/plugins/telemetry/DEVICE/{}/values/timeseries?keys=temperature", id(&device));
    assert_eq!(
        gateway.get(&values, &people.admin).await.ok()["temperature"][0]["value"],
        json!("99")
    );
    assert_eq!(
        gateway.get("/api/alarms?pageSize=9&page=0", &people.admin).await.ok()["totalElements"],
        json!(0)
    );

    let chains = gateway.get("/api/ruleChains?pageSize=9&page=0", &people.admin).await.ok();
    let roots: Vec<_> = chains["data"]
        .as_array()
        .expect("rows")
        .iter()
        .filter(|chain| chain["root"] == json!(true))
        .collect();
    assert_eq!((roots.len(), &roots[0]["name"]), (1, &json!("Mine")));
}

#[tokio::test]
async fn what_cannot_run_is_refused_and_says_where() {
    let gateway = Gateway::start().await;
    let people = gateway.tenant("a").await;
    let new = chain(&gateway, &people, "Mine").await;
    let log = |name: &str| node(LOG, name, json!({}));
    let good_filter = json!({"key": "t", "operator": "GREATER", "value": 1});
    let connect = |from: usize, to: usize, relation: &str| json!({"fromIndex": from, "toIndex": to, "type": relation});
    let cases = [
        (json!([node("org.example.Gone", "lost", json!({}))]), json!([]), "lost"),
        (
            json!([
                log("fine"),
                node(FILTER, "bad filter", json!({"key": "t", "operator": "ABOVE", "value": 1}))
            ]),
            json!([]),
            "bad filter",
        ),
        (
            json!([log("one"), log("two")]),
            json!([connect(0, 1, "Success"), connect(1, 0, "Success")]),
            "cycle",
        ),
        (json!([log("one")]), json!([connect(0, 7, "Success")]), "node 7"),
        (
            json!([node(FILTER, "sieve", good_filter), log("two")]),
            json!([connect(0, 1, "Maybe")]),
            "Maybe",
        ),
        (
            json!([{"type": LOG, "name": "later", "configurationVersion": 99, "configuration": {}}]),
            json!([]),
            "later",
        ),
    ];
    for (nodes, connections, word) in cases {
        let message = gateway
            .post("/api/ruleChain/metadata", &people.admin, metadata(&new, nodes, connections))
            .await
            .refused(400, 31);
        assert!(message.contains(word), "{word}: {message}");
    }
    assert_eq!(
        gateway.get(&format!("/api/ruleChain/{}", id(&new)), &people.admin).await.ok()["version"],
        json!(1),
        "nothing was saved"
    );
}

#[tokio::test]
async fn chains_are_renamed_and_deleted_but_not_the_root() {
    let gateway = Gateway::start().await;
    let people = gateway.tenant("a").await;
    let mut new = chain(&gateway, &people, "Mine").await;
    gateway
        .post("/api/ruleChain", &people.admin, json!({"name": "Mine"}))
        .await
        .refused(400, 31);
    new["name"] = json!("Yours");
    assert_eq!(
        gateway.post("/api/ruleChain", &people.admin, new.clone()).await.ok()["name"],
        json!("Yours")
    );
    gateway.post("/api/ruleChain", &people.admin, new.clone()).await.refused(409, 35);
    let path = format!("/api/ruleChain/{}", id(&new));
    gateway.delete(&path, &people.admin).await.ok();
    gateway.get(&path, &people.admin).await.refused(404, 32);
    let root = gateway.get("/api/ruleChains?pageSize=9&page=0", &people.admin).await.ok()["data"][0].clone();
    gateway
        .delete(&format!("/api/ruleChain/{}", id(&root)), &people.admin)
        .await
        .refused(400, 31);
    gateway
        .get("/api/ruleChains?pageSize=9&page=0", &people.user)
        .await
        .refused(403, 20);
}

#[tokio::test]
async fn node_types_are_listed_by_family_and_found_by_class() {
    let gateway = Gateway::start().await;
    let people = gateway.tenant("a").await;
    let filters = gateway
        .get("/api/components?componentTypes=FILTER,ENRICHMENT&ruleChainType=CORE", &people.admin)
        .await
        .ok();
    let filters = filters.as_array().expect("a list");
    for family in ["FILTER", "ENRICHMENT"] {
        assert!(filters.iter().any(|one| one["type"] == json!(family)), "{family}");
    }
    assert!(
        filters
            .iter()
            .all(|one| one["type"] == json!("FILTER") || one["type"] == json!("ENRICHMENT"))
    );
    let found = gateway.get(&format!("/api/component/{SERIES}"), &people.admin).await.ok();
    let definition = &found["configurationDescriptor"]["nodeDefinition"];
    assert_eq!(
        (&found["clazz"], &found["type"], &found["configurationVersion"]),
        (&json!(SERIES), &json!("ACTION"), &json!(1))
    );
    assert_eq!(
        (&definition["relationTypes"], &definition["defaultConfiguration"]["defaultTTL"]),
        (&json!(["Success", "Failure"]), &json!(0))
    );
    gateway.get("/api/component/org.example.Gone", &people.admin).await.refused(404, 32);
    gateway
        .get("/api/components?componentTypes=FILTER", &people.user)
        .await
        .refused(403, 20);
}

#[tokio::test]
async fn nodes_make_entities_and_assign_them_as_people_do() {
    const TYPES: &str = "org.thingsboard.rule.engine.filter.TbMsgTypeFilterNode";
    const RELATE: &str = "org.thingsboard.rule.engine.action.TbCreateRelationNode";
    const ASSIGN: &str = "org.thingsboard.rule.engine.action.TbAssignToCustomerNode";
    const UNASSIGN: &str = "org.thingsboard.rule.engine.action.TbUnassignFromCustomerNode";
    let gateway = Gateway::start().await;
    let people = gateway.tenant("a").await;
    let new = chain(&gateway, &people, "Assigning").await;
    let made = json!({"direction": "FROM", "relationType": "Manages", "entityType": "DEVICE", "entityNamePattern": "$[meter]",
        "entityTypePattern": "meter", "createEntityIfNotExists": true});
    let mut related = node(RELATE, "relate", made);
    related["configurationVersion"] = json!(1);
    let nodes = json!([
        node(FILTER, "free?", json!({"key": "free", "operator": "EQUAL", "value": true})),
        node(UNASSIGN, "unassign", json!({})),
        node(
            ASSIGN,
            "assign",
            json!({"customerNamePattern": "$[owner]", "createCustomerIfNotExists": true})
        ),
        related,
        // What the device says, and not that it connected.
        node(TYPES, "said?", json!({"messageTypes": ["POST_TELEMETRY_REQUEST"]}))
    ]);
    let connections = json!([
        {"fromIndex": 0, "toIndex": 1, "type": "True"}, {"fromIndex": 0, "toIndex": 2, "type": "False"},
        {"fromIndex": 2, "toIndex": 3, "type": "Success"}, {"fromIndex": 4, "toIndex": 0, "type": "True"}
    ]);
    let mut all = metadata(&new, nodes, connections);
    all["firstNodeIndex"] = json!(4);
    gateway.post("/api/ruleChain/metadata", &people.admin, all).await.ok();
    gateway
        .post(&format!("/api/ruleChain/{}/root", id(&new)), &people.admin, Json::Null)
        .await
        .ok();
    let device = id(&gateway.device(&people.admin, "D1").await);
    let owner = || async {
        let shown = gateway.get(&format!("/api/device/info/{device}"), &people.admin).await.ok();
        shown["customerTitle"].as_str().map(str::to_owned)
    };
    for _ in 0..2 {
        let message = json!({"owner": "Blue", "meter": "M1"});
        gateway.report(DeviceId::new(people.tenant, device), message).await;
        assert_eq!(owner().await.as_deref(), Some("Blue"));
        let found = gateway
            .get(&format!("/api/relations/info/from/DEVICE/{device}"), &people.admin)
            .await
            .ok();
        assert_eq!((found.as_array().map(Vec::len), &found[0]["toName"]), (Some(1), &json!("M1")));
    }
    let customers = gateway
        .get("/api/customers?pageSize=9&page=0&textSearch=Blue", &people.admin)
        .await
        .ok();
    assert_eq!(customers["totalElements"], json!(1));
    let meter = gateway.get("/api/tenant/devices?deviceName=M1", &people.admin).await.ok();
    assert_eq!(meter["type"], json!("meter"));
    let credentials = gateway
        .get(&format!("/api/device/{}/credentials", id(&meter)), &people.admin)
        .await
        .ok();
    assert_eq!(credentials["credentialsId"].as_str().map(str::len), Some(20), "it can connect");
    gateway.report(DeviceId::new(people.tenant, device), json!({"free": true})).await;
    assert_eq!(owner().await, None);
}
