//! Amazon's services that take a message: a request each, signed here, where the secret key is known, and nowhere else.

mod signature;

#[cfg(test)]
mod tests;

use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method};
use model::{Clock, SystemClock, TenantId};
use serde_json::{Value as Json, json};

use super::publish::{Aws, Delivery, Publish, Service};
use super::signing::encoded;
use crate::egress::{Egress, RESPONSE_BYTES_MAX, Request, Response};
use crate::error::EgressError;
use crate::target::{Target, path_of};
use signature::{Signed, Signer, stamp};

/// Letters of a service's reason at most.
const REASON_LEN: usize = 200;

/// A request before it is signed.
struct Draft {
    service: &'static str,
    path: String,
    query: String,
    kind: &'static str,
    /// `x-amz-target`
    action: Option<&'static str>,
    body: Vec<u8>,
}

/// Sends a message to a service, and understands what it says.
pub(super) async fn send(egress: &Egress, tenant: TenantId, publish: &Publish, aws: &Aws) -> Result<Delivery, EgressError> {
    publish.check()?;
    let request = request(publish, aws, SystemClock.now_ms())?;
    let response = egress.send(tenant, request).await?;
    understood(publish, aws, &response)
}

/// What is sent.
fn draft(publish: &Publish, aws: &Aws) -> Draft {
    let text = || String::from_utf8_lossy(&publish.payload);
    match &aws.service {
        Service::Sqs(sqs) => {
            let mut body = json!({"QueueUrl": publish.topic, "MessageBody": text()});
            let set = |body: &mut Json, name: &str, value: Json| body[name] = value;
            if let Some(delay_s) = sqs.delay_s {
                set(&mut body, "DelaySeconds", json!(delay_s));
            }
            if let Some((group, id)) = &sqs.group {
                set(&mut body, "MessageGroupId", json!(group));
                set(&mut body, "MessageDeduplicationId", json!(id));
            }
            if !sqs.attributes.is_empty() {
                let attribute = |(name, value): &(String, String)| (name.clone(), json!({"DataType": "String", "StringValue": value}));
                let attributes: serde_json::Map<_, _> = sqs.attributes.iter().map(attribute).collect();
                set(&mut body, "MessageAttributes", attributes.into());
            }
            Draft {
                service: "sqs",
                path: "/".to_owned(),
                query: String::new(),
                kind: "application/x-amz-json-1.0",
                action: Some("AmazonSQS.SendMessage"),
                body: body.to_string().into_bytes(),
            }
        }
        Service::Sns => Draft {
            service: "sns",
            path: "/".to_owned(),
            query: String::new(),
            kind: "application/x-www-form-urlencoded; charset=utf-8",
            action: None,
            body: format!(
                "Action=Publish&Message={}&{}={}&Version=2010-03-31",
                // As forms have spaces: some compare what they make of the fields with what was signed.
                encoded(&text()).replace("%20", "+"),
                // No name of a topic begins so.
                if publish.topic.starts_with('+') {
                    "PhoneNumber"
                } else {
                    "TopicArn"
                },
                encoded(&publish.topic)
            )
            .into_bytes(),
        },
        Service::Lambda(lambda) => Draft {
            service: "lambda",
            path: format!("/2015-03-31/functions/{}/invocations", encoded(&publish.topic)),
            query: match lambda.qualifier.as_str() {
                "" => String::new(),
                qualifier => format!("Qualifier={}", encoded(qualifier)),
            },
            kind: "application/json",
            action: None,
            body: publish.payload.to_vec(),
        },
    }
}

/// The request, signed.
fn request(publish: &Publish, aws: &Aws, at_ms: i64) -> Result<Request, EgressError> {
    let invalid = |text: &str| EgressError::Invalid(text.to_owned());
    let keys = publish
        .credentials
        .as_ref()
        .and_then(|keys| Some((&keys.username.0, &keys.password.as_ref()?.0)));
    let (key_id, secret) = keys.ok_or_else(|| invalid("there is no access key, or no secret one"))?;
    let draft = draft(publish, aws);
    let (host, stamp) = (publish.target.authority(), stamp(at_ms));
    let mut headers = vec![
        ("content-type", draft.kind),
        ("host", host.as_str()),
        ("x-amz-date", stamp.as_str()),
    ];
    headers.extend(draft.action.map(|action| ("x-amz-target", action)));
    let signer = Signer {
        key_id,
        secret,
        region: &aws.region,
        service: draft.service,
    };
    let signed = Signed {
        method: "POST",
        path: &draft.path,
        query: &draft.query,
        headers: &headers,
        body: &draft.body,
    };
    let mut authorization =
        HeaderValue::from_str(&signer.sign(&stamp, &signed)).map_err(|_| invalid("the access key or the region has strange characters"))?;
    authorization.set_sensitive(true);
    let mut map = HeaderMap::new();
    map.insert(AUTHORIZATION, authorization);
    map.insert(CONTENT_TYPE, HeaderValue::from_static(draft.kind));
    let date = HeaderValue::from_str(&stamp).map_err(|_| invalid("there is no time"))?;
    map.insert(HeaderName::from_static("x-amz-date"), date);
    if let Some(action) = draft.action {
        map.insert(HeaderName::from_static("x-amz-target"), HeaderValue::from_static(action));
    }
    let question = if draft.query.is_empty() { "" } else { "?" };
    let path = path_of(&[&draft.path, question, &draft.query].concat()).ok_or_else(|| invalid("the function's name is none"))?;
    Ok(Request {
        method: Method::POST,
        target: Target {
            path,
            ..publish.target.clone()
        },
        headers: map,
        body: draft.body.into(),
        timeout: publish.timeout,
        response_bytes_max: RESPONSE_BYTES_MAX,
        tls: None,
        proxy: publish.proxy.clone(),
    })
}

/// What a service has said.
fn understood(publish: &Publish, aws: &Aws, response: &Response) -> Result<Delivery, EgressError> {
    let text = String::from_utf8_lossy(&response.body);
    let json: Json = serde_json::from_slice(&response.body).unwrap_or_default();
    let failed = |reason: &str| EgressError::Unacknowledged {
        origin: publish.target.origin(),
        reason: reason.chars().take(REASON_LEN).collect(),
    };
    if !response.status.is_success() {
        let said = ["message", "Message"].iter().find_map(|name| json[*name].as_str());
        let said = said.or_else(|| element(&text, "Message")).unwrap_or_default();
        return Err(failed(&format!("{}: {said}", response.status)));
    }
    let header = |name: &str| response.headers.get(name).and_then(|value| value.to_str().ok());
    let mut place = Vec::new();
    let mut put = |name: &'static str, value: Option<&str>| place.extend(value.map(|value| (name, value.to_owned())));
    let mut answer = None;
    match &aws.service {
        Service::Sqs(_) => {
            put("messageId", json["MessageId"].as_str());
            put("requestId", header("x-amzn-requestid"));
            put("messageBodyMd5", json["MD5OfMessageBody"].as_str());
            put("messageAttributesMd5", json["MD5OfMessageAttributes"].as_str());
            put("sequenceNumber", json["SequenceNumber"].as_str());
        }
        Service::Sns => {
            put("messageId", element(&text, "MessageId"));
            put("requestId", element(&text, "RequestId"));
        }
        Service::Lambda(lambda) => {
            put("requestId", header("x-amzn-requestid"));
            if let Some(error) = header("x-amz-function-error").filter(|_| lambda.fails_with_function) {
                let said = json["errorMessage"].as_str().unwrap_or_default();
                return Err(failed(&format!("the function failed ({error}): {said}")));
            }
            answer = Some(response.body.clone());
        }
    }
    if place.is_empty() && answer.is_none() {
        return Err(failed("its answer is not understood"));
    }
    Ok(Delivery {
        broker: publish.target.origin(),
        place,
        answer,
    })
}

/// What stands in the first element of a name, in XML without attributes there.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once("</").map(|(inside, _)| inside)
}

/// Whether what is asked for can be asked.
pub(super) fn check(aws: &Aws, topic: &str) -> Result<(), EgressError> {
    let invalid = |text: &str| Err(EgressError::Invalid(text.to_owned()));
    let region = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if aws.region.is_empty() || !aws.region.bytes().all(region) {
        return invalid("the region is none");
    }
    if topic.is_empty() || topic.len() > 2_048 || topic.chars().any(char::is_control) {
        return invalid("the queue, topic or function has no name, or one that is too long");
    }
    Ok(())
}
