//! The form of answers: health, metrics, refusals.

use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::http::{Method, StatusCode};

use crate::support::Gateway;

#[tokio::test]
async fn health_and_metrics_need_no_login() {
    let gateway = Gateway::start().await;
    for path in ["/health/ready", "/health/live"] {
        let answer = gateway.get(path, "").await;
        assert_eq!(
            (answer.status, answer.text.as_str()),
            (StatusCode::OK, r#"{"status":"UP"}"#),
            "{path}"
        );
    }
    let metrics = gateway.get("/metrics", "").await;
    assert_eq!(metrics.text, "up 1\n");
    assert!(
        metrics.headers["content-type"]
            .to_str()
            .is_ok_and(|kind| kind.starts_with("text/plain"))
    );
    gateway.ready.store(false, Ordering::Relaxed);
    assert_eq!(gateway.get("/health/ready", "").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(gateway.get("/health/live", "").await.status, StatusCode::OK);
}

#[tokio::test]
async fn refusals_have_the_same_form_everywhere() {
    let gateway = Gateway::start().await;
    let people = gateway.tenant("a").await;
    gateway.get("/api/no/such/route", "").await.refused(404, 32);
    gateway.get("/api/v1/TOKEN/no/such/route", "").await.refused(404, 32);
    assert_eq!(
        gateway.call(Method::POST, "/api/v1/TOKEN/telemetry", "", Body::empty()).await.text,
        "from a device"
    );
    gateway
        .call(Method::PATCH, "/api/device", &people.admin, Body::empty())
        .await
        .refused(405, 31);
    gateway.get("/api/tenant/devices?pageSize=1&page=0", "").await.refused(401, 10);
    gateway
        .get("/api/tenant/devices?pageSize=1&page=0", "no.such.token")
        .await
        .refused(401, 10);
    gateway
        .get("/api/tenant/devices?pageSize=many&page=0", &people.admin)
        .await
        .refused(400, 31);
    gateway.get("/api/tenant/devices", &people.admin).await.refused(400, 31);
    gateway.get("/api/device/not-a-uuid", &people.admin).await.refused(400, 31);
    for body in ["", "{", "[]", r#"{"name": 5}"#] {
        gateway
            .call(Method::POST, "/api/device", &people.admin, Body::from(body))
            .await
            .refused(400, 31);
    }
    let large = Body::from(vec![b' '; (16 << 20) + 1]);
    gateway
        .call(Method::POST, "/api/device", &people.admin, large)
        .await
        .refused(413, 31);
}
