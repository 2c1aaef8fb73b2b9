//! A node that loops, allocates without end or traps hurts only its own chain.

#![allow(clippy::unwrap_used, missing_docs)]

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tests::rest::{Rest, exchange};
use tests::server::{Options, Server};

/// Root chain: everything enters an evil node; `Failure` is saved as an attribute, so that one can see it.
fn evil_chain(rest: &Rest, class: &str) {
    let mut metadata = rest.root_metadata();
    metadata["nodes"] = json!([
        node("evil", class, json!({})),
        node(
            "failed",
            "org.thingsboard.rule.engine.telemetry.TbMsgAttributesNode",
            json!({"scope": "SERVER_SCOPE", "notifyDevice": false, "updateAttributesOnlyOnValueChange": false})
        ),
    ]);
    metadata["connections"] = json!([{"fromIndex": 0, "toIndex": 1, "type": "Failure"}]);
    metadata["firstNodeIndex"] = json!(0);
    metadata["ruleChainConnections"] = Json::Null;
    rest.post("/api/ruleChain/metadata", &metadata);
}

fn node(name: &str, class: &str, configuration: Json) -> Json {
    json!({"type": class, "name": name, "configuration": configuration, "debugSettings": null, "singletonMode": false, "configurationVersion": 0})
}

#[test]
fn evil_nodes_fail_their_messages_and_nobody_elses() {
    let components = tests::root().join("target/components/test");
    let server = Server::start(Options::demo().with(&["--components", components.to_str().unwrap()]));
    let sysadmin = server.login("sysadmin@pacificsoft.org", "sysadmin");
    let good = server.tenant();
    let good_device = good.device("Demo device");

    // A tenant of its own for the evil chain.
    let tenant = sysadmin.post("/api/tenant", &json!({"title": "Evil"}));
    let user = json!({"email": "evil@example.org", "authority": "TENANT_ADMIN", "tenantId": tenant["id"]});
    let user = sysadmin.post("/api/user?sendActivationMail=false", &user);
    let (status, link) = sysadmin.try_get(&format!("/api/user/{}/activationLink", user["id"]["id"].as_str().unwrap()));
    assert_eq!(status, 200, "{link}");
    let token = link.trim_matches('"').rsplit("activateToken=").next().unwrap().to_owned();
    sysadmin.post(
        "/api/noauth/activate?sendActivationMail=false",
        &json!({"activateToken": token, "password": "evil-evil"}),
    );
    let evil = server.login("evil@example.org", "evil-evil");
    let evil_device = evil.create_device("Evil device", "EVIL_TOKEN");
    assert_eq!(
        good.try_get(&format!("/api/device/{evil_device}")).0,
        404,
        "tenants do not see each other"
    );

    let before_mb = server.memory_mb();
    let quiet = slowest(&server, 50);
    for class in [
        "test.evil.loop",
        "test.evil.memory-bomb",
        "test.evil.trap",
        "test.evil.huge-output",
        "test.evil.stack-bomb",
    ] {
        evil_chain(&evil, class);
        let mark = class.replace('.', "_");
        for number in 0..5 {
            let body = json!({ mark.clone(): number }).to_string();
            let (status, reason) = exchange(&["-d", &body, &format!("{}/api/v1/EVIL_TOKEN/telemetry", server.http)]);
            assert_eq!(status, 200, "{class}: failing is an outcome, and it is durable: {reason}");
        }
        tests::until("the messages left along Failure", || {
            let attributes = evil.attributes(&evil_device, "SERVER_SCOPE");
            attributes
                .as_array()
                .unwrap()
                .iter()
                .any(|one| one["key"] == mark.as_str() && one["value"] == 4)
        });
        let beside = slowest(&server, 50);
        assert!(
            beside < quiet.max(Duration::from_millis(50)) * 4,
            "{class}: a neighbour waited {beside:?}, before {quiet:?}"
        );
    }
    assert_metered(&server, &good, &evil, &tenant["id"]);
    let after_mb = server.memory_mb();
    assert!(after_mb < before_mb + 100.0, "{before_mb:.0} MB became {after_mb:.0} MB");
    assert_eq!(good.latest(&good_device, "n")["n"][0]["value"], 49);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

/// Each tenant sees what its own guests used, the system's administrator everybody's.
fn assert_metered(server: &Server, good: &Rest, evil: &Rest, evil_id: &Json) {
    let used = |told: &Json| told["cpuMs"].as_u64().unwrap();
    let own = evil.get("/api/plugins/usage");
    assert_eq!(own["tenantId"], *evil_id);
    assert!(used(&own) >= 20, "a loop of 20 ms at least: {own}");
    assert!(used(&own) > used(&good.get("/api/plugins/usage")), "{own}");
    let other = format!("/api/plugins/usage?tenantId={}", evil_id["id"].as_str().unwrap());
    assert_eq!(good.try_get(&other).0, 404, "tenants do not see each other");
    let all = server.login("sysadmin@pacificsoft.org", "sysadmin").get("/api/plugins/usage");
    assert_eq!(all["data"][0]["tenantId"], *evil_id, "who uses most comes first: {all}");
}

/// The slowest but one of some exchanges of the good tenant.
fn slowest(server: &Server, count: usize) -> Duration {
    let url = format!("{}/api/v1/A1_TEST_TOKEN/telemetry", server.http);
    let mut times: Vec<Duration> = (0..count)
        .map(|number| {
            let started = Instant::now();
            assert_eq!(exchange(&["-d", &json!({ "n": number }).to_string(), &url]).0, 200);
            started.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[count - 2]
}

#[test]
fn chains_that_make_no_sense_are_refused_saying_where() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let good = tenant.root_metadata();
    let refused = |change: &dyn Fn(&mut Json), says: &[&str]| {
        let mut metadata = good.clone();
        change(&mut metadata);
        let (status, body) = tenant.try_post("/api/ruleChain/metadata", &metadata);
        assert_eq!(status, 400, "{body}");
        let body: Json = serde_json::from_str(&body).unwrap();
        let message = body["message"].as_str().unwrap();
        assert!(says.iter().all(|part| message.contains(part)), "{message}");
    };
    refused(
        &|chain| chain["nodes"][0]["type"] = json!("no.such.Node"),
        &["node 0", "no.such.Node"],
    );
    refused(&|chain| chain["connections"][0]["toIndex"] = json!(99), &["connection 0", "99"]);
    refused(&|chain| chain["firstNodeIndex"] = json!(99), &["99"]);
    let filter = |configuration: Json| node("threshold", "org.pacificsoft.filter.FieldFilter", configuration);
    refused(
        &|chain| {
            chain["nodes"]
                .as_array_mut()
                .unwrap()
                .push(filter(json!({"key": "t", "operator": "ABOVE", "value": 1})))
        },
        &["threshold", "ABOVE"],
    );
    refused(
        &|chain| {
            chain["nodes"] = json!([filter(json!({"key": "t", "operator": "GREATER", "value": 1}))]);
            chain["connections"] = json!([{"fromIndex": 0, "toIndex": 0, "type": "True"}, {"fromIndex": 0, "toIndex": 0, "type": "False"}]);
            chain["firstNodeIndex"] = json!(0);
        },
        &["cycle", "threshold"],
    );
    tenant.post("/api/ruleChain/metadata", &good);
}
