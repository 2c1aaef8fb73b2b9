//! Devices say more than their chain can take, and the chain has something to tell them: they wait for it, but never it for them.

#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use serde_json::{Value as Json, json};
use tests::generator::{generator, log_of};
use tests::rest::exchange;
use tests::server::{Options, Server};

const SAVE: &str = "org.thingsboard.rule.engine.telemetry.TbMsgAttributesNode";
const SWITCH: &str = "org.thingsboard.rule.engine.filter.TbMsgTypeSwitchNode";
const SERIES: &str = "org.thingsboard.rule.engine.telemetry.TbMsgTimeseriesNode";

/// Devices, messages in a second – as fast as acknowledgements allow – and seconds. With their windows these have more on the way than chain,
/// entrance and lanes hold.
const FLOOD: [&str; 3] = ["40", "0", "4"];

/// What became of the flood: everything is acknowledged, and the demo device gets through.
fn endures(server: &Server, name: &str) {
    let log = log_of(server, name);
    let flood = generator(server, &log, FLOOD, &["--provision", "--window", "512", "--drain-seconds", "120"]);
    let output = flood.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let told: Json = serde_json::from_str(text.trim()).unwrap_or_else(|_| panic!("{text} {}", String::from_utf8_lossy(&output.stderr)));
    let counted = |key: &str| told[key].as_u64().unwrap_or_else(|| panic!("{told}"));
    assert!(counted("sent") > 10_000, "{told}");
    assert_eq!(counted("acknowledged"), counted("sent"), "{told}");
    let telemetry = format!("{}/api/v1/A1_TEST_TOKEN/telemetry", server.http);
    assert_eq!(exchange(&["-m", "30", "-d", r#"{"after": 1}"#, &telemetry]).0, 200);
    let _ = std::fs::remove_file(log);
}

#[test]
fn devices_that_say_much_are_told_what_their_chain_changes() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let save = json!({"scope": "SHARED_SCOPE", "notifyDevice": true, "sendAttributesUpdatedNotification": false,
        "updateAttributesOnlyOnValueChange": false});
    tenant.root_chain(&[(SAVE, "save", save)], &json!([]));
    endures(&server, "told");
    let device = tenant.device("Demo device");
    tests::until("it is saved", || {
        std::thread::sleep(Duration::from_millis(50));
        tenant
            .attributes(&device, "SHARED_SCOPE")
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["key"] == "after")
    });
}

/// The news of what a chain has written come in where the devices' messages do.
#[test]
fn a_chain_hears_of_what_it_changes_however_much_that_is() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let save = json!({"scope": "SERVER_SCOPE", "notifyDevice": false, "sendAttributesUpdatedNotification": true,
        "updateAttributesOnlyOnValueChange": false});
    let line = |to: u32, kind: &str| json!({"fromIndex": 0, "toIndex": to, "type": kind});
    tenant.root_chain(
        &[
            (SWITCH, "switch", json!({"version": 0})),
            (SAVE, "save", save),
            (SERIES, "hear", json!({})),
        ],
        &json!([line(1, "Post telemetry"), line(2, "Attributes Updated")]),
    );
    endures(&server, "heard");
    let device = tenant.device("Demo device");
    tests::until("the last change is heard of", || {
        std::thread::sleep(Duration::from_millis(50));
        tenant.latest(&device, "after")["after"][0]["value"] == 1
    });
}
