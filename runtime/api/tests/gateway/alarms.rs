//! Alarms, raised by the chain of the demo.

use model::DeviceId;
use serde_json::{Value as Json, json};

use crate::support::{Gateway, START_MS, id};

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
