//! Tenants, customers and users.

use axum::http::StatusCode;
use serde_json::json;

use crate::support::{Gateway, SYSADMIN, id};

#[tokio::test]
async fn a_tenant_starts_with_a_root_chain_and_an_administrator_who_activates() {
    let gateway = Gateway::start().await;
    let sysadmin = gateway.log_in(SYSADMIN).await;
    let tenant = gateway.post("/api/tenant", &sysadmin, json!({"title": "New"})).await.ok();
    assert_eq!(
        (&tenant["name"], &tenant["version"], &tenant["id"]["entityType"]),
        (&json!("New"), &json!(1), &json!("TENANT"))
    );
    let message = gateway
        .post("/api/tenant", &sysadmin, json!({"title": "New"}))
        .await
        .refused(400, 31);
    assert_eq!(message, "Tenant with such name already exists!");
    assert_eq!(
        gateway.get("/api/tenants?pageSize=5&page=0", &sysadmin).await.ok()["totalElements"],
        json!(1)
    );

    let new = json!({"email": "Boss@new.org", "authority": "TENANT_ADMIN", "tenantId": tenant["id"], "firstName": "B"});
    let user = gateway
        .post("/api/user?sendActivationMail=false", &sysadmin, new.clone())
        .await
        .ok();
    assert_eq!(user["email"], json!("boss@new.org"));
    gateway
        .post("/api/user?sendActivationMail=false", &sysadmin, new)
        .await
        .refused(400, 31);
    gateway
        .post("/api/auth/login", "", json!({"username": "boss@new.org", "password": "anything"}))
        .await
        .refused(401, 10);

    let link = gateway.get(&format!("/api/user/{}/activationLink", id(&user)), &sysadmin).await;
    let token = link.text.split_once("activateToken=").expect("a link").1.to_owned();
    gateway.get("/api/auth/user", &token).await.refused(401, 10);
    gateway
        .post("/api/noauth/activate", "", json!({"activateToken": token, "password": "short"}))
        .await
        .refused(400, 31);
    let pair = gateway
        .post(
            "/api/noauth/activate",
            "",
            json!({"activateToken": token, "password": "long enough"}),
        )
        .await
        .ok();
    gateway
        .post(
            "/api/noauth/activate",
            "",
            json!({"activateToken": token, "password": "another one"}),
        )
        .await
        .refused(400, 31);
    gateway
        .get(&format!("/api/user/{}/activationLink", id(&user)), &sysadmin)
        .await
        .refused(400, 31);

    let boss = pair["token"].as_str().expect("text");
    let chains = gateway.get("/api/ruleChains?pageSize=5&page=0", boss).await.ok();
    assert_eq!((&chains["totalElements"], &chains["data"][0]["root"]), (&json!(1), &json!(true)));
    assert_eq!(
        gateway.get(&format!("/api/tenant/{}", id(&tenant)), boss).await.ok()["title"],
        json!("New")
    );
}

#[tokio::test]
async fn users_are_created_by_those_who_may() {
    let gateway = Gateway::start().await;
    let (sysadmin, people) = (gateway.log_in(SYSADMIN).await, gateway.tenant("a").await);
    let customer = json!({"entityType": "CUSTOMER", "id": people.customer});
    let user = |authority: &str| json!({"email": format!("{authority}@x"), "authority": authority, "customerId": customer});
    gateway
        .post("/api/user", &people.user, user("CUSTOMER_USER"))
        .await
        .refused(403, 20);
    gateway.post("/api/user", &people.admin, user("SYS_ADMIN")).await.refused(403, 20);
    gateway.post("/api/user", &sysadmin, user("CUSTOMER_USER")).await.refused(403, 20);
    gateway
        .post("/api/user", &people.admin, json!({"email": "b@x", "authority": "CUSTOMER_USER"}))
        .await
        .refused(400, 31);
    gateway
        .post(
            "/api/user",
            &people.admin,
            json!({"email": "no address", "authority": "TENANT_ADMIN"}),
        )
        .await
        .refused(400, 31);

    let created = gateway.post("/api/user", &people.admin, user("CUSTOMER_USER")).await.ok();
    assert_eq!(created["customerId"], customer);
    let path = format!("/api/user/{}", id(&created));
    assert_eq!(gateway.get(&path, &sysadmin).await.status, StatusCode::OK, "a user of any tenant");
    gateway.get(&path, &people.user).await.refused(404, 32);

    let mut renamed = created.clone();
    renamed["firstName"] = json!("Ada");
    assert_eq!(
        gateway.post("/api/user", &people.admin, renamed.clone()).await.ok()["version"],
        json!(2)
    );
    gateway.post("/api/user", &people.admin, renamed.clone()).await.refused(409, 35);
    renamed["authority"] = json!("TENANT_ADMIN");
    gateway.post("/api/user", &people.admin, renamed).await.refused(400, 31);
}

#[tokio::test]
async fn customers_have_unique_titles_and_versions() {
    let gateway = Gateway::start().await;
    let people = gateway.tenant("a").await;
    let given = json!({"title": "One", "city": "Berlin", "email": "one@example.org"});
    let customer = gateway.post("/api/customer", &people.admin, given).await.ok();
    assert_eq!(customer["name"], json!("One"));
    let path = format!("/api/customer/{}", customer["id"]["id"].as_str().unwrap());
    let read = gateway.get(&path, &people.admin).await.ok();
    assert_eq!(
        (&read["city"], &read["email"], &read["phone"]),
        (&json!("Berlin"), &json!("one@example.org"), &json!(null))
    );
    gateway
        .post("/api/customer", &people.admin, json!({"title": "One"}))
        .await
        .refused(400, 31);
    gateway
        .post("/api/customer", &people.admin, json!({"title": " "}))
        .await
        .refused(400, 31);
    let mut renamed = customer.clone();
    renamed["title"] = json!("Two");
    assert_eq!(
        gateway.post("/api/customer", &people.admin, renamed.clone()).await.ok()["version"],
        json!(2)
    );
    gateway.post("/api/customer", &people.admin, renamed).await.refused(409, 35);
    let page = gateway
        .get("/api/customers?pageSize=1&page=0&sortProperty=name&sortOrder=DESC", &people.admin)
        .await
        .ok();
    assert_eq!(
        (&page["data"][0]["title"], &page["totalPages"], &page["hasNext"]),
        (&json!("Two"), &json!(2), &json!(true))
    );
}
