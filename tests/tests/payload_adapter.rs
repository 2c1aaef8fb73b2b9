//! A device profile names an adapter: its devices speak a binary format over MQTT and HTTP, others go on as before.

#![allow(clippy::unwrap_used, missing_docs)]

use serde_json::{Value as Json, json};
use tests::rest::{Rest, exchange};
use tests::server::{Options, Server};
use tests::wire::{Wire, publish, subscribe};

const PUBLISH: u8 = 0x3;

fn start() -> Server {
    let components = tests::root().join("target/components/examples");
    Server::start(Options::demo().with(&["--components", components.to_str().unwrap()]))
}

fn profile(name: &str, adapter: Json) -> Json {
    json!({
        "name": name,
        "type": "DEFAULT",
        "transportType": "DEFAULT",
        "profileData": {"configuration": {"type": "DEFAULT"}, "transportConfiguration": {"type": "DEFAULT", "adapter": adapter}},
    })
}

fn device(rest: &Rest, name: &str, token: &str, profile: &Json) -> String {
    let body = json!({"name": name, "deviceProfileId": profile["id"]});
    let device = rest.post(&format!("/api/device?accessToken={token}"), &body);
    assert_eq!(device["type"], profile["name"]);
    device["id"]["id"].as_str().unwrap().to_owned()
}

/// The reason of a PUBACK of MQTT 5; 0 when there is none.
fn acknowledged(wire: &mut Wire) -> u8 {
    let packet = wire.packet().expect("PUBACK");
    assert_eq!(packet[0], 0x40, "{packet:02x?}");
    packet.get(4).copied().unwrap_or(0)
}

#[test]
fn sensors_speak_their_own_format_and_others_go_on_as_before() {
    let server = start();
    let rest = server.tenant();
    let (status, body) = rest.try_post("/api/deviceProfile", &profile("Sensor", json!("gps-tracker")));
    assert_eq!(status, 400, "{body}");
    assert!(body.contains("There is no payload adapter"), "{body}");
    // A session before the first profile names an adapter: what was known of profiles by then must not stick.
    let plain = rest.device("Demo device");
    let telemetry = format!("{}/api/v1/A1_TEST_TOKEN/telemetry", server.http);
    assert_eq!(exchange(&["-d", "{\"a\": 1}", &telemetry]).0, 200);
    let sensors = rest.post("/api/deviceProfile", &profile("Sensor", json!("compact-sensor")));
    let sensor = device(&rest, "Sensor 1", "SENSOR", &sensors);

    let mut wire = Wire::connect(server.mqtt_port, "SENSOR", 5);
    let reading = [1, 0xFF, 0x65, 0x53, 0xF1, 0, 1, 0x08, 0x66, 2, 101];
    wire.send(&publish(1, "r", &reading, 5));
    assert_eq!(acknowledged(&mut wire), 0);
    let latest = rest.latest(&sensor, "temperature,humidity");
    assert_eq!(latest["temperature"][0], json!({"ts": 1_700_000_000_000_u64, "value": 21.5}));
    assert_eq!(latest["humidity"][0]["value"], 50.5);
    for (bytes, topic, reason) in [
        (&[9][..], "r", 0x99),
        (&[], "r", 0x99),
        (b"{\"a\": 1}", "v1/devices/me/telemetry", 0x90),
    ] {
        wire.send(&publish(2, topic, bytes, 5));
        assert_eq!(acknowledged(&mut wire), reason, "{bytes:?} to {topic}");
    }

    // Settings go down to who listens.
    let mut listening = Wire::connect(server.mqtt_port, "SENSOR", 4);
    listening.send(&subscribe(1, "o"));
    assert_eq!(listening.packet().unwrap()[0], 0x90);
    rest.post(
        &format!("/api/plugins/telemetry/DEVICE/{sensor}/attributes/SHARED_SCOPE"),
        &json!({"interval": 300}),
    );
    let told = listening.packet().unwrap();
    assert_eq!((told[0] >> 4, &told[2..5]), (PUBLISH, &[0, 1, b'o'][..]), "{told:02x?}");
    assert_eq!(told[told.len() - 4..], [2, 1, 1, 44]);

    // The same bytes over HTTP.
    let path = server.folder().join("reading");
    std::fs::write(&path, [1, 0xFE, 5, 0, 0, 1, 0]).unwrap();
    let data = format!("@{}", path.display());
    let url = format!("{}/api/v1/SENSOR/telemetry", server.http);
    assert_eq!(exchange(&["--data-binary", &data, &url]).0, 200);
    assert_eq!(rest.latest(&sensor, "count")["count"][0]["value"], 256);
    let (status, body) = exchange(&["-d", "{\"a\": 1}", &url]);
    assert_eq!(status, 400, "{body}");

    assert_eq!(exchange(&["-d", "{\"a\": 2}", &telemetry]).0, 200);
    assert_eq!(rest.latest(&plain, "a")["a"][0]["value"], 2);
}

#[test]
fn profiles_are_created_read_changed_and_deleted() {
    let server = start();
    let rest = server.tenant();
    let sensors = rest.post("/api/deviceProfile", &profile("Sensor", json!("compact-sensor")));
    let id = sensors["id"]["id"].as_str().unwrap().to_owned();
    assert_eq!(rest.get(&format!("/api/deviceProfile/{id}")), sensors);
    let names = |list: Json| {
        let profiles = list["data"].as_array().unwrap().clone();
        let mut names: Vec<String> = profiles
            .iter()
            .map(|profile| profile["name"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(rest.get("/api/deviceProfiles?pageSize=10&page=0")), ["Sensor", "default"]);
    assert_eq!(names(rest.get("/api/deviceProfileInfos?pageSize=10&page=0")), ["Sensor", "default"]);
    assert_eq!(rest.get("/api/deviceProfileInfo/default")["name"], "default");
    assert_eq!(rest.get(&format!("/api/deviceProfileInfo/{id}"))["transportType"], "DEFAULT");
    let (status, body) = rest.try_post("/api/deviceProfile", &profile("Sensor", Json::Null));
    assert_eq!(status, 400, "{body}");

    // Without its adapter, devices of the profile speak the device API: from their next session on.
    device(&rest, "Sensor 1", "SENSOR", &sensors);
    let url = format!("{}/api/v1/SENSOR/telemetry", server.http);
    assert_eq!(exchange(&["-d", "{\"a\": 1}", &url]).0, 400);
    let mut changed = sensors.clone();
    changed["profileData"]["transportConfiguration"]["adapter"] = Json::Null;
    let changed = rest.post("/api/deviceProfile", &changed);
    assert_eq!(exchange(&["-d", "{\"a\": 1}", &url]).0, 200);
    assert_eq!(rest.try_post("/api/deviceProfile", &sensors).0, 409, "saved from an old version");

    let mut renamed = changed;
    renamed["name"] = json!("Other");
    let (status, body) = rest.try_post("/api/deviceProfile", &renamed);
    assert_eq!(status, 400, "{body}");
    let (status, body) = rest.delete(&format!("/api/deviceProfile/{id}"));
    assert_eq!(status, 400, "{body}");
    let sensor = rest.device("Sensor 1");
    assert_eq!(rest.delete(&format!("/api/device/{sensor}")).0, 200);
    assert_eq!(rest.delete(&format!("/api/deviceProfile/{id}")).0, 200);
    assert_eq!(rest.try_get(&format!("/api/deviceProfile/{id}")).0, 404);
    let default = rest.get("/api/deviceProfileInfo/default")["id"]["id"].as_str().unwrap().to_owned();
    assert_eq!(rest.delete(&format!("/api/deviceProfile/{default}")).0, 400);
    let customer = server.login("customer@pacificsoft.org", "customer");
    assert_eq!(customer.try_get("/api/deviceProfiles?pageSize=10&page=0").0, 403);
}

#[test]
fn the_example_goes_as_its_readme_says() {
    let server = start();
    let output = std::process::Command::new("python3")
        .arg(tests::root().join("examples/compact-sensor/sensor.py"))
        .args(["--demo", "--http", &server.http, "--port", &server.mqtt_port.to_string()])
        .args(["--count", "3", "--every", "1"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("reading 2 is on disk"), "{said}");
    let rest = server.tenant();
    let sensor = rest.device("Sensor SENSOR_1");
    assert_eq!(rest.latest(&sensor, "battery")["battery"][0]["value"], 3.3);
}

#[test]
fn a_profile_may_name_an_adapter_that_its_tenant_uploaded() {
    let server = Server::start(Options::demo());
    let rest = server.tenant();
    let adapter = std::fs::read(tests::root().join("target/components/examples/compact-sensor.wasm")).unwrap();
    let (status, body) = rest.try_post("/api/deviceProfile", &profile("Own", json!("own-sensor")));
    assert_eq!(status, 400, "{body}");
    let (status, body) = rest.upload("own-sensor&activate=true", &adapter);
    assert_eq!(status, 200, "{body}");
    let profile = rest.post("/api/deviceProfile", &profile("Own", json!("own-sensor")));
    let sensor = device(&rest, "Sensor of its own", "OWN", &profile);
    let mut wire = Wire::connect(server.mqtt_port, "OWN", 5);
    wire.send(&publish(1, "r", &[1, 0xFF, 0x65, 0x53, 0xF1, 0, 1, 0x08, 0x66, 2, 101], 5));
    assert_eq!(acknowledged(&mut wire), 0);
    assert_eq!(rest.latest(&sensor, "temperature")["temperature"][0]["value"], 21.5);
    // What it refuses reaches no rule node: the slice is the adapter's own, and is charged to its tenant.
    let slices = || rest.get("/api/plugins/usage")["slices"].as_u64().unwrap();
    let before = slices();
    wire.send(&publish(2, "r", &[1, 0xFF, 0x65], 5));
    assert_ne!(acknowledged(&mut wire), 0);
    assert!(slices() > before);
}
