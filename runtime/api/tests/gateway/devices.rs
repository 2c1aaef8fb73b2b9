//! Devices and their credentials.

use std::time::Duration;

use axum::http::StatusCode;
use model::DeviceId;
use serde_json::json;
use session::{CloseReason, Credentials};

use crate::support::{Gateway, START_MS, closed, id};

#[tokio::test]
async fn a_device_is_created_changed_and_deleted() {
    let gateway = Gateway::start().await;
    let people = gateway.tenant("a").await;
    let device = gateway
        .post("/api/device?accessToken=TOKEN1", &people.admin, json!({"name": "D1", "label": "L"}))
        .await
        .ok();
    assert_eq!(
        (&device["type"], &device["version"], &device["createdTime"]),
        (&json!("default"), &json!(1), &json!(START_MS))
    );
    assert_eq!(device["customerId"]["id"], json!("13814000-1dd2-11b2-8080-808080808080"));
    assert_eq!(device["deviceProfileId"]["entityType"], json!("DEVICE_PROFILE"));
    let path = format!("/api/device/{}", id(&device));
    assert_eq!(gateway.get(&path, &people.admin).await.ok(), device);
    let message = gateway
        .post("/api/device", &people.admin, json!({"name": "D1"}))
        .await
        .refused(400, 31);
    assert_eq!(message, "Device with such name already exists!");
    gateway
        .post("/api/device?accessToken=TOKEN1", &people.admin, json!({"name": "D2"}))
        .await
        .refused(400, 31);
    assert_eq!(
        gateway.get("/api/tenant/devices?pageSize=9&page=0", &people.admin).await.ok()["totalElements"],
        json!(1),
        "nothing of D2 is left"
    );

    let mut changed = device.clone();
    changed["name"] = json!("D1b");
    changed["createdTime"] = json!(1);
    let saved = gateway.post("/api/device", &people.admin, changed.clone()).await.ok();
    assert_eq!((&saved["version"], &saved["createdTime"]), (&json!(2), &json!(START_MS)));
    gateway.post("/api/device", &people.admin, changed.clone()).await.refused(409, 35);
    changed["version"] = json!(0);
    gateway.post("/api/device", &people.admin, changed).await.refused(409, 35);

    let device_id = DeviceId::new(people.tenant, id(&device));
    assert_eq!(
        gateway.sessions.authenticate(Credentials::AccessToken("TOKEN1")).await,
        Ok(device_id)
    );
    let mut session = gateway.connect(device_id).await;
    gateway.delete(&path, &people.admin).await.ok();
    assert_eq!(closed(&mut session).await, CloseReason::Administrative);
    assert!(gateway.sessions.authenticate(Credentials::AccessToken("TOKEN1")).await.is_err());
    gateway.get(&path, &people.admin).await.refused(404, 32);
    gateway.delete(&path, &people.admin).await.refused(404, 32);
}

#[tokio::test]
async fn credentials_are_made_given_and_replaced() {
    let gateway = Gateway::start().await;
    let people = gateway.tenant("a").await;
    let device = gateway.device(&people.admin, "D1").await;
    let path = format!("/api/device/{}/credentials", id(&device));
    let made = gateway.get(&path, &people.admin).await.ok();
    assert_eq!(
        (&made["credentialsType"], made["credentialsId"].as_str().map(str::len)),
        (&json!("ACCESS_TOKEN"), Some(20))
    );
    assert!(made["id"]["id"].is_string() && made["deviceId"] == device["id"]);

    let device_id = DeviceId::new(people.tenant, id(&device));
    let mut session = gateway.connect(device_id).await;
    let mut replaced = made.clone();
    replaced["credentialsId"] = json!("SECOND");
    let saved = gateway.post("/api/device/credentials", &people.admin, replaced.clone()).await.ok();
    assert_eq!((&saved["version"], &saved["id"]), (&json!(2), &made["id"]));
    assert_eq!(closed(&mut session).await, CloseReason::Administrative);
    assert_eq!(
        gateway.sessions.authenticate(Credentials::AccessToken("SECOND")).await,
        Ok(device_id)
    );
    replaced["credentialsId"] = json!("THIRD");
    gateway
        .post("/api/device/credentials", &people.admin, replaced.clone())
        .await
        .refused(409, 35);
    replaced["credentialsType"] = json!("MQTT_BASIC");
    gateway
        .post("/api/device/credentials", &people.admin, replaced)
        .await
        .refused(400, 31);
    other_kinds(&gateway, &people.admin, &saved, device_id).await;

    let both = json!({"device": {"name": "D2"}, "credentials": {"credentialsType": "ACCESS_TOKEN", "credentialsId": "OTHER"}});
    let other = gateway.post("/api/device-with-credentials", &people.admin, both).await.ok();
    assert_eq!(
        gateway.sessions.authenticate(Credentials::AccessToken("OTHER")).await,
        Ok(DeviceId::new(people.tenant, id(&other)))
    );
    let taken = json!({"deviceId": other["id"], "credentialsType": "ACCESS_TOKEN", "credentialsId": "SECOND"});
    gateway
        .post("/api/device/credentials", &people.admin, {
            let mut back = saved.clone();
            back["version"] = json!(null);
            back
        })
        .await
        .ok();
    gateway.post("/api/device/credentials", &people.admin, taken).await.refused(400, 31);
}

/// User name and password, then a certificate, instead of a token.
async fn other_kinds(gateway: &Gateway, admin: &str, token: &serde_json::Value, device: DeviceId) {
    let path = format!("/api/device/{}/credentials", device.id);
    let mut given = token.clone();
    given["credentialsType"] = json!("MQTT_BASIC");
    given["credentialsId"] = json!(null);
    for (value, why) in [
        ("{}", "Both mqtt client id and user name are empty!"),
        (
            r#"{"clientId": "c", "password": "p"}"#,
            "Password cannot be specified along with client id",
        ),
        ("c", "Invalid credentials body for simple mqtt credentials!"),
    ] {
        given["credentialsValue"] = json!(value);
        let message = gateway.post("/api/device/credentials", admin, given.clone()).await.refused(400, 31);
        assert_eq!(message, why, "{value}");
    }
    given["credentialsValue"] = json!(r#"{"clientId": "c", "userName": "u", "password": "p"}"#);
    let saved = gateway.post("/api/device/credentials", admin, given).await.ok();
    assert_eq!(saved["version"], json!(3));
    assert_eq!(gateway.get(&path, admin).await.ok(), saved);
    let presented = |password| Credentials::Mqtt {
        client_id: "c",
        user_name: Some("u"),
        password,
    };
    assert_eq!(gateway.sessions.authenticate(presented(Some("p"))).await, Ok(device));
    assert!(gateway.sessions.authenticate(presented(None)).await.is_err());
    assert!(gateway.sessions.authenticate(Credentials::AccessToken("SECOND")).await.is_err());
    // What was read can be written back.
    assert_eq!(gateway.post("/api/device/credentials", admin, saved.clone()).await.ok(), saved);

    let der: Vec<u8> = std::iter::once(0x30).chain(0..100).collect();
    let mut certified = saved;
    certified["credentialsType"] = json!("X509_CERTIFICATE");
    certified["credentialsValue"] = json!("no certificate");
    gateway
        .post("/api/device/credentials", admin, certified.clone())
        .await
        .refused(400, 31);
    let text = model::entity::credentials::certificate_text(&der);
    certified["credentialsValue"] = json!(format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----"));
    let saved = gateway.post("/api/device/credentials", admin, certified).await.ok();
    assert_eq!(saved["credentialsValue"], json!(text));
    assert_eq!(saved["credentialsId"].as_str().map(str::len), Some(64));
    assert_eq!(gateway.sessions.authenticate(Credentials::Certificate(&der)).await, Ok(device));
    assert!(gateway.sessions.authenticate(presented(Some("p"))).await.is_err());
}

#[tokio::test]
async fn devices_are_listed_by_page_type_and_name() {
    let gateway = Gateway::start().await;
    let people = gateway.tenant("a").await;
    for (name, kind) in [("alpha", "default"), ("beta", "meter"), ("gamma", "meter")] {
        gateway
            .post("/api/device", &people.admin, json!({"name": name, "type": kind}))
            .await
            .ok();
    }
    let page = gateway
        .get(
            "/api/tenant/devices?pageSize=2&page=0&sortProperty=name&sortOrder=ASC",
            &people.admin,
        )
        .await
        .ok();
    assert_eq!(
        (&page["totalElements"], &page["totalPages"], &page["hasNext"]),
        (&json!(3), &json!(2), &json!(true))
    );
    assert_eq!(
        (&page["data"][0]["name"], &page["data"][1]["name"]),
        (&json!("alpha"), &json!("beta"))
    );
    let meters = gateway
        .get("/api/tenant/deviceInfos?pageSize=9&page=0&type=meter&textSearch=GAM", &people.admin)
        .await
        .ok();
    let info = &meters["data"][0];
    assert_eq!(
        (&meters["totalElements"], &info["name"], &info["deviceProfileName"], &info["active"]),
        (&json!(1), &json!("gamma"), &json!("meter"), &json!(false))
    );
    for path in ["/api/tenant/devices?deviceName=beta", "/api/tenant/device?deviceName=beta"] {
        assert_eq!(gateway.get(path, &people.admin).await.ok()["name"], json!("beta"), "{path}");
    }
    gateway
        .get("/api/tenant/devices?deviceName=delta", &people.admin)
        .await
        .refused(404, 32);
}

#[tokio::test]
async fn a_device_is_assigned_to_a_customer_and_back() {
    let gateway = Gateway::start().await;
    let people = gateway.tenant("a").await;
    let device = gateway.device(&people.admin, "D1").await;
    let path = format!("/api/device/info/{}", id(&device));
    gateway.get(&path, &people.user).await.refused(404, 32);
    let assigned = gateway
        .post(
            &format!("/api/customer/{}/device/{}", people.customer, id(&device)),
            &people.admin,
            json!({}),
        )
        .await
        .ok();
    assert_eq!(assigned["customerId"]["id"], json!(people.customer));
    assert_eq!(gateway.get(&path, &people.user).await.ok()["customerTitle"], json!("Customer"));
    let own = format!("/api/customer/{}/devices?pageSize=9&page=0", people.customer);
    assert_eq!(gateway.get(&own, &people.user).await.ok()["totalElements"], json!(1));
    let back = format!("/api/customer/device/{}", id(&device));
    gateway.delete(&back, &people.admin).await.ok();
    assert_eq!(gateway.get(&own, &people.user).await.ok()["totalElements"], json!(0));
    gateway.delete(&back, &people.admin).await.refused(400, 31);
    let nowhere = format!("/api/customer/{}/device/{}", uuid::Uuid::now_v7(), id(&device));
    assert_eq!(gateway.post(&nowhere, &people.admin, json!({})).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_device_is_created_whole_even_when_the_client_leaves() {
    let gateway = Gateway::start().await;
    let people = gateway.tenant("a").await;
    gateway
        .post_and_leave("/api/device?accessToken=LATE", &people.admin, json!({"name": "D1"}))
        .await;
    let created = async {
        while gateway.sessions.authenticate(Credentials::AccessToken("LATE")).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), created)
        .await
        .expect("the credentials, which are saved last, are there");
}
