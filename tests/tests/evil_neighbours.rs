//! One tenant runs every misbehaving node in turn, at full speed; another one loses nothing, and keeps its order.

#![allow(clippy::unwrap_used, missing_docs)]

use serde_json::{Value as Json, json};
use tests::rest::{Rest, exchange};
use tests::server::{Options, Server};
use tests::traffic::{Traffic, all_stored};

/// A tenant with an administrator who is logged in.
fn tenant(server: &Server) -> Rest {
    let sysadmin = server.login("sysadmin@pacificsoft.org", "sysadmin");
    let tenant = sysadmin.post("/api/tenant", &json!({"title": "Evil"}));
    let user = json!({"email": "evil@example.org", "authority": "TENANT_ADMIN", "tenantId": tenant["id"]});
    let user = sysadmin.post("/api/user?sendActivationMail=false", &user);
    let (status, link) = sysadmin.try_get(&format!("/api/user/{}/activationLink", user["id"]["id"].as_str().unwrap()));
    assert_eq!(status, 200, "{link}");
    let token = link.trim_matches('"').rsplit("activateToken=").next().unwrap().to_owned();
    let password = json!({"activateToken": token, "password": "evil-evil"});
    sysadmin.post("/api/noauth/activate?sendActivationMail=false", &password);
    server.login("evil@example.org", "evil-evil")
}

/// Everything enters a node of a class; what leaves along `Failure` ends there.
fn chain(rest: &Rest, class: &str, configuration: &Json) -> (u16, String) {
    let mut metadata = rest.root_metadata();
    metadata["nodes"] = json!([{"type": class, "name": "evil", "configuration": configuration}]);
    metadata["connections"] = json!([]);
    metadata["firstNodeIndex"] = json!(0);
    metadata["ruleChainConnections"] = Json::Null;
    rest.try_post("/api/ruleChain/metadata", &metadata)
}

#[test]
fn a_neighbour_of_every_evil_node_loses_nothing() {
    let components = tests::root().join("target/components/test");
    let server = Server::start(Options::demo().with(&["--components", components.to_str().unwrap()]));
    let (good, evil) = (server.tenant(), tenant(&server));
    let device = good.device("Demo device");
    evil.create_device("Evil device", "EVIL_TOKEN");
    let types = evil.get("/api/components?componentTypes=ACTION");
    let classes = types.as_array().unwrap().iter().filter_map(|one| one["clazz"].as_str());
    let classes: Vec<&str> = classes.filter(|class| class.starts_with("test.evil.")).collect();
    assert!(classes.len() > 15, "{classes:?}");

    let traffic = Traffic::start(&server, &["A1_TEST_TOKEN"]);
    traffic.flows(50);
    for class in classes {
        let configuration = match class {
            "test.evil.foreign-entity" => json!({ "id": device }),
            _ => json!({"ms": 10}),
        };
        let (status, body) = chain(&evil, class, &configuration);
        if class.ends_with("-in-open") {
            assert!(
                status == 400 && body.contains("the component"),
                "{class} is tried before its chain is taken: {body}"
            );
            traffic.flows(20);
            continue;
        }
        assert_eq!(status, 200, "{class}: {body}");
        let before = traffic.acknowledged();
        for number in 0..10 {
            let body = json!({ "n": number }).to_string();
            let (status, reason) = exchange(&["-d", &body, &format!("{}/api/v1/EVIL_TOKEN/telemetry", server.http)]);
            assert_eq!(status, 200, "{class}: failing is an outcome, and it is durable: {reason}");
        }
        traffic.flows(20);
        assert!(traffic.acknowledged() > before, "{class}");
    }
    let sent = traffic.stop();
    let stored = all_stored(&good, &device, sent[0], &["n", "stolen"]);
    assert!(!stored.contains_key("stolen"), "a tenant's node names no other tenant's device");
    assert!(!server.log().contains("panicked"), "{}", server.log());
}
