//! Filters and switches: nodes that decide where a message goes, and change nothing.

mod alarm_status;
mod check_fields;
mod check_relation;
mod field_filter;
mod geofencing;
mod originator_type;
mod profile_switch;
mod type_filter;
mod type_switch;

pub use alarm_status::AlarmStatusFilter;
pub use check_fields::CheckFields;
pub use check_relation::CheckRelation;
pub use field_filter::FieldFilter;
pub use geofencing::GeofencingFilter;
pub use originator_type::{OriginatorTypeFilter, OriginatorTypeSwitch};
pub use profile_switch::{AssetProfileSwitch, DeviceProfileSwitch};
pub use type_filter::MessageTypeFilter;
pub use type_switch::MessageTypeSwitch;

pacificsoft_sdk::export_nodes!(
    MessageTypeSwitch,
    MessageTypeFilter,
    FieldFilter,
    CheckFields,
    CheckRelation,
    OriginatorTypeFilter,
    OriginatorTypeSwitch,
    DeviceProfileSwitch,
    AssetProfileSwitch,
    AlarmStatusFilter,
    GeofencingFilter
);
