//! The live feed across servers: who watches at one sees what another one saves.

use serde_json::json;
use tests::clients::mosquitto_pub;
use tests::cluster::Cluster;
use tests::live::{Watcher, command};

#[test]
fn live_values_are_seen_at_any_server() {
    let Some((cassandra, _turn)) = crate::turn() else { return };
    let mut cluster = Cluster::start(2, &cassandra);
    let tenant = cluster.server(0).tenant();
    let devices: Vec<(String, String)> = (0..8)
        .map(|number| {
            let token = format!("live-{number}");
            (tenant.create_device(&token, &token), token)
        })
        .collect();
    let mut watchers = [0, 1].map(|server| Watcher::open(cluster.server(server), tenant.token()));
    for watcher in &mut watchers {
        for (number, (device, _)) in (0..).zip(&devices) {
            let told = watcher.asked(&json!({"tsSubCmds": [command(number, device, &json!({}))]}));
            assert_eq!(told["errorCode"], 0, "{told}");
        }
        let shared = json!({"scope": "SHARED_SCOPE"});
        watcher.ask(&json!({"attrSubCmds": [command(100, &devices[0].0, &shared)]}));
        assert_eq!(watcher.hear()["subscriptionId"], 100);
    }
    // Behind the first values of a device that came from the other server is nothing that was said when it began to be watched.
    for (_, token) in &devices {
        let port = cluster.server(0).mqtt_port;
        let output = mosquitto_pub(port, token, "v1/devices/me/telemetry", r#"{"begun": 1}"#, &[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    for watcher in &mut watchers {
        let mut begun = std::collections::HashSet::new();
        while begun.len() < devices.len() {
            let frame = watcher.hear();
            begun.extend(tests::live::values(&frame, "begun").first().and(frame["subscriptionId"].as_i64()));
        }
    }
    // Devices owned by either server, connected to either.
    for (number, (_, token)) in devices.iter().enumerate() {
        for server in [0, 1] {
            let value = json!({ "seen": number * 2 + server }).to_string();
            let port = cluster.server(server).mqtt_port;
            let output = mosquitto_pub(port, token, "v1/devices/me/telemetry", &value, &[]);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
    let last = devices.len() - 1;
    for watcher in &mut watchers {
        // Each device's come in order; those of different devices may not.
        let mut seen = vec![Vec::new(); devices.len()];
        while seen.iter().map(Vec::len).sum::<usize>() < devices.len() * 2 {
            let frame = watcher.hear();
            let number = usize::try_from(frame["subscriptionId"].as_i64().unwrap()).unwrap();
            seen[number].extend(tests::live::values(&frame, "seen"));
        }
        for (number, seen) in seen.iter().enumerate() {
            assert_eq!(*seen, [(number * 2).to_string(), (number * 2 + 1).to_string()]);
        }
    }
    // What a user changes at one server.
    let path = format!("/api/plugins/telemetry/DEVICE/{}/SHARED_SCOPE", devices[0].0);
    tenant.post(&path, &json!({"target": 5}));
    watchers.iter_mut().for_each(|watcher| drop(watcher.until(100, "target", "5")));
    // A server that dies takes nothing along: what it does not do any more the other one does, and tells.
    let port = cluster.server(0).mqtt_port;
    cluster.kill(1);
    cluster.settled(1);
    let output = mosquitto_pub(port, &devices[last].1, "v1/devices/me/telemetry", r#"{"seen": "late"}"#, &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    watchers[0].until(i64::try_from(last).unwrap(), "seen", "late");
}
