//! Alarms, raised by the chain of the demo, or by one whose alarms propagate.

use std::sync::Arc;

use model::entity::{EntityRecord, IdRef, Relation, RelationGroup};
use model::{DeviceId, EntityId, EntityKind, TenantId};
use serde_json::{Value as Json, json};
use storage::Mutation;
use uuid::Uuid;

use crate::rule_chains::{chain, metadata, node};
use crate::support::{Gateway, People, START_MS, id};

#[tokio::test]
async fn an_alarm_is_raised_acknowledged_and_cleared() {
    let gateway = Gateway::start().await;
    let people = gateway.tenant("a").await;
    let device = gateway
        .post("/api/device", &people.admin, json!({"name": "Oven", "label": "Kitchen"}))
        .await
        .ok();
    let device_id = DeviceId::new(people.tenant, id(&device));
    let list = async |query: &str| {
        gateway
            .get(&format!("/api/alarms?pageSize=9&page=0{query}"), &people.admin)
            .await
            .ok()
    };

    gateway.report(device_id, json!({"temperature": 30})).await;
    let page = list("").await;
    let alarm = page["data"][0].clone();
    assert_eq!(
        (&page["totalElements"], &alarm["type"], &alarm["name"]),
        (&json!(1), &json!("High temperature"), &json!("High temperature"))
    );
    assert_eq!(
        (&alarm["severity"], &alarm["status"], &alarm["originator"]),
        (&json!("CRITICAL"), &json!("ACTIVE_UNACK"), &device["id"])
    );
    assert_eq!(
        (&alarm["originatorName"], &alarm["originatorLabel"], &alarm["startTs"]),
        (&json!("Oven"), &json!("Kitchen"), &json!(START_MS))
    );

    // Without a temperature, or at the threshold's wrong side, it stays.
    gateway.report(device_id, json!({"humidity": 3})).await;
    gateway.report(device_id, json!({"temperature": 25.5})).await;
    assert_eq!(list("&searchStatus=ACTIVE").await["totalElements"], json!(1));

    let path = format!("/api/alarm/{}", id(&alarm));
    gateway.clock.advance_s(1);
    let acknowledged = gateway.post(&format!("{path}/ack"), &people.admin, Json::Null).await.ok();
    assert_eq!(
        (&acknowledged["status"], &acknowledged["ackTs"]),
        (&json!("ACTIVE_ACK"), &json!(START_MS + 1_000))
    );
    gateway
        .post(&format!("{path}/ack"), &people.admin, Json::Null)
        .await
        .refused(400, 31);
    let cleared = gateway.post(&format!("{path}/clear"), &people.admin, Json::Null).await.ok();
    assert_eq!(
        (&cleared["status"], &cleared["clearTs"]),
        (&json!("CLEARED_ACK"), &json!(START_MS + 1_000))
    );
    assert_eq!(cleared["endTs"], cleared["clearTs"]);
    gateway
        .post(&format!("{path}/clear"), &people.admin, Json::Null)
        .await
        .refused(400, 31);
    assert_eq!(gateway.get(&path, &people.admin).await.ok()["status"], json!("CLEARED_ACK"));
    assert_eq!(
        gateway.get(&format!("/api/alarm/info/{}", id(&alarm)), &people.admin).await.ok()["originatorName"],
        json!("Oven")
    );

    // The next one is new, and is cleared by the chain.
    gateway.report(device_id, json!({"temperature": 30})).await;
    assert_eq!(list("&status=ACTIVE_UNACK").await["totalElements"], json!(1));
    gateway.report(device_id, json!({"temperature": 25})).await;
    assert_eq!(list("&searchStatus=CLEARED").await["totalElements"], json!(2));
    let of_device = gateway
        .get(&format!("/api/alarm/DEVICE/{}?pageSize=1&page=0", device_id.id), &people.admin)
        .await
        .ok();
    assert_eq!((&of_device["totalElements"], &of_device["hasNext"]), (&json!(2), &json!(true)));
}

#[tokio::test]
async fn alarms_are_seen_by_the_customer_they_belong_to() {
    let gateway = Gateway::start().await;
    let (people, other) = (gateway.tenant("a").await, gateway.tenant("b").await);
    let own = gateway.device(&people.admin, "own").await;
    gateway
        .post(
            &format!("/api/customer/{}/device/{}", people.customer, id(&own)),
            &people.admin,
            json!({}),
        )
        .await
        .ok();
    let foreign = gateway.device(&people.admin, "foreign").await;
    for device in [&own, &foreign] {
        gateway
            .report(DeviceId::new(people.tenant, id(device)), json!({"temperature": 30}))
            .await;
    }
    let all = gateway.get("/api/alarms?pageSize=9&page=0", &people.admin).await.ok();
    assert_eq!(all["totalElements"], json!(2));
    let seen = gateway.get("/api/alarms?pageSize=9&page=0", &people.user).await.ok();
    assert_eq!(
        (&seen["totalElements"], &seen["data"][0]["originatorName"]),
        (&json!(1), &json!("own"))
    );
    gateway
        .get(&format!("/api/alarm/DEVICE/{}?pageSize=9&page=0", id(&foreign)), &people.user)
        .await
        .refused(404, 32);
    for alarm in all["data"].as_array().expect("rows") {
        let path = format!("/api/alarm/{}/ack", id(alarm));
        gateway.post(&path, &other.admin, Json::Null).await.refused(404, 32);
        if alarm["originatorName"] == json!("foreign") {
            gateway.post(&path, &people.user, Json::Null).await.refused(404, 32);
        } else {
            gateway.post(&path, &people.user, Json::Null).await.ok();
        }
    }
    assert_eq!(
        gateway.get("/api/alarms?pageSize=9&page=0", &other.admin).await.ok()["totalElements"],
        json!(0)
    );
}

/// Has devices raise alarms that propagate along `Contains`, and to the owner.
async fn raises_what_propagates(gateway: &Gateway, people: &People) {
    const TYPES: &str = "org.thingsboard.rule.engine.filter.TbMsgTypeFilterNode";
    const ALARM: &str = "org.thingsboard.rule.engine.action.TbCreateAlarmNode";
    let new = chain(gateway, people, "Propagating").await;
    let alarm =
        json!({"alarmType": "hot", "severity": "MAJOR", "propagate": true, "propagateToOwner": true, "relationTypes": ["Contains"]});
    let nodes = json!([
        node(TYPES, "said?", json!({"messageTypes": ["POST_TELEMETRY_REQUEST"]})),
        node(ALARM, "raise", alarm)
    ]);
    let connections = json!([{"fromIndex": 0, "toIndex": 1, "type": "True"}]);
    gateway
        .post("/api/ruleChain/metadata", &people.admin, metadata(&new, nodes, connections))
        .await
        .ok();
    let path = format!("/api/ruleChain/{}/root", id(&new));
    gateway.post(&path, &people.admin, Json::Null).await.ok();
}

async fn asset(gateway: &Gateway, tenant: TenantId, name: &str, customer: Option<Uuid>) -> IdRef {
    let record = EntityRecord {
        id: EntityId::new(tenant, EntityKind::Asset, Uuid::now_v7()),
        version: 0,
        name: name.to_owned(),
        subtype: String::new(),
        customer,
        body: json!({"name": name}),
    };
    let id = record.id;
    gateway.store.save_entity(record).await.expect("an asset");
    id.into()
}

/// Relates what the API would not relate, too.
async fn relate(gateway: &Gateway, tenant: TenantId, from: IdRef, relation_type: &str, to: IdRef) {
    let relation = Arc::new(Relation {
        from,
        to,
        relation_type: relation_type.to_owned(),
        type_group: RelationGroup::Common,
        additional_info: None,
    });
    let write = gateway.store.submit(vec![Mutation::PutRelation { tenant, relation }]);
    write.await.expect("taken").await.expect("stored");
}

#[tokio::test]
async fn alarms_are_listed_where_they_propagate_to() {
    let gateway = Gateway::start().await;
    let (people, other) = (gateway.tenant("a").await, gateway.tenant("b").await);
    raises_what_propagates(&gateway, &people).await;
    let (tenant, customer) = (people.tenant, people.customer);
    let (own, free) = (
        gateway.device(&people.admin, "own").await,
        gateway.device(&people.admin, "free").await,
    );
    let assign = format!("/api/customer/{customer}/device/{}", id(&own));
    gateway.post(&assign, &people.admin, json!({})).await.ok();
    let (house, shed) = (
        asset(&gateway, tenant, "house", None).await,
        asset(&gateway, tenant, "shed", None).await,
    );
    let room = asset(&gateway, tenant, "room", Some(customer)).await;
    let foreign = asset(&gateway, other.tenant, "foreign", None).await;
    let devices = [&own, &free].map(|device| IdRef::from(DeviceId::new(tenant, id(device))));
    relate(&gateway, tenant, house, "Contains", room).await;
    for device in devices {
        relate(&gateway, tenant, room, "Contains", device).await;
        relate(&gateway, tenant, shed, "Uses", device).await;
        // Neither a relation that ends at another tenant's device leads there, nor one that starts at another tenant's asset.
        relate(&gateway, other.tenant, foreign, "Contains", device).await;
        relate(&gateway, tenant, foreign, "Contains", device).await;
        gateway.report(DeviceId::new(tenant, device.id), json!({"temperature": 30})).await;
    }
    let path = |of: IdRef| format!("/api/alarm/{}/{}?pageSize=9&page=0", of.entity_type.as_str(), of.id);
    let listed = async |of: IdRef, token: &str| {
        let found = gateway.get(&path(of), token).await.ok();
        let rows = found["data"].as_array().expect("rows").iter();
        let mut names: Vec<_> = rows.map(|row| row["originatorName"].as_str().expect("a name").to_owned()).collect();
        names.sort_unstable();
        names.join(" ")
    };
    let (owner, whole) = (IdRef::new(EntityKind::Customer, customer), IdRef::tenant(tenant));
    for (of, by_admin, by_user) in [
        (devices[0], "own", Some("own")),
        (devices[1], "free", None),
        (room, "free own", Some("own")),
        (house, "free own", None),
        (shed, "", None),
        (owner, "own", Some("own")),
        (whole, "free", None),
    ] {
        assert_eq!(listed(of, &people.admin).await, by_admin, "{of:?}");
        match by_user {
            Some(expected) => assert_eq!(listed(of, &people.user).await, expected, "{of:?}"),
            None => drop(gateway.get(&path(of), &people.user).await.refused(404, 32)),
        }
        gateway.get(&path(of), &other.admin).await.refused(404, 32);
    }
    assert_eq!(listed(foreign, &other.admin).await, "");
    assert_eq!(listed(IdRef::tenant(other.tenant), &other.admin).await, "");

    // What people change stays where it is, and where that is nobody is told.
    let shown = gateway.get(&path(devices[0]), &people.admin).await.ok()["data"][0].clone();
    let alarm = id(&shown);
    let acknowledged = gateway
        .post(&format!("/api/alarm/{alarm}/ack"), &people.admin, Json::Null)
        .await
        .ok();
    assert_eq!(listed(house, &people.admin).await, "free own");
    let read = gateway.get(&format!("/api/alarm/{alarm}"), &people.admin).await.ok();
    let info = gateway.get(&format!("/api/alarm/info/{alarm}"), &people.admin).await.ok();
    for form in [shown, acknowledged, read, info] {
        assert_eq!((&form["propagate"], form.get("shownTo")), (&json!(true), None), "{form}");
    }
}
