//! What devices and gateways send: the shipped adapter answers, whatever it is; what it names in a payload is there.
//!
//! Input: transport, address and payload, each in a line.

use node_adapters::DeviceApi;
use pacificsoft_sdk::adapter::{ChildSays, ChildUplink, Refusal, Uplink};
use pacificsoft_sdk::message::Shape;
use pacificsoft_sdk::testing::TestInbound;
use pacificsoft_sdk::{Adapter, Content};

/// Everything the adapter understands, in some form.
const SENT: [(&str, &str, &str); 24] = [
    (
        "mqtt",
        "v1/devices/me/telemetry",
        r#"{"t": 1.5e3, "ü": "é", "on": true, "j": {"a": [1, null]}}"#,
    ),
    (
        "mqtt",
        "v1/devices/me/telemetry",
        r#"[{"ts": 1700000000000, "values": {"t": -1}}, {"t": 2}]"#,
    ),
    ("mqtt", "v1/devices/me/attributes", r#"{"fw": "1", "n": 18446744073709551615}"#),
    (
        "mqtt",
        "v1/devices/me/attributes/request/7",
        r#"{"clientKeys": "a,b", "sharedKeys": "c"}"#,
    ),
    ("mqtt", "v1/devices/me/rpc/response/7", r#"[1, {"a": "b"}]"#),
    ("mqtt", "v1/devices/me/rpc/request/4294967295", r#"{"method": "m", "params": [1]}"#),
    ("mqtt", "v1/devices/me/claim", r#"{"secretKey": "s", "durationMs": 60000}"#),
    ("mqtt", "v2/t", r#"{"t": 1}"#),
    ("mqtt", "v2/t/j", r#"[{"ts": 1, "values": {}}]"#),
    ("mqtt", "v2/a/req/j/5", r#"{"clientKeys": "a"}"#),
    ("mqtt", "v2/r/req/5", r#"{"method": "m"}"#),
    ("mqtt", "v2/r/res/j/5", r#""done""#),
    ("mqtt", "v1/gateway/connect", r#"{"device": "Pump /1", "type": "pump"}"#),
    ("mqtt", "v1/gateway/disconnect", r#"{"device": "Pump ~1"}"#),
    (
        "mqtt",
        "v1/gateway/telemetry",
        r#"{"a/b": [{"ts": 5, "values": {"t": 1}}, {"t": 2}], "~": {"t": 3}}"#,
    ),
    ("mqtt", "v1/gateway/attributes", r#"{"a": {"fw": 1}, "b~0/": {}}"#),
    (
        "mqtt",
        "v1/gateway/attributes/request",
        r#"{"id": 1, "device": "a", "client": true, "keys": ["x", "y"]}"#,
    ),
    ("mqtt", "v1/gateway/rpc", r#"{"device": "a", "id": 3, "data": {"ok": true}}"#),
    ("mqtt", "v1/gateway/claim", r#"{"a": {"secretKey": "s"}, "b": {"durationMs": 1}}"#),
    ("http", "POST telemetry", r#"{"t": 1}"#),
    ("http", "POST rpc/7", r#"{"ok": 1}"#),
    ("coap", "POST claim", ""),
    ("coap", "OBSERVE attributes", ""),
    ("coap", "GET attributes", ""),
];

/// See the module.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.splitn(3, '\n');
    let transport = match lines.next() {
        Some("http") => "http",
        Some("coap") => "coap",
        _ => "mqtt",
    };
    let (address, payload) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let test = TestInbound::new(transport, address, payload);
    let inbound = test.inbound();
    match DeviceApi::decode(&inbound) {
        Ok(uplinks) => {
            assert!(uplinks.len() <= payload.len().max(1), "{address} {payload}");
            for uplink in &uplinks {
                let (content, device) = named(uplink);
                assert!(
                    device.is_none_or(|name| !name.is_empty() && name.chars().count() <= 255),
                    "{address} {payload}"
                );
                if let Some(Content::Payload(path)) = content {
                    assert_ne!(inbound.shape(path), Shape::Absent, "{address} {payload} {path:?}");
                }
            }
        }
        Err(Refusal::Malformed(reason)) => assert!(!reason.is_empty() && reason.len() <= 200, "{reason}"),
        Err(Refusal::UnknownAddress) => {}
    }
    // Whatever somebody subscribes to is answered, too.
    DeviceApi::subscription(transport, address);
}

/// Everything the adapter understands.
pub fn seeds() -> Vec<Vec<u8>> {
    SENT.iter()
        .map(|(transport, address, payload)| format!("{transport}\n{address}\n{payload}").into_bytes())
        .collect()
}

/// The parts of the payload that an uplink names, and the name of the device it is of.
fn named(uplink: &Uplink) -> (Option<&Content>, Option<&str>) {
    match uplink {
        Uplink::Telemetry(telemetry) => (Some(&telemetry.values), None),
        Uplink::Attributes(content) => (Some(content), None),
        Uplink::RpcReply(reply) => (Some(&reply.payload), None),
        Uplink::RpcCall(call) => (Some(&call.params), None),
        Uplink::AttributeRequest(_) | Uplink::Claim(_) => (None, None),
        Uplink::Child(ChildUplink { device, says }) => {
            let content = match says {
                ChildSays::Telemetry(telemetry) => Some(&telemetry.values),
                ChildSays::Attributes(content) => Some(content),
                // Data may be left out: it is null then.
                ChildSays::RpcReply(_)
                | ChildSays::Connected(_)
                | ChildSays::Disconnected
                | ChildSays::AttributeRequest(_)
                | ChildSays::Claim(_) => None,
            };
            (content, Some(device))
        }
    }
}
