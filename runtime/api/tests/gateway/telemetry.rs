//! Attributes and time series.

use model::{DeviceId, DownlinkKind};
use serde_json::json;
use session::Event;

use crate::support::{Gateway, START_MS, id, next};

#[tokio::test]
async fn readings_are_answered_as_text_or_strictly_newest_or_by_time() {
    let gateway = Gateway::start().await;
    let people = gateway.tenant("a").await;
    let device = gateway.device(&people.admin, "D1").await;
    let device_id = DeviceId::new(people.tenant, id(&device));
    for (ts, temperature) in [(1_000, json!(10)), (2_000, json!(20)), (3_000, json!(21.5))] {
        gateway
            .report(device_id, json!({"ts": ts, "values": {"temperature": temperature, "on": true}}))
            .await;
    }
    let base = format!("/api/plugins/telemetry/DEVICE/{}", id(&device));
    let ask = async |rest: &str| gateway.get(&format!("{base}/{rest}"), &people.admin).await;
    assert_eq!(ask("keys/timeseries").await.ok(), json!(["on", "temperature"]));
    let newest = json!({"temperature": [{"ts": 3000, "value": "21.5"}], "on": [{"ts": 3000, "value": "true"}]});
    assert_eq!(ask("values/timeseries").await.ok(), newest);
    let strict = json!({"temperature": [{"ts": 3000, "value": 21.5}], "none": [{"ts": START_MS, "value": null}]});
    assert_eq!(
        ask("values/timeseries?keys=temperature,none&useStrictDataTypes=true").await.ok(),
        strict
    );
    let history = json!({"temperature": [{"ts": 2000, "value": "20"}, {"ts": 1000, "value": "10"}]});
    assert_eq!(ask("values/timeseries?keys=temperature&startTs=0&endTs=3000").await.ok(), history);
    let oldest = json!({"temperature": [{"ts": 1000, "value": "10"}]});
    assert_eq!(
        ask("values/timeseries?keys=temperature&startTs=0&endTs=3000&limit=1&orderBy=ASC")
            .await
            .ok(),
        oldest
    );
    let summed = json!({"temperature": [{"ts": 1000, "value": 10.0}, {"ts": 3000, "value": 20.75}]});
    let query = "values/timeseries?keys=temperature&startTs=0&endTs=4000&interval=2000&agg=AVG&useStrictDataTypes=true";
    assert_eq!(ask(query).await.ok(), summed);
    ask("values/timeseries?startTs=0&endTs=3000").await.refused(400, 31);
    gateway
        .get(
            &format!("/api/plugins/telemetry/PLANET/{}/keys/timeseries", id(&device)),
            &people.admin,
        )
        .await
        .refused(400, 31);

    let gone = format!("{base}/timeseries/delete?keys=temperature&deleteAllDataForKeys=false&startTs=2000&endTs=4000");
    gateway.delete(&gone, &people.admin).await.ok();
    assert_eq!(ask("values/timeseries?keys=temperature").await.ok(), oldest);
    gateway
        .delete(&format!("{base}/timeseries/delete?keys=temperature"), &people.admin)
        .await
        .refused(400, 31);
}

#[tokio::test]
async fn attributes_are_written_read_and_removed_by_scope() {
    let gateway = Gateway::start().await;
    let people = gateway.tenant("a").await;
    let device = gateway.device(&people.admin, "D1").await;
    let base = format!("/api/plugins/telemetry/DEVICE/{}", id(&device));
    gateway
        .post(&format!("{base}/SERVER_SCOPE"), &people.admin, json!({"floor": 3}))
        .await
        .ok();
    gateway
        .post(&format!("{base}/attributes/SHARED_SCOPE"), &people.admin, json!({"limit": 2.5}))
        .await
        .ok();
    gateway
        .post(
            &format!("/api/plugins/telemetry/{}/SHARED_SCOPE", id(&device)),
            &people.admin,
            json!({"mode": "eco"}),
        )
        .await
        .ok();
    gateway
        .post(&format!("{base}/CLIENT_SCOPE"), &people.admin, json!({"a": 1}))
        .await
        .refused(400, 31);
    gateway
        .post(&format!("{base}/SERVER_SCOPE"), &people.admin, json!([1]))
        .await
        .refused(400, 31);

    let ask = async |rest: &str| gateway.get(&format!("{base}/{rest}"), &people.admin).await;
    assert_eq!(ask("keys/attributes").await.ok(), json!(["floor", "limit", "mode"]));
    assert_eq!(ask("keys/attributes/SHARED_SCOPE").await.ok(), json!(["limit", "mode"]));
    let floor = json!([{"lastUpdateTs": START_MS, "key": "floor", "value": 3}]);
    assert_eq!(ask("values/attributes?keys=floor,none").await.ok(), floor);
    assert_eq!(ask("values/attributes/SERVER_SCOPE").await.ok(), floor);
    ask("values/attributes/ANY_SCOPE").await.refused(400, 31);
    gateway.delete(&format!("{base}/SHARED_SCOPE?keys=limit"), &people.admin).await.ok();
    assert_eq!(ask("keys/attributes/SHARED_SCOPE").await.ok(), json!(["mode"]));
    gateway
        .delete(&format!("{base}/SHARED_SCOPE"), &people.admin)
        .await
        .refused(400, 31);
}

#[tokio::test]
async fn a_connected_device_hears_of_shared_attributes_only() {
    let gateway = Gateway::start().await;
    let people = gateway.tenant("a").await;
    let device = gateway.device(&people.admin, "D1").await;
    let mut session = gateway.connect(DeviceId::new(people.tenant, id(&device))).await;
    let base = format!("/api/plugins/telemetry/DEVICE/{}", id(&device));
    gateway
        .post(&format!("{base}/SERVER_SCOPE"), &people.admin, json!({"secret": 1}))
        .await
        .ok();
    gateway
        .post(&format!("{base}/SHARED_SCOPE"), &people.admin, json!({"limit": 7}))
        .await
        .ok();
    gateway.delete(&format!("{base}/SHARED_SCOPE?keys=limit"), &people.admin).await.ok();
    for expected in [json!({"limit": 7}), json!({"deleted": ["limit"]})] {
        let Event::Downlink(outbound, DownlinkKind::Attributes, None) = next(&mut session).await else {
            panic!("an attribute push")
        };
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&outbound.payload).expect("JSON"),
            expected
        );
    }
}

#[tokio::test]
async fn a_tenant_has_attributes_of_its_own() {
    let gateway = Gateway::start().await;
    let (people, other) = (gateway.tenant("a").await, gateway.tenant("b").await);
    let path = format!("/api/plugins/telemetry/TENANT/{}/SERVER_SCOPE", people.tenant);
    gateway.post(&path, &people.admin, json!({"plan": "big"})).await.ok();
    gateway.post(&path, &other.admin, json!({"plan": "small"})).await.refused(404, 32);
    gateway.post(&path, &people.user, json!({"plan": "small"})).await.refused(404, 32);
    let read = format!("/api/plugins/telemetry/TENANT/{}/values/attributes", people.tenant);
    assert_eq!(gateway.get(&read, &people.admin).await.ok()[0]["value"], json!("big"));
}
