//! What devices and gateways send, mutated: the adapter answers, whatever it is; what it names in a payload is there.

#![allow(clippy::unwrap_used, missing_docs)]

use node_adapters::DeviceApi;
use pacificsoft_sdk::adapter::{ChildSays, ChildUplink, Refusal, Uplink};
use pacificsoft_sdk::message::Shape;
use pacificsoft_sdk::testing::TestInbound;
use pacificsoft_sdk::{Adapter, Content};

const ROUNDS: usize = 60_000;

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

/// The same numbers in every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }

    /// Some characters replaced, doubled, taken out, or brought in from a text that was sent elsewhere.
    fn mutate(&mut self, text: &str, other: &str) -> String {
        let mut characters: Vec<char> = text.chars().collect();
        for _ in 0..self.below(4) {
            let at = self.below(characters.len() + 1);
            match self.below(5) {
                0 if at < characters.len() => drop(characters.remove(at)),
                1 if at < characters.len() => {
                    characters[at] = [' ', '"', '{', '}', '[', ']', '/', '~', '\\', '0', '-', '\u{0}', '€'][self.below(13)]
                }
                2 => characters.truncate(at),
                3 => {
                    let from = self.below(other.chars().count() + 1);
                    let part: Vec<char> = other.chars().skip(from).take(self.below(12)).collect();
                    characters.splice(at..at, part);
                }
                _ => {
                    let until = (at + self.below(6)).min(characters.len());
                    let part = characters[at.min(until)..until].to_vec();
                    characters.splice(at..at, part);
                }
            }
        }
        characters.into_iter().collect()
    }
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

#[test]
fn whatever_is_sent_is_understood_or_refused() {
    let mut numbers = Numbers(7);
    let (mut understood, mut malformed, mut unknown) = (0, 0, 0);
    for round in 0..ROUNDS {
        let (transport, address, payload) = SENT[round % SENT.len()];
        let (_, other_address, other_payload) = SENT[numbers.below(SENT.len())];
        // Payloads more often: an address that nobody knows hides what is behind it.
        let address = match numbers.below(4) {
            0 => numbers.mutate(address, other_address),
            1 => other_address.to_owned(),
            _ => address.to_owned(),
        };
        let payload = numbers.mutate(payload, other_payload);
        let test = TestInbound::new(transport, &address, &payload);
        let inbound = test.inbound();
        match DeviceApi::decode(&inbound) {
            Ok(uplinks) => {
                understood += 1;
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
            Err(Refusal::Malformed(reason)) => {
                malformed += 1;
                assert!(!reason.is_empty() && reason.len() <= 200, "{reason}");
            }
            Err(Refusal::UnknownAddress) => unknown += 1,
        }
    }
    // All three are met, or nothing was tried.
    assert!(
        understood > ROUNDS / 20 && malformed > ROUNDS / 20 && unknown > ROUNDS / 50,
        "{understood} {malformed} {unknown}"
    );
}
