//! From topics and paths to uplinks. The JSON itself stays with the host: uplinks name places in it.

use pacificsoft_sdk::adapter::{AttributeRequest, Claim, Refusal, RpcCall, RpcReply, Telemetry, Uplink};
use pacificsoft_sdk::message::Shape;
use pacificsoft_sdk::{Content, Inbound};

use crate::gateway;

const MQTT_PREFIX: &str = "v1/devices/me/";
/// The request for what an observer of attributes is told first. Devices do not see numbers of requests over CoAP.
pub(crate) const FIRST_NOTICE: u32 = u32::MAX;
const SHORT_PREFIX: &str = "v2/";
/// Bytes of a secret that the device is claimed with, at most.
const SECRET_BYTES_MAX: usize = 512;
/// Elements of a telemetry array at most.
const ELEMENTS_MAX: u32 = 10_000;

pub(crate) fn decode(inbound: &Inbound) -> Result<Vec<Uplink>, Refusal> {
    let address = inbound.address();
    if let Some(topic) = address.strip_prefix(MQTT_PREFIX) {
        return mqtt(topic, inbound);
    }
    if let Some(topic) = address.strip_prefix(SHORT_PREFIX) {
        return short(topic, inbound);
    }
    if let Some(topic) = address.strip_prefix(gateway::PREFIX) {
        return gateway::decode(topic, inbound);
    }
    match address.split_once(' ') {
        Some(("OBSERVE", path)) => observe(path),
        Some((method, path)) => http(method, path, inbound),
        None => Err(Refusal::UnknownAddress),
    }
}

fn mqtt(topic: &str, inbound: &Inbound) -> Result<Vec<Uplink>, Refusal> {
    match topic {
        "telemetry" => telemetry(inbound),
        "attributes" => attributes(inbound),
        "claim" => own_claim(inbound),
        _ => {
            if let Some(id) = topic.strip_prefix("attributes/request/") {
                attribute_request(number(id)?, inbound)
            } else if let Some(id) = topic.strip_prefix("rpc/response/") {
                rpc_reply(number(id)?, inbound)
            } else if let Some(id) = topic.strip_prefix("rpc/request/") {
                rpc_call(number(id)?, inbound)
            } else {
                Err(Refusal::UnknownAddress)
            }
        }
    }
}

/// The short topics; `/j` says that the payload is JSON, which it is anyway.
fn short(topic: &str, inbound: &Inbound) -> Result<Vec<Uplink>, Refusal> {
    let numbered = |prefix: &str| {
        let rest = topic.strip_prefix(prefix)?;
        Some(rest.strip_prefix("j/").unwrap_or(rest))
    };
    match topic {
        "t" | "t/j" => telemetry(inbound),
        "a" | "a/j" => attributes(inbound),
        _ => {
            if let Some(id) = numbered("a/req/") {
                attribute_request(number(id)?, inbound)
            } else if let Some(id) = numbered("r/res/") {
                rpc_reply(number(id)?, inbound)
            } else if let Some(id) = numbered("r/req/") {
                rpc_call(number(id)?, inbound)
            } else {
                Err(Refusal::UnknownAddress)
            }
        }
    }
}

fn http(method: &str, path: &str, inbound: &Inbound) -> Result<Vec<Uplink>, Refusal> {
    match (method, path) {
        ("POST", "telemetry") => telemetry(inbound),
        ("POST", "attributes") => attributes(inbound),
        ("GET", "attributes") => Ok(vec![Uplink::AttributeRequest(AttributeRequest {
            id: 0,
            client_keys: inbound.query("clientKeys").map(|keys| split(&keys)),
            shared_keys: inbound.query("sharedKeys").map(|keys| split(&keys)),
        })]),
        ("POST", "rpc") => rpc_call(0, inbound),
        ("POST", "claim") => own_claim(inbound),
        ("POST", path) => match path.strip_prefix("rpc/") {
            Some(id) => rpc_reply(number(id)?, inbound),
            None => Err(Refusal::UnknownAddress),
        },
        _ => Err(Refusal::UnknownAddress),
    }
}

/// What an observation begins with: all shared attributes, or nothing.
fn observe(path: &str) -> Result<Vec<Uplink>, Refusal> {
    match path {
        "attributes" => Ok(vec![Uplink::AttributeRequest(AttributeRequest {
            id: FIRST_NOTICE,
            client_keys: None,
            shared_keys: None,
        })]),
        "rpc" => Ok(Vec::new()),
        _ => Err(Refusal::UnknownAddress),
    }
}

/// `{key: value, …}`, `{"ts": ms, "values": {…}}`, or an array of either.
fn telemetry(inbound: &Inbound) -> Result<Vec<Uplink>, Refusal> {
    match inbound.shape("") {
        Shape::Object => Ok(vec![Uplink::Telemetry(group(inbound, "")?)]),
        Shape::Array => {
            if !inbound.holds_objects("") {
                return Err(malformed("every element of a telemetry array must be an object"));
            }
            let length = inbound.length("");
            if length > ELEMENTS_MAX {
                return Err(malformed("a telemetry array has more than 10000 elements"));
            }
            let groups = (0..length).map(|index| group(inbound, &pointer(index)).map(Uplink::Telemetry));
            groups.collect()
        }
        _ => Err(not_json(inbound, "telemetry must be a JSON object or an array of objects")),
    }
}

/// One object of telemetry at a path: with a time of its own, or plain.
pub(crate) fn group(inbound: &Inbound, path: &str) -> Result<Telemetry, Refusal> {
    let (ts, values) = (join(path, "ts"), join(path, "values"));
    if inbound.shape(&values) == Shape::Object && inbound.shape(&ts) == Shape::Number {
        let timestamp = inbound
            .integer(&ts)
            .ok_or_else(|| malformed("ts must be a whole number of milliseconds"))?;
        return Ok(Telemetry {
            timestamp: Some(timestamp),
            values: Content::Payload(values),
        });
    }
    Ok(Telemetry {
        timestamp: None,
        values: Content::Payload(path.to_owned()),
    })
}

fn attributes(inbound: &Inbound) -> Result<Vec<Uplink>, Refusal> {
    match inbound.shape("") {
        Shape::Object => Ok(vec![Uplink::Attributes(Content::whole())]),
        _ => Err(not_json(inbound, "attributes must be a JSON object")),
    }
}

fn attribute_request(id: u32, inbound: &Inbound) -> Result<Vec<Uplink>, Refusal> {
    if inbound.shape("") != Shape::Object {
        return Err(not_json(inbound, "an attribute request must be a JSON object"));
    }
    Ok(vec![Uplink::AttributeRequest(AttributeRequest {
        id,
        client_keys: inbound.text("clientKeys").map(|keys| split(&keys)),
        shared_keys: inbound.text("sharedKeys").map(|keys| split(&keys)),
    })])
}

fn rpc_reply(id: u32, inbound: &Inbound) -> Result<Vec<Uplink>, Refusal> {
    if !inbound.is_json() {
        return Err(malformed("a reply must be JSON"));
    }
    Ok(vec![Uplink::RpcReply(RpcReply {
        id,
        payload: Content::whole(),
    })])
}

fn rpc_call(id: u32, inbound: &Inbound) -> Result<Vec<Uplink>, Refusal> {
    let method = inbound
        .text("method")
        .ok_or_else(|| not_json(inbound, "a request must be a JSON object with a method"))?;
    let params = match inbound.shape("params") {
        Shape::Absent => Content::Json("{}".to_owned()),
        _ => Content::Payload("params".to_owned()),
    };
    Ok(vec![Uplink::RpcCall(RpcCall { id, method, params })])
}

/// `{"secretKey": "…", "durationMs": 1}`; both may be left out, and so may all of it.
fn own_claim(inbound: &Inbound) -> Result<Vec<Uplink>, Refusal> {
    if inbound.payload().is_empty() {
        return Ok(vec![Uplink::Claim(Claim {
            secret_key: String::new(),
            duration: None,
        })]);
    }
    if inbound.shape("") != Shape::Object {
        return Err(not_json(inbound, "a claim must be a JSON object"));
    }
    Ok(vec![Uplink::Claim(claim(inbound, "")?)])
}

/// The claim that stands at a path.
pub(crate) fn claim(inbound: &Inbound, path: &str) -> Result<Claim, Refusal> {
    let (secret, duration) = (join(path, "secretKey"), join(path, "durationMs"));
    let secret_key = match inbound.shape(&secret) {
        Shape::Absent | Shape::Null => String::new(),
        _ => inbound.text(&secret).ok_or_else(|| malformed("the secret key must be a text"))?,
    };
    if secret_key.len() > SECRET_BYTES_MAX {
        return Err(malformed("the secret key must have 512 bytes at most"));
    }
    let duration = match inbound.shape(&duration) {
        Shape::Absent | Shape::Null => None,
        _ => Some(
            inbound
                .integer(&duration)
                .filter(|duration| *duration > 0)
                .ok_or_else(|| malformed("the duration must be a positive whole number of milliseconds"))?,
        ),
    };
    Ok(Claim { secret_key, duration })
}

fn number(text: &str) -> Result<u32, Refusal> {
    text.parse().map_err(|_| Refusal::UnknownAddress)
}

fn split(keys: &str) -> Vec<String> {
    keys.split(',')
        .map(str::trim)
        .filter(|key| !key.is_empty())
        .map(str::to_owned)
        .collect()
}

fn pointer(index: u32) -> String {
    let mut path = String::from("/");
    path.push_str(&index.to_string());
    path
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        [path, "/", key].concat()
    }
}

pub(crate) fn malformed(reason: &str) -> Refusal {
    Refusal::Malformed(reason.to_owned())
}

pub(crate) fn not_json(inbound: &Inbound, otherwise: &str) -> Refusal {
    malformed(if inbound.is_json() { otherwise } else { "the payload is not JSON" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestInbound;

    fn mqtt(topic: &str, payload: &str) -> Result<Vec<Uplink>, Refusal> {
        decode(&TestInbound::new("mqtt", topic, payload).inbound())
    }

    fn values(timestamp: Option<i64>, path: &str) -> Uplink {
        Uplink::Telemetry(Telemetry {
            timestamp,
            values: Content::Payload(path.to_owned()),
        })
    }

    #[test]
    fn telemetry_in_all_forms() {
        let topic = "v1/devices/me/telemetry";
        assert_eq!(mqtt(topic, r#"{"t": 1}"#), Ok(vec![values(None, "")]));
        assert_eq!(mqtt(topic, "{}"), Ok(vec![values(None, "")]));
        assert_eq!(mqtt(topic, r#"{"ts": 5, "values": {"t": 1}}"#), Ok(vec![values(Some(5), "values")]));
        assert_eq!(
            mqtt(topic, r#"{"ts": 5, "t": 1}"#),
            Ok(vec![values(None, "")]),
            "ts alone is a key like any other"
        );
        assert_eq!(
            mqtt(topic, r#"[{"t": 1}, {"ts": 5, "values": {"t": 2}}]"#),
            Ok(vec![values(None, "/0"), values(Some(5), "/1/values")])
        );
        for bad in ["", "x", "1", "[1]", r#"{"ts": 1.5, "values": {}}"#] {
            assert!(matches!(mqtt(topic, bad), Err(Refusal::Malformed(_))), "{bad}");
        }
    }

    #[test]
    fn requests_and_replies() {
        assert_eq!(
            mqtt("v1/devices/me/attributes/request/7", r#"{"clientKeys": "a, b"}"#),
            Ok(vec![Uplink::AttributeRequest(AttributeRequest {
                id: 7,
                client_keys: Some(vec!["a".to_owned(), "b".to_owned()]),
                shared_keys: None
            })])
        );
        assert!(matches!(
            mqtt("v1/devices/me/rpc/response/3", "true").as_deref(),
            Ok([Uplink::RpcReply(RpcReply { id: 3, .. })])
        ));
        assert!(matches!(
            mqtt("v1/devices/me/rpc/request/4", r#"{"method": "m"}"#).as_deref(),
            Ok([Uplink::RpcCall(_)])
        ));
        for (short, long) in [
            ("v2/t", "v1/devices/me/telemetry"),
            ("v2/t/j", "v1/devices/me/telemetry"),
            ("v2/a", "v1/devices/me/attributes"),
            ("v2/a/j", "v1/devices/me/attributes"),
            ("v2/a/req/7", "v1/devices/me/attributes/request/7"),
            ("v2/a/req/j/7", "v1/devices/me/attributes/request/7"),
            ("v2/r/res/7", "v1/devices/me/rpc/response/7"),
            ("v2/r/res/j/7", "v1/devices/me/rpc/response/7"),
            ("v2/r/req/7", "v1/devices/me/rpc/request/7"),
            ("v2/r/req/j/7", "v1/devices/me/rpc/request/7"),
        ] {
            let payload = r#"{"method": "m"}"#;
            assert!(mqtt(long, payload).is_ok());
            assert_eq!(mqtt(short, payload), mqtt(long, payload), "{short}");
        }
        for binary in ["v2/t/p", "v2/a/p", "v2/a/req/p/7", "v2/r/res/p/7"] {
            assert_eq!(mqtt(binary, "{}"), Err(Refusal::UnknownAddress), "{binary}");
        }
        for unknown in ["v1/devices/me/rpc/request/x", "v1/devices/me/nothing", "other", "v1/devices/me/"] {
            assert_eq!(mqtt(unknown, "{}"), Err(Refusal::UnknownAddress), "{unknown}");
        }
    }

    #[test]
    fn http_paths() {
        let get = TestInbound::new("http", "GET attributes", "")
            .with("clientKeys", "a")
            .with("sharedKeys", "");
        assert_eq!(
            decode(&get.inbound()),
            Ok(vec![Uplink::AttributeRequest(AttributeRequest {
                id: 0,
                client_keys: Some(vec!["a".to_owned()]),
                shared_keys: Some(vec![])
            })])
        );
        assert_eq!(
            decode(&TestInbound::new("http", "POST telemetry", r#"{"t":1}"#).inbound()),
            Ok(vec![values(None, "")])
        );
        assert_eq!(
            decode(&TestInbound::new("http", "DELETE telemetry", "{}").inbound()),
            Err(Refusal::UnknownAddress)
        );
    }

    #[test]
    fn observed_paths() {
        let coap = |address: &str| decode(&TestInbound::new("coap", address, "").inbound());
        assert!(matches!(
            coap("OBSERVE attributes").as_deref(),
            Ok([Uplink::AttributeRequest(AttributeRequest { id: FIRST_NOTICE, .. })])
        ));
        assert_eq!(coap("OBSERVE rpc"), Ok(vec![]));
        assert_eq!(coap("OBSERVE telemetry"), Err(Refusal::UnknownAddress));
    }
}
