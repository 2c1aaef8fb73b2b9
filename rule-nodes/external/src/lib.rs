//! Nodes that speak to systems outside.

mod address;
mod ai_request;
mod aws;
mod azure_iot_hub;
mod credentials;
mod gcp_pubsub;
mod kafka;
mod mqtt;
mod payload;
mod rabbitmq;
mod rest_api_call;
mod send_email;
mod send_sms;
mod send_to_slack;
mod to_email;
mod way;

pub use ai_request::AiRequest;
pub use aws::{AwsLambda, AwsSns, AwsSqs};
pub use azure_iot_hub::AzureIotHub;
pub use gcp_pubsub::GcpPubSub;
pub use kafka::Kafka;
pub use mqtt::Mqtt;
pub use rabbitmq::RabbitMq;
pub use rest_api_call::RestApiCall;
pub use send_email::SendEmail;
pub use send_sms::SendSms;
pub use send_to_slack::SendToSlack;
pub use to_email::ToEmail;

pacificsoft_sdk::export_nodes!(
    RestApiCall,
    Mqtt,
    Kafka,
    RabbitMq,
    SendEmail,
    ToEmail,
    AwsSqs,
    AwsSns,
    AwsLambda,
    AzureIotHub,
    GcpPubSub,
    SendSms,
    SendToSlack,
    AiRequest
);
