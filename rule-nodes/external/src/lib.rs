//! Nodes that speak to systems outside.

mod credentials;
mod mqtt;
mod rest_api_call;

pub use mqtt::Mqtt;
pub use rest_api_call::RestApiCall;

pacificsoft_sdk::export_nodes!(RestApiCall, Mqtt);
