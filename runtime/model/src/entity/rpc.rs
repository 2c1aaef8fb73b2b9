//! A request to a device that is kept until the device has got it.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::IdRef;

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RpcStatus {
    /// It waits for the device.
    Queued,
    /// A session of the device took it.
    Sent,
    /// The device has it.
    Delivered,
    /// The device replied.
    Successful,
    /// Whether the device has it is not known; it will be sent again.
    Timeout,
    /// Its time was over first.
    Expired,
    /// It was sent as often as it may be, and the device never told that it has it.
    Failed,
    /// Somebody removed it.
    Deleted,
}

impl RpcStatus {
    /// Every status.
    pub const ALL: [RpcStatus; 8] = [
        RpcStatus::Queued,
        RpcStatus::Sent,
        RpcStatus::Delivered,
        RpcStatus::Successful,
        RpcStatus::Timeout,
        RpcStatus::Expired,
        RpcStatus::Failed,
        RpcStatus::Deleted,
    ];

    /// Its name in the REST API.
    pub fn as_str(self) -> &'static str {
        match self {
            RpcStatus::Queued => "QUEUED",
            RpcStatus::Sent => "SENT",
            RpcStatus::Delivered => "DELIVERED",
            RpcStatus::Successful => "SUCCESSFUL",
            RpcStatus::Timeout => "TIMEOUT",
            RpcStatus::Expired => "EXPIRED",
            RpcStatus::Failed => "FAILED",
            RpcStatus::Deleted => "DELETED",
        }
    }

    /// The status of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// A request that is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rpc {
    /// Which one.
    pub id: IdRef,
    /// Milliseconds since 1970-01-01 UTC.
    pub created_time: i64,
    /// Whose.
    pub tenant_id: IdRef,
    /// To which device.
    pub device_id: IdRef,
    /// When it is given up, milliseconds since 1970-01-01 UTC.
    pub expiration_time: i64,
    /// What is asked.
    pub request: RpcBody,
    /// What the device replied.
    pub response: Option<Json>,
    /// How far it has come.
    pub status: RpcStatus,
    /// Whatever the caller adds.
    pub additional_info: Option<Json>,
    /// By which the device knows it. It stays the same when the request is sent again.
    pub request_number: u32,
}

/// What is asked of a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RpcBody {
    /// `{"method": …, "params": …}`
    pub body: MethodCall,
    /// Whether a reply is not waited for.
    pub oneway: bool,
    /// How often it may be sent again.
    pub retries: u32,
}

/// A method and what it is called with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MethodCall {
    /// What is wanted.
    pub method: String,
    /// Any JSON.
    pub params: Json,
}

impl Rpc {
    /// Whether the device has still to get it, or to reply.
    pub fn is_open(&self) -> bool {
        match self.status {
            RpcStatus::Queued | RpcStatus::Sent | RpcStatus::Timeout => true,
            RpcStatus::Delivered => !self.request.oneway,
            RpcStatus::Successful | RpcStatus::Expired | RpcStatus::Failed | RpcStatus::Deleted => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_json() {
        for status in RpcStatus::ALL {
            assert_eq!(serde_json::to_value(status).expect("JSON"), status.as_str());
            assert_eq!(RpcStatus::parse(status.as_str()), Some(status));
        }
        assert_eq!(RpcStatus::parse("queued"), None);
    }
}
