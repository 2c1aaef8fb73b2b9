//! Actions: nodes that ask the host to save, raise, clear or send something.

mod alarm_details;
mod clear_alarm;
mod create_alarm;
mod log;
mod rpc_call_reply;
mod rpc_call_request;
mod save_attributes;
mod save_time_series;

pub use clear_alarm::ClearAlarmNode;
pub use create_alarm::CreateAlarmNode;
pub use log::LogNode;
pub use rpc_call_reply::RpcCallReply;
pub use rpc_call_request::RpcCallRequest;
pub use save_attributes::SaveAttributesNode;
pub use save_time_series::SaveTimeSeriesNode;

pacificsoft_sdk::export_nodes!(
    SaveTimeSeriesNode,
    SaveAttributesNode,
    CreateAlarmNode,
    ClearAlarmNode,
    LogNode,
    RpcCallRequest,
    RpcCallReply
);
