//! Nodes speak to servers outside: whom the tenant lists, with secrets they never see; and nothing inside is reached, however one asks.

#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

use serde_json::{Value as Json, json};
use tests::outside::Outside;
use tests::scene::{LENIENT, Scene, TALKATIVE, components, lenient, uploaded};
use tests::server::{Options, Server};

const REST_CALL: &str = "org.thingsboard.rule.engine.rest.TbRestApiCallNode";
const ASKS: &str = "test.egress.asks";

#[test]
fn an_answer_becomes_the_next_message() {
    let outside = Outside::start();
    let (server, _folder) = lenient(&[]);
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);
    let call = |path: &str| json!({"restEndpointUrlPattern": outside.url(path), "requestMethod": "POST", "headers": {"X-Device": "${deviceName}"}, "readTimeoutMs": 60000});

    let (relation, metadata, _) = scene.ask(REST_CALL, &call("/json"));
    let error = metadata["error"].as_str().unwrap();
    assert!(
        relation == "Failure" && error.contains("is not among the servers"),
        "nothing is listed at first: {error}"
    );
    assert!(outside.heard().is_empty());

    scene.allow(&[&outside.url("")]);
    let (relation, metadata, payload) = scene.ask(REST_CALL, &call("/$[path]?t=$[temperature]"));
    assert_eq!((relation.as_str(), &payload), ("Success", &json!({"answer": 42})));
    assert_eq!(
        (&metadata["statusCode"], &metadata["status"], &metadata["x-from"]),
        (&json!("200"), &json!("OK"), &json!("outside"))
    );
    assert_eq!(metadata["deviceName"], "Demo device", "what was there stays");
    let asked = outside.heard().remove(0);
    assert!(
        asked.starts_with("POST /json?t=21 HTTP/1.1\r\n") && asked.contains("x-device: Demo device\r\n"),
        "{asked}"
    );
    let body: Json = serde_json::from_str(asked.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(body, json!({"temperature": 21, "path": "json"}));

    let (relation, _, payload) = scene.ask(REST_CALL, &call("/text"));
    assert_eq!((relation.as_str(), &payload), ("Success", &json!("plain words")));
    let (relation, metadata, payload) = scene.ask(REST_CALL, &call("/missing"));
    assert_eq!(
        (relation.as_str(), &metadata["statusCode"], &metadata["statusReason"]),
        ("Failure", &json!("404"), &json!("Not Found"))
    );
    assert_eq!(
        (&metadata["error_body"], &payload["temperature"]),
        (&json!("there is no such thing"), &json!(21))
    );
}

/// Each is a guest that tries to get in. The list allows every one of these servers: only what they are keeps them away.
#[test]
fn nothing_inside_is_reached() {
    let folder = components();
    let inside = Outside::start();
    let server = Server::start(Options::demo().with(&["--components", folder.path().to_str().unwrap()]));
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);
    let port = inside.port;
    scene.allow(&[
        "http://*",
        "https://*",
        &format!("http://*:{port}"),
        &format!("http://localhost:{port}"),
    ]);
    let url = |host: &str| json!({"url": format!("http://{host}:{port}/json")});
    let never = "no component reaches";
    let none = "neither the name of a host nor an IP address";
    let cases = [
        (url("127.0.0.1"), never),
        (url("localhost"), never),
        (url("LocalHost"), never),
        (url("[::1]"), never),
        (url("[::ffff:127.0.0.1]"), never),
        (url("0.0.0.0"), never),
        (json!({"url": "http://169.254.169.254/latest/meta-data/"}), "metadata service"),
        (json!({"url": "http://[fd00:ec2::254]/latest/"}), "metadata service"),
        (url("2130706433"), none),
        (url("0x7f000001"), none),
        (url("0177.0.0.1"), none),
        (url("127.1"), none),
        (url("①②⑦.⓪.⓪.①"), none),
        (url("example.org@127.0.0.1"), "user name"),
        (json!({"url": "http://127.0.0.1:25/"}), "port 25"),
        (json!({"url": "file:///etc/passwd"}), "http://"),
        (json!({"url": "gopher://127.0.0.1/"}), "http://"),
        (json!({"url": format!("http://127.0.0.1:{port}/\r\nX: y")}), "control characters"),
        (
            json!({"url": "http://127.0.0.1/", "headers": {"X-A": "b\r\nHost: inside"}}),
            "control characters",
        ),
        (
            json!({"url": "http://127.0.0.1/", "headers": {"Host": "inside"}}),
            "not a component's to set",
        ),
        (
            json!({"url": "http://127.0.0.1/", "headers": {"Transfer-Encoding": "chunked"}}),
            "not a component's to set",
        ),
        (json!({"url": "http://127.0.0.1/", "method": "CONNECT"}), "there is no method"),
        (json!({"url": "http://", "secretInUrl": "name"}), "not where the server is named"),
    ];
    for (configuration, says) in cases {
        let (relation, metadata, _) = scene.ask(ASKS, &configuration);
        let error = metadata["error"].as_str().unwrap_or_default();
        assert!(relation == "Failure" && error.contains(says), "{configuration}: {error}");
    }
    assert!(inside.heard().is_empty(), "{:?}", inside.heard());
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn a_server_that_misbehaves_fails_its_message_only() {
    let (outside, inside) = (Outside::start(), Outside::start());
    let (server, _folder) = lenient(&[]);
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);
    scene.allow(&[&outside.url("")]);
    let before_mb = server.memory_mb();
    let redirect = outside.url(&format!("/redirect?to={}", inside.url("/json")));
    let (relation, metadata, _) = scene.ask(ASKS, &json!({ "url": redirect }));
    assert_eq!(
        (relation.as_str(), &metadata["statusCode"], &metadata["location"]),
        ("Failure", &json!("302"), &json!(inside.url("/json")))
    );
    for (path, says) in [("/huge", "larger than"), ("/slow", "did not answer within 1000 ms")] {
        let (relation, metadata, _) = scene.ask(ASKS, &json!({"url": outside.url(path), "timeoutMs": 1000}));
        let error = metadata["error"].as_str().unwrap_or_default();
        assert!(relation == "Failure" && error.contains(says), "{path}: {error}");
    }
    assert!(inside.heard().is_empty(), "a redirect is not followed");
    assert!(server.memory_mb() < before_mb + 50.0);
}

/// A value that must be seen by the server outside, and nowhere else.
const VALUE: &str = "hunter2-Zwölf$";

#[test]
fn a_secret_is_seen_by_the_server_outside_and_nobody_else() {
    let outside = Outside::start();
    let server = Server::start(Options::demo().with(&LENIENT).with(&TALKATIVE));
    let tenant = server.tenant();
    let (component, version) = uploaded(&tenant, "asks");
    let (status, told) = tenant.try_post(&format!("{component}/activate"), &version);
    assert!(status == 409 && told.contains("sends HTTP requests"), "it must be granted: {told}");
    let (status, told) = tenant.try_post(&format!("{component}/permissions"), &json!({"grant": ["http-request", "publish"]}));
    assert_eq!(status, 200, "{told}");
    tenant.post(&format!("{component}/activate"), &version);

    let scene = Scene::new(&server, &tenant);
    scene.allow(&[&outside.url("")]);
    let set = tenant.post("/api/plugins/secrets", &json!({"name": "api", "value": VALUE}));
    let mut answers = vec![set.to_string(), tenant.get("/api/plugins/secrets?pageSize=10&page=0").to_string()];
    let configuration = json!({"url": outside.url("/json?key="), "secret": "api", "secretInUrl": "api"});

    let (relation, metadata, _) = scene.ask(ASKS, &configuration);
    let error = metadata["error"].as_str().unwrap_or_default();
    assert!(
        relation == "Failure" && error.contains("secret:api"),
        "a secret must be granted, too: {error}"
    );
    assert!(outside.heard().is_empty());
    tenant.post(&format!("{component}/permissions"), &json!({"grant": ["secret:api"]}));
    let (relation, metadata, payload) = scene.ask(ASKS, &configuration);
    assert_eq!(relation, "Success", "{metadata}");
    let asked = outside.heard().remove(0);
    assert!(asked.starts_with("GET /json?key=hunter2-Zw%C3%B6lf%24 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains(&format!("x-secret: {VALUE}\r\n")), "{asked}");
    answers.extend([metadata.to_string(), payload.to_string()]);

    // The shipped node, and every way to fail with it.
    for (path, relation) in [("/missing?key=${secret:api}", "Failure"), ("/text", "Success")] {
        let call = json!({"restEndpointUrlPattern": outside.url(path), "requestMethod": "POST", "requestBodyTemplate": "$[path] ${secret:api}",
            "credentials": {"type": "basic", "username": "u", "password": "${secret:api}"}});
        let (left, metadata, payload) = scene.ask(REST_CALL, &call);
        assert_eq!(left, relation, "{metadata}");
        assert!(outside.heard().last().unwrap().contains(&format!("json {VALUE}")));
        answers.extend([metadata.to_string(), payload.to_string()]);
    }
    for url in [
        outside.url("/slow?key="),
        "http://127.0.0.1:9/?key=".to_owned(),
        "http://127.0.0.1:81/?key=".to_owned(),
    ] {
        let failing = json!({"url": url, "secret": "api", "secretInUrl": "api", "timeoutMs": 500});
        let (relation, metadata, payload) = scene.ask(ASKS, &failing);
        assert_eq!(relation, "Failure");
        answers.extend([metadata.to_string(), payload.to_string()]);
    }
    tenant.post(&format!("{component}/permissions"), &json!({"deny": ["secret:api"]}));
    let (relation, ..) = scene.ask(ASKS, &configuration);
    assert_eq!(relation, "Failure", "denied again");
    answers.extend(["", "/events?pageSize=100&page=0", "/metrics"].map(|rest| tenant.get(&format!("{component}{rest}")).to_string()));
    answers.push(server.log());
    answers.push(server.greeting.clone());
    for answer in &answers {
        assert!(!answer.contains("hunter2"), "{answer}");
    }
    assert!(server.log().len() > 1_000, "the log is at its most talkative");

    let (folder, _) = server.kill();
    let mode = std::process::Command::new("stat")
        .args(["-c", "%a"])
        .arg(folder.path().join("data/secrets.key"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&mode.stdout).trim(), "600");
    let found = files_with(folder.path(), b"hunter2");
    assert!(found.is_empty(), "{found:?}");
}

/// Files below a folder that hold some bytes.
fn files_with(folder: &Path, needle: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map_while(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, needle));
        } else if std::fs::read(&path).unwrap().windows(needle.len()).any(|bytes| bytes == needle) {
            found.push(path.display().to_string());
        }
    }
    found
}
