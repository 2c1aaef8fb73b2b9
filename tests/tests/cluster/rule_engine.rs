//! Requests to rule chains across servers: a message about a device goes to its owner, and the answer comes back to whoever asked.

use peers::handshake::ASKS_SINCE;
use serde_json::{Value as Json, json};
use tests::cluster::{Cassandra, Cluster, Old};
use tests::rest::Rest;

const REPLY: &str = "org.thingsboard.rule.engine.rest.TbSendRestApiCallReplyNode";
const DEVICES: usize = 8;

/// All messages of the tenant go to a node that answers.
fn answering(tenant: &Rest) {
    let configuration = json!({"serviceIdMetaDataAttribute": "serviceId", "requestIdMetaDataAttribute": "requestUUID"});
    tenant.root_chain(&[(REPLY, "reply", configuration)], &json!([]));
}

/// Two servers of a version, where each is asked about every device: what it answers, and whether it owns the device.
fn asked(cassandra: &std::sync::Arc<Cassandra>, old: Option<&Old>) -> Vec<(bool, u16, String)> {
    let cluster = Cluster::start_told(2, cassandra, old, &[]);
    let first = cluster.server(0).tenant();
    answering(&first);
    let id = first.get("/api/auth/user")["tenantId"]["id"].as_str().unwrap().to_owned();
    let devices: Vec<String> = (0..DEVICES)
        .map(|number| first.create_device(&format!("d{number}"), &format!("t{number}")))
        .collect();
    let owners = cluster.owners(&id, devices.iter().map(String::as_str));
    assert!([0, 1].iter().all(|server| owners.contains(server)), "{owners:?}");
    let mut told = Vec::new();
    for server in [0, 1] {
        let tenant = cluster.server(server).tenant();
        // A change of a chain takes a moment to reach the other server.
        tests::until("the server's own chain answers", || {
            tenant.try_post(&format!("/api/rule-engine/TENANT/{id}/500"), &json!({})).0 == 200
        });
        for (device, owner) in devices.iter().zip(&owners) {
            let body = json!({"from": server, "about": device});
            let (status, text) = tenant.try_post(&format!("/api/rule-engine/DEVICE/{device}"), &body);
            if status == 200 {
                assert_eq!(serde_json::from_str::<Json>(&text).unwrap(), body);
            }
            told.push((*owner == server, status, text));
        }
    }
    told
}

#[test]
fn a_chain_answers_whichever_server_is_asked() {
    let Some((cassandra, _turn)) = crate::turn() else { return };
    for (own, status, text) in asked(&cassandra, None) {
        assert_eq!(status, 200, "own: {own}: {text}");
    }
    // Servers of before do not understand what they would be sent: it is not sent, and whoever asks is told at once.
    let old = Old::Held(ASKS_SINCE - 1);
    for (own, status, text) in asked(&cassandra, Some(&old)) {
        assert_eq!(status, if own { 200 } else { 503 }, "own: {own}: {text}");
    }
}
