//! The servers that components may reach, and the secrets that are sent along.

use serde_json::json;

use crate::support::{Gateway, SYSADMIN};

const LIST: &str = "/api/plugins/egress";
const SECRETS: &str = "/api/plugins/secrets";
const PAGE: &str = "/api/plugins/secrets?pageSize=10&page=0";

#[tokio::test]
async fn a_tenant_lists_whom_its_components_reach() {
    let gateway = Gateway::start().await;
    let (own, other) = (gateway.tenant("a").await, gateway.tenant("b").await);
    assert_eq!(gateway.get(LIST, &own.admin).await.ok(), json!({"allowed": []}));
    let saved = gateway
        .post(LIST, &own.admin, json!({"allowed": ["API.example.org", "http://*.b.org:81"]}))
        .await
        .ok();
    assert_eq!(saved, json!({"allowed": ["https://api.example.org", "http://*.b.org:81"]}));
    let told = gateway
        .post(LIST, &own.admin, json!({"allowed": ["https://a.org", "ftp://a.org"]}))
        .await
        .refused(400, 31);
    assert!(told.contains("ftp://a.org"), "{told}");
    assert_eq!(
        gateway.get(LIST, &own.admin).await.ok(),
        saved,
        "a list that is refused changes nothing"
    );
    assert_eq!(gateway.get(LIST, &other.admin).await.ok(), json!({"allowed": []}));
}

#[tokio::test]
async fn a_secret_goes_in_and_never_comes_out() {
    let gateway = Gateway::start().await;
    let (own, other) = (gateway.tenant("a").await, gateway.tenant("b").await);
    for value in ["hunter1", "hunter2"] {
        let set = gateway.post(SECRETS, &own.admin, json!({"name": "api", "value": value})).await;
        assert!(!set.text.contains("hunter"), "{}", set.text);
        assert_eq!(set.ok()["name"], "api");
    }
    let listed = gateway.get(PAGE, &own.admin).await;
    assert!(
        !listed.text.contains("hunter") && !listed.text.contains("sealed"),
        "{}",
        listed.text
    );
    assert_eq!(listed.ok()["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(gateway.get(PAGE, &other.admin).await.ok()["totalElements"], 0);
    gateway.delete(&format!("{SECRETS}/api"), &other.admin).await.refused(404, 32);
    for (name, value) in [("a b", "v"), ("", "v"), ("api", "")] {
        gateway
            .post(SECRETS, &own.admin, json!({"name": name, "value": value}))
            .await
            .refused(400, 31);
    }
    gateway.delete(&format!("{SECRETS}/api"), &own.admin).await.ok();
    gateway.delete(&format!("{SECRETS}/api"), &own.admin).await.refused(404, 32);
}

#[tokio::test]
async fn only_administrators_of_the_tenant_decide() {
    let gateway = Gateway::start().await;
    let (own, sysadmin) = (gateway.tenant("a").await, gateway.log_in(SYSADMIN).await);
    for path in [LIST, PAGE] {
        gateway.get(path, &own.user).await.refused(403, 20);
        gateway.get(path, &sysadmin).await.refused(403, 20);
        gateway.get(path, "").await.refused(401, 10);
    }
    gateway.post(LIST, &own.user, json!({"allowed": []})).await.refused(403, 20);
    gateway
        .post(SECRETS, &own.user, json!({"name": "a", "value": "b"}))
        .await
        .refused(403, 20);
    gateway.delete(&format!("{SECRETS}/a"), &own.user).await.refused(403, 20);
}
