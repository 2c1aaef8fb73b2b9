//! Nodes that speak to systems outside.

mod address;
mod credentials;
mod kafka;
mod mqtt;
mod payload;
mod rabbitmq;
mod rest_api_call;

pub use kafka::Kafka;
pub use mqtt::Mqtt;
pub use rabbitmq::RabbitMq;
pub use rest_api_call::RestApiCall;

pacificsoft_sdk::export_nodes!(RestApiCall, Mqtt, Kafka, RabbitMq);
