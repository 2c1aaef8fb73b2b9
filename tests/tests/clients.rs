//! Ordinary clients put telemetry and attributes in; REST shows them.

#![allow(clippy::unwrap_used, missing_docs)]

use serde_json::json;
use tests::clients::{mosquitto_pub, python};
use tests::rest::{curl, exchange};
use tests::server::{Options, Server};

const TOKEN: &str = "A1_TEST_TOKEN";

#[test]
fn curl_posts_and_rest_shows() {
    let server = Server::start(Options::demo());
    let device_api = format!("{}/api/v1/{TOKEN}", server.http);
    let telemetry = format!("{device_api}/telemetry");
    assert_eq!(
        exchange(&["-d", r#"{"temperature": 21, "text": "on", "deep": {"a": [1]}}"#, &telemetry]),
        (200, String::new())
    );
    assert_eq!(
        exchange(&["-d", r#"[{"ts": 1700000000000, "values": {"old": 1.5}}, {"b": true}]"#, &telemetry]).0,
        200
    );
    assert_eq!(
        exchange(&["-d", r#"{"firmware": "1.2"}"#, &format!("{device_api}/attributes")]),
        (200, String::new())
    );

    let tenant = server.tenant();
    let device = tenant.device("Demo device");
    let latest = tenant.latest(&device, "temperature,text,deep,old,b");
    assert_eq!(latest["temperature"][0]["value"], 21);
    assert_eq!(latest["text"][0]["value"], "on");
    assert_eq!(latest["b"][0]["value"], true);
    assert_eq!(latest["old"][0], json!({"ts": 1_700_000_000_000_i64, "value": 1.5}));
    let attributes = tenant.attributes(&device, "CLIENT_SCOPE");
    assert!(
        attributes.as_array().unwrap().iter().any(|one| one["key"] == "firmware"),
        "{attributes}"
    );
    let back: serde_json::Value = serde_json::from_str(&curl(&[&format!("{device_api}/attributes?clientKeys=firmware")])).unwrap();
    assert!(
        back["client"]["firmware"] == json!("1.2") || back["client"]["firmware"] == json!(1.2),
        "{back}"
    );
    // ThingsBoard's client asks so whether anybody is there; and who asks for what is not there gets nothing, well.
    assert_eq!(exchange(&["-d", "{}", &telemetry]), (200, String::new()));
    assert_eq!(
        exchange(&[&format!("{device_api}/attributes?clientKeys=unknown")]),
        (200, "{}".to_owned())
    );
}

#[test]
fn mosquitto_pub_is_acknowledged_in_both_versions() {
    let server = Server::start(Options::demo());
    let topic = "v1/devices/me/telemetry";
    for (version, value) in [("mqttv311", 1), ("mqttv5", 2)] {
        let output = mosquitto_pub(
            server.mqtt_port,
            TOKEN,
            topic,
            &format!(r#"{{"from_mosquitto": {value}}}"#),
            &["-V", version],
        );
        assert!(output.status.success(), "{version}: {}", String::from_utf8_lossy(&output.stderr));
        let tenant = server.tenant();
        let device = tenant.device("Demo device");
        // The client ended when it had its PUBACK: the value is there at once.
        assert_eq!(
            tenant.latest(&device, "from_mosquitto")["from_mosquitto"][0]["value"],
            value,
            "{version}"
        );
    }
    let refused = mosquitto_pub(server.mqtt_port, "WRONG", topic, "{}", &[]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("not authorised"), "{refused:?}");
}

#[test]
fn paho_publishes_and_reads_attributes_in_both_versions() {
    let server = Server::start(Options::demo());
    for version in ["MQTTv311", "MQTTv5"] {
        let said = python(PAHO, &[&server.mqtt_port.to_string(), TOKEN, version]);
        assert!(said.contains("published 20"), "{said}");
        assert!(
            said.contains(&format!(r#""who": "{version}""#)) || said.contains(&format!(r#""who":"{version}""#)),
            "{said}"
        );
    }
    let tenant = server.tenant();
    let device = tenant.device("Demo device");
    let path = format!(
        "/api/plugins/telemetry/DEVICE/{device}/values/timeseries?keys=n&startTs=0&endTs=9999999999999&limit=1000&useStrictDataTypes=true"
    );
    let points = tenant.get(&path);
    assert_eq!(points["n"].as_array().unwrap().len(), 40, "{points}");
}

const PAHO: &str = r#"
import json, sys, time, threading
import paho.mqtt.client as mqtt
port, token, version = int(sys.argv[1]), sys.argv[2], sys.argv[3]
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=getattr(mqtt, version))
client.username_pw_set(token)
connected, answered, answers = threading.Event(), threading.Event(), []
def on_connect(client, userdata, flags, reason, properties):
    assert not reason.is_failure, reason
    client.subscribe("v1/devices/me/attributes/response/+", qos=1)
def on_subscribe(client, userdata, mid, reasons, properties):
    connected.set()
def on_message(client, userdata, message):
    answers.append(message.payload.decode())
    answered.set()
client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
client.connect("127.0.0.1", port)
client.loop_start()
assert connected.wait(10)
base = 1700000000000 + (0 if version == "MQTTv311" else 1000)
sent = [client.publish("v1/devices/me/telemetry", json.dumps({"ts": base + n, "values": {"n": n}}), qos=1) for n in range(20)]
for one in sent:
    one.wait_for_publish(10)
    assert one.is_published()
print("published", len(sent))
client.publish("v1/devices/me/attributes", json.dumps({"who": version}), qos=1).wait_for_publish(10)
client.publish("v1/devices/me/attributes/request/1", json.dumps({"clientKeys": "who"}), qos=1)
assert answered.wait(10)
print(answers[0])
client.disconnect()
client.loop_stop()
"#;

#[test]
fn the_thingsboard_client_sends_telemetry_and_attributes() {
    let server = Server::start(Options::demo());
    let said = python(TB_CLIENT, &[&server.mqtt_port.to_string(), TOKEN]);
    assert!(said.contains("done"), "{said}");
    let tenant = server.tenant();
    let device = tenant.device("Demo device");
    tests::until("the values are there", || {
        tenant.latest(&device, "tb_client")["tb_client"][0]["value"] == 7
    });
    tests::until("the attributes are there", || {
        tenant
            .attributes(&device, "CLIENT_SCOPE")
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["key"] == "tb_attribute" && one["value"] == "yes")
    });
}

const TB_CLIENT: &str = r#"
import sys
from tb_device_mqtt import TBDeviceMqttClient, TBPublishInfo
port, token = int(sys.argv[1]), sys.argv[2]
client = TBDeviceMqttClient("127.0.0.1", port, token)
client.connect()
assert client.send_telemetry({"tb_client": 7}).get() == TBPublishInfo.TB_ERR_SUCCESS
assert client.send_attributes({"tb_attribute": "yes"}).get() == TBPublishInfo.TB_ERR_SUCCESS
client.disconnect()
print("done")
"#;

#[test]
fn a_value_above_the_threshold_raises_an_alarm_and_one_below_clears_it() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let device = tenant.device("Demo device");
    let telemetry = format!("{}/api/v1/{TOKEN}/telemetry", server.http);
    let post = |json: &str| assert_eq!(exchange(&["-d", json, &telemetry]).0, 200, "{json}");

    post(r#"{"temperature": 20}"#);
    assert!(tenant.alarms(&device).is_empty());
    post(r#"{"temperature": 30}"#);
    let [alarm] = &tenant.alarms(&device)[..] else {
        panic!("{:?}", tenant.alarms(&device))
    };
    assert_eq!(
        (&alarm["type"], &alarm["severity"], &alarm["status"]),
        (&json!("High temperature"), &json!("CRITICAL"), &json!("ACTIVE_UNACK"))
    );
    post(r#"{"temperature": 31}"#);
    assert_eq!(tenant.alarms(&device).len(), 1, "raising again updates");
    post(r#"{"humidity": 1}"#);
    assert_eq!(tenant.alarms(&device)[0]["cleared"], false, "no temperature, no decision");
    post(r#"{"temperature": 19}"#);
    assert_eq!(tenant.alarms(&device)[0]["status"], "CLEARED_UNACK");
    assert_eq!(tenant.get("/api/alarms?pageSize=10&page=0")["totalElements"], 1);
}
