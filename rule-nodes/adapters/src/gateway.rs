//! The topics of gateways, `v1/gateway/…`: what they say of the devices behind them, and what they are told for those.

use pacificsoft_sdk::adapter::{
    AttributeRequest, ChildAttributeRequest, ChildAttributeResponse, ChildDownlink, ChildRefusal, ChildSays, ChildTells, ChildUplink,
    Refusal, RpcReply, RpcRequest, Telemetry, Uplink,
};
use pacificsoft_sdk::message::Shape;
use pacificsoft_sdk::{Content, Inbound};

use crate::decode::{claim, group, malformed, not_json};
use crate::encode::removed;

/// All topics of gateways begin so.
pub(crate) const PREFIX: &str = "v1/gateway/";

/// A reason of MQTT 5's DISCONNECT (0x96), which gateways know it by.
const MESSAGE_RATE_TOO_HIGH: &str = "150";

/// Characters of a device's name at most.
const NAME_LEN_MAX: usize = 255;

/// Understands a topic below [`PREFIX`].
pub(crate) fn decode(topic: &str, inbound: &Inbound) -> Result<Vec<Uplink>, Refusal> {
    let known = matches!(
        topic,
        "connect" | "disconnect" | "telemetry" | "attributes" | "attributes/request" | "rpc" | "claim"
    );
    if !known {
        return Err(Refusal::UnknownAddress);
    }
    if inbound.shape("") != Shape::Object {
        return Err(not_json(inbound, "what a gateway says must be a JSON object"));
    }
    match topic {
        "connect" => {
            let profile = inbound.text("type").filter(|profile| !profile.is_empty());
            Ok(vec![child(named(inbound)?, ChildSays::Connected(profile))?])
        }
        "disconnect" => Ok(vec![child(named(inbound)?, ChildSays::Disconnected)?]),
        "telemetry" => telemetry(inbound),
        "attributes" => attributes(inbound),
        "claim" => claims(inbound),
        "rpc" => Ok(vec![child(
            named(inbound)?,
            ChildSays::RpcReply(RpcReply {
                id: id(inbound)?,
                payload: Content::Payload("data".to_owned()),
            }),
        )?]),
        _ => attribute_request(inbound),
    }
}

/// `{"device": [{"ts": ms, "values": {…}}, …], …}`; one object in place of an array is taken too.
fn telemetry(inbound: &Inbound) -> Result<Vec<Uplink>, Refusal> {
    let mut uplinks = Vec::new();
    for device in inbound.keys("") {
        let path = pointer(&device);
        let mut says = |path: &str| {
            let Telemetry { timestamp, values } = group(inbound, path)?;
            uplinks.push(child(device.clone(), ChildSays::Telemetry(Telemetry { timestamp, values }))?);
            Ok(())
        };
        match inbound.shape(&path) {
            Shape::Object => says(&path)?,
            Shape::Array if inbound.holds_objects(&path) => {
                for index in 0..inbound.length(&path) {
                    says(&[&path, "/", &index.to_string()].concat())?;
                }
            }
            _ => return Err(malformed("the telemetry of a device must be an array of objects")),
        }
    }
    Ok(uplinks)
}

/// `{"device": {key: value, …}, …}`
fn attributes(inbound: &Inbound) -> Result<Vec<Uplink>, Refusal> {
    let says = |device: String| {
        let path = pointer(&device);
        if inbound.shape(&path) != Shape::Object {
            return Err(malformed("the attributes of a device must be an object"));
        }
        child(device, ChildSays::Attributes(Content::Payload(path)))
    };
    inbound.keys("").into_iter().map(says).collect()
}

/// `{"device": {"secretKey": "…", "durationMs": 1}, …}`
fn claims(inbound: &Inbound) -> Result<Vec<Uplink>, Refusal> {
    let says = |device: String| {
        let path = pointer(&device);
        if inbound.shape(&path) != Shape::Object {
            return Err(malformed("the claim of a device must be an object"));
        }
        let claim = claim(inbound, &path)?;
        child(device, ChildSays::Claim(claim))
    };
    inbound.keys("").into_iter().map(says).collect()
}

/// `{"id": 1, "device": "name", "client": true, "key": "a"}`, or `"keys": ["a", "b"]`
fn attribute_request(inbound: &Inbound) -> Result<Vec<Uplink>, Refusal> {
    let single = inbound.text("key");
    let keys = match &single {
        Some(key) => vec![key.clone()],
        None => (0..inbound.length("keys"))
            .map(|index| inbound.text(&["/keys/", &index.to_string()].concat()))
            .collect::<Option<Vec<String>>>()
            .filter(|keys| !keys.is_empty())
            .ok_or_else(|| malformed("an attribute request must have a key or an array of keys"))?,
    };
    let client = inbound.boolean("client") == Some(true);
    let (client_keys, shared_keys) = if client { (Some(keys), None) } else { (None, Some(keys)) };
    let request = AttributeRequest {
        id: id(inbound)?,
        client_keys,
        shared_keys,
    };
    let asks = ChildAttributeRequest {
        request,
        single: single.is_some(),
    };
    Ok(vec![child(named(inbound)?, ChildSays::AttributeRequest(asks))?])
}

/// The topic and the payload of what a gateway is told.
pub(crate) fn encode(ChildDownlink { device, tells }: ChildDownlink) -> (&'static str, String) {
    let device = quoted(&device);
    match tells {
        ChildTells::AttributesChanged(json) => ("v1/gateway/attributes", data(&device, &json)),
        ChildTells::AttributesRemoved(keys) => ("v1/gateway/attributes", data(&device, &removed(&keys))),
        ChildTells::RpcRequest(RpcRequest { id, method, params }) => {
            let id = id.to_string();
            let request = ["{\"id\":", &id, ",\"method\":", &quoted(&method), ",\"params\":", &params, "}"].concat();
            ("v1/gateway/rpc", data(&device, &request))
        }
        ChildTells::AttributeResponse(ChildAttributeResponse { response, single }) => {
            // One scope was asked for.
            let values = response.client.or(response.shared).unwrap_or_else(|| "{}".to_owned());
            let shown = if single { one(&values) } else { [",\"values\":", &values].concat() };
            let id = response.id.to_string();
            (
                "v1/gateway/attributes/response",
                ["{\"id\":", &id, ",\"device\":", &device, &shown, "}"].concat(),
            )
        }
        ChildTells::Refused(ChildRefusal::RateExceeded) => (
            "v1/gateway/disconnect",
            ["{\"device\":", &device, ",\"reason\":", MESSAGE_RATE_TOO_HIGH, "}"].concat(),
        ),
    }
}

/// The value of an object's only member; nothing when there is none.
fn one(values: &str) -> String {
    let values: serde_json::Map<String, serde_json::Value> = serde_json::from_str(values).unwrap_or_default();
    let value = values.into_iter().next();
    value.map_or_else(String::new, |(_, value)| [",\"value\":", &value.to_string()].concat())
}

fn data(device: &str, json: &str) -> String {
    ["{\"device\":", device, ",\"data\":", json, "}"].concat()
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn child(device: String, says: ChildSays) -> Result<Uplink, Refusal> {
    if device.is_empty() || device.chars().count() > NAME_LEN_MAX || device.chars().any(char::is_control) {
        return Err(malformed("the name of a device must have 1 to 255 characters"));
    }
    Ok(Uplink::Child(ChildUplink { device, says }))
}

fn named(inbound: &Inbound) -> Result<String, Refusal> {
    inbound.text("device").ok_or_else(|| malformed("the name of a device is missing"))
}

fn id(inbound: &Inbound) -> Result<u32, Refusal> {
    let id = inbound.integer("id").and_then(|id| u32::try_from(id).ok());
    id.ok_or_else(|| malformed("the id must be a whole number"))
}

/// A member of the top-level object (RFC 6901).
fn pointer(key: &str) -> String {
    ["/", &key.replace('~', "~0").replace('/', "~1")].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::adapter::AttributeResponse;
    use pacificsoft_sdk::testing::TestInbound;

    fn says(topic: &str, payload: &str) -> Result<Vec<Uplink>, Refusal> {
        decode(topic, &TestInbound::new("mqtt", &[PREFIX, topic].concat(), payload).inbound())
    }

    fn of(device: &str, says: ChildSays) -> Uplink {
        Uplink::Child(ChildUplink {
            device: device.to_owned(),
            says,
        })
    }

    fn at(timestamp: Option<i64>, path: &str) -> ChildSays {
        ChildSays::Telemetry(Telemetry {
            timestamp,
            values: Content::Payload(path.to_owned()),
        })
    }

    #[test]
    fn devices_come_speak_and_go() {
        assert_eq!(
            says("connect", r#"{"device": "a", "type": "meter"}"#),
            Ok(vec![of("a", ChildSays::Connected(Some("meter".to_owned())))])
        );
        assert_eq!(says("connect", r#"{"device": "a"}"#), Ok(vec![of("a", ChildSays::Connected(None))]));
        assert_eq!(says("disconnect", r#"{"device": "a"}"#), Ok(vec![of("a", ChildSays::Disconnected)]));
        assert_eq!(
            says(
                "telemetry",
                r#"{"a/b~": [{"ts": 5, "values": {"t": 1}}, {"t": 2}], "c": {"t": 3}, "d": []}"#
            ),
            Ok(vec![
                of("a/b~", at(Some(5), "/a~1b~0/0/values")),
                of("a/b~", at(None, "/a~1b~0/1")),
                of("c", at(None, "/c"))
            ])
        );
        assert_eq!(
            says("attributes", r#"{"a": {"fw": 1}}"#),
            Ok(vec![of("a", ChildSays::Attributes(Content::Payload("/a".to_owned())))])
        );
        assert_eq!(
            says("rpc", r#"{"device": "a", "id": 3, "data": {"ok": true}}"#),
            Ok(vec![of(
                "a",
                ChildSays::RpcReply(RpcReply {
                    id: 3,
                    payload: Content::Payload("data".to_owned())
                })
            )])
        );
    }

    #[test]
    fn attributes_are_asked_for_by_one_key_or_several() {
        let asks = |client: Option<&[&str]>, shared: Option<&[&str]>, single| {
            let own = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
            let request = AttributeRequest {
                id: 7,
                client_keys: client.map(own),
                shared_keys: shared.map(own),
            };
            Ok(vec![of(
                "a",
                ChildSays::AttributeRequest(ChildAttributeRequest { request, single }),
            )])
        };
        let topic = "attributes/request";
        assert_eq!(
            says(topic, r#"{"id": 7, "device": "a", "client": true, "key": "x"}"#),
            asks(Some(&["x"]), None, true)
        );
        assert_eq!(
            says(topic, r#"{"id": 7, "device": "a", "client": false, "keys": ["x"]}"#),
            asks(None, Some(&["x"]), false)
        );
        assert_eq!(
            says(topic, r#"{"id": 7, "device": "a", "keys": ["x", "y"]}"#),
            asks(None, Some(&["x", "y"]), false)
        );
    }

    #[test]
    fn what_no_gateway_says_is_refused() {
        for (topic, payload) in [
            ("connect", "{}"),
            ("connect", r#"{"device": ""}"#),
            ("connect", r#"{"device": 1}"#),
            ("connect", "[]"),
            ("connect", "x"),
            ("telemetry", r#"{"a": 1}"#),
            ("telemetry", r#"{"a": [1]}"#),
            ("telemetry", r#"{"": [{"t": 1}]}"#),
            ("attributes", r#"{"a": []}"#),
            ("rpc", r#"{"device": "a", "data": 1}"#),
            ("rpc", r#"{"device": "a", "id": -1, "data": 1}"#),
            ("attributes/request", r#"{"id": 1, "device": "a"}"#),
            ("attributes/request", r#"{"id": 1, "device": "a", "keys": [1]}"#),
        ] {
            assert!(matches!(says(topic, payload), Err(Refusal::Malformed(_))), "{topic} {payload}");
        }
        let long = "x".repeat(NAME_LEN_MAX + 1);
        assert!(says("connect", &["{\"device\": \"", &long, "\"}"].concat()).is_err());
        assert_eq!(says("nothing", "{}"), Err(Refusal::UnknownAddress));
    }

    #[test]
    fn gateways_are_told_in_the_form_they_asked_for() {
        let told = |tells| {
            encode(ChildDownlink {
                device: "a\"b".to_owned(),
                tells,
            })
        };
        let answer = |client: Option<&str>, shared: Option<&str>, single| {
            let response = AttributeResponse {
                id: 1,
                client: client.map(str::to_owned),
                shared: shared.map(str::to_owned),
            };
            told(ChildTells::AttributeResponse(ChildAttributeResponse { response, single })).1
        };
        assert_eq!(answer(Some(r#"{"x":[1]}"#), None, true), r#"{"id":1,"device":"a\"b","value":[1]}"#);
        assert_eq!(
            answer(None, Some(r#"{"x":1}"#), false),
            r#"{"id":1,"device":"a\"b","values":{"x":1}}"#
        );
        assert_eq!(answer(None, None, true), r#"{"id":1,"device":"a\"b"}"#);
        assert_eq!(answer(None, None, false), r#"{"id":1,"device":"a\"b","values":{}}"#);
        assert_eq!(
            told(ChildTells::AttributesRemoved(vec!["k".to_owned()])),
            ("v1/gateway/attributes", r#"{"device":"a\"b","data":{"deleted":["k"]}}"#.to_owned())
        );
        let request = RpcRequest {
            id: 2,
            method: "m".to_owned(),
            params: "[1]".to_owned(),
        };
        assert_eq!(
            told(ChildTells::RpcRequest(request)),
            (
                "v1/gateway/rpc",
                r#"{"device":"a\"b","data":{"id":2,"method":"m","params":[1]}}"#.to_owned()
            )
        );
        assert_eq!(
            told(ChildTells::Refused(ChildRefusal::RateExceeded)),
            ("v1/gateway/disconnect", r#"{"device":"a\"b","reason":150}"#.to_owned())
        );
    }
}
