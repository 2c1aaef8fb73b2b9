//! Settings as they are given, kept and used.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use egress::Protocol;
use secrets::Key;
use serde_json::json;
use storage::{EmbeddedConfig, EmbeddedStore};

use super::*;

fn given(more: &Json) -> Json {
    let mut all = json!({"mailFrom": "The platform <platform@house.test>", "smtpProtocol": "smtp", "smtpHost": "mail.test", "smtpPort": "587",
        "timeout": "5000", "enableTls": "true", "tlsVersion": "TLSv1.2", "username": "user", "password": "hunter2", "showChangePassword": false});
    for (name, value) in more.as_object().unwrap() {
        all[name] = value.clone();
    }
    all
}

fn read(more: &Json) -> MailSettings {
    MailSettings::read(&given(more), None).unwrap()
}

fn vault() -> (tempfile::TempDir, Vault) {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(EmbeddedConfig::new(folder.path())).unwrap();
    (folder, Vault::new(Arc::new(store), Key::generate()))
}

#[test]
fn what_thingsboards_clients_send_is_understood() {
    let settings = read(&json!({}));
    let shown = json!({"mailFrom": "The platform <platform@house.test>", "smtpProtocol": "smtp", "smtpHost": "mail.test", "smtpPort": 587,
        "timeout": 5000, "enableTls": true, "tlsVersion": "TLSv1.2", "username": "user", "enableProxy": false});
    assert_eq!(settings.shown(), shown);
    assert_eq!(read(&json!({"smtpPort": 587, "timeout": 5000, "enableTls": true})), settings);
    assert_eq!(read(&json!({"timeout": null})).shown()["timeout"], 10_000);
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn what_cannot_be_used_is_refused_in_words_without_the_password() {
    for (name, value, says) in [
        ("mailFrom", json!(""), "mailFrom is missing"),
        ("mailFrom", json!("nobody"), "no address"),
        ("mailFrom", json!("a@b.test\r\nBcc: c@d.test"), "no address"),
        ("smtpHost", json!(" "), "smtpHost is missing"),
        ("smtpHost", json!("mail.test/x"), "neither"),
        ("smtpHost", json!("0x7f.1"), "neither"),
        ("smtpPort", json!(0), "smtpPort"),
        ("smtpPort", json!(65_536), "smtpPort"),
        ("smtpPort", json!("many"), "smtpPort"),
        ("smtpPort", json!(22), "port 22"),
        ("smtpProtocol", json!("imap"), "smtp and smtps"),
        ("timeout", json!(300_001), "timeout"),
        ("enableTls", json!("perhaps"), "enableTls"),
        ("enableProxy", json!(true), "proxyHost is missing"),
        ("enableProxy", json!("perhaps"), "enableProxy"),
        ("enableOauth2", json!(true), "enableOauth2"),
        ("password", json!(123_456), "password is no text"),
        ("password", json!("hunter2".repeat(1_000)), "password is no text"),
        ("username", json!("a\u{0}b"), "zero"),
    ] {
        let told = MailSettings::read(&given(&json!({ name: value })), None).unwrap_err();
        assert!(told.contains(says), "{name}: {told}");
        assert!(!told.contains("hunter2") && !told.contains("123456"), "{told}");
    }
    assert!(MailSettings::read(&json!([]), None).is_err());
}

#[test]
fn a_password_that_is_not_said_stays_where_it_is_for() {
    let kept = read(&json!({}));
    let mut again = given(&json!({"smtpPort": 465, "smtpProtocol": "smtps"}));
    again.as_object_mut().unwrap().remove("password");
    let read = |given: &Json| MailSettings::read(given, Some(&kept));
    let password = |settings: MailSettings| match settings.of_tenant(&to("a@b.test")).unwrap().credentials {
        Some(credentials) => credentials.password.map(|secret| secret.0),
        None => None,
    };
    assert_eq!(password(read(&again).unwrap()).as_deref(), Some("hunter2"));
    again["password"] = Json::Null;
    assert_eq!(password(read(&again).unwrap()).as_deref(), Some("hunter2"));
    // Whoever may set settings does not get it sent to a server of theirs.
    for (name, value) in [("smtpHost", "other.test"), ("username", "other")] {
        let mut elsewhere = again.clone();
        elsewhere[name] = json!(value);
        assert!(read(&elsewhere).unwrap_err().contains("password"), "{name}");
        elsewhere["password"] = json!("");
        assert_eq!(password(read(&elsewhere).unwrap()), None);
    }
    again["username"] = json!("");
    assert_eq!(password(read(&again).unwrap()), None);
}

fn to(to: &str) -> Mail {
    Mail {
        to: to.to_owned(),
        ..Mail::default()
    }
}

#[test]
fn mails_may_go_by_way_of_a_proxy() {
    let more = json!({"enableProxy": true, "proxyHost": "proxy.test", "proxyPort": "3128", "proxyUser": "u", "proxyPassword": "hunter2"});
    let kept = read(&more);
    let shown = kept.shown();
    assert_eq!(
        (
            &shown["proxyHost"],
            &shown["proxyPort"],
            &shown["proxyUser"],
            &shown["proxyPassword"]
        ),
        (&json!("proxy.test"), &json!(3128), &json!("u"), &Json::Null)
    );
    let again = |name: &str, value: Json| {
        let mut given = shown.clone();
        given[name] = value;
        MailSettings::read(&given, Some(&kept))
    };
    assert_eq!(again("enableProxy", json!(true)).unwrap(), kept);
    for (name, value) in [("proxyHost", "evil.test"), ("proxyUser", "other")] {
        let told = again(name, json!(value)).unwrap_err();
        assert!(
            told.contains("proxyPassword: the one that is kept") && !told.contains("hunter2"),
            "{told}"
        );
    }
    let way = |settings: &MailSettings| settings.of_tenant(&to("a@b.test")).unwrap().proxy;
    let own = way(&kept).unwrap();
    assert_eq!(own.authorization.unwrap().as_bytes(), b"Basic dTpodW50ZXIy");
    assert_eq!(own.target.origin(), "the server's mail server", "a tenant is not told where it is");
    assert!(way(&again("proxyUser", json!("")).unwrap()).unwrap().authorization.is_none());
    assert_eq!(
        way(&again("enableProxy", json!(false)).unwrap()).map(|way| way.target.origin()),
        None
    );
    for (name, value, says) in [
        ("proxyHost", json!("0x7f.1"), "neither"),
        ("proxyPort", json!(0), "proxyPort"),
        ("proxyPort", json!(22), "port 22"),
        ("proxyUser", json!("a:b"), "colon"),
        ("proxyPassword", json!(1), "proxyPassword is no text"),
    ] {
        let mut wrong = shown.clone();
        wrong["proxyPassword"] = json!("hunter2");
        wrong[name] = value;
        let told = MailSettings::read(&wrong, None).unwrap_err();
        assert!(told.contains(says) && !told.contains("hunter2"), "{name}: {told}");
    }
}

#[tokio::test]
async fn a_proxys_password_is_kept_sealed_with_the_rest() {
    let (_folder, vault) = vault();
    let more = json!({"enableProxy": true, "proxyHost": "proxy.test", "proxyPort": 3128, "proxyUser": "u", "proxyPassword": "hunter2"});
    read(&more).keep(&vault, 1).await.unwrap();
    assert_eq!(MailSettings::kept(&vault).await.unwrap(), Some(read(&more)));
}

#[test]
fn the_sender_is_the_administrators_and_answers_go_to_the_tenant() {
    let settings = read(&json!({}));
    for (from, reply_to) in [
        ("", ""),
        ("The platform <platform@house.test>", ""),
        (" Boiler <boiler@tenant.test> ", "Boiler <boiler@tenant.test>"),
    ] {
        let mail = Mail {
            from: from.to_owned(),
            ..to("a@b.test, c@d.test")
        };
        let letter = settings.of_tenant(&mail).unwrap();
        let Protocol::Smtp(smtp) = &letter.protocol else {
            panic!("a mail is spoken of over SMTP")
        };
        assert_eq!(
            (smtp.from.as_str(), smtp.reply_to.as_str(), smtp.start_tls),
            ("The platform <platform@house.test>", reply_to, true)
        );
        assert_eq!(smtp.receivers(&letter.topic), 2);
        assert_eq!(
            format!("{letter:?}"),
            "PUBLISH the server's mail server",
            "a tenant is not told where it is"
        );
    }
    let smtps = read(&json!({"smtpProtocol": "smtps", "smtpPort": 465}));
    assert!(smtps.of_tenant(&to("a@b.test")).unwrap().check().is_ok());
}

#[tokio::test]
async fn they_are_kept_sealed_and_open_with_the_servers_key_alone() {
    let (_folder, vault) = vault();
    assert_eq!(MailSettings::kept(&vault).await.unwrap(), None);
    let settings = read(&json!({}));
    settings.keep(&vault, 1).await.unwrap();
    assert_eq!(MailSettings::kept(&vault).await.unwrap(), Some(settings));
    let changed = read(&json!({"smtpHost": "second.test"}));
    changed.keep(&vault, 2).await.unwrap();
    assert_eq!(MailSettings::kept(&vault).await.unwrap(), Some(changed));
    // No tenant has it under the name that it has.
    let tenant = TenantId::generate();
    assert!(matches!(vault.reveal(tenant, "server.mail").await, Err(SecretError::NotFound(_))));
}

fn twilio(more: &Json) -> Json {
    let mut all = json!({"type": "TWILIO", "numberFrom": "+1999", "accountSid": "AC1", "accountToken": "hunter2"});
    for (name, value) in more.as_object().unwrap() {
        all[name] = value.clone();
    }
    all
}

fn sns(more: &Json) -> Json {
    let mut all = json!({"type": "AWS_SNS", "accessKeyId": "AK1", "secretAccessKey": "hunter2", "region": "eu-west-1"});
    for (name, value) in more.as_object().unwrap() {
        all[name] = value.clone();
    }
    all
}

/// All that ThingsBoard's form for SMPP sends, and `ssl`.
fn smpp(more: &Json) -> Json {
    let mut all = json!({"type": "SMPP", "protocolVersion": "3.4", "host": "center.test", "port": 2776, "ssl": false, "systemId": "user",
        "password": "hunter2", "systemType": "VMS", "bindType": "TRX", "serviceType": "CMT", "sourceAddress": "House", "sourceTon": 5,
        "sourceNpi": 1, "destinationTon": 1, "destinationNpi": 2, "addressRange": "5.*", "codingScheme": 8});
    for (name, value) in more.as_object().unwrap() {
        all[name] = value.clone();
    }
    all
}

#[test]
fn an_account_for_texts_is_shown_without_its_secret() {
    for (given, secret) in [
        (twilio(&json!({})), "accountToken"),
        (sns(&json!({})), "secretAccessKey"),
        (sns(&json!({"endpoint": "https://sns.test"})), "secretAccessKey"),
        (smpp(&json!({})), "password"),
        (smpp(&json!({"ssl": true, "port": 3550})), "password"),
    ] {
        let settings = SmsSettings::read(&given, None).unwrap();
        let mut shown = given.clone();
        shown.as_object_mut().unwrap().remove(secret);
        assert_eq!(settings.shown(), shown);
        assert_eq!(format!("{settings:?}"), "SmsSettings");
        // Without the secret, it stays; for another account it is another one.
        assert_eq!(SmsSettings::read(&shown, Some(&settings)).unwrap(), settings);
        for (name, value) in [
            ("endpoint", json!("https://evil.test")),
            ("accountSid", json!("AC2")),
            ("accessKeyId", json!("AK2")),
            ("systemId", json!("other")),
            ("host", json!("evil.test")),
            ("port", json!(2777)),
            // In the clear, or to whoever else answers.
            ("ssl", json!(!shown["ssl"].as_bool().unwrap_or_default())),
        ] {
            let mut elsewhere = shown.clone();
            if name == "endpoint" || elsewhere.get(name).is_some() {
                elsewhere[name] = value;
                let told = SmsSettings::read(&elsewhere, Some(&settings)).unwrap_err();
                assert_eq!(told, format!("{secret} is missing"));
            }
        }
    }
    let other = SmsSettings::read(&sns(&json!({})), None).unwrap();
    assert!(SmsSettings::read(&twilio(&json!({"accountToken": null})), Some(&other)).is_err());
    assert!(SmsSettings::read(&smpp(&json!({"password": null})), Some(&other)).is_err());
}

#[test]
fn a_center_has_thingsboards_defaults() {
    let short = json!({"type": "SMPP", "host": " center.test ", "port": null, "systemId": "user", "password": "hunter2", "bindType": null,
        "serviceType": "", "sourceTon": null, "codingScheme": null});
    let settings = SmsSettings::read(&short, None).unwrap();
    let shown = json!({"type": "SMPP", "protocolVersion": "3.3", "host": "center.test", "port": 2775, "ssl": false, "systemId": "user",
        "systemType": "", "bindType": "TX", "serviceType": "", "sourceAddress": "", "sourceTon": 5, "sourceNpi": 0, "destinationTon": 5,
        "destinationNpi": 0, "addressRange": "", "codingScheme": 0});
    assert_eq!(settings.shown(), shown);
    // What a form has as text.
    let written = json!({"port": "2775", "sourceTon": "5", "codingScheme": "0", "protocolVersion": "3.3"});
    let mut again = short.clone();
    for (name, value) in written.as_object().unwrap() {
        again[name] = value.clone();
    }
    assert_eq!(SmsSettings::read(&again, None).unwrap(), settings);
    again["ssl"] = json!(true);
    again["port"] = Json::Null;
    assert_eq!(SmsSettings::read(&again, None).unwrap().shown()["port"], 3550);
}

#[test]
fn an_account_that_cannot_be_used_is_refused_in_words() {
    for (given, says) in [
        (json!({}), "TWILIO, AWS_SNS and SMPP"),
        (twilio(&json!({"type": "SMS"})), "TWILIO, AWS_SNS and SMPP"),
        (twilio(&json!({"type": "SMPP"})), "host is missing"),
        (smpp(&json!({"host": "center.test/x"})), "neither"),
        (smpp(&json!({"host": "0x7f.1"})), "neither"),
        (smpp(&json!({"port": 0})), "port"),
        (smpp(&json!({"port": 25})), "port 25"),
        (smpp(&json!({"systemId": ""})), "systemId is missing"),
        (smpp(&json!({"systemId": "u".repeat(16)})), "system id"),
        (smpp(&json!({"password": "hunter2hunter2"})), "password is longer"),
        (smpp(&json!({"password": ""})), "password is missing"),
        (
            smpp(&json!({"bindType": "RX"})),
            "bindType: there are TX and TRX: a receiver (RX) sends nothing",
        ),
        (smpp(&json!({"protocolVersion": "5.0"})), "protocolVersion: there are 3.3 and 3.4"),
        (smpp(&json!({"codingScheme": 4})), "codingScheme: there are 0"),
        (smpp(&json!({"sourceTon": 256})), "sourceTon is no number between 0 and 255"),
        (smpp(&json!({"destinationNpi": -1})), "destinationNpi"),
        (smpp(&json!({"sourceAddress": "a".repeat(21)})), "source address"),
        (twilio(&json!({"numberFrom": ""})), "numberFrom"),
        (twilio(&json!({"accountSid": "a:b"})), "colon"),
        (twilio(&json!({"accountToken": 7})), "accountToken is no text"),
        (twilio(&json!({"endpoint": "ftp://a.test"})), "http"),
        (sns(&json!({"region": " "})), "region"),
        (sns(&json!({"region": "a b"})), "neither"),
    ] {
        let told = SmsSettings::read(&given, None).unwrap_err();
        assert!(told.contains(says) && !told.contains("hunter2"), "{says}: {told}");
    }
    for (to, text) in [
        ("12025550100", "a"),
        ("+1x", "a"),
        ("arn:aws:sns:x", "a"),
        ("+12025550100", ""),
        ("+12025550100", &"a".repeat(1_601)),
    ] {
        assert!(sms::check(to, text).is_err(), "{to}");
    }
    assert!(sms::check("+12025550100", "ä").is_ok());
}

#[tokio::test]
async fn an_account_for_texts_is_kept() {
    let (_folder, vault) = vault();
    assert_eq!(SmsSettings::kept(&vault).await.unwrap(), None);
    for given in [twilio(&json!({})), sns(&json!({})), smpp(&json!({}))] {
        let settings = SmsSettings::read(&given, None).unwrap();
        settings.keep(&vault, 1).await.unwrap();
        assert_eq!(SmsSettings::kept(&vault).await.unwrap(), Some(settings));
    }
    assert_eq!(MailSettings::kept(&vault).await.unwrap(), None);
}
