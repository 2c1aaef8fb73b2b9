//! Nodes hand messages to Amazon's services, which check every signature.

#![allow(clippy::unwrap_used, missing_docs)]

use serde_json::{Value as Json, json};
use tests::amazon::Amazon;
use tests::scene::{Scene, TALKATIVE, lenient};

const SQS: &str = "org.thingsboard.rule.engine.aws.sqs.TbSqsNode";
const SNS: &str = "org.thingsboard.rule.engine.aws.sns.TbSnsNode";
const SMS: &str = "org.thingsboard.rule.engine.sms.TbSendSmsNode";
const LAMBDA: &str = "org.thingsboard.rule.engine.aws.lambda.TbAwsLambdaNode";

#[test]
fn queues_and_topics_take_what_is_signed_with_a_secret() {
    let amazon = Amazon::start();
    let (server, _folder) = lenient(&TALKATIVE);
    let tenant = server.tenant();
    let scene = Scene::new(&server, &tenant);
    let secret = amazon.made("secret").to_owned();
    tenant.post("/api/plugins/secrets", &json!({"name": "aws", "value": secret}));
    tenant.post("/api/plugins/secrets", &json!({"name": "wrong", "value": "wrong"}));
    let sqs = |queue: &str, kind: &str, name: &str| {
        json!({"queueType": kind, "queueUrlPattern": amazon.made(queue), "delaySeconds": 0, "messageAttributes": {"from": "${deviceName}"},
            "accessKeyId": amazon.made("key"), "secretAccessKey": format!("${{secret:{name}}}"), "region": "eu-west-1"})
    };
    let origin = format!("http://127.0.0.1:{}", amazon.port);
    let sns = json!({"topicArnPattern": amazon.made("topic"), "accessKeyId": amazon.made("key"), "secretAccessKey": "${secret:aws}", "region": "eu-west-1",
        "endpoint": origin});
    let mut answers = Vec::new();
    let mut fails = |class: &str, configuration: &Json, says: &str| {
        let (relation, metadata, _) = scene.ask(class, configuration);
        let error = metadata["error"].as_str().unwrap_or_default();
        assert!(relation == "Failure" && error.contains(says), "{says}: {error}");
        answers.push(metadata.to_string());
    };
    fails(SQS, &sqs("queue", "STANDARD", "aws"), "is not among the servers");
    scene.allow(&[&origin]);
    fails(SQS, &sqs("queue", "STANDARD", "wrong"), "403");
    fails(SQS, &sqs("queue", "STANDARD", "none"), "secret");

    let (relation, metadata, payload) = scene.ask(SQS, &sqs("queue", "STANDARD", "aws"));
    assert_eq!(
        (relation.as_str(), &metadata["acknowledgedBy"]),
        ("Success", &json!(origin)),
        "{metadata}"
    );
    assert_eq!(
        (&payload["temperature"], &metadata["deviceName"]),
        (&json!(21), &json!("Demo device")),
        "what was there stays"
    );
    let taken = amazon.taken("queue");
    assert_eq!((taken.len(), &taken[0]["Body"]), (1, &json!(r#"{"path":"json","temperature":21}"#)));
    assert_eq!(
        (&taken[0]["MessageId"], &taken[0]["MD5OfBody"]),
        (&metadata["messageId"], &metadata["messageBodyMd5"])
    );
    assert_eq!(taken[0]["MessageAttributes"]["from"]["StringValue"], "Demo device");
    answers.push(metadata.to_string());

    let (relation, metadata, _) = scene.ask(SQS, &sqs("fifo", "FIFO", "aws"));
    assert_eq!(relation, "Success", "{metadata}");
    let taken = amazon.taken("fifo");
    assert_eq!(
        (taken.len(), &taken[0]["Attributes"]["MessageGroupId"]),
        (1, &json!(scene.device)),
        "a device is a group"
    );
    assert_eq!(taken[0]["Attributes"]["SequenceNumber"], metadata["sequenceNumber"]);

    let (relation, metadata, _) = scene.ask(SNS, &sns);
    assert!(
        relation == "Success" && metadata["messageId"].is_string() && metadata["requestId"].is_string(),
        "{metadata}"
    );
    let told: Json = serde_json::from_str(amazon.taken("queue")[0]["Body"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&told["MessageId"], &told["Message"]),
        (&metadata["messageId"], &json!(r#"{"path":"json","temperature":21}"#))
    );

    // A text message is a publish to a number.
    let sms = json!({"numbersToTemplate": "+12025550100", "smsMessageTemplate": "$[temperature] degrees", "useSystemSmsSettings": false,
        "smsProviderConfiguration": {"type": "AWS_SNS", "accessKeyId": amazon.made("key"), "secretAccessKey": "${secret:aws}",
            "region": "eu-west-1", "endpoint": origin}});
    let (relation, metadata, payload) = scene.ask(SMS, &sms);
    assert_eq!((relation.as_str(), &payload["temperature"]), ("Success", &json!(21)), "{metadata}");

    let lambda = |function: &str, secret: &str| {
        json!({"accessKey": amazon.made("key"), "secretKey": format!("${{secret:{secret}}}"), "region": "eu-west-1", "functionName": function,
            "qualifier": "$LATEST", "connectionTimeout": 10, "requestTimeout": 5, "tellFailureIfFuncThrowsExc": true, "endpoint": origin})
    };
    let (relation, metadata, _) = scene.ask(LAMBDA, &lambda("convert", "wrong"));
    let error = metadata["error"].as_str().unwrap_or_default();
    assert!(relation == "Failure" && error.contains("403"), "{metadata}");
    answers.push(metadata.to_string());
    let (relation, metadata, payload) = scene.ask(LAMBDA, &lambda("convert", "aws"));
    assert_eq!((relation.as_str(), &payload), ("Success", &json!({"fahrenheit": 70})), "{metadata}");
    assert!(metadata["requestId"].is_string(), "{metadata}");
    answers.extend([metadata.to_string(), server.log()]);
    for answer in answers {
        assert!(!answer.contains(&secret), "{answer}");
    }
}
