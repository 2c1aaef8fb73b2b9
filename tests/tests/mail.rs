//! Nodes send mails over a server outside, which reads them with a library that nobody here wrote.

#![allow(clippy::unwrap_used, missing_docs)]

use serde_json::{Value as Json, json};
use tests::certificates::Authority;
use tests::mailbox::Mailbox;
use tests::scene::{Scene, TALKATIVE, components, lenient};
use tests::server::{Options, Server};

const TO_EMAIL: &str = "org.thingsboard.rule.engine.mail.TbMsgToEmailNode";
const SEND_EMAIL: &str = "org.thingsboard.rule.engine.mail.TbSendEmailNode";
/// A value that must be seen by the server, and nowhere else.
const PASSWORD: &str = "hunter2-Zwoelf";

fn mail(more: Json) -> Json {
    let mut configuration = json!({"fromTemplate": "The platform <platform@house.test>", "toTemplate": "a@b.test, Bea <b@b.test>", "ccTemplate": "c@b.test",
        "bccTemplate": "hidden@b.test", "subjectTemplate": "${deviceName}: Wärme", "bodyTemplate": "$[temperature] °C\n.\n", "mailBodyType": "false"});
    for (key, value) in more.as_object().unwrap() {
        configuration[key] = value.clone();
    }
    configuration
}

fn over(host: &str, port: u16, more: Json) -> Json {
    let mut configuration =
        json!({"useSystemSmtpSettings": false, "smtpHost": host, "smtpPort": port, "smtpProtocol": "smtp", "timeout": 10000});
    for (key, value) in more.as_object().unwrap() {
        configuration[key] = value.clone();
    }
    configuration
}

#[test]
fn a_message_becomes_a_mail_and_is_sent() {
    let certificates = tempfile::tempdir().unwrap();
    let authority = Authority::new(certificates.path());
    let mailbox = Mailbox::start(&authority.server("mail.test"), ("user", PASSWORD));
    let (server, _folder) = lenient(&["--egress-authorities", &authority.file(), TALKATIVE[0], TALKATIVE[1]]);
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);
    tenant.post("/api/plugins/secrets", &json!({"name": "word", "value": PASSWORD}));
    let send = |mail: &Json, over: &Json| scene.ask_all(&[(TO_EMAIL, mail), (SEND_EMAIL, over)]);
    let fails = |mail: &Json, over: &Json, says: &str| {
        let (relation, metadata, _) = send(mail, over);
        let error = metadata["error"].as_str().unwrap_or_default();
        assert!(relation == "Failure" && error.contains(says), "{says}: {error}");
        metadata.to_string()
    };
    let plain = over("127.0.0.1", mailbox.port, json!({}));
    fails(&mail(json!({})), &plain, "is not among the servers");
    let origin = format!("smtp://127.0.0.1:{}", mailbox.port);
    scene.allow(&[
        &origin,
        &format!("smtp://localhost:{}", mailbox.start_tls_port),
        &format!("smtps://localhost:{}", mailbox.tls_port),
    ]);

    let (relation, metadata, payload) = send(&mail(json!({})), &plain);
    assert_eq!(
        (relation.as_str(), &metadata["acknowledgedBy"]),
        ("Success", &json!(origin)),
        "{metadata}"
    );
    assert_eq!(
        (&payload["to"], &payload["html"]),
        (&json!("a@b.test, Bea <b@b.test>"), &json!(false))
    );
    let taken = mailbox.mails().remove(0);
    assert_eq!(taken["from"], "platform@house.test");
    assert_eq!(taken["to"], json!(["a@b.test", "b@b.test", "c@b.test", "hidden@b.test"]));
    let head = &taken["head"];
    assert_eq!(
        (&head["subject"], &head["from"]),
        (&json!("Demo device: Wärme"), &json!("The platform <platform@house.test>"))
    );
    assert_eq!(
        (&head["to"], &head["cc"], &head["bcc"]),
        (&json!("a@b.test, Bea <b@b.test>"), &json!("c@b.test"), &Json::Null)
    );
    assert_eq!((&taken["type"], &taken["body"]), (&json!("text/plain"), &json!("21 °C\r\n.\r\n")));

    // A receiver that there is not fails its mail; the next one goes over the same connection.
    fails(&mail(json!({"ccTemplate": "nobody@b.test"})), &plain, "550 there is nobody");
    fails(
        &mail(json!({"subjectTemplate": "a\r\nBcc: x@b.test"})),
        &plain,
        "control characters",
    );
    fails(&mail(json!({"toTemplate": "a@b.test>\r\nRCPT TO:<x@b.test"})), &plain, "no address");
    let (relation, ..) = send(
        &mail(json!({"bodyTemplate": "<b>$[temperature]</b>", "mailBodyType": "true"})),
        &plain,
    );
    assert_eq!(relation, "Success");
    let mails = mailbox.mails();
    assert_eq!((mails.len(), &mails[1]["type"]), (2, &json!("text/html")));
    assert_eq!(mails[0]["peer"], mails[1]["peer"], "one connection for all of them");

    let login = |password: &str| json!({"username": "user", "password": password, "enableTls": true});
    let start_tls = |password: &str| over("localhost", mailbox.start_tls_port, login(password));
    let mut answers = vec![
        fails(&mail(json!({})), &over("localhost", mailbox.start_tls_port, json!({})), "530"),
        fails(&mail(json!({})), &start_tls("wrong"), "refused the login: 535"),
        fails(&mail(json!({})), &start_tls("${secret:none}"), "secret"),
    ];
    let mut tls = over("localhost", mailbox.tls_port, login("${secret:word}"));
    tls["smtpProtocol"] = json!("smtps");
    for over in [start_tls("${secret:word}"), tls] {
        let (relation, metadata, payload) = send(&mail(json!({})), &over);
        assert_eq!(relation, "Success", "{metadata}");
        answers.extend([metadata.to_string(), payload.to_string()]);
    }
    assert_eq!(mailbox.mails()[2]["user"], "True");
    assert_eq!(mailbox.mails().len(), 4);
    answers.push(server.log());
    for answer in answers {
        assert!(!answer.contains("hunter2"), "{answer}");
    }
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn mails_go_over_the_servers_own_mail_server_and_tenants_see_nothing_of_it() {
    let certificates = tempfile::tempdir().unwrap();
    let authority = Authority::new(certificates.path());
    let mailbox = Mailbox::start(&authority.server("mail.test"), ("user", PASSWORD));
    let port = mailbox.start_tls_port;
    // No network is excepted: on this machine the administrator alone chooses servers.
    let folder = components();
    let options = Options::demo().with(&["--components", folder.path().to_str().unwrap()]);
    let server = Server::start(options.with(&["--egress-authorities", &authority.file()]).with(&TALKATIVE));
    let sysadmin = server.login("sysadmin@pacificsoft.org", "sysadmin");
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);
    // As ThingsBoard's own chains have it.
    let by_server = json!({"useSystemSmtpSettings": true, "smtpHost": "localhost", "smtpPort": 25, "username": null, "password": null,
        "smtpProtocol": "smtp", "timeout": 10000, "enableTls": false, "tlsVersion": "TLSv1.2", "enableProxy": false, "proxyHost": null});
    let send = |scene: &Scene<'_>, mail: &Json, over: &Json| scene.ask_all(&[(TO_EMAIL, mail), (SEND_EMAIL, over)]);
    let fails = |scene: &Scene<'_>, mail: &Json, over: &Json, says: &str| {
        let (relation, metadata, _) = send(scene, mail, over);
        let error = metadata["error"].as_str().unwrap_or_default();
        assert!(relation == "Failure" && error.contains(says), "{says}: {error}");
        metadata.to_string()
    };
    fails(&scene, &mail(json!({})), &by_server, "POST /api/admin/settings with the key mail");

    let settings = json!({"key": "mail", "jsonValue": {"mailFrom": "The server <server@house.test>", "smtpProtocol": "smtp", "smtpHost": "localhost",
        "smtpPort": port.to_string(), "timeout": "10000", "enableTls": true, "tlsVersion": "TLSv1.2", "username": "user", "password": PASSWORD}});
    let mut answers = vec![sysadmin.post("/api/admin/settings", &settings).to_string()];
    answers.push(sysadmin.get("/api/admin/settings/mail").to_string());
    sysadmin.post("/api/admin/settings/testMail", &sysadmin.get("/api/admin/settings/mail"));
    assert_eq!(mailbox.mails()[0]["to"], json!(["sysadmin@pacificsoft.org"]));
    let mut wrong = settings.clone();
    wrong["jsonValue"]["password"] = json!("wrong");
    let (status, told) = sysadmin.try_post("/api/admin/settings/testMail", &wrong);
    assert!(status == 400 && told.contains("refused the login: 535"), "{told}");
    answers.push(told);

    let (relation, metadata, _) = send(&scene, &mail(json!({})), &by_server);
    assert_eq!(
        (relation.as_str(), &metadata["acknowledgedBy"]),
        ("Success", &json!("server:mail")),
        "{metadata}"
    );
    answers.push(metadata.to_string());
    let taken = mailbox.mails().remove(1);
    assert_eq!(
        (&taken["from"], &taken["user"]),
        (&json!("server@house.test"), &json!("True")),
        "nobody writes in another's name"
    );
    assert_eq!(
        (&taken["head"]["from"], &taken["head"]["reply-to"]),
        (
            &json!("The server <server@house.test>"),
            &json!("The platform <platform@house.test>")
        )
    );
    // The same server is none that a tenant could name, not even over the connection that there is.
    scene.allow(&[&format!("smtp://localhost:{port}")]);
    let named = over(
        "localhost",
        port,
        json!({"username": "user", "password": PASSWORD, "enableTls": true}),
    );
    fails(&scene, &mail(json!({})), &named, "an address that no component reaches");
    fails(
        &scene,
        &mail(json!({"ccTemplate": "nobody@b.test"})),
        &by_server,
        "550 there is nobody",
    );
    fails(
        &scene,
        &mail(json!({"subjectTemplate": "a\r\nBcc: x@b.test"})),
        &by_server,
        "control characters",
    );
    let many: Vec<String> = (0..90).map(|number| format!("a{number}@b.test")).collect();
    let many = mail(json!({"toTemplate": many.join(","), "ccTemplate": "", "bccTemplate": ""}));
    assert_eq!(send(&scene, &many, &by_server).0, "Success");
    answers.push(fails(&scene, &many, &by_server, "100 receivers of mails in 60 seconds"));
    assert_eq!(mailbox.mails().len(), 3);
    answers.push(server.log());

    let server = server.kill_and_restart();
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);
    assert_eq!(send(&scene, &mail(json!({})), &by_server).0, "Success", "they are kept");
    drop(mailbox);
    let told = fails(&scene, &mail(json!({})), &by_server, "the server's mail server");
    let error = serde_json::from_str::<Json>(&told).unwrap()["error"].to_string();
    assert!(!error.contains(&port.to_string()) && !error.contains("localhost"), "{error}");
    answers.extend([told, server.log()]);
    for answer in answers {
        assert!(!answer.contains("hunter2"), "{answer}");
    }
    assert!(!server.log().contains("panicked"), "{}", server.log());
}
