//! Nodes send texts over a center that speaks SMPP, which nobody here wrote: the tenant's own, or that of the server.

#![allow(clippy::unwrap_used, missing_docs)]

use serde_json::{Value as Json, json};
use tests::center::Center;
use tests::certificates::Authority;
use tests::scene::{Scene, TALKATIVE, components, lenient};
use tests::server::{Options, Server};

const SMS: &str = "org.thingsboard.rule.engine.sms.TbSendSmsNode";
/// Who logs in at the center; of the server's own account tenants do not see it.
const USER: &str = "platform-7";
/// A value that must be seen by the center, and nowhere else. It has no more letters than SMPP allows.
const PASSWORD: &str = "hunter2Z";

/// What ThingsBoard's form has, with some of it changed.
fn provider(port: u16, more: Json) -> Json {
    let mut provider = json!({"type": "SMPP", "protocolVersion": "3.4", "host": "127.0.0.1", "port": port, "systemId": USER, "password": "${secret:word}",
        "systemType": "", "bindType": "TX", "serviceType": "", "sourceAddress": "", "sourceTon": 5, "sourceNpi": 0, "destinationTon": 5,
        "destinationNpi": 0, "addressRange": "", "codingScheme": 0});
    for (name, value) in more.as_object().unwrap() {
        provider[name] = value.clone();
    }
    provider
}

fn text(numbers: &str, text: &str, provider: &Json) -> Json {
    json!({"numbersToTemplate": numbers, "smsMessageTemplate": text, "useSystemSmsSettings": provider.is_null(), "smsProviderConfiguration": provider})
}

#[test]
fn a_message_becomes_a_text_for_every_number() {
    let certificates = tempfile::tempdir().unwrap();
    let authority = Authority::new(certificates.path());
    let center = Center::start(&authority.server("center.test"), (USER, PASSWORD));
    let (server, _folder) = lenient(&["--egress-authorities", &authority.file(), TALKATIVE[0], TALKATIVE[1]]);
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);
    tenant.post("/api/plugins/secrets", &json!({"name": "word", "value": PASSWORD}));
    let over = |more: Json| provider(center.port, more);
    let fails = |numbers: &str, words: &str, provider: &Json, says: &str| {
        let (relation, metadata, _) = scene.ask(SMS, &text(numbers, words, provider));
        let error = metadata["error"].as_str().unwrap_or_default();
        assert!(relation == "Failure" && error.contains(says), "{says}: {error}");
        metadata.to_string()
    };
    let plain = over(json!({}));
    fails("+12025550100", "x", &plain, "is not among the servers");
    scene.allow(&[
        &format!("smpp://127.0.0.1:{}", center.port),
        &format!("smpps://localhost:{}", center.tls_port),
    ]);

    let sent = |numbers: &str, words: &str, provider: &Json| {
        let (relation, metadata, payload) = scene.ask(SMS, &text(numbers, words, provider));
        assert_eq!((relation.as_str(), &payload["temperature"]), ("Success", &json!(21)), "{metadata}");
        metadata.to_string()
    };
    let mut answers = vec![sent("+12025550100,+12025550101", "$[temperature] [degrees] €", &plain)];
    let taken = center.texts();
    assert_eq!(taken.len(), 2);
    for (taken, number) in taken.iter().zip(["12025550100", "12025550101"]) {
        let expected = json!({"connection": 1, "to": number, "ton": 5, "npi": 0, "from": "", "fromTon": 0, "service": "", "coding": 0, "receipt": 0,
            "isLong": false, "text": "21 [degrees] €"});
        assert_eq!(taken, &expected);
    }
    let login =
        json!({"connection": 1, "bind": "bind_transmitter", "user": USER, "isBound": true, "version": 0x34, "type": "", "range": ""});
    assert_eq!(center.logins(), [login]);

    // What one alphabet has not another has.
    let last = || center.texts().pop().unwrap();
    answers.push(fails("+12025550100", "$[temperature] °C", &plain, "'°'"));
    for (coding, words) in [(3, "21 °C, Größe"), (8, "21 °C, ж 🔥"), (1, "21 degrees")] {
        sent("+12025550100", words, &over(json!({ "codingScheme": coding })));
        assert_eq!((&last()["text"], &last()["coding"]), (&json!(words), &json!(coding)));
    }
    let long = "x".repeat(300);
    sent("+12025550100", &long, &plain);
    assert_eq!((&last()["text"], &last()["isLong"]), (&json!(long), &json!(true)));
    fails("+12025550100", &long, &over(json!({"protocolVersion": "3.3"})), "254 at most");

    // A number that there is not fails its text; the next one goes over the same connection.
    answers.push(fails("+12025550404", "x", &plain, "0x0000000B (Invalid Dest Addr)"));
    sent("+12025550100", "x", &plain);
    assert_eq!((&last()["connection"], center.logins().len()), (&json!(1), 1));

    let other = over(
        json!({"protocolVersion": "3.3", "bindType": "TRX", "systemType": "VMS", "addressRange": "5.*", "serviceType": "CMT",
        "sourceAddress": "House"}),
    );
    sent("+12025550100", "x", &other);
    let login = center.logins().pop().unwrap();
    assert_eq!(
        (&login["bind"], &login["version"], &login["type"], &login["range"]),
        (&json!("bind_transceiver"), &json!(0x33), &json!("VMS"), &json!("5.*"))
    );
    let taken = last();
    assert_eq!(
        (&taken["from"], &taken["fromTon"], &taken["service"]),
        (&json!("House"), &json!(5), &json!("CMT"))
    );

    answers.push(fails(
        "+12025550100",
        "x",
        &over(json!({"password": "hunter2X"})),
        "refused the login: 0x0000000E (Invalid Password)",
    ));
    answers.push(fails(
        "+12025550100",
        "x",
        &over(json!({"password": "hunter2hunter2"})),
        "password is longer",
    ));
    answers.push(fails("+12025550100", "x", &over(json!({"password": "${secret:none}"})), "secret"));
    let count = center.texts().len();
    let tls = json!({"host": "localhost", "port": center.tls_port, "ssl": true});
    answers.push(sent("+12025550100", "x", &over(tls)));
    assert_eq!(center.texts().len(), count + 1);
    answers.push(server.log());
    for answer in answers {
        assert!(!answer.contains("hunter2"), "{answer}");
    }
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn texts_go_over_the_servers_own_center_and_tenants_see_nothing_of_it() {
    let certificates = tempfile::tempdir().unwrap();
    let authority = Authority::new(certificates.path());
    let center = Center::start(&authority.server("center.test"), (USER, PASSWORD));
    // No network is excepted: on this machine the administrator alone chooses servers.
    let folder = components();
    let options = Options::demo().with(&["--components", folder.path().to_str().unwrap()]);
    let server = Server::start(options.with(&TALKATIVE));
    let sysadmin = server.login("sysadmin@pacificsoft.org", "sysadmin");
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);
    let by_server = |numbers: &str| text(numbers, "$[temperature] °C", &Json::Null);
    let fails = |configuration: &Json, says: &str| {
        let (relation, metadata, _) = scene.ask(SMS, configuration);
        let error = metadata["error"].as_str().unwrap_or_default();
        assert!(relation == "Failure" && error.contains(says), "{says}: {error}");
        error.to_owned()
    };

    // That the device is there is a message, too: it has come by now.
    fails(&by_server("+12025550100"), "POST /api/admin/settings with the key sms");
    let account = provider(
        center.port,
        json!({"host": "localhost", "password": PASSWORD, "sourceAddress": "House", "codingScheme": 8}),
    );
    let saved = sysadmin.post("/api/admin/settings", &json!({"key": "sms", "jsonValue": account}));
    let shown = sysadmin.get("/api/admin/settings/sms");
    assert_eq!(
        (&shown["jsonValue"]["systemId"], &shown["jsonValue"]["password"]),
        (&json!(USER), &Json::Null)
    );
    let mut told_to_administrator = vec![saved.to_string(), shown.to_string()];
    let trial = |more: Json| {
        let mut account = shown["jsonValue"].clone();
        for (name, value) in more.as_object().unwrap() {
            account[name] = value.clone();
        }
        json!({"providerConfiguration": account, "numberTo": "+12025550100", "message": "Does it work?"})
    };
    sysadmin.post("/api/admin/settings/testSms", &trial(json!({})));
    assert_eq!(center.texts()[0]["text"], "Does it work?");
    for (more, says) in [
        (json!({"password": "hunter2X"}), "refused the login: 0x0000000E (Invalid Password)"),
        (json!({"host": "127.0.0.1"}), "password is missing"),
        (json!({"port": center.tls_port}), "password is missing"),
    ] {
        let (status, told) = sysadmin.try_post("/api/admin/settings/testSms", &trial(more));
        assert!(status == 400 && told.contains(says), "{says}: {told}");
        told_to_administrator.push(told);
    }

    let (relation, metadata, payload) = scene.ask(SMS, &by_server("+12025550100,+12025550101"));
    assert_eq!((relation.as_str(), &payload["temperature"]), ("Success", &json!(21)), "{metadata}");
    let seen_by_tenant = metadata.to_string();
    let taken = center.texts();
    assert_eq!(taken.len(), 3);
    assert_eq!(
        (&taken[2]["text"], &taken[2]["from"], &taken[2]["to"]),
        (&json!("21 °C"), &json!("House"), &json!("12025550101"))
    );
    assert_eq!(taken[1]["connection"], taken[2]["connection"]);
    assert_ne!(
        taken[0]["connection"], taken[1]["connection"],
        "whoever is told where it is shares nothing with others"
    );
    let refused = fails(&by_server("+12025550404"), "0x0000000B (Invalid Dest Addr)");
    let port = center.port;
    drop(center);
    let unreachable = fails(&by_server("+12025550100"), "the server's service for text messages");
    let mut told_to_tenant = vec![refused, unreachable];
    for error in &told_to_tenant {
        for hidden in ["localhost", USER, &port.to_string()] {
            assert!(!error.contains(hidden), "{hidden}: {error}");
        }
    }
    told_to_tenant.push(seen_by_tenant);
    // The same center is none that a tenant could name.
    scene.allow(&[&format!("smpp://127.0.0.1:{port}")]);
    let named = text("+12025550100", "x", &provider(port, json!({"password": PASSWORD})));
    told_to_tenant.push(fails(&named, "an address that no component reaches"));
    told_to_administrator.push(server.log());
    for told in told_to_tenant.into_iter().chain(told_to_administrator) {
        assert!(!told.contains("hunter2"), "{told}");
    }
    assert!(!server.log().contains("panicked"), "{}", server.log());
}
