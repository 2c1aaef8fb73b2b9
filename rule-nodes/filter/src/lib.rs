//! Filters and switches: nodes that decide where a message goes, and change nothing.

mod field_filter;
mod type_filter;
mod type_switch;

pub use field_filter::FieldFilter;
pub use type_filter::MessageTypeFilter;
pub use type_switch::MessageTypeSwitch;

pacificsoft_sdk::export_nodes!(MessageTypeSwitch, MessageTypeFilter, FieldFilter);
