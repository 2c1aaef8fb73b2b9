//! Settings of the server, and those of a tenant: who may make them, what is answered, and whether they work.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Gateway, SYSADMIN};

const SETTINGS: &str = "/api/admin/settings";
const MAIL: &str = "/api/admin/settings/mail";
const TEST_MAIL: &str = "/api/admin/settings/testMail";

fn mail(port: u16, more: &Json) -> Json {
    let mut settings = json!({"mailFrom": "platform@house.test", "smtpProtocol": "smtp", "smtpHost": "127.0.0.1", "smtpPort": port,
        "timeout": 5000, "enableTls": false, "tlsVersion": null, "username": "user", "password": "hunter2"});
    for (name, value) in more.as_object().expect("an object") {
        settings[name] = value.clone();
    }
    json!({"key": "mail", "jsonValue": settings})
}

fn without_password(mut settings: Json) -> Json {
    settings["jsonValue"].as_object_mut().expect("an object").remove("password");
    settings
}

/// A mail server that takes everything; its port, and what it was told.
async fn mail_server() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&said);
    actor::spawn("mail server", async move {
        while let Ok((stream, _)) = listener.accept().await {
            actor::spawn("mail client", take_mails(stream, Arc::clone(&heard)));
        }
    });
    (port, said)
}

async fn take_mails(stream: TcpStream, heard: Arc<Mutex<Vec<String>>>) {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    let mut answer = "220 there";
    while writer.write_all(format!("{answer}\r\n").as_bytes()).await.is_ok() {
        let in_text = answer.starts_with("354");
        let line = loop {
            match lines.next_line().await {
                Ok(Some(line)) if in_text && line != "." => heard.lock().push(line),
                Ok(Some(line)) => break line,
                _ => return,
            }
        };
        answer = match line.split(' ').next() {
            Some("EHLO") => "250 AUTH PLAIN",
            Some("AUTH") => "235 welcome",
            Some("DATA") => "354 go on",
            _ => "250 fine",
        };
        heard.lock().push(line);
    }
}

#[tokio::test]
async fn the_systems_administrator_sets_the_mail_server_and_the_password_stays_inside() {
    let gateway = Gateway::start().await;
    let sysadmin = gateway.log_in(SYSADMIN).await;
    let told = gateway.get(MAIL, &sysadmin).await.refused(404, 32);
    assert!(told.contains("mail"), "{told}");
    let saved = gateway.post(SETTINGS, &sysadmin, mail(25, &json!({}))).await;
    assert!(!saved.text.contains("hunter2"), "{}", saved.text);
    let saved = saved.ok();
    assert_eq!((&saved["key"], &saved["jsonValue"]["smtpPort"]), (&json!("mail"), &json!(25)));
    // Clients send back what they were shown.
    let mut again = saved.clone();
    again["jsonValue"]["timeout"] = json!(6000);
    gateway.post(SETTINGS, &sysadmin, again.clone()).await.ok();
    // The other servers of a cluster have them.
    let read = gateway.beside().get(MAIL, &sysadmin).await;
    assert!(!read.text.contains("hunter2"), "{}", read.text);
    assert_eq!(read.ok(), again);
    for (settings, says) in [
        (json!({"key": "general", "jsonValue": {}}), "no settings of the key \"general\""),
        (mail(25, &json!({"smtpHost": ""})), "smtpHost"),
        (mail(25, &json!({"password": 1})), "password is no text"),
        (without_password(mail(25, &json!({"smtpHost": "evil.test"}))), "say it again"),
    ] {
        let refused = gateway.post(SETTINGS, &sysadmin, settings).await.refused(400, 31);
        assert!(refused.contains(says) && !refused.contains("hunter2"), "{refused}");
    }
    assert_eq!(gateway.get(MAIL, &sysadmin).await.ok(), again, "what is refused changes nothing");
    gateway.get("/api/admin/settings/general", &sysadmin).await.refused(404, 32);
}

#[tokio::test]
async fn a_test_mail_comes_to_whoever_asks_or_says_why_not() {
    let gateway = Gateway::start().await;
    let sysadmin = gateway.log_in(SYSADMIN).await;
    let (port, said) = mail_server().await;
    gateway.post(SETTINGS, &sysadmin, mail(port, &json!({}))).await.ok();
    gateway
        .post(TEST_MAIL, &sysadmin, without_password(mail(port, &json!({}))))
        .await
        .ok();
    let said = said.lock().clone();
    for line in [
        "MAIL FROM:<platform@house.test>".to_owned(),
        format!("RCPT TO:<{SYSADMIN}>"),
        // The kept password.
        "AUTH PLAIN AHVzZXIAaHVudGVyMg==".to_owned(),
    ] {
        assert!(said.contains(&line), "{line}: {said:?}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let nobody = closed.local_addr().expect("an address").port();
    drop(closed);
    for (settings, says) in [
        (mail(nobody, &json!({})), "was not reached"),
        (mail(port, &json!({"enableTls": true})), "it offers no TLS"),
        (mail(port, &json!({"smtpHost": "169.254.169.254"})), "metadata service"),
        (json!({"key": "sound", "jsonValue": {}}), "no settings of the key"),
    ] {
        let refused = gateway.post(TEST_MAIL, &sysadmin, settings).await.refused(400, 31);
        assert!(refused.contains(says) && !refused.contains("hunter2"), "{refused}");
    }
}

#[tokio::test]
async fn nobody_of_a_tenant_sees_or_makes_settings_of_the_server() {
    let gateway = Gateway::start().await;
    let (own, sysadmin) = (gateway.tenant("a").await, gateway.log_in(SYSADMIN).await);
    gateway.post(SETTINGS, &sysadmin, mail(25, &json!({}))).await.ok();
    let before = gateway.get(MAIL, &sysadmin).await.ok();
    for token in [&own.admin, &own.user] {
        gateway.get(MAIL, token).await.refused(403, 20);
        for path in [SETTINGS, TEST_MAIL] {
            gateway
                .post(path, token, mail(25, &json!({"smtpHost": "evil.test"})))
                .await
                .refused(403, 20);
        }
    }
    gateway.get(MAIL, "").await.refused(401, 10);
    gateway.post(SETTINGS, "", mail(25, &json!({}))).await.refused(401, 10);
    // As a secret it is nobody's but the system's.
    let secrets = "/api/plugins/secrets";
    let listed = gateway.get(&format!("{secrets}?pageSize=10&page=0"), &own.admin).await.ok();
    assert_eq!(listed["totalElements"], 0);
    gateway.delete(&format!("{secrets}/server.mail"), &own.admin).await.refused(404, 32);
    gateway.delete(&format!("{secrets}/server.mail"), &sysadmin).await.refused(403, 20);
    assert_eq!(gateway.get(MAIL, &sysadmin).await.ok(), before);
}

#[tokio::test]
async fn an_account_for_texts_is_set_and_its_secret_stays_inside() {
    let gateway = Gateway::start().await;
    let (own, sysadmin) = (gateway.tenant("a").await, gateway.log_in(SYSADMIN).await);
    let (sms, test_sms) = (format!("{SETTINGS}/sms"), format!("{SETTINGS}/testSms"));
    gateway.get(&sms, &sysadmin).await.refused(404, 32);
    let twilio = json!({"type": "TWILIO", "numberFrom": "+1999", "accountSid": "AC1", "accountToken": "hunter2", "endpoint": "http://169.254.169.254"});
    let center = json!({"type": "SMPP", "host": "169.254.169.254", "port": 2775, "systemId": "AC1", "password": "hunter2"});
    for (account, user) in [(twilio, "accountSid"), (center, "systemId")] {
        let saved = gateway.post(SETTINGS, &sysadmin, json!({"key": "sms", "jsonValue": account})).await;
        assert!(!saved.text.contains("hunter2"), "{}", saved.text);
        let saved = saved.ok();
        assert_eq!(saved["jsonValue"][user], "AC1");
        gateway.post(SETTINGS, &sysadmin, saved.clone()).await.ok();
        assert_eq!(gateway.beside().get(&sms, &sysadmin).await.ok(), saved);
        let trial = |number: &str| json!({"providerConfiguration": saved["jsonValue"], "numberTo": number, "message": "works"});
        for (number, says) in [("+12025550100", "metadata service"), ("arn:aws:sns:x", "is no number")] {
            let refused = gateway.post(&test_sms, &sysadmin, trial(number)).await.refused(400, 31);
            assert!(refused.contains(says) && !refused.contains("hunter2"), "{refused}");
        }
        for token in [&own.admin, &own.user] {
            gateway.get(&sms, token).await.refused(403, 20);
            gateway.post(SETTINGS, token, saved.clone()).await.refused(403, 20);
            gateway.post(&test_sms, token, trial("+12025550100")).await.refused(403, 20);
        }
    }
}

#[tokio::test]
async fn a_tenant_has_a_bot_at_slack_whose_token_is_its_secret() {
    let gateway = Gateway::start().await;
    let (own, other, sysadmin) = (gateway.tenant("a").await, gateway.tenant("b").await, gateway.log_in(SYSADMIN).await);
    let path = "/api/notification/settings";
    let slack = |config: Json| json!({"deliveryMethodsConfigs": {"SLACK": config}});
    let (none, shown) = (json!({"deliveryMethodsConfigs": {}}), slack(json!({"method": "SLACK"})));
    assert_eq!(gateway.get(path, &own.admin).await.ok(), none);
    gateway.post(path, &own.admin, shown.clone()).await.refused(400, 31);
    let saved = gateway
        .post(path, &own.admin, slack(json!({"method": "SLACK", "botToken": "hunter2"})))
        .await;
    assert_eq!(saved.ok(), shown);
    // Clients send back what they were shown.
    assert_eq!(gateway.post(path, &own.admin, shown.clone()).await.ok(), shown);
    assert_eq!(gateway.get(path, &own.admin).await.ok(), shown);
    let listed = gateway.get("/api/plugins/secrets?pageSize=10&page=0", &own.admin).await.ok();
    assert_eq!(listed["data"][0]["name"], "slack-bot-token");
    for wrong in [
        slack(json!({"method": "SLACK", "botToken": ""})),
        slack(json!({"method": "SLACK", "botToken": 1})),
        json!({"deliveryMethodsConfigs": {"MOBILE_APP": {"method": "MOBILE_APP"}}}),
        json!({}),
    ] {
        let refused = gateway.post(path, &own.admin, wrong).await.refused(400, 31);
        assert!(!refused.contains("hunter2"), "{refused}");
    }
    assert_eq!(gateway.get(path, &other.admin).await.ok(), none);
    for token in [&own.user, &sysadmin] {
        gateway.get(path, token).await.refused(403, 20);
        gateway.post(path, token, none.clone()).await.refused(403, 20);
    }
    assert_eq!(gateway.post(path, &own.admin, none.clone()).await.ok(), none);
    assert_eq!(gateway.get(path, &own.admin).await.ok(), none);
}
