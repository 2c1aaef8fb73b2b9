//! Devices that speak CoAP over DTLS: with a certificate, with a key both sides know, while the server's own certificate changes.

#![allow(clippy::unwrap_used, missing_docs)]

use std::net::SocketAddr;
use std::time::Duration;

use coap::Code;
use serde_json::json;
use tests::certificates::{Authority, Files, self_signed};
use tests::clients::coap_client;
use tests::coap::{CoapWire, request};
use tests::server::{Options, Server};

const TOKEN: &str = "A1_TEST_TOKEN";

/// Where CoAP over DTLS is served, as the server greets.
fn secured(server: &Server) -> SocketAddr {
    server.greeted("Over DTLS: CoAP devices on ").parse().unwrap()
}

#[test]
fn libcoap_speaks_over_dtls_with_a_certificate_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let files = authority.server("coap.example");
    let keys = folder.path().join("keys");
    std::fs::write(&keys, "sensor:736563726574736563726574\n").unwrap();
    let mut server = Server::start(Options::demo().with(&[
        "--coaps",
        "127.0.0.1:0",
        "--coaps-keys",
        keys.to_str().unwrap(),
        "--tls-certificate",
        &files.certificate,
        "--tls-key",
        &files.key,
    ]));
    let base = format!("coaps://{}/api/v1", secured(&server));
    let tenant = server.tenant();
    let ca = authority.file();
    let known = self_signed(folder.path(), "device");
    let device = tenant.post(
        "/api/device-with-credentials",
        &json!({
            "device": {"name": "Certified", "type": "default"},
            "credentials": {"credentialsType": "X509_CERTIFICATE", "credentialsValue": std::fs::read_to_string(&known.certificate).unwrap()},
        }),
    );
    let device = device["id"]["id"].as_str().unwrap();
    let unknown = self_signed(folder.path(), "stranger");
    for (value, program) in [(1, "coap-client-openssl"), (2, "coap-client-gnutls")] {
        let run =
            |files: &Files, more: &[&str]| coap_client(program, &[&["-c", &files.certificate, "-j", &files.key, "-C", &ca], more].concat());
        let body = json!({ "secured": value }).to_string();
        assert_eq!(
            run(&known, &["-m", "post", "-e", &body, &format!("{base}/telemetry")]),
            "",
            "{program}"
        );
        assert_eq!(tenant.latest(device, "secured")["secured"][0]["value"], value, "{program}");
        let path = format!("/api/plugins/telemetry/DEVICE/{device}/SHARED_SCOPE");
        assert_eq!(tenant.try_post(&path, &json!({ "told": value })).0, 200);
        let told = run(&known, &["-m", "get", &format!("{base}/attributes?sharedKeys=told")]);
        assert!(told.contains(&json!({"shared": {"told": value}}).to_string()), "{program}: {told}");
        // Whom nobody knows is nobody, whatever token it says; nor does a certificate's owner speak for others by their tokens.
        for (files, path) in [(&unknown, "telemetry"), (&unknown, "A1_TEST_TOKEN/telemetry")] {
            let refused = run(files, &["-m", "post", "-e", "{\"forged\":1}", &format!("{base}/{path}")]);
            assert!(refused.contains("4.01"), "{program} {path}: {refused}");
        }
        let refused = run(
            &known,
            &["-m", "post", "-e", "{\"forged\":1}", &format!("{base}/{TOKEN}/telemetry")],
        );
        assert!(refused.contains("4.04"), "{program}: {refused}");
        // Keys go on to be taken beside.
        let body = json!({ "keyed": value }).to_string();
        let keyed = [
            "-u",
            "sensor",
            "-k",
            "secretsecret",
            "-m",
            "post",
            "-e",
            &body,
            &format!("{base}/{TOKEN}/telemetry"),
        ];
        assert_eq!(coap_client(program, &keyed), "", "{program}");
    }
    assert_eq!(tenant.latest(&tenant.device("Demo device"), "keyed,forged")["keyed"][0]["value"], 2);
    assert!(server.is_running());
}

#[test]
fn libcoap_comes_into_being_by_a_certificate_of_the_profiles_authority() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let authority = Authority::new(folder.path());
    let files = authority.server("coap.example");
    let mut server = Server::start(Options::demo().with(&[
        "--coaps",
        "127.0.0.1:0",
        "--tls-certificate",
        &files.certificate,
        "--tls-key",
        &files.key,
    ]));
    let target = format!("coaps://{}/api/v1/telemetry", secured(&server));
    let tenant = server.tenant();
    let ca = authority.file();
    let pem = std::fs::read_to_string(&ca).unwrap();
    let profile = json!({
        "name": "certified",
        "provisionType": "X509_CERTIFICATE_CHAIN",
        "profileData": {"provisionConfiguration": {
            "type": "X509_CERTIFICATE_CHAIN",
            "provisionDeviceSecret": pem,
            "certificateRegExPattern": "[^@]+",
            "allowCreateNewDevicesByX509Certificate": true,
        }},
    });
    let mut saved = tenant.post("/api/deviceProfile", &profile);
    let says = |program: &str, files: &Files, value: u32| {
        let body = json!({ "certified": value }).to_string();
        let own = ["-c", &files.certificate, "-j", &files.key, "-C", &ca];
        coap_client(program, &[&own[..], &["-m", "post", "-e", &body, &target]].concat())
    };
    let forged = self_signed(other.path(), "forged");
    let alone = std::fs::read_to_string(&forged.certificate).unwrap();
    std::fs::write(&forged.certificate, [alone, pem].concat()).unwrap();
    for program in ["coap-client-openssl", "coap-client-gnutls"] {
        let name = format!("of-{program}");
        let common_name = format!("{name}@example.org");
        let first = authority.device(&common_name);
        assert_eq!(says(program, &first, 1), "", "{program}");
        let device = tenant.device(&name);
        assert_eq!(tenant.latest(&device, "certified")["certified"][0]["value"], 1, "{program}");
        let credentials = tenant.get(&format!("/api/device/{device}/credentials"));
        assert_eq!(credentials["credentialsType"], "X509_CERTIFICATE", "{program}");
        // The same again, then with a certificate that was renewed: it is the same device.
        assert_eq!(says(program, &first, 2), "", "{program}");
        assert_eq!(says(program, &authority.device(&common_name), 3), "", "{program}");
        assert_eq!(tenant.latest(&device, "certified")["certified"][0]["value"], 3, "{program}");
        // Whoever puts the authority's certificate, which is public, behind one that it has not signed is nobody.
        let refused = says(program, &forged, 4);
        assert!(refused.contains("4.01"), "{program}: {refused}");
    }
    // Only those that are there already.
    saved["profileData"]["provisionConfiguration"]["allowCreateNewDevicesByX509Certificate"] = json!(false);
    tenant.post("/api/deviceProfile", &saved);
    let late = authority.device("late");
    assert!(says("coap-client-gnutls", &late, 5).contains("4.01"));
    tenant.post("/api/device", &json!({"name": "late", "type": "certified"}));
    assert_eq!(says("coap-client-gnutls", &late, 6), "");
    assert!(server.is_running());
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn libcoap_speaks_over_dtls_with_a_key_both_sides_know() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    // "secretsecret"
    std::fs::write(&keys, "sensor:736563726574736563726574\n").unwrap();
    let options = Options::demo().with(&["--coaps", "127.0.0.1:0", "--coaps-keys", keys.to_str().unwrap()]);
    let mut server = Server::start(options);
    let base = format!("coaps://{}/api/v1/{TOKEN}", secured(&server));
    let tenant = server.tenant();
    let device = tenant.device("Demo device");
    for (value, program) in [(1, "coap-client-openssl"), (2, "coap-client-gnutls")] {
        let run = |more: &[&str]| coap_client(program, &[&["-u", "sensor", "-k", "secretsecret"], more].concat());
        let body = json!({ "secured": value }).to_string();
        assert_eq!(run(&["-m", "post", "-e", &body, &format!("{base}/telemetry")]), "", "{program}");
        assert_eq!(tenant.latest(&device, "secured")["secured"][0]["value"], value, "{program}");
        // One client with a large body, in blocks; then it is fetched.
        let file = folder.path().join("large");
        std::fs::write(&file, json!({ "story": "s".repeat(3_000) }).to_string()).unwrap();
        assert_eq!(
            run(&["-m", "post", "-f", file.to_str().unwrap(), &format!("{base}/attributes")]),
            "",
            "{program}"
        );
        let told = run(&["-m", "get", &format!("{base}/attributes")]);
        assert!(told.contains(&"s".repeat(3_000)), "{program}: {told}");
        // Another key is not taken, nor another name.
        for (user, key) in [("sensor", "wrongwrong"), ("other", "secretsecret")] {
            let refused = [
                (&["-u", user, "-k", key])[..].to_vec(),
                vec!["-B", "3", "-m", "post", "-e", "{\"secured\":9}"],
            ]
            .concat();
            let target = format!("{base}/telemetry");
            // It may end with an error, or give up: nothing was taken, that counts.
            let _ = std::process::Command::new("timeout")
                .args(["30", program])
                .args(refused)
                .arg(&target)
                .output();
        }
        assert_eq!(tenant.latest(&device, "secured")["secured"][0]["value"], value, "{program}");
    }
    tests::until("what came of the wrong keys is counted", || {
        server.metric("coap_handshakes_given_up_total") >= 4.0
    });
    // Without DTLS nothing is understood there.
    let plain = CoapWire::open(secured(&server).port());
    plain.send(&request(Code::POST, 1, &format!("api/v1/{TOKEN}/telemetry"), b"{}").write());
    assert_eq!(plain.datagram(Duration::from_millis(500)), None);
    assert!(server.is_running());
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn another_certificate_and_other_keys_are_served_without_a_restart() {
    const PROGRAM: &str = "coap-client-openssl";
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let files = authority.server("first.example");
    let keys = folder.path().join("keys");
    std::fs::write(&keys, "sensor:736563726574736563726574\n").unwrap();
    let options = [
        "--coaps",
        "127.0.0.1:0",
        "--coaps-keys",
        keys.to_str().unwrap(),
        "--tls-certificate",
        &files.certificate,
        "--tls-key",
        &files.key,
    ];
    let server = Server::start(Options::demo().with(&options));
    let target = format!("coaps://{}/api/v1/telemetry", secured(&server));
    let tenant = server.tenant();
    let own = self_signed(folder.path(), "device");
    tenant.post(
        "/api/device-with-credentials",
        &json!({
            "device": {"name": "Certified", "type": "default"},
            "credentials": {"credentialsType": "X509_CERTIFICATE", "credentialsValue": std::fs::read_to_string(&own.certificate).unwrap()},
        }),
    );
    // The client believes this authority alone: what it has not signed is refused.
    let reaches = |ca: &str| {
        let arguments = [
            "-c",
            &own.certificate,
            "-j",
            &own.key,
            "-C",
            ca,
            "-m",
            "post",
            "-e",
            "{\"n\":1}",
            &target,
        ];
        let output = std::process::Command::new("timeout")
            .args(["20", PROGRAM, "-v", "6", "-B", "5"])
            .args(arguments)
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).contains("2.01")
    };
    let (first, other) = (authority.file(), tempfile::tempdir().unwrap());
    let second = Authority::new(other.path());
    assert!(reaches(&first) && !reaches(&second.file()));
    let renewed = second.server("second.example");
    std::fs::copy(&renewed.certificate, &files.certificate).unwrap();
    std::fs::copy(&renewed.key, &files.key).unwrap();
    std::fs::write(&keys, "other:6f746865726f74686572\n").unwrap();
    server.signal("HUP");
    tests::until("the second certificate is served", || reaches(&second.file()));
    assert!(!reaches(&first));
    let target = format!("coaps://{}/api/v1/{TOKEN}/telemetry", secured(&server));
    assert_eq!(
        coap_client(
            PROGRAM,
            &["-u", "other", "-k", "otherother", "-m", "post", "-e", "{\"n\":2}", &target]
        ),
        ""
    );
    // Garbage is not taken.
    std::fs::write(&files.certificate, "garbage").unwrap();
    std::fs::write(&keys, "garbage").unwrap();
    server.signal("HUP");
    tests::until("garbage is refused", || server.log().contains("are not taken"));
    assert!(reaches(&second.file()));
}
