//! AI models: their tenant's administrators alone, and nobody is shown what is secret.

use serde_json::{Value as Json, json};

use crate::support::{Gateway, id};

fn model(name: &str) -> Json {
    json!({"name": name, "configuration": {"provider": "ANTHROPIC", "modelId": "small", "providerConfig": {"apiKey": "hunter2"}}})
}

#[tokio::test]
async fn are_saved_listed_and_deleted_by_administrators_of_their_tenant() {
    let gateway = Gateway::start().await;
    let (own, other) = (gateway.tenant("a").await, gateway.tenant("b").await);
    let (all, of) = ("/api/ai/model?pageSize=9&page=0", "/api/ai/model");
    for nobody in [&own.user, &other.user] {
        gateway.post(of, nobody, model("M")).await.refused(403, 20);
        gateway.get(all, nobody).await.refused(403, 20);
    }
    let saved = gateway.post(of, &own.admin, model("M")).await.ok();
    assert_eq!((&saved["version"], &saved["id"]["entityType"]), (&json!(1), &json!("AI_MODEL")));
    gateway.post(of, &own.admin, model("M")).await.refused(400, 31);
    gateway.post(of, &other.admin, model("M")).await.ok();
    let path = format!("{of}/{}", id(&saved));
    let mut changed = saved.clone();
    changed["configuration"]["modelId"] = json!("large");
    let changed = gateway.post(of, &own.admin, changed).await.ok();
    assert_eq!(changed["version"], json!(2));
    // Nothing is lost by a save that is refused, whatever version it names.
    let mut first = saved.clone();
    (first["version"], first["configuration"]["providerConfig"]["apiKey"]) = (json!(0), json!("other"));
    for older in [saved, first] {
        assert_eq!(gateway.post(of, &own.admin, older).await.status, 409);
        let secrets = gateway.get("/api/plugins/secrets?pageSize=9&page=0", &own.admin).await.ok();
        assert_eq!(secrets["totalElements"], json!(1), "{secrets}");
    }
    let listed = gateway.get(all, &own.admin).await.ok();
    assert_eq!(listed["data"], json!([changed]));
    assert!(!listed.to_string().contains("hunter2"), "{listed}");
    gateway.get(&path, &other.admin).await.refused(404, 32);
    gateway.post(of, &other.admin, changed).await.refused(404, 32);
    assert_eq!(gateway.delete(&path, &other.admin).await.ok(), json!(false));
    gateway.get(&path, &own.admin).await.ok();
    gateway.delete(&path, &own.user).await.refused(403, 20);
    assert_eq!(gateway.delete(&path, &own.admin).await.ok(), json!(true));
    gateway.get(&path, &own.admin).await.refused(404, 32);
    let secrets = gateway.get("/api/plugins/secrets?pageSize=9&page=0", &own.admin).await.ok();
    assert_eq!(
        secrets["data"],
        json!([]),
        "what it was logged in to with is gone, and nothing is left of the one that was refused"
    );
}

#[tokio::test]
async fn what_cannot_be_asked_is_not_saved() {
    let gateway = Gateway::start().await;
    let people = gateway.tenant("a").await;
    let refused = async |name: &str, configuration: Json| {
        let asked = json!({"name": name, "configuration": configuration});
        gateway.post("/api/ai/model", &people.admin, asked).await.refused(400, 31)
    };
    let good = model("M")["configuration"].clone();
    refused(" ", good.clone()).await;
    let said = refused("M", json!({"provider": "ANTHROPIC", "modelId": "small"})).await;
    assert!(said.contains("apiKey is missing"), "{said}");
    let said = refused("M", json!({"provider": "AMAZON_BEDROCK", "modelId": "small"})).await;
    assert!(said.contains("not offered"), "{said}");
    let mut long = good;
    long["providerConfig"]["apiKey"] = json!("x".repeat(9_000));
    refused("M", long).await;
}
