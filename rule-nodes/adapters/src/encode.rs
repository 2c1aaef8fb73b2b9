//! From downlinks to topics and payloads, and what subscriptions bring.

use pacificsoft_sdk::adapter::{AttributeResponse, Downlink, DownlinkKind, Outbound, RpcRequest, RpcResponse};

use crate::decode::FIRST_NOTICE;
use crate::gateway;

/// Which form of the topics a device speaks, as it showed itself.
#[derive(Clone, Copy)]
enum Form {
    Long,
    Short,
    ShortJson,
}

impl Form {
    fn of(via: Option<&str>) -> Self {
        match via.and_then(|via| via.strip_prefix("v2/")) {
            None => Form::Long,
            Some(topic) if topic.split('/').any(|level| level == "j") => Form::ShortJson,
            Some(_) => Form::Short,
        }
    }

    fn pick(self, long: &'static str, short: &'static str, short_json: &'static str) -> &'static str {
        match self {
            Form::Long => long,
            Form::Short => short,
            Form::ShortJson => short_json,
        }
    }
}

pub(crate) fn encode(transport: &str, downlink: Downlink, via: Option<&str>) -> Option<Outbound> {
    if let ("coap", Downlink::AttributeResponse(response)) = (transport, &downlink) {
        return Some(attributes_over_coap(response));
    }
    let mqtt = transport == "mqtt";
    let form = Form::of(via);
    let attributes = form.pick("v1/devices/me/attributes", "v2/a", "v2/a/j");
    let (topic, id, payload) = match downlink {
        Downlink::AttributeResponse(AttributeResponse { id, client, shared }) => (
            form.pick("v1/devices/me/attributes/response/", "v2/a/res/", "v2/a/res/j/"),
            Some(id),
            groups(client, shared),
        ),
        Downlink::AttributesChanged(json) => (attributes, None, json),
        Downlink::AttributesRemoved(keys) => (attributes, None, removed(&keys)),
        Downlink::RpcRequest(RpcRequest { id, method, params }) => {
            let method = serde_json::Value::from(method).to_string();
            // Devices compare this text; MQTT carries the id in the topic, the others in the payload.
            let payload = if mqtt {
                ["{\"method\":", &method, ",\"params\":", &params, "}"].concat()
            } else {
                ["{\"id\":", &id.to_string(), ",\"method\":", &method, ",\"params\":", &params, "}"].concat()
            };
            let topic = form.pick("v1/devices/me/rpc/request/", "v2/r/req/", "v2/r/req/j/");
            (topic, Some(id), payload)
        }
        Downlink::RpcResponse(RpcResponse { id, payload }) => {
            let topic = form.pick("v1/devices/me/rpc/response/", "v2/r/res/", "v2/r/res/j/");
            (topic, Some(id), payload)
        }
        // Gateways speak MQTT.
        Downlink::Child(_) if !mqtt => return None,
        Downlink::Child(child) => {
            let (topic, payload) = gateway::encode(child);
            (topic, None, payload)
        }
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

pub(crate) fn removed(keys: &[String]) -> String {
    ["{\"deleted\":", &serde_json::Value::from(keys).to_string(), "}"].concat()
}

const FEEDS: [(&str, DownlinkKind); 16] = [
    ("v1/devices/me/attributes", DownlinkKind::Attributes),
    ("v1/devices/me/attributes/response/+", DownlinkKind::AttributeResponse),
    ("v1/devices/me/rpc/request/+", DownlinkKind::RpcRequest),
    ("v1/devices/me/rpc/response/+", DownlinkKind::RpcResponse),
    ("v2/a", DownlinkKind::Attributes),
    ("v2/a/j", DownlinkKind::Attributes),
    ("v2/a/res/+", DownlinkKind::AttributeResponse),
    ("v2/a/res/j/+", DownlinkKind::AttributeResponse),
    ("v2/r/req/+", DownlinkKind::RpcRequest),
    ("v2/r/req/j/+", DownlinkKind::RpcRequest),
    ("v2/r/res/+", DownlinkKind::RpcResponse),
    ("v2/r/res/j/+", DownlinkKind::RpcResponse),
    ("v1/gateway/attributes", DownlinkKind::ChildAttributes),
    ("v1/gateway/attributes/response", DownlinkKind::ChildAttributeResponse),
    ("v1/gateway/rpc", DownlinkKind::ChildRpcRequest),
    ("v1/gateway/disconnect", DownlinkKind::ChildRefused),
];
/// Those that every transport has.
const OWN_FEEDS: usize = 4;

/// What can be observed over CoAP.
const OBSERVED: [(&str, DownlinkKind); 2] = [("attributes", DownlinkKind::Attributes), ("rpc", DownlinkKind::RpcRequest)];

/// Only the filters of the device API are granted; a wildcard that would cover more of it, such as `v1/devices/me/#`, is refused like
/// any other topic.
pub(crate) fn subscription(transport: &str, filter: &str) -> Vec<DownlinkKind> {
    let feeds = match transport {
        "mqtt" => &FEEDS[..],
        "coap" => &OBSERVED[..],
        _ => return FEEDS.iter().take(OWN_FEEDS).map(|(_, kind)| *kind).collect(),
    };
    feeds.iter().filter(|(topic, _)| *topic == filter).map(|(_, kind)| *kind).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(transport: &str, downlink: Downlink) -> (String, String) {
        let outbound = encode(transport, downlink, None).expect("every downlink has a form");
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
    fn answers_in_the_form_the_device_speaks() {
        let response = || {
            Downlink::RpcResponse(RpcResponse {
                id: 1,
                payload: "{}".to_owned(),
            })
        };
        for (via, topic) in [
            (None, "v1/devices/me/rpc/response/1"),
            (Some("v1/devices/me/rpc/request/1"), "v1/devices/me/rpc/response/1"),
            (Some("v2/r/req/1"), "v2/r/res/1"),
            (Some("v2/r/req/j/1"), "v2/r/res/j/1"),
            (Some("v2/r/res/+"), "v2/r/res/1"),
        ] {
            let outbound = encode("mqtt", response(), via).expect("every downlink has a form");
            assert_eq!(outbound.address, topic, "{via:?}");
        }
        let changed = Downlink::AttributesChanged("{}".to_owned());
        assert_eq!(
            encode("mqtt", changed, Some("v2/a/j")).map(|outbound| outbound.address),
            Some("v2/a/j".to_owned())
        );
    }

    #[test]
    fn grants_only_its_own_filters() {
        assert_eq!(subscription("coap", "rpc"), [DownlinkKind::RpcRequest]);
        assert_eq!(subscription("coap", "attributes"), [DownlinkKind::Attributes]);
        assert!(subscription("coap", "telemetry").is_empty());
        assert_eq!(subscription("mqtt", "v1/devices/me/rpc/request/+"), [DownlinkKind::RpcRequest]);
        assert_eq!(subscription("mqtt", "v2/a"), [DownlinkKind::Attributes]);
        assert_eq!(subscription("mqtt", "v1/gateway/rpc"), [DownlinkKind::ChildRpcRequest]);
        assert_eq!(subscription("mqtt", "v1/gateway/disconnect"), [DownlinkKind::ChildRefused]);
        assert_eq!(subscription("http", "").len(), 4);
        for refused in [
            "#",
            "v2/#",
            "v1/gateway/+",
            "v1/devices/me/#",
            "v1/devices/other/attributes",
            "v1/devices/me/rpc/request/1",
        ] {
            assert!(subscription("mqtt", refused).is_empty(), "{refused}");
        }
    }
}
