//! Enrichment: nodes that add what is stored of the tenant to a message.

mod attributes;
mod calculate_delta;
mod credentials;
mod details;
mod fetch;
mod mapped;
mod originator_fields;
mod originator_telemetry;

pub use attributes::{OriginatorAttributes, RelatedDeviceAttributes};
pub use calculate_delta::CalculateDelta;
pub use credentials::FetchCredentials;
pub use details::{CustomerDetails, TenantDetails};
pub use mapped::{CustomerAttributes, RelatedEntityData, TenantAttributes};
pub use originator_fields::OriginatorFields;
pub use originator_telemetry::OriginatorTelemetry;

pacificsoft_sdk::export_nodes!(
    OriginatorAttributes,
    OriginatorFields,
    OriginatorTelemetry,
    RelatedDeviceAttributes,
    RelatedEntityData,
    CustomerAttributes,
    TenantAttributes,
    CalculateDelta,
    FetchCredentials,
    CustomerDetails,
    TenantDetails
);
