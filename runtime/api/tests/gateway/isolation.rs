//! Nobody sees what is not theirs: other tenants' things are not there, customers see what is assigned to them, the system's
//! administrator sees no tenant's data.

use axum::http::StatusCode;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::support::{Gateway, SYSADMIN, id};

fn paths_of_device(id: Uuid) -> Vec<String> {
    [
        "/api/device/{id}",
        "/api/device/info/{id}",
        "/api/device/{id}/credentials",
        "/api/plugins/telemetry/DEVICE/{id}/keys/timeseries",
        "/api/plugins/telemetry/DEVICE/{id}/values/timeseries",
        "/api/plugins/telemetry/DEVICE/{id}/keys/attributes",
        "/api/plugins/telemetry/DEVICE/{id}/values/attributes/SERVER_SCOPE",
        "/api/alarm/DEVICE/{id}?pageSize=1&page=0",
    ]
    .map(|path| path.replace("{id}", &id.to_string()))
    .to_vec()
}

#[tokio::test]
async fn a_device_is_seen_by_its_tenant_alone() {
    let gateway = Gateway::start().await;
    let (own, other, sysadmin) = (gateway.tenant("a").await, gateway.tenant("b").await, gateway.log_in(SYSADMIN).await);
    let device = gateway.device(&own.admin, "D1").await;
    for path in paths_of_device(id(&device)) {
        assert_eq!(gateway.get(&path, &own.admin).await.status, StatusCode::OK, "{path}");
        gateway.get(&path, &other.admin).await.refused(404, 32);
        gateway.get(&path, &own.user).await.refused(404, 32);
        gateway.get(&path, &sysadmin).await.refused(403, 20);
        gateway.get(&path, "").await.refused(401, 10);
    }
    gateway
        .post(
            &format!("/api/customer/{}/device/{}", own.customer, id(&device)),
            &own.admin,
            Json::Null,
        )
        .await
        .ok();
    for path in paths_of_device(id(&device)) {
        assert_eq!(gateway.get(&path, &own.user).await.status, StatusCode::OK, "{path}");
        gateway.get(&path, &other.user).await.refused(404, 32);
    }
}

#[tokio::test]
async fn nothing_of_another_tenant_can_be_changed() {
    let gateway = Gateway::start().await;
    let (own, other) = (gateway.tenant("a").await, gateway.tenant("b").await);
    let device = gateway.device(&own.admin, "D1").await;
    let root = gateway.get("/api/ruleChains?pageSize=9&page=0", &own.admin).await.ok()["data"][0].clone();
    let root_nodes = gateway
        .get(&format!("/api/ruleChain/{}/metadata", id(&root)), &own.admin)
        .await
        .ok();
    let customer = gateway.get(&format!("/api/customer/{}", own.customer), &own.admin).await.ok();
    let credentials = gateway
        .get(&format!("/api/device/{}/credentials", id(&device)), &own.admin)
        .await
        .ok();
    let (device_id, chain_id) = (id(&device), id(&root));
    for (path, body) in [
        ("/api/device".to_owned(), device.clone()),
        ("/api/device/credentials".to_owned(), credentials.clone()),
        ("/api/ruleChain".to_owned(), root.clone()),
        ("/api/ruleChain/metadata".to_owned(), root_nodes),
        (format!("/api/ruleChain/{chain_id}/root"), Json::Null),
        ("/api/customer".to_owned(), customer),
        (format!("/api/customer/{}/device/{device_id}", other.customer), Json::Null),
        (format!("/api/plugins/telemetry/DEVICE/{device_id}/SERVER_SCOPE"), json!({"a": 1})),
        (format!("/api/plugins/telemetry/{device_id}/SHARED_SCOPE"), json!({"a": 1})),
    ] {
        let answer = gateway.post(&path, &other.admin, body).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}: {answer:?}");
    }
    for path in [
        format!("/api/device/{device_id}"),
        format!("/api/ruleChain/{chain_id}"),
        format!("/api/customer/device/{device_id}"),
        format!("/api/plugins/telemetry/DEVICE/{device_id}/SERVER_SCOPE?keys=a"),
        format!("/api/plugins/telemetry/DEVICE/{device_id}/timeseries/delete?keys=a&deleteAllDataForKeys=true"),
    ] {
        gateway.delete(&path, &other.admin).await.refused(404, 32);
    }
    assert_eq!(gateway.get(&format!("/api/device/{device_id}"), &own.admin).await.ok(), device);
    // A name or token of one tenant is no concern of another, but tokens are unique in the system.
    gateway.device(&other.admin, "D1").await;
    let token = credentials["credentialsId"].as_str().expect("text");
    gateway
        .post(&format!("/api/device?accessToken={token}"), &other.admin, json!({"name": "D2"}))
        .await
        .refused(400, 31);
}

#[tokio::test]
async fn customers_change_nothing_but_attributes_and_alarms() {
    let gateway = Gateway::start().await;
    let people = gateway.tenant("a").await;
    let device = gateway.device(&people.admin, "D1").await;
    gateway
        .post(
            &format!("/api/customer/{}/device/{}", people.customer, id(&device)),
            &people.admin,
            Json::Null,
        )
        .await
        .ok();
    gateway.post("/api/device", &people.user, device.clone()).await.refused(403, 20);
    gateway
        .delete(&format!("/api/device/{}", id(&device)), &people.user)
        .await
        .refused(403, 20);
    gateway
        .post("/api/ruleChain", &people.user, json!({"name": "x"}))
        .await
        .refused(403, 20);
    gateway
        .get("/api/tenant/devices?pageSize=1&page=0", &people.user)
        .await
        .refused(403, 20);
    gateway.get("/api/customers?pageSize=1&page=0", &people.user).await.refused(403, 20);
    gateway.get("/api/tenants?pageSize=1&page=0", &people.admin).await.refused(403, 20);
    gateway
        .post("/api/tenant", &people.admin, json!({"title": "x"}))
        .await
        .refused(403, 20);
    let attributes = format!("/api/plugins/telemetry/DEVICE/{}/SERVER_SCOPE", id(&device));
    gateway.post(&attributes, &people.user, json!({"room": 1})).await.ok();

    let second = gateway.post("/api/customer", &people.admin, json!({"title": "Second"})).await.ok();
    gateway
        .get(&format!("/api/customer/{}", id(&second)), &people.user)
        .await
        .refused(404, 32);
    gateway
        .get(&format!("/api/customer/{}/devices?pageSize=1&page=0", id(&second)), &people.user)
        .await
        .refused(404, 32);
    gateway.get(&format!("/api/customer/{}", people.customer), &people.user).await.ok();
}
