//! Nodes that speak to systems outside.

mod rest_api_call;

pub use rest_api_call::RestApiCall;

pacificsoft_sdk::export_nodes!(RestApiCall);
