//! Relations by the REST API: both ends, old and new forms, and nobody else's.

use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::support::{Gateway, id};

fn relation(from: (&str, Uuid), to: (&str, Uuid), relation_type: &str) -> Json {
    let end = |(kind, id): (&str, Uuid)| json!({"entityType": kind, "id": id});
    json!({"from": end(from), "to": end(to), "type": relation_type, "typeGroup": "COMMON", "additionalInfo": {"a": 1}})
}

fn named(from: Uuid, to: Uuid, relation_type: &str) -> String {
    format!("fromId={from}&fromType=DEVICE&relationType={relation_type}&relationTypeGroup=COMMON&toId={to}&toType=DEVICE")
}

#[tokio::test]
async fn are_saved_read_from_both_ends_and_deleted() {
    let gateway = Gateway::start().await;
    let own = gateway.tenant("a").await;
    let [a, b, c] = ["A", "B", "C"].map(|name| gateway.device(&own.admin, name));
    let [a, b, c] = [id(&a.await), id(&b.await), id(&c.await)];
    let (first, second) = (
        relation(("DEVICE", a), ("DEVICE", b), "Contains"),
        relation(("DEVICE", b), ("DEVICE", c), "Manages"),
    );
    let quiet = gateway.post("/api/relation", &own.admin, first.clone()).await;
    assert_eq!((quiet.status.as_u16(), quiet.text.as_str()), (200, ""));
    assert_eq!(gateway.post("/api/v2/relation", &own.admin, second.clone()).await.ok(), second);

    for (path, expected) in [
        (format!("/api/relations/from/DEVICE/{a}"), json!([first])),
        (format!("/api/relations?fromId={a}&fromType=DEVICE"), json!([first])),
        (format!("/api/relations/to/DEVICE/{b}"), json!([first])),
        (
            format!("/api/relations?toId={b}&toType=DEVICE&relationTypeGroup=COMMON"),
            json!([first]),
        ),
        (format!("/api/relations/from/DEVICE/{b}/Manages"), json!([second])),
        (
            format!("/api/relations?fromId={b}&fromType=DEVICE&relationType=Contains"),
            json!([]),
        ),
        (format!("/api/relations/from/DEVICE/{b}/Contains"), json!([])),
        (format!("/api/relations/from/DEVICE/{b}?relationTypeGroup=DASHBOARD"), json!([])),
        (format!("/api/relation?{}", named(a, b, "Contains")), first.clone()),
    ] {
        assert_eq!(gateway.get(&path, &own.admin).await.ok(), expected, "{path}");
    }
    for path in [
        format!("/api/relations/info/from/DEVICE/{a}"),
        format!("/api/relations/info?fromId={a}&fromType=DEVICE"),
    ] {
        let shown = gateway.get(&path, &own.admin).await.ok();
        assert_eq!((&shown[0]["fromName"], &shown[0]["toName"]), (&json!("A"), &json!("B")), "{path}");
    }

    gateway
        .delete(&format!("/api/relation?{}", named(a, b, "Contains")), &own.admin)
        .await
        .ok();
    gateway
        .delete(&format!("/api/relation?{}", named(a, b, "Contains")), &own.admin)
        .await
        .refused(404, 32);
    gateway
        .get(&format!("/api/relation?{}", named(a, b, "Contains")), &own.admin)
        .await
        .refused(404, 32);
    let deleted = gateway
        .delete(&format!("/api/v2/relation?{}", named(b, c, "Manages")), &own.admin)
        .await
        .ok();
    assert_eq!(deleted, second);
    gateway.post("/api/relation", &own.admin, second).await.ok();
    gateway
        .delete(&format!("/api/relations?entityId={c}&entityType=DEVICE"), &own.admin)
        .await
        .ok();
    assert_eq!(
        gateway.get(&format!("/api/relations/from/DEVICE/{b}"), &own.admin).await.ok(),
        json!([])
    );
}

#[tokio::test]
async fn a_query_walks_levels_and_filters() {
    let gateway = Gateway::start().await;
    let own = gateway.tenant("a").await;
    let mut devices = Vec::new();
    for name in ["A", "B", "C"] {
        devices.push(id(&gateway.device(&own.admin, name).await));
    }
    let customer = own.customer;
    for link in [
        relation(("DEVICE", devices[0]), ("DEVICE", devices[1]), "Contains"),
        relation(("DEVICE", devices[1]), ("DEVICE", devices[2]), "Manages"),
        // A ring: it must end.
        relation(("DEVICE", devices[2]), ("DEVICE", devices[0]), "Contains"),
        relation(("DEVICE", devices[1]), ("CUSTOMER", customer), "Contains"),
    ] {
        gateway.post("/api/relation", &own.admin, link).await.ok();
    }
    let query = |direction: &str, levels: i32, last: bool, filters: Json| {
        json!({"parameters": {"rootId": devices[0], "rootType": "DEVICE", "direction": direction, "relationTypeGroup": "COMMON",
            "maxLevel": levels, "fetchLastLevelOnly": last}, "filters": filters})
    };
    for (asked, count) in [
        (query("FROM", 1, false, json!([])), 1),
        (query("FROM", 2, false, json!([])), 3),
        (query("FROM", 0, false, json!([])), 4),
        (query("TO", 1, false, json!([])), 1),
        (query("FROM", 2, true, json!([])), 2),
        (query("FROM", 0, false, json!([{"relationType": "Manages"}])), 1),
        (query("FROM", 0, false, json!([{"relationType": "Manages", "negate": true}])), 3),
        (
            query("FROM", 0, false, json!([{"relationType": "Contains", "entityTypes": ["CUSTOMER"]}])),
            1,
        ),
    ] {
        let found = gateway.post("/api/relations", &own.admin, asked.clone()).await.ok();
        assert_eq!(found.as_array().map(Vec::len), Some(count), "{asked}: {found}");
    }
    let shown = gateway
        .post("/api/relations/info", &own.admin, query("FROM", 1, false, Json::Null))
        .await
        .ok();
    assert_eq!(shown[0]["toName"], "B");
}

#[tokio::test]
async fn never_cross_tenants_and_show_customers_only_theirs() {
    let gateway = Gateway::start().await;
    let (own, other) = (gateway.tenant("a").await, gateway.tenant("b").await);
    let (a, b) = (
        id(&gateway.device(&own.admin, "A").await),
        id(&gateway.device(&own.admin, "B").await),
    );
    let foreign = id(&gateway.device(&other.admin, "A").await);
    for crossing in [
        relation(("DEVICE", a), ("DEVICE", foreign), "Contains"),
        relation(("DEVICE", foreign), ("DEVICE", a), "Contains"),
        relation(("DEVICE", a), ("TENANT", other.tenant.0), "Contains"),
    ] {
        gateway.post("/api/relation", &own.admin, crossing).await.refused(404, 32);
    }
    gateway
        .post("/api/relation", &own.admin, relation(("DEVICE", a), ("DEVICE", b), "Contains"))
        .await
        .ok();
    let tenant = relation(("TENANT", own.tenant.0), ("DEVICE", a), "Owns");
    gateway.post("/api/relation", &own.admin, tenant).await.ok();
    let everything = |id: Uuid| format!("/api/relations/from/DEVICE/{id}");
    gateway.get(&everything(a), &other.admin).await.refused(404, 32);
    gateway
        .get(&format!("/api/relation?{}", named(a, b, "Contains")), &other.admin)
        .await
        .refused(404, 32);
    gateway
        .delete(&format!("/api/relation?{}", named(a, b, "Contains")), &other.admin)
        .await
        .refused(404, 32);
    gateway
        .delete(&format!("/api/relations?entityId={a}&entityType=DEVICE"), &other.admin)
        .await
        .refused(404, 32);
    let asked = json!({"parameters": {"rootId": a, "rootType": "DEVICE", "direction": "FROM", "maxLevel": 1}, "filters": []});
    gateway.post("/api/relations", &other.admin, asked).await.refused(404, 32);

    // A customer's user sees a relation when both ends are the customer's, and changes none.
    gateway.get(&everything(a), &own.user).await.refused(404, 32);
    gateway
        .post(&format!("/api/customer/{}/device/{a}", own.customer), &own.admin, Json::Null)
        .await
        .ok();
    assert_eq!(gateway.get(&everything(a), &own.user).await.ok(), json!([]));
    gateway
        .post(&format!("/api/customer/{}/device/{b}", own.customer), &own.admin, Json::Null)
        .await
        .ok();
    assert_eq!(gateway.get(&everything(a), &own.user).await.ok().as_array().map(Vec::len), Some(1));
    let more = relation(("DEVICE", b), ("DEVICE", a), "Contains");
    gateway.post("/api/relation", &own.user, more).await.refused(403, 20);
    gateway
        .delete(&format!("/api/relation?{}", named(a, b, "Contains")), &own.user)
        .await
        .refused(403, 20);
}

#[tokio::test]
async fn have_limits_and_say_what_is_missing() {
    let gateway = Gateway::start().await;
    let own = gateway.tenant("a").await;
    let a = id(&gateway.device(&own.admin, "A").await);
    let link = |relation_type: &str| relation(("DEVICE", a), ("DEVICE", a), relation_type);
    for wrong in [link(""), link(&"x".repeat(256)), link("a\0b")] {
        gateway.post("/api/relation", &own.admin, wrong).await.refused(400, 31);
    }
    let mut large = link("C");
    large["additionalInfo"] = json!("x".repeat(70_000));
    gateway.post("/api/relation", &own.admin, large).await.refused(400, 31);
    for path in [
        "/api/relations",
        &format!("/api/relations?fromId={a}"),
        &format!("/api/relations/from/NOTHING/{a}"),
    ] {
        gateway.get(path, &own.admin).await.refused(400, 31);
    }
    gateway
        .get(&format!("/api/relations/beside/DEVICE/{a}"), &own.admin)
        .await
        .refused(404, 32);
}
