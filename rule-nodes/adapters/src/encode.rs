//! From downlinks to topics and payloads, and what subscriptions bring.

use pacificsoft_sdk::adapter::{AttributeResponse, Downlink, DownlinkKind, Outbound, RpcRequest, RpcResponse};

use crate::decode::FIRST_NOTICE;

pub(crate) fn encode(transport: &str, downlink: Downlink) -> Option<Outbound> {
    if let ("coap", Downlink::AttributeResponse(response)) = (transport, &downlink) {
        return Some(attributes_over_coap(response));
    }
    let mqtt = transport == "mqtt";
    let (topic, id, payload) = match downlink {
        Downlink::AttributeResponse(AttributeResponse { id, client, shared }) => {
            ("v1/devices/me/attributes/response/", Some(id), groups(client, shared))
        }
        Downlink::AttributesChanged(json) => ("v1/devices/me/attributes", None, json),
        Downlink::AttributesRemoved(keys) => ("v1/devices/me/attributes", None, removed(&keys)),
        Downlink::RpcRequest(RpcRequest { id, method, params }) => {
            let method = serde_json::Value::from(method).to_string();
            // Devices compare this text; MQTT carries the id in the topic, the others in the payload.
            let payload = if mqtt {
                ["{\"method\":", &method, ",\"params\":", &params, "}"].concat()
            } else {
                ["{\"id\":", &id.to_string(), ",\"method\":", &method, ",\"params\":", &params, "}"].concat()
            };
            ("v1/devices/me/rpc/request/", Some(id), payload)
        }
        Downlink::RpcResponse(RpcResponse { id, payload }) => ("v1/devices/me/rpc/response/", Some(id), payload),
    };
    let mut address = String::new();
    if mqtt {
        address.push_str(topic);
        if let Some(id) = id {
            address.push_str(&id.to_string());
        }
    }
    Some(Outbound {
        address,
        payload: payload.into_bytes(),
    })
}

/// An observer begins with all shared attributes as they are told when they change; who asked and gets nothing is told 4.04.
fn attributes_over_coap(AttributeResponse { id, client, shared }: &AttributeResponse) -> Outbound {
    let (code, payload) = match (client, shared) {
        (_, shared) if *id == FIRST_NOTICE => ("2.05", shared.clone().unwrap_or_else(|| "{}".to_owned())),
        (None, None) => ("4.04", String::new()),
        (client, shared) => ("2.05", groups(client.clone(), shared.clone())),
    };
    Outbound {
        address: code.to_owned(),
        payload: payload.into_bytes(),
    }
}

/// `{"client": {…}, "shared": {…}}`; an empty group is left out.
fn groups(client: Option<String>, shared: Option<String>) -> String {
    let mut text = String::from("{");
    for (name, group) in [("\"client\":", client), ("\"shared\":", shared)] {
        if let Some(group) = group {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(name);
            text.push_str(&group);
        }
    }
    text.push('}');
    text
}

fn removed(keys: &[String]) -> String {
    ["{\"deleted\":", &serde_json::Value::from(keys).to_string(), "}"].concat()
}

const FEEDS: [(&str, DownlinkKind); 4] = [
    ("v1/devices/me/attributes", DownlinkKind::Attributes),
    ("v1/devices/me/attributes/response/+", DownlinkKind::AttributeResponse),
    ("v1/devices/me/rpc/request/+", DownlinkKind::RpcRequest),
    ("v1/devices/me/rpc/response/+", DownlinkKind::RpcResponse),
];

/// What can be observed over CoAP.
const OBSERVED: [(&str, DownlinkKind); 2] = [("attributes", DownlinkKind::Attributes), ("rpc", DownlinkKind::RpcRequest)];

/// Only the filters of the device API are granted; a wildcard that would cover more of it, such as `v1/devices/me/#`, is refused like
/// any other topic.
pub(crate) fn subscription(transport: &str, filter: &str) -> Vec<DownlinkKind> {
    let feeds = match transport {
        "mqtt" => &FEEDS[..],
        "coap" => &OBSERVED[..],
        _ => return FEEDS.iter().map(|(_, kind)| *kind).collect(),
    };
    feeds.iter().filter(|(topic, _)| *topic == filter).map(|(_, kind)| *kind).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(transport: &str, downlink: Downlink) -> (String, String) {
        let outbound = encode(transport, downlink).expect("every downlink has a form");
        (outbound.address, String::from_utf8(outbound.payload).expect("JSON"))
    }

    #[test]
    fn writes_what_devices_expect_to_the_letter() {
        let request = || {
            Downlink::RpcRequest(RpcRequest {
                id: 3,
                method: "se\"t".to_owned(),
                params: "[1]".to_owned(),
            })
        };
        assert_eq!(
            written("mqtt", request()),
            (
                "v1/devices/me/rpc/request/3".to_owned(),
                r#"{"method":"se\"t","params":[1]}"#.to_owned()
            )
        );
        assert_eq!(written("http", request()).1, r#"{"id":3,"method":"se\"t","params":[1]}"#);
        let response = |client: Option<&str>, shared: Option<&str>| {
            let own = |text: Option<&str>| text.map(str::to_owned);
            written(
                "mqtt",
                Downlink::AttributeResponse(AttributeResponse {
                    id: 1,
                    client: own(client),
                    shared: own(shared),
                }),
            )
            .1
        };
        assert_eq!(response(None, None), "{}");
        assert_eq!(response(Some("{\"a\":1}"), None), "{\"client\":{\"a\":1}}");
        assert_eq!(response(Some("{}"), Some("{}")), "{\"client\":{},\"shared\":{}}");
        assert_eq!(
            written("mqtt", Downlink::AttributesRemoved(vec!["k".to_owned()])).1,
            "{\"deleted\":[\"k\"]}"
        );
    }

    #[test]
    fn coap_names_codes() {
        let response = |id, client: Option<&str>, shared: Option<&str>| {
            let own = |text: Option<&str>| text.map(str::to_owned);
            let (client, shared) = (own(client), own(shared));
            written("coap", Downlink::AttributeResponse(AttributeResponse { id, client, shared }))
        };
        let told = |code: &str, text: &str| (code.to_owned(), text.to_owned());
        assert_eq!(response(0, None, None), told("4.04", ""));
        assert_eq!(response(0, Some("{\"a\":1}"), None), told("2.05", "{\"client\":{\"a\":1}}"));
        assert_eq!(response(FIRST_NOTICE, Some("{\"a\":1}"), None), told("2.05", "{}"));
        assert_eq!(response(FIRST_NOTICE, None, Some("{\"b\":1}")), told("2.05", "{\"b\":1}"));
        assert_eq!(
            written("coap", Downlink::AttributesRemoved(vec!["k".to_owned()])),
            told("", "{\"deleted\":[\"k\"]}")
        );
    }

    #[test]
    fn grants_only_its_own_filters() {
        assert_eq!(subscription("coap", "rpc"), [DownlinkKind::RpcRequest]);
        assert_eq!(subscription("coap", "attributes"), [DownlinkKind::Attributes]);
        assert!(subscription("coap", "telemetry").is_empty());
        assert_eq!(subscription("mqtt", "v1/devices/me/rpc/request/+"), [DownlinkKind::RpcRequest]);
        for refused in ["#", "v1/devices/me/#", "v1/devices/other/attributes", "v1/devices/me/rpc/request/1"] {
            assert!(subscription("mqtt", refused).is_empty(), "{refused}");
        }
    }
}
