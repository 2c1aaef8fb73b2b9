//! A gateway speaks for the devices behind it: with a client that nobody here wrote, and byte by byte.

#![allow(clippy::unwrap_used, missing_docs)]

use std::process::{Child, Command, Stdio};

use serde_json::{Value as Json, json};
use tests::clients::mosquitto_pub;
use tests::rest::Rest;
use tests::server::{Options, Server};
use tests::wire::{Wire, publish};

const TOKEN: &str = "GATEWAY_TOKEN";

/// Makes the gateway.
fn gateway(tenant: &Rest) -> String {
    let device = tenant.post(
        &format!("/api/device?accessToken={TOKEN}"),
        &json!({"name": "Gateway", "type": "default", "additionalInfo": {"gateway": true}}),
    );
    device["id"]["id"].as_str().unwrap().to_owned()
}

/// Runs a Python program beside the test.
fn beside(program: &str, arguments: &[&str]) -> Child {
    Command::new("timeout")
        .arg("60")
        .arg(tests::target().join("tools/venv/bin/python"))
        .args(["-c", program])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn said(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{text}");
    text
}

#[test]
fn the_gateway_client_speaks_for_devices_that_come_into_being() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let gateway = gateway(&tenant);
    let client = beside(TB_GATEWAY, &[&server.mqtt_port.to_string(), TOKEN]);
    tests::until("the device is there", || {
        tenant.try_get("/api/tenant/devices?deviceName=Pump%20%2F1").0 == 200
    });
    let pump = tenant.get("/api/tenant/devices?deviceName=Pump%20%2F1");
    assert_eq!(
        (&pump["type"], &pump["additionalInfo"]["lastConnectedGateway"]),
        (&json!("pump"), &json!(gateway))
    );
    let pump = pump["id"]["id"].as_str().unwrap();
    tests::until("it is related to its gateway", || {
        let relations = tenant.get(&format!("/api/relations?fromId={gateway}&fromType=DEVICE"));
        let made = |one: &Json| one["type"] == "Created" && one["to"]["id"] == pump;
        relations.as_array().unwrap().iter().any(made)
    });
    tests::until("its telemetry is there", || {
        tenant.latest(pump, "pressure")["pressure"][0]["value"] == 7
    });
    // The client waits for this; then it asks for it by name.
    tests::until("the attribute is told", || {
        let path = format!("/api/plugins/telemetry/DEVICE/{pump}/SHARED_SCOPE");
        assert_eq!(tenant.try_post(&path, &json!({"target": 5})).0, 200);
        tenant
            .attributes(pump, "CLIENT_SCOPE")
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["key"] == "told")
    });
    let said = said(client);
    assert!(said.contains("done"), "{said}");
    // The message of a device behind a gateway is that device's.
    let attributes = tenant.attributes(pump, "CLIENT_SCOPE");
    assert!(attributes.as_array().unwrap().contains(&json!({
        "key": "model", "value": "P1", "lastUpdateTs": attributes.as_array().unwrap().iter().find(|one| one["key"] == "model").unwrap()["lastUpdateTs"]
    })), "{attributes}");
}

#[test]
fn who_is_no_gateway_makes_no_devices() {
    let mut server = Server::start(Options::demo());
    let tenant = server.tenant();
    tenant.create_device("Plain", "PLAIN");
    let mut wire = Wire::connect(server.mqtt_port, "PLAIN", 5);
    for topic in ["connect", "telemetry", "attributes", "rpc"] {
        wire.send(&publish(
            1,
            &format!("v1/gateway/{topic}"),
            br#"{"device": "Ghost", "id": 1, "data": 1}"#,
            5,
        ));
        // PUBACK, reason 0x90 or 0x99.
        assert!(matches!(wire.packet().unwrap()[4], 0x90 | 0x99), "{topic}");
    }
    wire.send(&publish(1, "v1/gateway/connect", br#"{"device": "Ghost"}"#, 5));
    assert_eq!(wire.packet().unwrap()[4], 0x90);
    assert_eq!(tenant.try_get("/api/tenant/devices?deviceName=Ghost").0, 404);
    assert!(server.is_running());
}

#[test]
fn a_device_that_says_too_much_costs_its_gateway_no_connection() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.toml");
    std::fs::write(&file, "[rate-limits.gateway-device]\ntelemetry-messages = \"2:3600\"\n").unwrap();
    let mut server = Server::start(Options::demo().with(&["--config", file.to_str().unwrap()]));
    let tenant = server.tenant();
    gateway(&tenant);
    let telemetry = |device: &str, value: u32| format!(r#"{{"{device}": [{{"ts": {value}, "values": {{"n": {value}}}}}]}}"#);
    let mut wire = Wire::connect(server.mqtt_port, TOKEN, 5);
    // PUBACK, reason 0x97: quota exceeded. The others are heard, before and after.
    for (pkid, device, reason) in [
        (1, "Loud", 0),
        (2, "Loud", 0),
        (3, "Loud", 0x97),
        (4, "Calm", 0),
        (5, "Loud", 0x97),
        (6, "Calm", 0),
    ] {
        wire.send(&publish(pkid, "v1/gateway/telemetry", telemetry(device, pkid.into()).as_bytes(), 5));
        let answer = wire.packet().unwrap();
        assert_eq!(
            (&answer[2..4], answer.get(4).copied().unwrap_or(0)),
            (&pkid.to_be_bytes()[..], reason),
            "{answer:02x?}"
        );
        // It is told of once, subscribed to or not.
        if pkid == 3 {
            let notice = wire.packet().unwrap();
            let text = String::from_utf8_lossy(&notice);
            assert_eq!(notice[0], 0x32, "{text}");
            assert!(
                text.contains("v1/gateway/disconnect") && text.ends_with(r#"{"device":"Loud","reason":150}"#),
                "{text}"
            );
        }
    }
    for (device, last) in [("Loud", 2), ("Calm", 6)] {
        assert_eq!(tenant.latest(&tenant.device(device), "n")["n"][0]["value"], last, "{device}");
    }
    // MQTT 3.1.1 has no word for it: neither acknowledgement nor notice, and the connection ends.
    let mut old = Wire::connect(server.mqtt_port, TOKEN, 4);
    old.send(&publish(7, "v1/gateway/telemetry", telemetry("Loud", 7).as_bytes(), 4));
    assert_eq!(old.packet(), None);
    assert!(server.is_running());
}

#[test]
fn paho_is_told_of_a_device_that_says_too_much_where_its_version_has_a_word_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.toml");
    std::fs::write(&file, "[rate-limits.gateway-device]\ntelemetry-messages = \"2:3600\"\n").unwrap();
    let server = Server::start(Options::demo().with(&["--config", file.to_str().unwrap()]));
    let tenant = server.tenant();
    gateway(&tenant);
    for (version, calm) in [("MQTTv5", "Calm"), ("MQTTv311", "Quiet")] {
        let said = said(beside(PAHO_GATEWAY, &[&server.mqtt_port.to_string(), TOKEN, version, calm]));
        assert!(said.contains("done"), "{version}: {said}");
        assert_eq!(tenant.latest(&tenant.device(calm), "n")["n"][0]["value"], 2, "{version}");
    }
    assert_eq!(tenant.latest(&tenant.device("Loud"), "n")["n"][0]["value"], 2);
}

#[test]
fn a_gateway_speaks_for_nobody_of_another_tenant() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    gateway(&tenant);
    let admin = server.login("sysadmin@pacificsoft.org", "sysadmin");
    let other = admin.post("/api/tenant", &json!({"title": "Other"}));
    admin.post(
        "/api/user?sendActivationMail=false",
        &json!({"email": "other@example.org", "authority": "TENANT_ADMIN", "tenantId": other["id"], "password": "password"}),
    );
    let output = mosquitto_pub(
        server.mqtt_port,
        TOKEN,
        "v1/gateway/telemetry",
        r#"{"Demo device": [{"ts": 1700000000000, "values": {"forged": 1}}], "Foreign": [{"t": 1}]}"#,
        &[],
    );
    assert!(output.status.success(), "{output:?}");
    // Names are those of the gateway's own tenant: its own devices it may speak for, and all others it makes.
    let own = tenant.get("/api/tenant/devices?deviceName=Foreign");
    assert_eq!(own["tenantId"], tenant.get("/api/tenant/devices?deviceName=Gateway")["tenantId"]);
    let count = |rest: &Rest| rest.get("/api/tenant/devices?pageSize=10&page=0")["totalElements"].clone();
    assert_eq!(count(&tenant), json!(3));
}

#[test]
fn one_acknowledgement_for_all_devices_of_a_message_and_what_is_acknowledged_is_durable() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    gateway(&tenant);
    let telemetry: serde_json::Map<String, Json> = (0..50)
        .map(|number| {
            (
                format!("Meter {number}"),
                json!([{"ts": 1_700_000_000_000_i64, "values": {"n": number}}]),
            )
        })
        .collect();
    let mut wire = Wire::connect(server.mqtt_port, TOKEN, 4);
    wire.send(&publish(9, "v1/gateway/telemetry", Json::from(telemetry).to_string().as_bytes(), 4));
    assert_eq!(wire.packet().unwrap(), [0x40, 2, 0, 9]);
    let server = server.kill_and_restart();
    let tenant = server.tenant();
    for number in [0, 25, 49] {
        let meter = tenant.device(&format!("Meter {number}"));
        assert_eq!(
            tenant.latest(&meter, "n")["n"][0],
            json!({"ts": 1_700_000_000_000_i64, "value": number})
        );
    }
}

#[test]
fn the_short_topics_are_answered_in_their_own_form() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let device = tenant.device("Demo device");
    let mut wire = Wire::connect(server.mqtt_port, "A1_TEST_TOKEN", 4);
    for (topic, payload) in [
        ("v2/t", r#"{"short": 1}"#),
        ("v2/t/j", r#"{"short": 2}"#),
        ("v2/a", r#"{"own": 3}"#),
    ] {
        wire.send(&publish(1, topic, payload.as_bytes(), 4));
        assert_eq!(wire.packet().unwrap(), [0x40, 2, 0, 1], "{topic}");
    }
    assert_eq!(tenant.latest(&device, "short")["short"][0]["value"], 2);
    // An answer comes without subscription, on the topic that belongs to the question.
    for (question, answer) in [
        ("v2/a/req/4", "v2/a/res/4"),
        ("v2/a/req/j/5", "v2/a/res/j/5"),
        ("v1/devices/me/attributes/request/6", "v1/devices/me/attributes/response/6"),
    ] {
        wire.send(&publish(2, question, br#"{"clientKeys": "own"}"#, 4));
        let mut packets = [wire.packet().unwrap(), wire.packet().unwrap()];
        packets.sort();
        let text = String::from_utf8_lossy(&packets[0]).into_owned();
        assert!(text.contains(answer) && text.ends_with(r#"{"client":{"own":3}}"#), "{text}");
        assert_eq!(packets[1], [0x40, 2, 0, 2]);
    }
    wire.send(&tests::wire::subscribe(3, "v2/a/j"));
    let mut subscribed = wire.packet().unwrap();
    // The acknowledgements of answers of quality 1 are still to come from here: they may be sent again, but not by this server.
    while subscribed[0] != 0x90 {
        subscribed = wire.packet().unwrap();
    }
    assert_eq!(subscribed[4], 1);
    assert_eq!(
        tenant
            .try_post(&format!("/api/plugins/telemetry/DEVICE/{device}/SHARED_SCOPE"), &json!({"k": 1}))
            .0,
        200
    );
    let text = String::from_utf8_lossy(&wire.packet().unwrap()).into_owned();
    assert!(text.contains("v2/a/j") && text.ends_with(r#"{"k":1}"#), "{text}");
}

const TB_GATEWAY: &str = r#"
import sys, threading, time
from tb_gateway_mqtt import TBGatewayMqttClient
from tb_device_mqtt import TBPublishInfo
device = "Pump /1"
client = TBGatewayMqttClient("127.0.0.1", int(sys.argv[1]), sys.argv[2])
client.connect()
told, answered, answers = threading.Event(), threading.Event(), []
ok = TBPublishInfo.TB_ERR_SUCCESS
assert client.gw_connect_device(device, "pump").get() == ok
client.gw_subscribe_to_attribute(device, "target", lambda content, *more: told.set() if content["data"]["target"] == 5 else None)
assert client.gw_send_attributes(device, {"model": "P1"}).get() == ok
assert client.gw_send_telemetry(device, [{"ts": 1700000000000, "values": {"pressure": 6}}, {"ts": 1700000001000, "values": {"pressure": 7}}]).get() == ok
assert told.wait(20), "the attribute was not told"
def answer(content, error):
    answers.append(content)
    answered.set()
client.gw_request_shared_attributes(device, ["target"], answer)
assert answered.wait(20), "no answer"
assert answers[0]["values"] == {"target": 5}, answers
answered.clear()
client.gw_request_client_attributes(device, ["model", "missing"], answer)
assert answered.wait(20), "no answer"
assert answers[1]["values"] == {"model": "P1"}, answers
assert client.gw_send_attributes(device, {"told": True}).get() == ok
assert client.gw_disconnect_device(device).get() == ok
client.disconnect()
print("done")
"#;

const PAHO_GATEWAY: &str = r#"
import json, queue, sys, threading
import paho.mqtt.client as mqtt
port, token, version, calm = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=getattr(mqtt, version))
client.username_pw_set(token)
subscribed, lost, told, acknowledged = threading.Event(), threading.Event(), queue.Queue(), queue.Queue()
def on_subscribe(client, userdata, mid, reasons, properties):
    assert not reasons[0].is_failure, reasons
    subscribed.set()
client.on_connect = lambda client, userdata, flags, reason, properties: client.subscribe("v1/gateway/disconnect", qos=1)
client.on_subscribe = on_subscribe
client.on_publish = lambda client, userdata, mid, reason, properties: acknowledged.put((mid, reason.value))
client.on_message = lambda client, userdata, message: told.put((message.topic, message.payload.decode()))
client.on_disconnect = lambda *of_whatever: lost.set()
client.connect("127.0.0.1", port)
client.loop_start()
assert subscribed.wait(20)
def says(device, value):
    payload = json.dumps({device: [{"ts": value, "values": {"n": value}}]})
    return client.publish("v1/gateway/telemetry", payload, qos=1)
def answered(device, value):
    sent = says(device, value)
    mid, reason = acknowledged.get(timeout=20)
    assert mid == sent.mid
    return reason
assert answered(calm, 1) == 0
if version == "MQTTv5":
    assert [answered("Loud", value) for value in (1, 2, 3, 4)] == [0, 0, 0x97, 0x97]
    assert told.get(timeout=20) == ("v1/gateway/disconnect", '{"device":"Loud","reason":150}')
    assert answered(calm, 2) == 0
    assert not lost.is_set()
else:
    assert answered(calm, 2) == 0
    says("Loud", 5)
    assert lost.wait(20)
client.disconnect()
client.loop_stop()
assert told.empty(), told.get()
print("done")
"#;
