//! What the service is asked, and what it says. The key in `tests/account.json` is nobody's: it was made for this.

use super::token::Account;
use super::*;
use crate::broker::publish::{Credentials, Protocol};
use hyper::StatusCode;
use std::time::Duration;

const KEY: &str = include_str!("tests/account.json");
/// As PyJWT 2.15.1 makes it, for claims and a head that are the same: good from [`AT_S`] on.
const TOKEN: &str = include_str!("tests/token.jwt");
const AT_S: i64 = 1_440_938_160;

type Attributes<'a> = &'a [(&'a str, &'a str)];

fn publish(pubsub: &PubSub, topic: &str) -> Publish {
    Publish {
        target: Target::parse("https://pubsub.test:8443").expect("a server"),
        credentials: Some(Credentials {
            username: Secret(String::new()),
            password: Some(Secret(KEY.to_owned())),
        }),
        topic: topic.to_owned(),
        payload: r#"{"a":"ö"}"#.into(),
        protocol: Protocol::PubSub(pubsub.clone()),
        connect_timeout: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        tls: None,
        proxy: None,
    }
}

fn pubsub(attributes: Attributes<'_>) -> PubSub {
    PubSub {
        project: "example.com:a-project".to_owned(),
        attributes: attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

#[test]
fn a_token_is_that_of_another_implementation() {
    let account = Account::read(KEY).expect("a key file");
    assert_eq!(account.token(AT_S).expect("a key"), TOKEN.trim());
}

#[test]
fn a_token_is_used_until_it_is_old() {
    let tokens = Tokens::default();
    let told = |key: &str, at_s: i64| tokens.of(key, at_s).expect("a token");
    let first = told(KEY, AT_S);
    assert_eq!(first.to_str().ok(), Some(format!("Bearer {}", TOKEN.trim()).as_str()));
    assert!(first.is_sensitive() && told(KEY, AT_S + 2_999) == first);
    let later = told(KEY, AT_S + 3_000);
    assert!(later != first && later.is_sensitive());
    assert_eq!(told(KEY, AT_S), first, "a clock that was put back is believed");
    let other = KEY.replace("platform@", "other@");
    assert_ne!(told(&other, AT_S), first, "another account has tokens of its own");
}

#[test]
fn what_is_no_key_is_refused_and_quotes_nothing_of_it() {
    // A key of another kind, as `openssl ecparam` makes them.
    let curve = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgyaYKmdY2D4wudGYx\noHbRAklGHNDUyKFm7Iwzmu7jGzahRANCAAREkMRyrPwHma7nn242fvodKlDncYS0\nX/H64rEiXxYgUanN83jEdQWTx14mPVQr19RluUxTTXUkFfanLi4iLD+8\n-----END PRIVATE KEY-----\n";
    let with = |key: &str| json!({"client_email": "hidden", "private_key": key}).to_string();
    for (key, says) in [
        ("hidden".to_owned(), "key file"),
        (r#"["hidden"]"#.to_owned(), "key file"),
        (r#"{"client_email": "hidden"}"#.to_owned(), "private_key"),
        (r#"{"client_email": 7, "private_key": "hidden"}"#.to_owned(), "client_email"),
        (with("hidden"), "RSA"),
        (with("-----BEGIN PRIVATE KEY-----\nhidden\n-----END PRIVATE KEY-----\n"), "RSA"),
        (with(curve), "RSA"),
    ] {
        let told = Tokens::default().of(&key, AT_S).expect_err(says).to_string();
        assert!(told.contains(says) && !told.contains("hidden"), "{told}");
    }
}

#[test]
fn the_service_is_asked_as_it_wants_it() {
    let asked = |pubsub: &PubSub, topic: &str| {
        let publish = publish(pubsub, topic);
        publish.check().expect("it can be asked");
        request(&publish, pubsub, HeaderValue::from_static("Bearer t")).expect("a request")
    };
    let one = asked(&pubsub(&[("kind", "heat")]), "readings+1");
    assert_eq!(
        (one.method, one.target.path.as_str()),
        (Method::POST, "/v1/projects/example.com%3Aa-project/topics/readings%2B1:publish")
    );
    assert_eq!(one.headers["authorization"], "Bearer t");
    let body: Json = serde_json::from_slice(&one.body).expect("JSON");
    assert_eq!(
        body,
        json!({"messages": [{"data": "eyJhIjoiw7YifQ==", "attributes": {"kind": "heat"}}]})
    );
    let body: Json = serde_json::from_slice(&asked(&pubsub(&[]), "t").body).expect("JSON");
    assert_eq!(body, json!({"messages": [{"data": "eyJhIjoiw7YifQ=="}]}));
}

#[test]
fn what_it_says_is_understood() {
    let told = |status: u16, body: &'static str| {
        let response = Response {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: HeaderMap::new(),
            body: body.into(),
        };
        understood(&publish(&pubsub(&[]), "t"), &response).map_err(|error| error.to_string())
    };
    let delivery = told(200, r#"{"messageIds": ["19916711285"]}"#).expect("it was taken");
    assert_eq!(
        (delivery.broker.as_str(), delivery.place),
        ("https://pubsub.test:8443", vec![("messageId", "19916711285".to_owned())])
    );
    let error = told(
        403,
        r#"{"error": {"code": 403, "message": "not yours", "status": "PERMISSION_DENIED"}}"#,
    )
    .expect_err("refused");
    assert!(error.contains("403 Forbidden: not yours"), "{error}");
    for (status, body) in [(404, "<html>"), (200, "<html>"), (200, "{}"), (200, r#"{"messageIds": [7]}"#)] {
        assert!(told(status, body).is_err(), "{status} {body}");
    }
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let long = "x".repeat(1_025);
    let long = long.as_str();
    let many: Vec<_> = (0..101).map(|n| n.to_string()).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "")).collect();
    let cases: [(&str, &str, Attributes<'_>, &str); 11] = [
        ("", "t", &[], "project"),
        ("..", "t", &[], "project"),
        ("a/b", "t", &[], "project"),
        ("p", "", &[], "topic"),
        ("p", "a/../../b", &[], "topic"),
        ("p", "t?x", &[], "topic"),
        ("p", long, &[], "topic"),
        ("p", "t", &[("", "v")], "name"),
        ("p", "t", &[(&long[..257], "v")], "name"),
        ("p", "t", &[("n", long)], "value"),
        ("p", "t", &many[..], "101 attributes"),
    ];
    for (project, topic, attributes, says) in cases {
        let one = PubSub {
            project: project.to_owned(),
            ..pubsub(attributes)
        };
        let told = publish(&one, topic).check().expect_err(says).to_string();
        assert!(told.contains(says), "{told}");
    }
}
