//! Nodes send texts over the server's own account at a service, and post in the name of the tenant's own bot.

#![allow(clippy::unwrap_used, missing_docs)]

use serde_json::{Value as Json, json};
use tests::amazon::Amazon;
use tests::outside::Outside;
use tests::scene::{Scene, TALKATIVE, components, lenient};
use tests::server::{Options, Server};

const SLACK: &str = "org.thingsboard.rule.engine.notification.TbSlackNode";
const SMS: &str = "org.thingsboard.rule.engine.sms.TbSendSmsNode";
/// A value that must be seen by the service, and nowhere else.
const TOKEN: &str = "hunter2-Zwoelf";

fn to(numbers: &str) -> Json {
    json!({"numbersToTemplate": numbers, "smsMessageTemplate": "$[temperature] degrees", "useSystemSmsSettings": true, "smsProviderConfiguration": null})
}

#[test]
fn texts_go_over_the_servers_own_account_and_tenants_see_nothing_of_it() {
    let (twilio, amazon) = (Outside::start(), Amazon::start());
    // No network is excepted: on this machine the administrator alone chooses servers.
    let folder = components();
    let options = Options::demo().with(&["--components", folder.path().to_str().unwrap()]);
    let server = Server::start(options.with(&TALKATIVE));
    let sysadmin = server.login("sysadmin@pacificsoft.org", "sysadmin");
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);
    let fails = |numbers: &str, says: &str| {
        let (relation, metadata, _) = scene.ask(SMS, &to(numbers));
        let error = metadata["error"].as_str().unwrap_or_default();
        assert!(relation == "Failure" && error.contains(says), "{says}: {error}");
        assert!(!error.contains(&twilio.port.to_string()), "{error}");
        metadata.to_string()
    };
    let mut answers = vec![fails("+12025550100", "POST /api/admin/settings with the key sms")];

    let settings = json!({"key": "sms", "jsonValue": {"type": "TWILIO", "numberFrom": "+1999", "accountSid": "AC1", "accountToken": TOKEN,
        "endpoint": twilio.url("")}});
    answers.push(sysadmin.post("/api/admin/settings", &settings).to_string());
    let shown = sysadmin.get("/api/admin/settings/sms");
    answers.push(shown.to_string());
    let trial = |number: &str| json!({"providerConfiguration": shown["jsonValue"], "numberTo": number, "message": "Does it work? & more"});
    sysadmin.post("/api/admin/settings/testSms", &trial("+12025550100"));
    let heard = twilio.heard().pop().unwrap();
    // The account and its token.
    let login = "QUMxOmh1bnRlcjItWndvZWxm";
    for part in [
        "POST /2010-04-01/Accounts/AC1/Messages.json ",
        &format!("authorization: Basic {login}\r\n"),
        "To=%2B12025550100&From=%2B1999&Body=Does%20it%20work%3F%20%26%20more",
    ] {
        assert!(heard.contains(part), "{part}: {heard}");
    }
    let (status, told) = sysadmin.try_post("/api/admin/settings/testSms", &trial("+1404"));
    assert!(status == 400 && told.contains("is not a valid phone number"), "{told}");

    let (relation, metadata, payload) = scene.ask(SMS, &to("+12025550100,+12025550101"));
    assert_eq!((relation.as_str(), &payload["temperature"]), ("Success", &json!(21)), "{metadata}");
    answers.push(metadata.to_string());
    let heard = twilio.heard();
    assert_eq!(heard.len(), 4);
    assert!(
        heard[3].ends_with("To=%2B12025550101&From=%2B1999&Body=21%20degrees"),
        "{}",
        heard[3]
    );
    answers.push(fails("+1404", "is not a valid phone number"));
    let many: Vec<String> = (0..45).map(|number| format!("+120255501{number:02}")).collect();
    assert_eq!(scene.ask(SMS, &to(&many.join(","))).0, "Success");
    answers.push(fails(&many.join(","), "50 text messages in 60 seconds"));
    answers.push(server.log());

    // Another service; what was used up is forgotten with the process.
    let secret = amazon.made("secret").to_owned();
    let settings = json!({"key": "sms", "jsonValue": {"type": "AWS_SNS", "accessKeyId": amazon.made("key"), "secretAccessKey": secret, "region": "eu-west-1",
        "endpoint": format!("http://127.0.0.1:{}", amazon.port)}});
    answers.push(sysadmin.post("/api/admin/settings", &settings).to_string());
    let server = server.kill_and_restart();
    let tenant = server.tenant();
    let (relation, metadata, _) = Scene::new(&server, &tenant).ask(SMS, &to("+12025550100"));
    assert_eq!(
        (relation.as_str(), &metadata["acknowledgedBy"]),
        ("Success", &Json::Null),
        "{metadata}"
    );
    answers.extend([metadata.to_string(), server.log()]);
    for answer in answers {
        assert!(
            !answer.contains("hunter2") && !answer.contains(&secret) && !answer.contains(login),
            "{answer}"
        );
    }
}

#[test]
fn texts_are_posted_in_the_name_of_the_tenants_own_bot() {
    let slack = Outside::start();
    let (server, _folder) = lenient(&TALKATIVE);
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);
    let post = json!({"botToken": null, "useSystemSettings": true, "messageTemplate": "$[temperature] degrees", "conversationType": "PUBLIC_CHANNEL",
        "conversation": {"type": "PUBLIC_CHANNEL", "id": "C1", "name": "general"}, "endpoint": slack.url("")});
    scene.allow(&[&slack.url("")]);
    let (relation, metadata, _) = scene.ask(SLACK, &post);
    let error = metadata["error"].as_str().unwrap_or_default();
    assert!(
        relation == "Failure" && error.contains("slack-bot-token") && error.contains("POST"),
        "{error}"
    );

    let settings = json!({"deliveryMethodsConfigs": {"SLACK": {"method": "SLACK", "botToken": TOKEN}}});
    let saved = tenant.post("/api/notification/settings", &settings).to_string();
    let (relation, metadata, payload) = scene.ask(SLACK, &post);
    assert_eq!((relation.as_str(), &payload["temperature"]), ("Success", &json!(21)), "{metadata}");
    let heard = slack.heard().pop().unwrap();
    for part in [
        "POST /api/chat.postMessage ",
        &format!("authorization: Bearer {TOKEN}\r\n"),
        r#"{"channel":"C1","text":"21 degrees"}"#,
    ] {
        assert!(heard.contains(part), "{part}: {heard}");
    }
    // What Slack refuses fails.
    let mut nowhere = post;
    nowhere["conversation"]["id"] = json!("C404");
    let (relation, refused, _) = scene.ask(SLACK, &nowhere);
    let why = refused["error_body"].as_str().unwrap_or_default();
    assert!(relation == "Failure" && why.contains("channel_not_found"), "{refused}");
    for answer in [saved, metadata.to_string(), refused.to_string(), server.log()] {
        assert!(!answer.contains("hunter2"), "{answer}");
    }
}
