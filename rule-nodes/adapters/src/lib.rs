//! The device API that existing devices speak, as a payload adapter: topics and paths of ThingsBoard's v1 API, its short topics, and
//! those of gateways; telemetry in its three JSON forms.

mod decode;
mod encode;
mod gateway;

use pacificsoft_sdk::adapter::{AdapterDescriptor, Downlink, DownlinkKind, Outbound, Refusal, Uplink};
use pacificsoft_sdk::{Adapter, Inbound};

/// The adapter.
pub struct DeviceApi;

impl Adapter for DeviceApi {
    fn descriptor() -> AdapterDescriptor {
        AdapterDescriptor {
            name: "device-api",
            title: "Device API v1",
            description: "The JSON device API: telemetry, attributes and requests over MQTT, HTTP and CoAP.",
        }
    }

    fn decode(inbound: &Inbound) -> Result<Vec<Uplink>, Refusal> {
        decode::decode(inbound)
    }

    fn encode(transport: &str, downlink: Downlink) -> Result<Option<Outbound>, String> {
        Ok(encode::encode(transport, downlink, None))
    }

    fn encode_via(transport: &str, downlink: Downlink, via: Option<&str>) -> Result<Option<Outbound>, String> {
        Ok(encode::encode(transport, downlink, via))
    }

    fn subscription(transport: &str, filter: &str) -> Vec<DownlinkKind> {
        encode::subscription(transport, filter)
    }
}

pacificsoft_sdk::export_adapter!(DeviceApi);
