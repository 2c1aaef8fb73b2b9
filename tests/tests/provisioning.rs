//! Devices come to credentials by themselves: over MQTT, HTTP and CoAP, with a client that nobody here wrote, and byte by byte.

#![allow(clippy::unwrap_used, missing_docs)]

use serde_json::{Value as Json, json};
use tests::certificates::{Authority, Files, self_signed};
use tests::clients::{coap_client, python};
use tests::rest::{Rest, curl, exchange};
use tests::server::{Options, Server};
use tests::wire::{Wire, connect, connect_with, publish, subscribe};

/// A profile whose devices may do something by themselves; answers its id.
fn profile(tenant: &Rest, name: &str, strategy: &str, key: &str, secret: &str) -> Json {
    tenant.post(
        "/api/deviceProfile",
        &json!({
            "name": name,
            "provisionType": strategy,
            "provisionDeviceKey": key,
            "profileData": {"provisionConfiguration": {"type": strategy, "provisionDeviceSecret": secret}},
        }),
    )["id"]
        .clone()
}

fn asks(server: &Server, key: &str, secret: &str, more: &Json) -> Json {
    let (status, body) = asks_for(server, key, secret, more);
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

fn asks_for(server: &Server, key: &str, secret: &str, more: &Json) -> (u16, String) {
    let mut request = json!({"provisionDeviceKey": key, "provisionDeviceSecret": secret});
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    exchange(&["--json", &request.to_string(), &format!("{}/api/v1/provision", server.http)])
}

fn value<'a>(attributes: &'a Json, key: &str) -> &'a Json {
    let found = attributes.as_array().unwrap().iter().find(|one| one["key"] == key);
    found.map_or(&Json::Null, |one| &one["value"])
}

#[test]
fn the_device_client_comes_into_being() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    profile(&tenant, "sensor", "ALLOW_CREATE_NEW_DEVICES", "sensor-key", "sensor-secret");
    let said = python(TB_PROVISION, &[&server.mqtt_port.to_string(), "sensor-key", "sensor-secret"]);
    assert!(said.contains("done"), "{said}");
    for (name, key) in [("Own token", "one"), ("Given token", "two"), ("Basic", "three")] {
        let device = tenant.device(name);
        assert_eq!(tenant.latest(&device, key)[key][0]["value"], 1, "{name}");
        assert_eq!(
            value(&tenant.attributes(&device, "SERVER_SCOPE"), "provisionState"),
            &json!("provisioned")
        );
        let device = tenant.get(&format!("/api/device/{device}"));
        assert_eq!(device["type"], "sensor");
        assert_eq!(device["additionalInfo"]["gateway"] == json!(true), name == "Basic");
    }
}

#[test]
fn whoever_has_a_wrong_key_or_secret_or_comes_again_gets_nothing() {
    let mut server = Server::start(Options::demo());
    let tenant = server.tenant();
    profile(&tenant, "new", "ALLOW_CREATE_NEW_DEVICES", "new-key", "new-secret");
    profile(&tenant, "closed", "DISABLED", "closed-key", "closed-secret");
    let known = profile(&tenant, "known", "CHECK_PRE_PROVISIONED_DEVICES", "known-key", "known-secret");
    tenant.create_device("Foreign", "FOREIGN_TOKEN");
    tenant.post(
        "/api/device?accessToken=KNOWN_TOKEN",
        &json!({"name": "Known", "deviceProfileId": known}),
    );
    let nothing = json!({"status": "NOT_FOUND", "errorMsg": "Provision data was not found!"});
    let failure = json!({"status": "FAILURE", "errorMsg": "Failed to provision device!"});
    let named = |name: &str| json!({ "deviceName": name });
    for (key, secret, more, expected) in [
        ("new-key", "known-secret", named("A"), &nothing),
        ("new-key", "", named("A"), &Json::Null),
        ("other-key", "new-secret", named("A"), &nothing),
        ("closed-key", "closed-secret", named("A"), &nothing),
        // Nobody takes over a device that is there, nor another's token, nor a name that no device can have.
        ("new-key", "new-secret", named("Foreign"), &failure),
        (
            "new-key",
            "new-secret",
            json!({"deviceName": "A", "token": "FOREIGN_TOKEN"}),
            &failure,
        ),
        ("new-key", "new-secret", json!({"deviceName": "A", "token": "a b"}), &failure),
        ("new-key", "new-secret", named(&"x".repeat(256)), &failure),
        ("new-key", "new-secret", named("  "), &failure),
        ("known-key", "known-secret", named("Foreign"), &nothing),
        ("known-key", "known-secret", named("Nobody"), &nothing),
        ("known-key", "known-secret", json!({}), &nothing),
    ] {
        let (status, body) = asks_for(&server, key, secret, &more);
        if expected.is_null() {
            assert_eq!(status, 400, "{body}");
        } else {
            let told: Json = serde_json::from_str(&body).unwrap();
            assert_eq!((status, &told), (200, expected), "{key} {secret} {more}");
        }
    }
    assert_eq!(
        tenant.try_get("/api/tenant/devices?deviceName=A").0,
        404,
        "nothing of what failed is left"
    );
    // Once, with the token that the device has.
    let told = asks(&server, "known-key", "known-secret", &named("Known"));
    assert_eq!(
        told,
        json!({"status": "SUCCESS", "credentialsType": "ACCESS_TOKEN", "credentialsValue": "KNOWN_TOKEN"})
    );
    assert_eq!(asks(&server, "known-key", "known-secret", &named("Known")), failure);
    assert_eq!(
        asks(
            &server,
            "known-key",
            "known-secret",
            &json!({"deviceName": "Known", "token": "TAKEN"})
        ),
        failure
    );
    let used = curl(&[
        "-d",
        "{}",
        "-w",
        "%{http_code}",
        &format!("{}/api/v1/KNOWN_TOKEN/telemetry", server.http),
    ]);
    assert_eq!(used, "200");
    let server = {
        assert!(server.is_running());
        server.kill_and_restart()
    };
    assert_eq!(
        asks(&server, "known-key", "known-secret", &named("Known")),
        failure,
        "it is remembered"
    );
}

#[test]
fn a_key_belongs_to_one_profile_of_one_tenant() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let admin = server.login("sysadmin@pacificsoft.org", "sysadmin");
    let other = admin.post("/api/tenant", &json!({"title": "Other"}));
    let stranger = admin.invite(&json!({"email": "other@example.org", "authority": "TENANT_ADMIN", "tenantId": other["id"]}));
    let id = profile(&tenant, "one", "ALLOW_CREATE_NEW_DEVICES", "shared-key", "secret");
    let again = json!({"name": "two", "provisionType": "ALLOW_CREATE_NEW_DEVICES", "provisionDeviceKey": "shared-key"});
    for rest in [&tenant, &stranger] {
        let (status, body) = rest.try_post("/api/deviceProfile", &again);
        assert!(status == 400 && body.contains("provision device key"), "{status} {body}");
        assert!(!rest.get("/api/deviceProfiles?pageSize=10&page=0").to_string().contains("\"two\""));
    }
    // The device comes into being where the key belongs, whoever's secret it may resemble.
    let told = asks(&server, "shared-key", "secret", &json!({"deviceName": "Made"}));
    assert_eq!(told["status"], "SUCCESS");
    assert_eq!(stranger.try_get("/api/tenant/devices?deviceName=Made").0, 404);
    tenant.device("Made");
    // Without key and secret they are made; with another key the old one is free.
    let mut changed = tenant.get(&format!("/api/deviceProfile/{}", id["id"].as_str().unwrap()));
    changed["provisionDeviceKey"] = Json::Null;
    changed["profileData"]["provisionConfiguration"] = Json::Null;
    let changed = tenant.post("/api/deviceProfile", &changed);
    let secret = &changed["profileData"]["provisionConfiguration"]["provisionDeviceSecret"];
    assert!(changed["provisionDeviceKey"].as_str().unwrap().len() >= 20 && secret.as_str().unwrap().len() >= 20);
    assert_eq!(asks(&server, "shared-key", "secret", &json!({}))["status"], "NOT_FOUND");
    assert_eq!(stranger.try_post("/api/deviceProfile", &again).0, 200);
    assert_eq!(
        asks(
            &server,
            changed["provisionDeviceKey"].as_str().unwrap(),
            secret.as_str().unwrap(),
            &json!({})
        )["status"],
        "SUCCESS"
    );
    // A profile that is gone has no key.
    let unused = profile(&tenant, "three", "ALLOW_CREATE_NEW_DEVICES", "gone-key", "secret");
    assert_eq!(
        tenant.delete(&format!("/api/deviceProfile/{}", unused["id"].as_str().unwrap())).0,
        200
    );
    assert_eq!(asks(&server, "gone-key", "secret", &json!({}))["status"], "NOT_FOUND");
}

#[test]
fn over_coap_too() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    profile(&tenant, "sensor", "ALLOW_CREATE_NEW_DEVICES", "key", "secret");
    let target = format!("coap://127.0.0.1:{}/api/v1/provision", server.coap_port);
    let request =
        json!({"provisionDeviceKey": "key", "provisionDeviceSecret": "secret", "deviceName": "Constrained", "token": "CONSTRAINED"});
    let ask = |body: &Json| coap_client("coap-client-notls", &["-m", "post", "-e", &body.to_string(), &target]);
    let told: Json = serde_json::from_str(ask(&request).trim()).unwrap();
    assert_eq!(
        told,
        json!({"status": "SUCCESS", "credentialsType": "ACCESS_TOKEN", "credentialsValue": "CONSTRAINED"})
    );
    assert!(ask(&request).contains("FAILURE"));
    assert!(ask(&json!([])).contains("4.00"));
    tenant.device("Constrained");
}

#[test]
fn a_connection_without_credentials_may_ask_and_nothing_else() {
    let mut server = Server::start(Options::demo());
    let tenant = server.tenant();
    profile(&tenant, "sensor", "ALLOW_CREATE_NEW_DEVICES", "key", "secret");
    let request = br#"{"provisionDeviceKey": "key", "provisionDeviceSecret": "secret", "deviceName": "Made"}"#;
    // By its client id too.
    let mut wire = Wire::open(server.mqtt_port);
    wire.send(&connect_with("provision", None, None, 4, &[]));
    assert_eq!(wire.packet().unwrap()[3], 0);
    wire.send(&subscribe(1, "/provision/response"));
    assert_eq!(wire.packet().unwrap()[4], 1);
    for filter in ["#", "v1/devices/me/attributes", "/provision/request"] {
        wire.send(&subscribe(2, filter));
        assert_eq!(wire.packet().unwrap()[4], 0x80, "{filter}");
    }
    wire.send(&[0xc0, 0]);
    assert_eq!(wire.packet().unwrap(), [0xd0, 0]);
    wire.send(&publish(3, "/provision/request", request, 4));
    assert_eq!(wire.packet().unwrap(), [0x40, 2, 0, 3]);
    let told = String::from_utf8_lossy(&wire.packet().unwrap()).into_owned();
    assert!(told.contains("/provision/response") && told.contains("SUCCESS"), "{told}");
    // Somewhere else, or what is no question: the end.
    for (topic, payload) in [
        ("v1/devices/me/telemetry", &b"{\"t\": 1}"[..]),
        ("v1/gateway/telemetry", b"{\"Made\": [{\"t\": 1}]}"),
        ("/provision/response", request),
        ("/provision/request", b"oops"),
    ] {
        let mut wire = Wire::connect(server.mqtt_port, "provision", 5);
        wire.send(&publish(1, topic, payload, 5));
        let last = wire.packet().unwrap();
        assert_eq!(
            (last[0], last[2]),
            (0xe0, if topic == "/provision/request" { 0x99 } else { 0x90 }),
            "{topic}"
        );
        assert_eq!(wire.packet(), None);
    }
    // The name opens nothing else, and a second CONNECT is the end.
    let mut wire = Wire::connect(server.mqtt_port, "provision", 4);
    wire.send(&connect("A1_TEST_TOKEN", 4));
    assert_eq!(wire.rest(), Some(vec![]));
    let made = tenant.device("Made");
    assert_eq!(tenant.latest(&made, "t")["t"][0]["value"], Json::Null, "nobody spoke for it");
    assert!(server.is_running());
}

#[test]
fn whoever_floods_is_not_listened_to() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.toml");
    std::fs::write(&file, "[rate-limits.provisioning]\nmessages = \"5:60\"\n").unwrap();
    let server = Server::start(Options::demo().with(&["--config", file.to_str().unwrap()]));
    let tenant = server.tenant();
    profile(&tenant, "sensor", "ALLOW_CREATE_NEW_DEVICES", "key", "secret");
    for _ in 0..5 {
        assert_eq!(asks(&server, "key", "secret", &json!({}))["status"], "SUCCESS");
    }
    let (status, body) = asks_for(&server, "key", "secret", &json!({}));
    assert_eq!(status, 429, "{body}");
    let mut wire = Wire::connect(server.mqtt_port, "provision", 5);
    wire.send(&publish(
        1,
        "/provision/request",
        br#"{"provisionDeviceKey": "key", "provisionDeviceSecret": "secret"}"#,
        5,
    ));
    let last = wire.packet().unwrap();
    assert_eq!((last[0], last[2]), (0xe0, 0x97));
    assert_eq!(
        tenant.get("/api/tenant/devices?pageSize=100&page=0")["totalElements"],
        6,
        "five, and the demo's"
    );
    // What others do is not slowed.
    let used = curl(&[
        "-d",
        "{}",
        "-w",
        "%{http_code}",
        &format!("{}/api/v1/A1_TEST_TOKEN/telemetry", server.http),
    ]);
    assert_eq!(used, "200");
}

#[test]
fn whoever_guesses_secrets_is_kept_out_for_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.toml");
    // Else who guesses fast is stopped by the rate, for a second.
    std::fs::write(&file, "[rate-limits.provisioning]\nmessages = \"\"\n").unwrap();
    let server = Server::start(Options::demo().with(&["--config", file.to_str().unwrap()]));
    profile(&server.tenant(), "sensor", "ALLOW_CREATE_NEW_DEVICES", "key", "secret");
    let mut wire = Wire::connect(server.mqtt_port, "provision", 4);
    let mut guesses = 0;
    loop {
        let guess = format!("{{\"provisionDeviceKey\": \"key\", \"provisionDeviceSecret\": \"guess {guesses}\"}}");
        wire.send(&publish(1, "/provision/request", guess.as_bytes(), 4));
        let Some(_acknowledged) = wire.packet() else { break };
        let told = String::from_utf8_lossy(&wire.packet().unwrap()).into_owned();
        assert!(told.contains("NOT_FOUND"), "{told}");
        guesses += 1;
        assert!(guesses <= 100, "nobody stopped it");
    }
    assert_eq!(guesses, 100, "and not before");
    let (status, _) = asks_for(&server, "key", "secret", &json!({}));
    assert_eq!(status, 429, "even with the right one");
}

const TB_PROVISION: &str = r#"
import sys
from tb_device_mqtt import TBDeviceMqttClient, TBPublishInfo
port, key, secret = int(sys.argv[1]), sys.argv[2], sys.argv[3]
def sends(credentials, name):
    client = TBDeviceMqttClient("127.0.0.1", port, **credentials)
    client.connect()
    assert client.send_telemetry({name: 1}).get() == TBPublishInfo.TB_ERR_SUCCESS
    client.disconnect()
def provisions(**wanted):
    return TBDeviceMqttClient.provision("127.0.0.1", key, secret, port=port, **wanted)
sends({"username": provisions(device_name="Own token")["credentialsValue"]}, "one")
token = provisions(device_name="Given token", access_token="GIVEN_TOKEN")["credentialsValue"]
assert token == "GIVEN_TOKEN", token
sends({"username": token}, "two")
basic = provisions(device_name="Basic", client_id="client", username="name", password="password", gateway=True)["credentialsValue"]
assert basic == {"clientId": "client", "userName": "name", "password": "password"}, basic
sends({"username": "name", "password": "password", "client_id": "client"}, "three")
assert TBDeviceMqttClient.provision("127.0.0.1", key, "wrong", port=port, device_name="None") is None
print("done")
"#;

#[test]
fn whoever_has_a_certificate_of_the_profiles_authority_comes_into_being() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let served = authority.server("mqtt.example");
    let options = [
        "--mqtts",
        "127.0.0.1:0",
        "--tls-certificate",
        &served.certificate,
        "--tls-key",
        &served.key,
    ];
    let server = Server::start(Options::demo().with(&options));
    let tenant = server.tenant();
    let pem = std::fs::read_to_string(authority.file()).unwrap();
    let profile = |name: &str, pem: &str, creates: bool| {
        json!({
            "name": name,
            "provisionType": "X509_CERTIFICATE_CHAIN",
            "profileData": {"provisionConfiguration": {
                "type": "X509_CERTIFICATE_CHAIN",
                "provisionDeviceSecret": pem,
                "certificateRegExPattern": "[^@]+",
                "allowCreateNewDevicesByX509Certificate": creates,
            }},
        })
    };
    assert_eq!(tenant.try_post("/api/deviceProfile", &profile("no", "no certificate", true)).0, 400);
    let mut saved = tenant.post("/api/deviceProfile", &profile("certified", &pem, true));
    assert_eq!(
        tenant.try_post("/api/deviceProfile", &profile("another", &pem, true)).0,
        400,
        "it has a profile"
    );
    let says = |files: &Files, value: u32| {
        let port = server.mqtts_port().to_string();
        let payload = json!({ "certified": value }).to_string();
        let output = std::process::Command::new("timeout")
            .args([
                "30",
                "mosquitto_pub",
                "-h",
                "localhost",
                "-p",
                &port,
                "--cafile",
                &authority.file(),
                "-q",
                "1",
                "-V",
                "5",
            ])
            .args(["-t", "v1/devices/me/telemetry", "-m", &payload, "-i", "somebody"])
            .args(["--cert", &files.certificate, "--key", &files.key])
            .output()
            .unwrap();
        output.status.success()
    };
    let first = authority.device("meter-7@example.org");
    assert!(says(&first, 1));
    let device = tenant.device("meter-7");
    assert_eq!(tenant.latest(&device, "certified")["certified"][0]["value"], 1);
    assert_eq!(
        value(&tenant.attributes(&device, "SERVER_SCOPE"), "provisionState"),
        &json!("provisioned")
    );
    let credentials = tenant.get(&format!("/api/device/{device}/credentials"));
    assert_eq!(credentials["credentialsType"], "X509_CERTIFICATE");
    // The same again, then with a certificate that was renewed: it is the same device.
    assert!(says(&first, 2) && says(&authority.device("meter-7@example.org"), 3));
    assert_eq!(tenant.latest(&device, "certified")["certified"][0]["value"], 3);

    // The authority's certificate is public: whoever puts it behind one that it has not signed is nobody.
    let other = tempfile::tempdir().unwrap();
    let forged = self_signed(other.path(), "forged");
    std::fs::write(
        &forged.certificate,
        [std::fs::read_to_string(&forged.certificate).unwrap(), pem.clone()].concat(),
    )
    .unwrap();
    assert!(!says(&forged, 4));
    let (status, _) = asks_for(
        &server,
        saved["provisionDeviceKey"].as_str().unwrap(),
        &pem,
        &json!({"deviceName": "secret"}),
    );
    assert_eq!(status, 400, "a certificate is no secret, and too long for one");

    // Only those that are there already.
    saved["profileData"]["provisionConfiguration"]["allowCreateNewDevicesByX509Certificate"] = json!(false);
    tenant.post("/api/deviceProfile", &saved);
    assert!(!says(&authority.device("meter-8"), 5));
    tenant.post("/api/device", &json!({"name": "meter-8", "type": "certified"}));
    assert!(says(&authority.device("meter-8"), 6));
    tenant.post("/api/device", &json!({"name": "of-another-profile", "type": "default"}));
    assert!(!says(&authority.device("of-another-profile"), 7));
}

#[test]
fn the_devices_chain_is_told_what_became_of_it() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    // The root chain saves what is no common message.
    let mut metadata = tenant.root_metadata();
    let index = |name: &str| {
        metadata["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .position(|node| node["name"] == name)
            .unwrap()
    };
    let link = json!({"fromIndex": index("Message Type Switch"), "toIndex": index("Save Timeseries"), "type": "Other"});
    metadata["connections"].as_array_mut().unwrap().push(link);
    tenant.post("/api/ruleChain/metadata", &metadata);
    profile(&tenant, "sensor", "ALLOW_CREATE_NEW_DEVICES", "sensor-key", "sensor-secret");
    let told = |device: &str, times: usize| {
        let path = format!(
            "/api/plugins/telemetry/DEVICE/{device}/values/timeseries?keys=deviceName,provisionDeviceKey,provisionDeviceSecret&startTs=0&endTs=9999999999999&limit=10"
        );
        tests::until("the chain is told", || {
            tenant.get(&path)["deviceName"].as_array().is_some_and(|all| all.len() == times)
        });
        tenant.get(&path)
    };
    let wanted = json!({"deviceName": "Meter"});
    assert_eq!(asks(&server, "sensor-key", "sensor-secret", &wanted)["status"], "SUCCESS");
    let meter = tenant.device("Meter");
    let first = told(&meter, 1);
    assert_eq!(first["provisionDeviceKey"][0]["value"], "sensor-key");
    assert_eq!(first["provisionDeviceSecret"], Json::Null, "no secret is told");
    assert_eq!(asks(&server, "sensor-key", "sensor-secret", &wanted)["status"], "FAILURE");
    told(&meter, 2);
}
