//! What services are sent, and what they say.

use super::*;
use crate::broker::publish::{Credentials, Lambda, Protocol, Sqs};
use hyper::StatusCode;
use mqtt::packet::Secret;
use std::time::Duration;

fn aws(service: Service) -> Aws {
    Aws {
        region: "eu-west-1".to_owned(),
        service,
    }
}

fn publish(aws: &Aws, topic: &str) -> Publish {
    Publish {
        target: Target::parse("https://aws.test:8443").expect("a server"),
        credentials: Some(Credentials {
            username: Secret("AKID".to_owned()),
            password: Some(Secret("hidden".to_owned())),
        }),
        topic: topic.to_owned(),
        payload: r#"{"a":"ö"}"#.into(),
        protocol: Protocol::Aws(aws.clone()),
        connect_timeout: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        tls: None,
        proxy: None,
    }
}

fn asked(service: Service, topic: &str) -> Request {
    let aws = aws(service);
    request(&publish(&aws, topic), &aws, 1_440_938_160_000).expect("a request")
}

fn lambda(fails_with_function: bool) -> Service {
    Service::Lambda(Lambda {
        qualifier: "$LATEST".to_owned(),
        fails_with_function,
    })
}

#[test]
fn each_service_is_asked_in_its_own_way() {
    let sqs = Sqs {
        delay_s: None,
        group: Some(("device".to_owned(), "message".to_owned())),
        attributes: vec![("kind".to_owned(), "heat".to_owned())],
    };
    let one = asked(Service::Sqs(sqs), "https://aws.test:8443/1/q");
    assert_eq!(
        (one.target.path.as_str(), &one.headers["x-amz-target"]),
        ("/", &HeaderValue::from_static("AmazonSQS.SendMessage"))
    );
    let body: Json = serde_json::from_slice(&one.body).expect("JSON");
    assert_eq!(
        body,
        json!({"QueueUrl": "https://aws.test:8443/1/q", "MessageBody": "{\"a\":\"ö\"}", "MessageGroupId": "device", "MessageDeduplicationId": "message",
            "MessageAttributes": {"kind": {"DataType": "String", "StringValue": "heat"}}})
    );
    let one = asked(Service::Sns, "arn:aws:sns:t");
    assert_eq!(
        &one.body[..],
        b"Action=Publish&Message=%7B%22a%22%3A%22%C3%B6%22%7D&TopicArn=arn%3Aaws%3Asns%3At&Version=2010-03-31"
    );
    let one = asked(Service::Sns, "+12025550100");
    assert_eq!(
        &one.body[..],
        b"Action=Publish&Message=%7B%22a%22%3A%22%C3%B6%22%7D&PhoneNumber=%2B12025550100&Version=2010-03-31"
    );
    let one = asked(lambda(false), "arn:f/../x");
    assert_eq!(
        one.target.path.as_str(),
        "/2015-03-31/functions/arn%3Af%2F..%2Fx/invocations?Qualifier=%24LATEST",
        "a name stays one part of the path"
    );
    for one in [one, asked(Service::Sns, "t")] {
        let authorization = one.headers["authorization"].to_str().expect("text").to_owned();
        assert!(
            authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKID/20150830/eu-west-1/"),
            "{authorization}"
        );
        assert!(!format!("{one:?} {authorization} {:?}", one.headers).contains("hidden"));
        assert!(one.headers["authorization"].is_sensitive());
    }
}

#[test]
fn answers_become_metadata() {
    let told = |service: Service, status: u16, body: &'static str, header: Option<(&'static str, &'static str)>| {
        let aws = aws(service);
        let mut headers = HeaderMap::new();
        headers.insert("x-amzn-requestid", HeaderValue::from_static("r"));
        if let Some((name, value)) = header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let response = Response {
            status: StatusCode::from_u16(status).expect("a status"),
            headers,
            body: body.into(),
        };
        understood(&publish(&aws, "t"), &aws, &response).map_err(|error| error.to_string())
    };
    let place = |pairs: &[(&'static str, &str)]| pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect::<Vec<_>>();
    let sqs = || Service::Sqs(Sqs::default());
    let delivery = told(sqs(), 200, r#"{"MessageId": "m", "MD5OfMessageBody": "5"}"#, None).expect("it was taken");
    assert_eq!(
        delivery.place,
        place(&[("messageId", "m"), ("requestId", "r"), ("messageBodyMd5", "5")])
    );
    let xml = "<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult><ResponseMetadata><RequestId>q</RequestId></ResponseMetadata></PublishResponse>";
    let delivery = told(Service::Sns, 200, xml, None).expect("it was taken");
    assert_eq!(delivery.place, place(&[("messageId", "m"), ("requestId", "q")]));
    let delivery = told(lambda(true), 200, "42", None).expect("it was called");
    assert_eq!(
        (delivery.answer.as_deref(), delivery.place),
        (Some(&b"42"[..]), place(&[("requestId", "r")]))
    );

    let failed = Some(("x-amz-function-error", "Unhandled"));
    assert!(told(lambda(false), 200, "{}", failed).is_ok());
    let error = told(lambda(true), 200, r#"{"errorMessage": "oh"}"#, failed).expect_err("it failed");
    assert!(error.contains("Unhandled") && error.contains("oh"), "{error}");
    for (service, body) in [
        (sqs(), r#"{"message": "no queue"}"#),
        (Service::Sns, "<E><Message>no queue</Message></E>"),
    ] {
        let error = told(service, 400, body, None).expect_err("refused");
        assert!(error.contains("400 Bad Request: no queue"), "{error}");
    }
    assert!(told(Service::Sns, 200, "<html>", None).is_err());
}
