//! Entity views: what of a device somebody is shown, and nothing more.

use model::DeviceId;
use serde_json::{Value as Json, json};

use crate::support::{Gateway, People, START_MS, id};

/// The id of an entity, as other entities name it.
fn of(entity: &Json) -> Json {
    entity["id"].clone()
}

fn view_of(device: &Json, name: &str) -> Json {
    json!({"name": name, "type": "part", "entityId": of(device), "keys": {
        "timeseries": ["t"], "attributes": {"cs": [], "ss": ["limit"], "sh": ["mode"]}}})
}

async fn attributes(gateway: &Gateway, token: &str, view: &Json) -> Json {
    let path = format!("/api/plugins/telemetry/ENTITY_VIEW/{}/values/attributes", id(view));
    let found = gateway.get(&path, token).await.ok();
    let found = found.as_array().expect("a list").iter();
    found
        .map(|one| (one["key"].as_str().expect("a key").to_owned(), one["value"].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

async fn write(gateway: &Gateway, people: &People, device: &Json, scope: &str, values: Json) {
    let path = format!("/api/plugins/telemetry/DEVICE/{}/{scope}", id(device));
    gateway.post(&path, &people.admin, values).await.ok();
}

#[tokio::test]
async fn a_view_shows_some_of_what_a_device_has_for_some_time() {
    let gateway = Gateway::start().await;
    let people = gateway.tenant("a").await;
    let device = gateway.device(&people.admin, "D1").await;
    for (ts, t) in [(1_000, 10), (2_000, 20), (3_000, 30)] {
        let device = DeviceId::new(people.tenant, id(&device));
        gateway.report(device, json!({"ts": ts, "values": {"t": t, "secret": t}})).await;
    }
    write(&gateway, &people, &device, "SERVER_SCOPE", json!({"limit": 7, "other": 1})).await;
    write(&gateway, &people, &device, "SHARED_SCOPE", json!({"mode": "eco"})).await;
    let mut view = gateway.post("/api/entityView", &people.admin, view_of(&device, "V1")).await.ok();
    assert_eq!((&view["version"], &view["createdTime"]), (&json!(1), &json!(START_MS)));
    assert_eq!(attributes(&gateway, &people.admin, &view).await, json!({"limit": 7, "mode": "eco"}));
    let base = format!("/api/plugins/telemetry/ENTITY_VIEW/{}", id(&view));
    let ask = async |rest: &str| gateway.get(&format!("{base}/{rest}"), &people.admin).await.ok();
    let newest = json!({"t": [{"ts": 3000, "value": "30"}]});
    assert_eq!(ask("keys/timeseries").await, json!(["t"]));
    assert_eq!(ask("values/timeseries").await, newest);
    assert_eq!(ask("values/timeseries?keys=secret").await["secret"][0]["value"], Json::Null);
    let all = ask("values/timeseries?keys=t,secret&startTs=0&endTs=9000").await;
    assert_eq!((all["t"].as_array().map(Vec::len), all.get("secret")), (Some(3), None), "{all}");

    // Changed: another part of time, other attributes.
    (view["startTimeMs"], view["endTimeMs"]) = (json!(1_500), json!(2_500));
    view["keys"]["attributes"] = json!({"cs": [], "ss": [], "sh": []});
    let view = gateway.post("/api/entityView", &people.admin, view).await.ok();
    assert_eq!(view["version"], json!(2));
    assert_eq!(attributes(&gateway, &people.admin, &view).await, json!({}));
    let part = json!({"t": [{"ts": 2000, "value": "20"}]});
    assert_eq!(ask("values/timeseries?keys=t&startTs=0&endTs=9000").await, part);
    assert_eq!(ask("values/timeseries?keys=t&startTs=2600&endTs=9000").await, json!({}));
    assert_eq!(ask("values/timeseries?keys=t").await["t"][0]["value"], Json::Null, "it is too new");
    assert_eq!(
        ask("values/timeseries?keys=t&startTs=0&endTs=9000&agg=COUNT&interval=9000").await["t"][0]["value"],
        "1"
    );

    // A device that is shown stays; a view that is gone holds nobody.
    let device_path = format!("/api/device/{}", id(&device));
    gateway.delete(&device_path, &people.admin).await.refused(400, 31);
    let view_path = format!("/api/entityView/{}", id(&view));
    gateway.delete(&view_path, &people.admin).await.ok();
    gateway.get(&view_path, &people.admin).await.refused(404, 32);
    gateway.delete(&view_path, &people.admin).await.refused(404, 32);
    gateway.delete(&device_path, &people.admin).await.ok();
}

#[tokio::test]
async fn a_view_is_given_to_a_customer_and_its_device_is_not() {
    let gateway = Gateway::start().await;
    let (people, other) = (gateway.tenant("a").await, gateway.tenant("b").await);
    let device = gateway.device(&people.admin, "D1").await;
    let view = gateway.post("/api/entityView", &people.admin, view_of(&device, "V1")).await.ok();
    let path = format!("/api/entityView/{}", id(&view));
    let values = format!("/api/plugins/telemetry/ENTITY_VIEW/{}/values/timeseries", id(&view));
    for nobody in [&people.user, &other.admin, &other.user] {
        gateway.get(&path, nobody).await.refused(404, 32);
        gateway.get(&values, nobody).await.refused(404, 32);
    }
    let assign = |customer| format!("/api/customer/{customer}/entityView/{}", id(&view));
    gateway
        .post(&assign(other.customer), &people.admin, Json::Null)
        .await
        .refused(404, 32);
    gateway
        .post(&assign(other.customer), &other.admin, Json::Null)
        .await
        .refused(404, 32);
    let given = gateway.post(&assign(people.customer), &people.admin, Json::Null).await.ok();
    assert_eq!(given["customerId"]["id"], json!(people.customer));
    assert_eq!(gateway.get(&path, &people.user).await.ok(), given);
    gateway.get(&values, &people.user).await.ok();
    gateway
        .get(&format!("/api/device/{}", id(&device)), &people.user)
        .await
        .refused(404, 32);
    // Saving it does not take it away.
    let saved = gateway.post("/api/entityView", &people.admin, view).await;
    assert_eq!(saved.status, 409, "it is older: {saved:?}");
    let mut again = given.clone();
    again["customerId"] = Json::Null;
    let again = gateway.post("/api/entityView", &people.admin, again).await.ok();
    assert_eq!(again["customerId"], given["customerId"]);

    let listed = |answer: Json| answer["data"].as_array().expect("a page").clone();
    let all = "?pageSize=9&page=0";
    for (path, token) in [
        (format!("/api/tenant/entityViews{all}&type=part"), &people.admin),
        (format!("/api/customer/{}/entityViews{all}", people.customer), &people.user),
    ] {
        assert_eq!(listed(gateway.get(&path, token).await.ok()), std::slice::from_ref(&again), "{path}");
    }
    for (path, token) in [
        (format!("/api/tenant/entityViews{all}&type=whole"), &people.admin),
        (format!("/api/tenant/entityViews{all}"), &other.admin),
        (format!("/api/customer/{}/entityViews{all}", other.customer), &other.user),
    ] {
        assert_eq!(listed(gateway.get(&path, token).await.ok()), [Json::Null; 0], "{path}");
    }
    let infos = listed(gateway.get(&format!("/api/tenant/entityViewInfos{all}"), &people.admin).await.ok());
    assert_eq!(infos[0]["customerTitle"], "Customer");
    let info = gateway
        .get(&path.replace("entityView/", "entityView/info/"), &people.user)
        .await
        .ok();
    assert_eq!(info, infos[0]);
    for named in ["/api/tenant/entityViews", "/api/tenant/entityView"].map(|path| format!("{path}?entityViewName=V1")) {
        assert_eq!(gateway.get(&named, &people.admin).await.ok(), again);
        gateway.get(&named, &other.admin).await.refused(404, 32);
        gateway.get(&named, &people.user).await.refused(403, 20);
    }
    let back = gateway
        .delete(&format!("/api/customer/entityView/{}", id(&again)), &people.admin)
        .await;
    back.ok();
    gateway.get(&path, &people.user).await.refused(404, 32);
    gateway
        .delete(&format!("/api/customer/entityView/{}", id(&again)), &people.admin)
        .await
        .refused(400, 31);
}

#[tokio::test]
async fn views_of_what_is_not_there_or_of_too_much_are_refused() {
    let gateway = Gateway::start().await;
    let (people, other) = (gateway.tenant("a").await, gateway.tenant("b").await);
    let (device, foreign) = (gateway.device(&people.admin, "D1").await, gateway.device(&other.admin, "D1").await);
    let good = view_of(&device, "V1");
    let with = |change: &dyn Fn(&mut Json)| {
        let mut view = good.clone();
        change(&mut view);
        view
    };
    for (view, status, code) in [
        (with(&|view| view["name"] = json!(" ")), 400, 31),
        (with(&|view| view["type"] = json!("")), 400, 31),
        (with(&|view| view["entityId"] = of(&foreign)), 404, 32),
        (
            with(&|view| view["entityId"] = json!({"entityType": "CUSTOMER", "id": people.customer})),
            400,
            31,
        ),
        (
            with(&|view| (view["startTimeMs"], view["endTimeMs"]) = (json!(9), json!(5))),
            400,
            31,
        ),
        (with(&|view| view["startTimeMs"] = json!(-1)), 400, 31),
        (with(&|view| view["keys"]["timeseries"] = json!(["x".repeat(256)])), 400, 31),
        (with(&|view| view["keys"]["timeseries"] = json!(vec!["x"; 1_001])), 400, 31),
    ] {
        gateway.post("/api/entityView", &people.admin, view).await.refused(status, code);
    }
    gateway.post("/api/entityView", &people.user, good.clone()).await.refused(403, 20);
    gateway.post("/api/entityView", &people.admin, good.clone()).await.ok();
    gateway.post("/api/entityView", &people.admin, good).await.refused(400, 31);
    for number in 2..=100 {
        let view = view_of(&device, &format!("V{number}"));
        gateway.post("/api/entityView", &people.admin, view).await.ok();
    }
    let refused = gateway.post("/api/entityView", &people.admin, view_of(&device, "V101")).await;
    refused.refused(400, 31);
}

/// By a chain that is nothing but the node.
#[tokio::test]
async fn a_rule_node_copies_what_is_written_afterwards() {
    let gateway = Gateway::start().await;
    let people = gateway.tenant("a").await;
    let (device, other) = (gateway.device(&people.admin, "D1").await, gateway.device(&people.admin, "D2").await);
    let chain = gateway.post("/api/ruleChain", &people.admin, json!({"name": "copy"})).await.ok();
    let node = json!({"type": "org.thingsboard.rule.engine.action.TbCopyAttributesToEntityViewNode", "name": "copy", "configuration": {"version": 0}});
    let metadata = json!({"ruleChainId": of(&chain), "firstNodeIndex": 0, "nodes": [node], "connections": []});
    gateway.post("/api/ruleChain/metadata", &people.admin, metadata).await.ok();
    let root = format!("/api/ruleChain/{}/root", id(&chain));
    gateway.post(&root, &people.admin, Json::Null).await.ok();
    let view = gateway.post("/api/entityView", &people.admin, view_of(&device, "V1")).await.ok();
    let beside = gateway.post("/api/entityView", &people.admin, view_of(&other, "V2")).await.ok();
    assert_eq!(attributes(&gateway, &people.admin, &view).await, json!({}));
    let becomes_of = async |view: &Json, expected: Json| {
        for _ in 0..500 {
            if attributes(&gateway, &people.admin, view).await == expected {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{} is not {expected}", attributes(&gateway, &people.admin, view).await);
    };
    let becomes = async |expected| becomes_of(&view, expected).await;
    write(&gateway, &people, &device, "SERVER_SCOPE", json!({"limit": 7, "other": 1})).await;
    becomes(json!({"limit": 7})).await;
    write(&gateway, &people, &device, "SHARED_SCOPE", json!({"mode": "eco", "limit": 5})).await;
    becomes(json!({"limit": 7, "mode": "eco"})).await;
    let gone = format!("/api/plugins/telemetry/DEVICE/{}/SERVER_SCOPE?keys=limit,other", id(&device));
    gateway.delete(&gone, &people.admin).await.ok();
    becomes(json!({"mode": "eco"})).await;
    assert_eq!(attributes(&gateway, &people.admin, &beside).await, json!({}));
    // What looks at another device now has its attributes, and no more of the old one's.
    let mut moved = gateway.get(&format!("/api/entityView/{}", id(&view)), &people.admin).await.ok();
    moved["entityId"] = of(&other);
    gateway.post("/api/entityView", &people.admin, moved).await.ok();
    becomes(json!({})).await;
    write(&gateway, &people, &device, "SERVER_SCOPE", json!({"limit": 8})).await;
    write(&gateway, &people, &other, "SERVER_SCOPE", json!({"limit": 9})).await;
    becomes(json!({"limit": 9})).await;
    becomes_of(&beside, json!({"limit": 9})).await;
}
