//! A payload adapter for sensors that count every byte: readings, settings and commands in a compact binary format, over MQTT, HTTP or
//! CoAP. The README describes the format.
//!
//! 1. [`readings`] – what a sensor says,
//! 2. [`orders`] – what a sensor is told.

pub mod orders;
pub mod readings;

use pacificsoft_sdk::adapter::{AdapterDescriptor, Downlink, DownlinkKind, Outbound, Refusal, Uplink};
use pacificsoft_sdk::{Adapter, Inbound};

/// Topic of readings.
const READINGS: &str = "r";
/// Topic of answers to orders.
const ANSWERS: &str = "a";
/// Topic of orders.
const ORDERS: &str = "o";

/// The adapter.
pub struct CompactSensor;

impl Adapter for CompactSensor {
    fn descriptor() -> AdapterDescriptor {
        AdapterDescriptor {
            name: "compact-sensor",
            title: "Compact sensor",
            description: "Readings, settings and commands in a few bytes.",
        }
    }

    fn decode(inbound: &Inbound) -> Result<Vec<Uplink>, Refusal> {
        match &*inbound.address() {
            READINGS | "POST telemetry" => readings::read(&inbound.payload()),
            ANSWERS => orders::read_answer(&inbound.payload()),
            _ => Err(Refusal::UnknownAddress),
        }
    }

    fn encode(_: &str, downlink: Downlink) -> Result<Option<Outbound>, String> {
        let payload = match downlink {
            Downlink::RpcRequest(request) => Some(orders::command(&request)?),
            Downlink::AttributesChanged(json) => orders::settings(&json)?,
            Downlink::AttributesRemoved(_) | Downlink::AttributeResponse(_) | Downlink::RpcResponse(_) | Downlink::Child(_) => None,
        };
        let address = ORDERS.to_owned();
        Ok(payload.map(|payload| Outbound { address, payload }))
    }

    fn subscription(_: &str, filter: &str) -> Vec<DownlinkKind> {
        match filter {
            ORDERS => vec![DownlinkKind::Attributes, DownlinkKind::RpcRequest],
            _ => Vec::new(),
        }
    }
}

pacificsoft_sdk::export_adapter!(CompactSensor);

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestInbound;

    #[test]
    fn addresses_and_subscriptions() {
        for (transport, address, known) in [
            ("mqtt", "r", true),
            ("http", "POST telemetry", true),
            ("coap", "POST telemetry", true),
            ("mqtt", "v1/devices/me/telemetry", false),
            ("mqtt", "", false),
        ] {
            let decoded = CompactSensor::decode(&TestInbound::new(transport, address, "").inbound());
            assert_eq!(decoded != Err(Refusal::UnknownAddress), known, "{address}");
        }
        assert_eq!(CompactSensor::subscription("mqtt", "o").len(), 2);
        assert!(CompactSensor::subscription("mqtt", "#").is_empty());
    }

    #[test]
    fn orders_go_to_their_topic_and_the_rest_to_nobody() {
        let changed = |json: &str| CompactSensor::encode("mqtt", Downlink::AttributesChanged(json.to_owned()));
        assert_eq!(
            changed(r#"{"interval": 60}"#).map(|sent| sent.map(|sent| sent.address)),
            Ok(Some("o".to_owned()))
        );
        assert_eq!(changed(r#"{"colour": "red"}"#), Ok(None));
        assert_eq!(
            CompactSensor::encode("mqtt", Downlink::AttributesRemoved(vec!["interval".to_owned()])),
            Ok(None)
        );
    }
}
