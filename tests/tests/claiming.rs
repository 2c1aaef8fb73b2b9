//! Customers claim devices that let themselves be claimed: with a client that nobody here wrote, and with what nobody should send.

#![allow(clippy::unwrap_used, missing_docs)]

use serde_json::{Value as Json, json};
use tests::clients::{coap_client, python};
use tests::rest::{Rest, curl};
use tests::server::{Options, Server};
use tests::wire::{Wire, publish};

/// A user of a customer.
fn customer(tenant: &Rest, name: &str) -> (Rest, Json) {
    let customer = tenant.post("/api/customer", &json!({ "title": name }))["id"].clone();
    let user = json!({"email": format!("{name}@example.org"), "authority": "CUSTOMER_USER", "customerId": customer});
    (tenant.invite(&user), customer)
}

fn claims(rest: &Rest, device: &str, secret: &str) -> (u16, String) {
    let path = format!("/api/customer/device/{}/claim", device.replace(' ', "%20"));
    let (status, body) = rest.try_post(&path, &json!({ "secretKey": secret }));
    let told: Json = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{body}"));
    (status, told["response"].as_str().unwrap_or_default().to_owned())
}

fn told(status: u16, response: &str) -> (u16, String) {
    (status, response.to_owned())
}

#[test]
fn a_customer_who_knows_the_secret_has_the_device_until_it_is_given_back() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let (alice, own) = customer(&tenant, "alice");
    let (bob, _) = customer(&tenant, "bob");
    let device = tenant.create_device("Meter 1", "METER");
    assert_eq!(
        claims(&alice, "Meter 1", "secret"),
        told(400, "FAILURE"),
        "it does not let itself be claimed"
    );
    let said = python(TB_CLAIM, &[&server.mqtt_port.to_string(), "METER", "secret"]);
    assert!(said.contains("done"), "{said}");
    // What is kept survives, and does not tell the secret.
    let server = server.kill_and_restart();
    let [tenant, alice, bob] = [tenant, alice, bob].map(|user| user.again(&server.http));
    let kept = tenant.attributes(&device, "SERVER_SCOPE").to_string();
    assert!(kept.contains("claimingData") && !kept.contains("\"secret\""), "{kept}");
    assert_eq!(claims(&bob, "Meter 1", "Secret"), told(400, "FAILURE"));
    assert_eq!(claims(&bob, "Meter 1", ""), told(400, "FAILURE"));
    assert_eq!(claims(&alice, "Meter 1", "secret"), told(200, "SUCCESS"));
    let shown = alice.get(&format!("/api/device/{device}"));
    assert_eq!(shown["customerId"], own);
    assert_eq!(claims(&bob, "Meter 1", "secret"), told(400, "CLAIMED"));
    let path = "/api/customer/device/Meter%201/claim";
    assert_eq!(bob.delete(path).0, 404, "what is another's is not there");
    assert_eq!(alice.delete(path).0, 200);
    assert_eq!(alice.try_get(&format!("/api/device/{device}")).0, 404);
    // Once is once.
    assert_eq!(claims(&bob, "Meter 1", "secret"), told(400, "FAILURE"));
    assert_eq!(tenant.delete(path).0, 400, "nobody has it");
}

#[test]
fn over_every_protocol_and_through_a_gateway_once_each() {
    let server = Server::start(Options::demo());
    let tenant = server.tenant();
    let (alice, _) = customer(&tenant, "alice");
    for name in ["H", "C", "M"] {
        tenant.create_device(name, &format!("{name}_TOKEN"));
    }
    let gateway = json!({"name": "Gateway", "type": "default", "additionalInfo": {"gateway": true}});
    tenant.post("/api/device?accessToken=GATEWAY_TOKEN", &gateway);
    // Over HTTP without a word: no secret, for a day.
    let status = curl(&["-X", "POST", "-w", "%{http_code}", &format!("{}/api/v1/H_TOKEN/claim", server.http)]);
    assert_eq!(status, "200");
    let target = format!("coap://127.0.0.1:{}/api/v1/C_TOKEN/claim", server.coap_port);
    assert_eq!(
        coap_client("coap-client-notls", &["-m", "post", "-e", r#"{"secretKey": "c"}"#, &target]),
        ""
    );
    let mut wire = Wire::connect(server.mqtt_port, "M_TOKEN", 4);
    wire.send(&publish(1, "v1/devices/me/claim", b"", 4));
    assert_eq!(wire.packet().unwrap(), [0x40, 2, 0, 1]);
    let mut wire = Wire::connect(server.mqtt_port, "GATEWAY_TOKEN", 4);
    let both = br#"{"Child 1": {"secretKey": "one", "durationMs": 60000}, "Child 2": {}}"#;
    wire.send(&publish(1, "v1/gateway/claim", both, 4));
    assert_eq!(wire.packet().unwrap(), [0x40, 2, 0, 1]);
    for (device, wrong, right) in [
        ("H", "x", ""),
        ("C", "", "c"),
        ("M", "x", ""),
        ("Child 1", "two", "one"),
        ("Child 2", "x", ""),
    ] {
        assert_eq!(claims(&alice, device, wrong), told(400, "FAILURE"), "{device}");
        assert_eq!(claims(&alice, device, right), told(200, "SUCCESS"), "{device}");
    }
}

#[test]
fn who_may_not_claim_learns_and_gets_nothing() {
    let mut server = Server::start(Options::demo());
    let tenant = server.tenant();
    let (alice, _) = customer(&tenant, "alice");
    let admin = server.login("sysadmin@pacificsoft.org", "sysadmin");
    let other = admin.post("/api/tenant", &json!({"title": "Other"}));
    let stranger = admin.invite(&json!({"email": "other@example.org", "authority": "TENANT_ADMIN", "tenantId": other["id"]}));
    let (eve, _) = customer(&stranger, "eve");
    let device = tenant.create_device("Meter", "METER");
    let opens = |body: &str| curl(&["-d", body, "-w", "%{http_code}", &format!("{}/api/v1/METER/claim", server.http)]);
    // Not well said: nothing is opened.
    for body in [
        r#"{"durationMs": 0}"#,
        r#"{"durationMs": "1"}"#,
        r#"{"secretKey": 1}"#,
        "[]",
        "oops",
    ] {
        assert!(opens(body).ends_with("400"), "{body}");
    }
    assert!(opens(&json!({"secretKey": "x".repeat(513)}).to_string()).ends_with("400"));
    assert_eq!(tenant.attributes(&device, "SERVER_SCOPE"), json!([]));
    assert_eq!(opens(r#"{"secretKey": "s", "durationMs": 1}"#), "200");
    tests::until("the time is over", || claims(&alice, "Meter", "s") == told(400, "FAILURE"));
    assert_eq!(opens(r#"{"secretKey": "s"}"#), "200");
    // Of another tenant, or no customer at all.
    assert_eq!(claims(&eve, "Meter", "s").0, 404);
    for rest in [&tenant, &stranger, &admin] {
        let (status, body) = rest.try_post("/api/customer/device/Meter/claim", &json!({"secretKey": "s"}));
        assert_eq!(status, 403, "{body}");
    }
    // Whoever guesses is not listened to for a while, even with the right words; others are.
    let (mallory, _) = customer(&tenant, "mallory");
    for guess in 0..10 {
        assert_eq!(claims(&mallory, "Meter", &guess.to_string()), told(400, "FAILURE"));
    }
    assert_eq!(claims(&mallory, "Meter", "s").0, 429);
    let (carol, _) = customer(&tenant, "carol");
    assert_eq!(claims(&carol, "Meter", "s"), told(200, "SUCCESS"));
    assert!(server.is_running());
}

const TB_CLAIM: &str = r#"
import sys
from tb_device_mqtt import TBDeviceMqttClient, TBPublishInfo
client = TBDeviceMqttClient("127.0.0.1", int(sys.argv[1]), sys.argv[2])
client.connect()
assert client.claim(secret_key=sys.argv[3], duration=600000).get() == TBPublishInfo.TB_ERR_SUCCESS
client.disconnect()
print("done")
"#;
