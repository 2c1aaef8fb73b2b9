//! Tenant profiles: there is always a default one, and what they say is what tenants may have.

use serde_json::{Value as Json, json};

use crate::support::{Gateway, SYSADMIN, id};

const LIST: &str = "/api/tenantProfiles?pageSize=10&page=0";

fn names(list: &Json) -> Vec<&str> {
    let rows = list["data"].as_array().expect("rows");
    rows.iter().filter_map(|row| row["name"].as_str()).collect()
}

#[tokio::test]
async fn profiles_come_and_go_but_one_is_the_default() {
    let gateway = Gateway::start().await;
    let sysadmin = gateway.log_in(SYSADMIN).await;
    assert_eq!(names(&gateway.get(LIST, &sysadmin).await.ok()), ["Default"]);
    let default = gateway.get("/api/tenantProfileInfo/default", &sysadmin).await.ok();
    let new = json!({"name": "Small", "profileData": {"configuration": {"type": "DEFAULT", "maxComponents": 1}}});
    let small = gateway.post("/api/tenantProfile", &sysadmin, new.clone()).await.ok();
    assert_eq!((&small["default"], &small["version"]), (&json!(false), &json!(1)));
    gateway.post("/api/tenantProfile", &sysadmin, new).await.refused(400, 31);
    let wrong = json!({"name": "Wrong", "profileData": {"configuration": {"maxComponents": "many"}}});
    let said = gateway.post("/api/tenantProfile", &sysadmin, wrong).await.refused(400, 31);
    assert!(said.contains("not understood"), "{said}");

    let path = |profile: &Json| format!("/api/tenantProfile/{}", id(profile));
    gateway.delete(&path(&default), &sysadmin).await.refused(400, 31);
    let chosen = gateway.post(&format!("{}/default", path(&small)), &sysadmin, json!({})).await.ok();
    assert_eq!(chosen["default"], json!(true));
    let now = gateway.get("/api/tenantProfileInfo/default", &sysadmin).await.ok();
    assert_eq!(id(&now), id(&small));
    gateway.delete(&path(&default), &sysadmin).await.ok();
    assert_eq!(names(&gateway.get(LIST, &sysadmin).await.ok()), ["Small"]);
    gateway.get(&path(&default), &sysadmin).await.refused(404, 32);
}

#[tokio::test]
async fn a_profile_that_tenants_name_stays() {
    let gateway = Gateway::start().await;
    let sysadmin = gateway.log_in(SYSADMIN).await;
    let profile = gateway.post("/api/tenantProfile", &sysadmin, json!({"name": "Used"})).await.ok();
    let mut tenant = gateway
        .post("/api/tenant", &sysadmin, json!({"title": "New", "tenantProfileId": profile["id"]}))
        .await
        .ok();
    assert_eq!(tenant["tenantProfileId"], profile["id"]);
    let path = format!("/api/tenantProfile/{}", id(&profile));
    gateway.delete(&path, &sysadmin).await.refused(400, 31);
    tenant["tenantProfileId"] = json!({"entityType": "TENANT_PROFILE", "id": uuid::Uuid::now_v7()});
    let said = gateway.post("/api/tenant", &sysadmin, tenant.clone()).await.refused(400, 31);
    assert!(said.contains("non-existent"), "{said}");
    tenant["tenantProfileId"] = Json::Null;
    gateway.post("/api/tenant", &sysadmin, tenant).await.ok();
    gateway.delete(&path, &sysadmin).await.ok();
}

#[tokio::test]
async fn tenants_have_no_say_in_profiles() {
    let gateway = Gateway::start().await;
    let tenant = gateway.tenant("curious.org").await.admin;
    gateway.get(LIST, &tenant).await.refused(403, 20);
    gateway
        .post("/api/tenantProfile", &tenant, json!({"name": "Mine"}))
        .await
        .refused(403, 20);
}
