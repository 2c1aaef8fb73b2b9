//! Actions: nodes that ask the host to save, raise, clear, relate or send something, and nodes that hold and count messages. What has a script that
//! has to be run is refused here, and served by the component with an interpreter, `script`.

mod copy_to_view;
mod customer;
mod delay;
mod delete_attributes;
mod device_state;
mod geofencing_events;
mod log;
mod math;
mod message_count;
mod processing;
mod relation;
mod rest_call_reply;
mod rpc_call_reply;
mod rpc_call_request;
mod save_attributes;
mod save_time_series;
mod save_to_custom_table;
#[cfg(test)]
mod testing;

pub use copy_to_view::CopyToView;
pub use customer::{AssignToCustomer, UnassignFromCustomer};
pub use delay::Delay;
pub use delete_attributes::DeleteAttributesNode;
pub use device_state::DeviceState;
pub use geofencing_events::GeofencingEvents;
pub use log::LogNode;
pub use math::Math;
pub use message_count::MessageCount;
pub use node_scriptable::{ClearAlarmNode, CreateAlarmNode, KeptDetails};
pub use relation::{CreateRelation, DeleteRelation};
pub use rest_call_reply::RestCallReply;
pub use rpc_call_reply::RpcCallReply;
pub use rpc_call_request::RpcCallRequest;
pub use save_attributes::SaveAttributesNode;
pub use save_time_series::SaveTimeSeriesNode;
pub use save_to_custom_table::SaveToCustomTable;

pacificsoft_sdk::export_nodes!(
    SaveTimeSeriesNode,
    SaveAttributesNode,
    CreateAlarmNode<KeptDetails>,
    ClearAlarmNode<KeptDetails>,
    LogNode,
    RpcCallRequest,
    RpcCallReply,
    CreateRelation,
    DeleteRelation,
    AssignToCustomer,
    UnassignFromCustomer,
    DeleteAttributesNode,
    Delay,
    MessageCount,
    GeofencingEvents,
    DeviceState,
    Math,
    RestCallReply,
    SaveToCustomTable,
    CopyToView
);
