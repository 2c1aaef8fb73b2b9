//! Logging in and out, tokens, passwords.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use serde_json::{Value as Json, json};

use crate::support::{Gateway, PASSWORD, SYSADMIN};

fn named(email: &str, password: &str) -> Json {
    json!({"username": email, "password": password})
}

#[tokio::test]
async fn a_login_answers_two_tokens_each_for_its_own_purpose() {
    let gateway = Gateway::start().await;
    // In any case, and without a content type.
    let body = Body::from(named("SysAdmin@example.org", PASSWORD).to_string());
    let pair = gateway.call(Method::POST, "/api/auth/login", "", body).await.ok();
    let (token, refresh) = (pair["token"].as_str().expect("text"), pair["refreshToken"].as_str().expect("text"));
    let user = gateway.get("/api/auth/user", token).await.ok();
    assert_eq!((&user["email"], &user["authority"]), (&json!(SYSADMIN), &json!("SYS_ADMIN")));
    assert_eq!(user["customerId"]["id"], json!("13814000-1dd2-11b2-8080-808080808080"));

    gateway.get("/api/auth/user", refresh).await.refused(401, 10);
    gateway
        .post("/api/auth/token", "", json!({"refreshToken": token}))
        .await
        .refused(401, 10);
    let next = gateway.post("/api/auth/token", "", json!({"refreshToken": refresh})).await.ok();
    assert_eq!(
        gateway.get("/api/auth/user", next["token"].as_str().expect("text")).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn either_header_is_read() {
    let gateway = Gateway::start().await;
    let token = gateway.log_in(SYSADMIN).await;
    let request = axum::http::Request::get("/api/auth/user").header("Authorization", format!("Bearer {token}"));
    assert_eq!(
        gateway.send(request.body(Body::empty()).expect("a request")).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn tokens_end() {
    let gateway = Gateway::start().await;
    let pair = gateway.post("/api/auth/login", "", named(SYSADMIN, PASSWORD)).await.ok();
    let (token, refresh) = (pair["token"].as_str().expect("text"), pair["refreshToken"].as_str().expect("text"));
    gateway.clock.advance_s(8_999);
    assert_eq!(gateway.get("/api/auth/user", token).await.status, StatusCode::OK);
    gateway.clock.advance_s(1);
    gateway.get("/api/auth/user", token).await.refused(401, 11);
    gateway.clock.advance_s(604_800 - 9_000 - 1);
    assert_eq!(
        gateway.post("/api/auth/token", "", json!({"refreshToken": refresh})).await.status,
        StatusCode::OK
    );
    gateway.clock.advance_s(1);
    gateway
        .post("/api/auth/token", "", json!({"refreshToken": refresh}))
        .await
        .refused(401, 11);
}

#[tokio::test]
async fn logging_out_voids_all_tokens_and_a_new_login_works_at_once() {
    let gateway = Gateway::start().await;
    let pair = gateway.post("/api/auth/login", "", named(SYSADMIN, PASSWORD)).await.ok();
    let token = pair["token"].as_str().expect("text");
    gateway.post("/api/auth/logout", token, json!({})).await.ok();
    gateway.get("/api/auth/user", token).await.refused(401, 10);
    gateway
        .post("/api/auth/token", "", json!({"refreshToken": pair["refreshToken"]}))
        .await
        .refused(401, 10);
    let token = gateway.log_in(SYSADMIN).await;
    assert_eq!(gateway.get("/api/auth/user", &token).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_changed_password_voids_what_was_before() {
    let gateway = Gateway::start().await;
    let token = gateway.log_in(SYSADMIN).await;
    let change = async |current: &str, new: &str| {
        let body = json!({"currentPassword": current, "newPassword": new});
        gateway.post("/api/auth/changePassword", &token, body).await
    };
    change("wrong one", "new password").await.refused(400, 31);
    change(PASSWORD, "short").await.refused(400, 31);
    let pair = change(PASSWORD, "new password").await.ok();
    gateway.get("/api/auth/user", &token).await.refused(401, 10);
    assert_eq!(
        gateway.get("/api/auth/user", pair["token"].as_str().expect("text")).await.status,
        StatusCode::OK
    );
    gateway
        .post("/api/auth/login", "", named(SYSADMIN, PASSWORD))
        .await
        .refused(401, 10);
    gateway.post("/api/auth/login", "", named(SYSADMIN, "new password")).await.ok();
}

#[tokio::test]
async fn an_address_is_closed_after_ten_failures_whether_it_is_known_or_not() {
    let gateway = Gateway::start().await;
    for email in [SYSADMIN, "nobody@example.org"] {
        for _ in 0..10 {
            let message = gateway.post("/api/auth/login", "", named(email, "wrong")).await.refused(401, 10);
            assert_eq!(message, "Invalid username or password");
        }
        let answer = gateway.post("/api/auth/login", "", named(email, PASSWORD)).await;
        assert_eq!(answer.headers["retry-after"], "60");
        answer.refused(429, 33);
    }
    gateway.clock.advance_s(60);
    gateway.log_in(SYSADMIN).await;
}
