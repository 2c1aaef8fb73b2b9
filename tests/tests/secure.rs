//! TLS and WebSocket, with clients that nobody here wrote.

#![allow(clippy::unwrap_used, missing_docs)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};

use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tests::certificates::{Authority, Files, expired, self_signed};
use tests::clients::python;
use tests::generator::{log_of, over, verify};
use tests::rest::exchange;
use tests::server::{Options, Server};

const TOKEN: &str = "A1_TEST_TOKEN";

struct Secured {
    server: Server,
    authority: Authority,
    folder: TempDir,
    https: String,
    mqtts_port: u16,
}

fn secured() -> Secured {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let Files { certificate, key } = authority.server("first.example");
    let options = Options::demo().with(&[
        "--https",
        "127.0.0.1:0",
        "--mqtts",
        "127.0.0.1:0",
        "--tls-certificate",
        &certificate,
        "--tls-key",
        &key,
    ]);
    let server = Server::start(options);
    let https = format!("https://{}", server.greeted("devices on https://"));
    let mqtts_port = server.mqtts_port();
    Secured {
        server,
        authority,
        folder,
        https,
        mqtts_port,
    }
}

/// Publishes over TLS; a device with a certificate has no token.
fn publish(secured: &Secured, payload: &str, device: Option<&Files>) -> Output {
    let (port, ca) = (secured.mqtts_port.to_string(), secured.authority.file());
    let mut command = Command::new("timeout");
    command.args([
        "30",
        "mosquitto_pub",
        "-h",
        "localhost",
        "-p",
        &port,
        "--cafile",
        &ca,
        "-q",
        "1",
        "-V",
        "5",
    ]);
    command.args(["-t", "v1/devices/me/telemetry", "-m", payload, "-i", "somebody"]);
    match device {
        None => command.args(["-u", TOKEN]),
        Some(files) => command.args(["--cert", &files.certificate, "--key", &files.key]),
    };
    command.output().unwrap()
}

fn certify(secured: &Secured, device: &str, files: &Files) {
    let tenant = secured.server.tenant();
    let mut credentials = tenant.get(&format!("/api/device/{device}/credentials"));
    credentials["credentialsType"] = json!("X509_CERTIFICATE");
    credentials["credentialsValue"] = json!(std::fs::read_to_string(&files.certificate).unwrap());
    tenant.post("/api/device/credentials", &credentials);
}

#[test]
fn devices_come_over_tls_with_a_token_or_with_a_certificate_of_their_own() {
    let secured = secured();
    let output = publish(&secured, r#"{"tls": 1}"#, None);
    assert!(output.status.success(), "{output:?}");
    let tenant = secured.server.tenant();
    let demo = tenant.device("Demo device");
    assert_eq!(tenant.latest(&demo, "tls")["tls"][0]["value"], 1);

    let certified = tenant.create_device("Certified", "REPLACED");
    let own = self_signed(secured.folder.path(), "device");
    let refused = publish(&secured, r#"{"tls": 2}"#, Some(&own));
    assert!(!refused.status.success(), "nobody knows the certificate yet: {refused:?}");
    certify(&secured, &certified, &own);
    let output = publish(&secured, r#"{"tls": 3}"#, Some(&own));
    assert!(output.status.success(), "{output:?}");
    assert_eq!(tenant.latest(&certified, "tls")["tls"][0]["value"], 3);
    assert_eq!(
        exchange(&["-d", "{}", &format!("{}/api/v1/REPLACED/telemetry", secured.server.http)]).0,
        401
    );

    let old = expired(secured.folder.path(), "expired");
    certify(&secured, &certified, &old);
    let refused = publish(&secured, r#"{"tls": 4}"#, Some(&old));
    assert!(!refused.status.success(), "its time is over: {refused:?}");
    assert!(secured.server.metric("tls_handshakes_failed_total") >= 1.0);
}

#[test]
fn mosquitto_sub_hears_with_a_certificate_what_its_device_is_told() {
    let secured = secured();
    let tenant = secured.server.tenant();
    let certified = tenant.create_device("Certified", "REPLACED");
    let own = self_signed(secured.folder.path(), "device");
    certify(&secured, &certified, &own);
    let (port, ca) = (secured.mqtts_port.to_string(), secured.authority.file());
    // Until one message has come.
    let mut hears = Command::new("timeout")
        .args([
            "60",
            "mosquitto_sub",
            "-h",
            "localhost",
            "-p",
            &port,
            "--cafile",
            &ca,
            "-V",
            "mqttv311",
        ])
        .args(["--cert", &own.certificate, "--key", &own.key, "-i", "somebody"])
        .args(["-q", "1", "-t", "v1/devices/me/attributes", "-C", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut value = 0;
    tests::until("it has heard something", || {
        value += 1;
        let path = format!("/api/plugins/telemetry/DEVICE/{certified}/SHARED_SCOPE");
        assert_eq!(tenant.try_post(&path, &json!({ "wanted": value })).0, 200);
        hears.try_wait().unwrap().is_some()
    });
    let output = hears.wait_with_output().unwrap();
    let heard: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output.status.success() && heard["wanted"].is_i64(), "{output:?}");
}

#[test]
fn paho_speaks_tls_in_both_versions() {
    let secured = secured();
    let own = self_signed(secured.folder.path(), "device");
    let certified = secured.server.tenant().create_device("Certified", "REPLACED");
    certify(&secured, &certified, &own);
    let (port, ca) = (secured.mqtts_port.to_string(), secured.authority.file());
    for version in ["MQTTv31", "MQTTv311", "MQTTv5"] {
        let said = python(PAHO, &[&port, version, "tcp", &ca, TOKEN, "", ""]);
        assert!(said.contains("done"), "{version}: {said}");
        let said = python(PAHO, &[&port, version, "tcp", &ca, "", &own.certificate, &own.key]);
        assert!(said.contains("done"), "{version}: {said}");
    }
}

#[test]
fn paho_speaks_websocket_plain_and_over_tls() {
    let secured = secured();
    let port = |base: &str| base.rsplit(':').next().unwrap().to_owned();
    for version in ["MQTTv311", "MQTTv5"] {
        let said = python(PAHO, &[&port(&secured.server.http), version, "websockets", "", TOKEN, "", ""]);
        assert!(said.contains("done"), "{version}: {said}");
        let said = python(
            PAHO,
            &[
                &port(&secured.https),
                version,
                "websockets",
                &secured.authority.file(),
                TOKEN,
                "",
                "",
            ],
        );
        assert!(said.contains("done"), "{version}: {said}");
    }
    // Without the subprotocol it is no MQTT.
    let upgrade = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ];
    let headers: Vec<&str> = upgrade.iter().flat_map(|header| ["--header", *header]).collect();
    let url = format!("{}/mqtt", secured.server.http);
    assert_eq!(exchange(&[&["--http1.1"], &headers[..], &[&url]].concat()).0, 400);
    assert_ne!(exchange(&[&url]).0, 200);
}

#[test]
fn curl_speaks_both_versions_of_http_over_tls() {
    let secured = secured();
    let ca = secured.authority.file();
    let url = format!("{}/api/v1/{TOKEN}/telemetry", secured.https);
    for (option, expected) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let (status, version) = exchange(&[option, "--cacert", &ca, "--write-out", "%{http_version}", "-d", r#"{"h": 1}"#, &url]);
        assert_eq!((status, version.trim_start_matches("200")), (200, ""), "{option}");
        let shown = tests::rest::curl(&[
            option,
            "--cacert",
            &ca,
            "-o",
            "/dev/null",
            "--write-out",
            "%{http_version}",
            "-d",
            r#"{"h": 1}"#,
            &url,
        ]);
        assert_eq!(shown, expected, "{option}");
    }
    let plain = format!("{}/health/ready", secured.server.http);
    let shown = tests::rest::curl(&[
        "--http2-prior-knowledge",
        "-o",
        "/dev/null",
        "--write-out",
        "%{http_version}",
        &plain,
    ]);
    assert_eq!(shown, "2");
    // TLS 1.1 is not spoken, 1.2 is.
    for (most, works) in [("1.1", false), ("1.2", true), ("1.3", true)] {
        let output = Command::new("curl")
            .args([
                "--silent",
                "--max-time",
                "20",
                "--cacert",
                &ca,
                "--tls-max",
                most,
                "--tlsv1.0",
                "--ciphers",
                "DEFAULT@SECLEVEL=0",
            ])
            .arg(format!("{}/health/ready", secured.https))
            .output()
            .unwrap();
        assert_eq!(output.status.success(), works, "{most}: {output:?}");
    }
}

#[test]
fn another_certificate_is_served_without_a_restart() {
    let secured = secured();
    let ca = secured.authority.file();
    let port = secured.https.rsplit(':').next().unwrap().to_owned();
    let reaches = |name: &str| {
        let resolve = format!("{name}:{port}:127.0.0.1");
        let url = format!("https://{name}:{port}/health/ready");
        Command::new("curl")
            .args(["--silent", "--max-time", "20", "--cacert", &ca, "--resolve", &resolve, &url])
            .output()
            .unwrap()
            .status
            .success()
    };
    assert!(reaches("first.example") && !reaches("second.example"));
    let open = plain_connection(&secured);
    secured.authority.server("second.example");
    secured.server.signal("HUP");
    tests::until("the second certificate is served", || reaches("second.example"));
    assert!(!reaches("first.example"));
    // The change of a file is seen too.
    secured.authority.server("third.example");
    tests::until("the third certificate is served", || reaches("third.example"));
    // Garbage is not taken.
    std::fs::write(secured.folder.path().join("server.pem"), "garbage").unwrap();
    secured.server.signal("HUP");
    tests::until("garbage is refused", || secured.server.log().contains("is not taken"));
    assert!(reaches("third.example"));
    assert!(open.answers(), "a connection goes on as it began");
}

/// A plain connection that stays.
struct Open(TcpStream);

fn plain_connection(secured: &Secured) -> Open {
    let mut stream = TcpStream::connect(("127.0.0.1", secured.server.mqtt_port)).unwrap();
    stream.write_all(&tests::wire::connect(TOKEN, 4)).unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).unwrap();
    Open(stream)
}

impl Open {
    fn answers(mut self) -> bool {
        let mut answer = [0; 2];
        self.0.write_all(&[0xC0, 0]).is_ok() && self.0.read_exact(&mut answer).is_ok() && answer == [0xD0, 0]
    }
}

#[test]
fn a_handshake_that_stalls_holds_up_nobody() {
    let secured = secured();
    // More than shake hands at one time: half a hello each.
    let address = ("127.0.0.1", secured.mqtts_port);
    let stalled: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(&[0x16, 3, 1, 2, 0, 1]).unwrap();
            stream
        })
        .collect();
    let url = format!("{}/health/ready", secured.https);
    assert_eq!(exchange(&["--cacert", &secured.authority.file(), &url]).0, 200);
    let output = publish(&secured, r#"{"beside": 1}"#, None);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(secured.server.metric("tls_handshakes_failed_total"), 0.0, "they still stall");
    // Whoever stalls is cut off.
    tests::until("the stalled ones are cut off", || {
        secured.server.metric("tls_handshakes_failed_total") >= 200.0
    });
    drop(stalled);
    let output = publish(&secured, r#"{"after": 1}"#, None);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn nobody_shakes_hands_with_whoever_guessed() {
    let secured = secured();
    for number in 0..100 {
        let mut wire = tests::wire::Wire::open(secured.server.mqtt_port);
        wire.send(&tests::wire::connect(&format!("guess {number}"), 5));
        assert_eq!(wire.packet().unwrap()[3], 0x86);
    }
    let before = secured.server.metric("session_credentials_refused_total");
    // Not a byte is sent: without a greeting there is no handshake that could fail.
    let mut knocks = tests::wire::Wire::open(secured.mqtts_port);
    tests::until("it is refused all the same", || {
        secured.server.metric("session_credentials_refused_total") > before
    });
    assert_eq!(knocks.rest(), Some(vec![]));
    assert_eq!(secured.server.metric("tls_handshakes_failed_total"), 0.0);
}

const PAHO: &str = r#"
import sys, threading
import paho.mqtt.client as mqtt
port, version, transport, ca, token, certificate, key = sys.argv[1:8]
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="device", protocol=getattr(mqtt, version), transport=transport)
if token:
    client.username_pw_set(token)
if ca:
    client.tls_set(ca_certs=ca, certfile=certificate or None, keyfile=key or None)
connected = threading.Event()
client.on_connect = lambda c, u, f, reason, p: (not reason.is_failure) and connected.set()
client.connect("localhost", int(port))
client.loop_start()
assert connected.wait(10)
sent = [client.publish("v1/devices/me/telemetry", '{"n": %d, "text": "%s"}' % (n, "x" * 20000), qos=1) for n in range(10)]
for one in sent:
    one.wait_for_publish(10)
    assert one.is_published()
client.disconnect()
print("done")
"#;

#[test]
fn many_devices_of_the_load_generator_come_over_tls() {
    let secured = secured();
    let elsewhere = tempfile::tempdir().unwrap();
    let (ours, another) = (secured.authority.file(), Authority::new(elsewhere.path()).file());
    let mqtts = format!("localhost:{}", secured.mqtts_port);
    let https = secured.https.trim_start_matches("https://");
    let log = log_of(&secured.server, "tls");
    for way in [["--mqtt", &mqtts], ["--device-http", https]] {
        let run = |authorities: &str| {
            let more = ["--provision", "--tls-authorities", authorities];
            over(&secured.server, way, &log, ["20", "400", "2"], &more)
                .wait_with_output()
                .unwrap()
        };
        let refused = run(&another);
        let told = String::from_utf8_lossy(&refused.stderr);
        assert!(refused.status.code() == Some(1) && told.contains("certificate"), "{way:?}: {told}");
        let done = run(&ours);
        let report: Json = serde_json::from_slice(&done.stdout).unwrap_or_default();
        assert_eq!(
            (&report["sent"], &report["acknowledged"]),
            (&json!(800), &json!(800)),
            "{way:?}: {done:?}"
        );
    }
    verify(&secured.server, &log);
}
