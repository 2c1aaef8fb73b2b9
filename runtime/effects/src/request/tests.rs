//! Answers made messages, and where secrets may stand.

use super::*;
use model::{DeviceId, MessageKind};

fn message() -> Message {
    Message {
        id: uuid::Uuid::now_v7(),
        kind: MessageKind::PostTelemetry,
        originator: DeviceId::generate(TenantId::generate()).entity(),
        customer: None,
        metadata: [("deviceName", "D")].into_iter().collect(),
        payload: Payload::new(json!({"t": 1})),
        ts_ms: 5,
    }
}

fn response(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> Response {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_static(value));
    }
    Response {
        status: StatusCode::from_u16(status).expect("a status"),
        headers: map,
        body: body.into(),
    }
}

#[test]
fn an_answer_becomes_the_next_message() {
    let cases = [
        (200, r#"{"a": [1]}"#, "Success", json!({"a": [1]}), "OK", "OK"),
        (201, "12", "Success", json!(12), "CREATED", "Created"),
        (204, "", "Success", json!({}), "NO_CONTENT", "No Content"),
        (200, "plain text", "Success", json!("plain text"), "OK", "OK"),
        (302, "elsewhere", "Failure", json!({"t": 1}), "FOUND", "Found"),
        (404, "nothing", "Failure", json!({"t": 1}), "NOT_FOUND", "Not Found"),
        (
            500,
            "",
            "Failure",
            json!({"t": 1}),
            "INTERNAL_SERVER_ERROR",
            "Internal Server Error",
        ),
        (599, "", "Failure", json!({"t": 1}), "599", ""),
    ];
    for (status, body, relation, payload, name, reason) in cases {
        let performed = answered(&response(status, &[], body), &message(), None);
        let next = performed.message.expect("a message");
        let of = |key: &str| next.metadata.get(key).unwrap_or("-").to_owned();
        assert_eq!((performed.relation, next.payload.json()), (relation, &payload), "{status}");
        assert_eq!(
            (of("status"), of("statusCode"), of("statusReason")),
            (name.to_owned(), status.to_string(), reason.to_owned())
        );
        let error_body = if relation == "Failure" { body } else { "-" };
        assert_eq!((of("error_body"), of("deviceName")), (error_body.to_owned(), "D".to_owned()));
    }
}

#[test]
fn an_answer_may_be_no_more_than_an_acknowledgement() {
    let told = |status, body| answered(&response(status, &[], body), &message(), Some("/ok"));
    let accepted = told(200, r#"{"ok": true, "ts": "1"}"#);
    assert_eq!((accepted.relation, accepted.message), ("Success", None));
    let cases = [
        (
            200,
            r#"{"ok": false, "error": "no"}"#,
            "the server answered 200 OK, and not with true at /ok",
        ),
        (200, r#"{"ok": "true"}"#, "the server answered 200 OK, and not with true at /ok"),
        (200, "", "the server answered 200 OK, and not with true at /ok"),
        (429, r#"{"ok": true}"#, "the server answered 429 Too Many Requests"),
    ];
    for (status, body, error) in cases {
        let refused = told(status, body);
        let next = refused.message.expect("a message");
        assert_eq!((refused.relation, next.payload.json()), ("Failure", &json!({"t": 1})), "{body}");
        assert_eq!(
            (next.metadata.get("error"), next.metadata.get("error_body")),
            (Some(error), Some(body))
        );
    }
}

#[test]
fn headers_become_metadata() {
    let headers = [("content-type", "text/plain"), ("set-cookie", "a=1"), ("set-cookie", "b=2")];
    let next = answered(&response(200, &headers, "x"), &message(), None)
        .message
        .expect("a message");
    assert_eq!(next.metadata.get("content-type"), Some("text/plain"));
    assert_eq!(next.metadata.get("set-cookie"), Some(r#"["a=1","b=2"]"#));
}

#[test]
fn a_refusals_body_is_kept_in_part() {
    let body: &'static str = "ö".repeat(20_000).leak();
    let next = answered(&response(500, &[], body), &message(), None).message.expect("a message");
    assert_eq!(next.metadata.get("error_body").map(str::len), Some(ERROR_BODY_BYTES_MAX));
}

#[test]
fn no_secret_names_a_server() {
    for (beginning, named) in [
        ("", false),
        ("https://", false),
        ("https://api.test", false),
        ("https://api.test:8", false),
        ("https://a?", true),
        ("https://a/", true),
        ("https://a/x?key=", true),
        ("/https:", false),
        ("https://a#/", false),
    ] {
        assert_eq!(names_its_server(beginning), named, "{beginning}");
    }
    assert!(basic("a:b", "c").is_err());
    assert_eq!(
        basic("user", "pass:word").expect("a header").as_bytes(),
        b"Basic dXNlcjpwYXNzOndvcmQ="
    );
}

#[tokio::test]
async fn secrets_of_a_key_and_of_a_proxy_go_where_they_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(storage::EmbeddedStore::open(storage::EmbeddedConfig::new(folder.path())).expect("a store"));
    let outside = Outside {
        egress: Egress::new(egress::EgressConfig {
            store: store.clone(),
            addresses: egress::Addresses::default(),
            resolver: Arc::new(egress::SystemResolver),
            trust: egress::Trust::system(None).expect("certificates"),
        }),
        secrets: Vault::new(store, secrets::Key::generate()),
        allowances: Allowances::default(),
        proxy: None,
    };
    let tenant = TenantId::generate();
    outside.secrets.set(tenant, "word", "hidden", 0).await.expect("kept");
    let text = |text: &str| vec![Piece::Text(text.to_owned())];
    let word = || vec![Piece::Secret("word".to_owned())];
    let wanted = |password: Vec<Piece>, address: &str, user: &str| HttpRequest {
        method: "GET",
        url: text("https://api.test"),
        headers: Vec::new(),
        basic_auth: None,
        body: None,
        timeout_ms: 0,
        response_bytes_max: 0,
        tls: Some(plugins::Tls {
            authorities: None,
            identity: Some(plugins::Identity {
                certificates: text("C"),
                key: text("K"),
                password: Some(password),
            }),
        }),
        proxy: Some(plugins::Proxy {
            address: address.to_owned(),
            basic_auth: Some((text(user), word())),
        }),
        accepted_if: None,
    };
    let request = outside.request(tenant, &wanted(word(), "http://proxy.test:3128", "u")).await;
    let request = request.expect("a request");
    let identity = |request: &Request| request.tls.as_ref().and_then(|tls| tls.identity.clone()).expect("a certificate");
    assert_eq!(identity(&request).password, Some(Secret("hidden".to_owned())));
    let proxy = request.proxy.as_ref().expect("a proxy");
    let shown = proxy.authorization.as_ref().expect("a login");
    assert_eq!(
        (proxy.target.origin().as_str(), shown.as_bytes()),
        ("http://proxy.test:3128", &b"Basic dTpoaWRkZW4="[..])
    );
    assert!(shown.is_sensitive() && !format!("{request:?} {proxy:?}").contains("hidden"));
    let empty = outside.request(tenant, &wanted(text(""), "http://proxy.test:3128", "u")).await;
    assert_eq!(identity(&empty.expect("a request")).password, None);
    for (address, user) in [
        ("socks://proxy.test:3128", "u"),
        ("proxy.test:3128", "u"),
        ("http://proxy.test:3128", "a:b"),
    ] {
        assert!(
            outside.request(tenant, &wanted(word(), address, user)).await.is_err(),
            "{address} {user}"
        );
    }
}

#[tokio::test]
async fn the_servers_own_proxy_is_used_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(storage::EmbeddedStore::open(storage::EmbeddedConfig::new(folder.path())).expect("a store"));
    let with = |proxy: Option<egress::Proxy>| Outside {
        egress: Egress::new(egress::EgressConfig {
            store: store.clone(),
            addresses: egress::Addresses::default(),
            resolver: Arc::new(egress::SystemResolver),
            trust: egress::Trust::system(None).expect("certificates"),
        }),
        secrets: Vault::new(store.clone(), secrets::Key::generate()),
        allowances: Allowances::default(),
        proxy,
    };
    let tenant = TenantId::generate();
    let wanted = |basic_auth| plugins::Proxy {
        address: "server:proxy".to_owned(),
        basic_auth,
    };
    let own = crate::server_proxy("https://proxy.test:3128", Some(("u", "hidden"))).expect("a proxy");
    let outside = with(Some(own));
    let way = outside.proxy(tenant, Some(&wanted(None))).await.expect("a way").expect("a proxy");
    assert_eq!(way.target.origin(), "the server's proxy", "tenants are not told where it is");
    assert_eq!(way.authorization.expect("a login").as_bytes(), b"Basic dTpoaWRkZW4=");
    let named = Some((vec![Piece::Text("u".to_owned())], Vec::new()));
    assert!(outside.proxy(tenant, Some(&wanted(named))).await.is_err());
    let refused = with(None).proxy(tenant, Some(&wanted(None))).await.expect_err("none is named");
    assert!(refused.to_string().contains("--egress-proxy"), "{refused}");
    for (address, user) in [
        ("http://proxy.test/a", "u"),
        ("mqtt://proxy.test", "u"),
        ("http://proxy.test", "a:b"),
    ] {
        assert!(crate::server_proxy(address, Some((user, "p"))).is_err(), "{address} {user}");
    }
}
