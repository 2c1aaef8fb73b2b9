//! What a device profile says for its devices alone: MQTT topics of their own, with a client that nobody here wrote, and the rule chain that their
//! messages go to. Others go on as before.

#![allow(clippy::unwrap_used, missing_docs)]

use serde_json::{Value as Json, json};
use tests::clients::python;
use tests::rest::exchange;
use tests::server::{Options, Server};
use tests::wire::{Wire, publish, subscribe};

fn profile(name: &str, topics: Json) -> Json {
    let mut transport = topics;
    transport["type"] = json!("MQTT");
    json!({
        "name": name,
        "type": "DEFAULT",
        "transportType": "MQTT",
        "profileData": {"configuration": {"type": "DEFAULT"}, "transportConfiguration": transport},
    })
}

#[test]
fn devices_of_a_profile_have_topics_of_their_own_beside_the_usual_ones() {
    let server = Server::start(Options::demo());
    let rest = server.tenant();
    let topics = json!({
        "deviceTelemetryTopic": "plant/+/values", "deviceAttributesTopic": "plant/+/state/#", "deviceAttributesSubscribeTopic": "plant/told",
    });
    let saved = rest.post("/api/deviceProfile", &profile("Plant", topics));
    let device = rest.post(
        "/api/device?accessToken=PLANT",
        &json!({"name": "Plant 1", "deviceProfileId": saved["id"]}),
    );
    let device = device["id"]["id"].as_str().unwrap();
    let said = python(PAHO, &[&server.mqtt_port.to_string(), "PLANT", &server.http, device, rest.token()]);
    assert_eq!(
        said.lines().collect::<Vec<_>>(),
        ["granted 1", "told plant/told {\"limit\":7}", "done"],
        "{said}"
    );
    let latest = rest.latest(device, "temperature,usual");
    assert_eq!(
        (&latest["temperature"][0]["value"], &latest["usual"][0]["value"]),
        (&json!(21.5), &json!(1))
    );
    let attributes = rest.attributes(device, "CLIENT_SCOPE");
    let names: Vec<_> = attributes.as_array().unwrap().iter().map(|one| &one["key"]).collect();
    assert!(names.contains(&&json!("serial")), "{attributes}");

    // To devices of other profiles these topics mean nothing.
    let mut wire = Wire::connect(server.mqtt_port, "A1_TEST_TOKEN", 5);
    wire.send(&publish(1, "plant/7/values", b"{\"a\": 1}", 5));
    assert_eq!(wire.packet().unwrap()[4], 0x90, "topic name invalid (MQTT 5, 3.4.2.1)");
    let mut wire = Wire::connect(server.mqtt_port, "A1_TEST_TOKEN", 4);
    wire.send(&subscribe(1, "plant/told"));
    assert_eq!(wire.packet().unwrap().last(), Some(&0x80));
    // Nor does another topic to its own.
    let mut wire = Wire::connect(server.mqtt_port, "PLANT", 5);
    wire.send(&publish(1, "plant/values", b"{\"a\": 1}", 5));
    assert_eq!(wire.packet().unwrap()[4], 0x90);
}

#[test]
fn topics_that_cannot_work_are_refused() {
    let server = Server::start(Options::demo());
    let rest = server.tenant();
    for (topics, says) in [
        (
            json!({"deviceTelemetryTopic": "a/#/b"}),
            "deviceTelemetryTopic must be a topic filter",
        ),
        (json!({"deviceAttributesSubscribeTopic": "a/+"}), "must not have wildcards"),
        (
            json!({"deviceTelemetryTopic": "a", "deviceAttributesTopic": "a"}),
            "must not be the same",
        ),
    ] {
        let (status, body) = rest.try_post("/api/deviceProfile", &profile("Plant", topics));
        assert!(status == 400 && body.contains(says), "{status} {body}");
    }
}

#[test]
fn devices_of_a_profile_have_its_rule_chain() {
    let server = Server::start(Options::demo());
    let rest = server.tenant();
    let chain = rest.post("/api/ruleChain", &json!({"name": "Plant chain", "type": "CORE"}));
    // All that comes here is saved as attributes.
    let save = json!({
        "type": "org.thingsboard.rule.engine.telemetry.TbMsgAttributesNode", "name": "save", "configurationVersion": 0,
        "configuration": {"scope": "SERVER_SCOPE", "notifyDevice": false, "updateAttributesOnlyOnValueChange": false},
    });
    rest.post(
        "/api/ruleChain/metadata",
        &json!({"ruleChainId": chain["id"], "firstNodeIndex": 0, "nodes": [save], "connections": []}),
    );
    let mut profile = profile("Plant", json!({}));
    profile["defaultRuleChainId"] = chain["id"].clone();
    let mut saved = rest.post("/api/deviceProfile", &profile);
    let device = rest.post(
        "/api/device?accessToken=PLANT",
        &json!({"name": "Plant 1", "deviceProfileId": saved["id"]}),
    );
    let device = device["id"]["id"].as_str().unwrap();
    let says = |token: &str, values: &str| {
        let url = format!("{}/api/v1/{token}/telemetry", server.http);
        assert_eq!(exchange(&["-d", values, &url]).0, 200, "{token} {values}");
    };
    let has = |key: &str| {
        let attributes = rest.attributes(device, "SERVER_SCOPE");
        attributes.as_array().unwrap().iter().any(|one| one["key"] == key)
    };
    says("PLANT", r#"{"in_its_chain": 1}"#);
    assert!(has("in_its_chain"));
    assert_eq!(
        rest.latest(device, "in_its_chain")["in_its_chain"][0]["value"],
        Json::Null,
        "the root chain has it too"
    );
    // Devices of other profiles have the tenant's root chain.
    says("A1_TEST_TOKEN", r#"{"in_the_root": 1}"#);
    let other = rest.device("Demo device");
    assert_eq!(rest.latest(&other, "in_the_root")["in_the_root"][0]["value"], 1);
    // So have its own when the profile names none any more.
    saved["defaultRuleChainId"] = Json::Null;
    let mut saved = rest.post("/api/deviceProfile", &saved);
    tests::until("its messages go to the root chain", || {
        says("PLANT", r#"{"in_the_root": 1}"#);
        rest.latest(device, "in_the_root")["in_the_root"][0]["value"] == 1
    });
    // A chain that is not there is refused.
    saved["defaultRuleChainId"] = json!({"entityType": "RULE_CHAIN", "id": "00000000-0000-4000-8000-000000000001"});
    let (status, body) = rest.try_post("/api/deviceProfile", &saved);
    assert!(status == 400 && body.contains("rule chain"), "{status} {body}");
}

/// Publishes on own and usual topics, subscribes to its own, and waits for what it is told.
const PAHO: &str = r#"
import json, sys, threading, urllib.request
import paho.mqtt.client as mqtt
port, token, http, device, jwt = sys.argv[1:]
told, granted = threading.Event(), threading.Event()
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
client.username_pw_set(token)
def subscribed(client, userdata, mid, codes, properties):
    print("granted", codes[0].value); granted.set()
def message(client, userdata, message):
    print("told", message.topic, message.payload.decode()); told.set()
client.on_subscribe, client.on_message = subscribed, message
client.connect("127.0.0.1", int(port)); client.loop_start()
client.subscribe("plant/told", 1); assert granted.wait(10)
for topic, values in [("plant/7/values", {"temperature": 21.5}), ("plant/7/state/deep/er", {"serial": "x"}), ("v1/devices/me/telemetry", {"usual": 1})]:
    sent = client.publish(topic, json.dumps(values), 1); sent.wait_for_publish(10); assert sent.is_published(), topic
url = f"{http}/api/plugins/telemetry/DEVICE/{device}/attributes/SHARED_SCOPE"
headers = {"Content-Type": "application/json", "X-Authorization": f"Bearer {jwt}"}
urllib.request.urlopen(urllib.request.Request(url, b'{"limit": 7}', headers)).read()
assert told.wait(10)
client.disconnect(); client.loop_stop(); print("done")
"#;
