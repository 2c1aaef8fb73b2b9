//! Nodes send mails over a server outside, which reads them with a library that nobody here wrote.

#![allow(clippy::unwrap_used, missing_docs)]

use serde_json::{Value as Json, json};
use tests::certificates::Authority;
use tests::mailbox::Mailbox;
use tests::scene::{Scene, TALKATIVE, lenient};

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
