//! The message that travels through a rule chain, and its types.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use crate::{CustomerId, EntityId, Metadata, Payload};

/// A message. Shared as `Arc<Message>`, never changed: a node that changes something makes a new one.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Sorts by time of creation.
    pub id: Uuid,
    /// What it is about.
    pub kind: MessageKind,
    /// The entity it comes from.
    pub originator: EntityId,
    /// The customer the originator is assigned to.
    pub customer: Option<CustomerId>,
    /// Text by key.
    pub metadata: Metadata,
    /// JSON.
    pub payload: Payload,
    /// Milliseconds since 1970-01-01 UTC.
    pub ts_ms: i64,
}

macro_rules! message_kinds {
    ($($variant:ident $name:literal $label:literal;)*) => {
        /// Types of messages, with the names and labels of ThingsBoard.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        pub enum MessageKind {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
            /// A type of the tenant's own.
            Custom(Arc<str>),
        }

        impl MessageKind {
            /// Every type but the custom ones.
            pub const ALL: &'static [MessageKind] = &[$(MessageKind::$variant,)*];

            /// The type's name, as rule chains and nodes know it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(MessageKind::$variant => $name,)*
                    MessageKind::Custom(name) => name,
                }
            }

            /// The relation that a message type switch sends it along.
            pub fn label(&self) -> &'static str {
                match self {
                    $(MessageKind::$variant => $label,)*
                    MessageKind::Custom(_) => "Other",
                }
            }
        }

        impl From<&str> for MessageKind {
            fn from(name: &str) -> Self {
                match name {
                    $($name => MessageKind::$variant,)*
                    other => MessageKind::Custom(other.into()),
                }
            }
        }
    };
}

message_kinds! {
    PostTelemetry "POST_TELEMETRY_REQUEST" "Post telemetry";
    PostAttributes "POST_ATTRIBUTES_REQUEST" "Post attributes";
    ToServerRpc "TO_SERVER_RPC_REQUEST" "RPC Request from Device";
    RpcToDevice "RPC_CALL_FROM_SERVER_TO_DEVICE" "RPC Request to Device";
    Activity "ACTIVITY_EVENT" "Activity Event";
    Inactivity "INACTIVITY_EVENT" "Inactivity Event";
    Connect "CONNECT_EVENT" "Connect Event";
    Disconnect "DISCONNECT_EVENT" "Disconnect Event";
    EntityCreated "ENTITY_CREATED" "Entity Created";
    EntityUpdated "ENTITY_UPDATED" "Entity Updated";
    EntityDeleted "ENTITY_DELETED" "Entity Deleted";
    EntityAssigned "ENTITY_ASSIGNED" "Entity Assigned";
    EntityUnassigned "ENTITY_UNASSIGNED" "Entity Unassigned";
    AttributesUpdated "ATTRIBUTES_UPDATED" "Attributes Updated";
    AttributesDeleted "ATTRIBUTES_DELETED" "Attributes Deleted";
    Alarm "ALARM" "Alarm";
    AlarmCreated "ALARM_CREATED" "Alarm Created";
    AlarmUpdated "ALARM_UPDATED" "Alarm Updated";
    AlarmSeverityUpdated "ALARM_SEVERITY_UPDATED" "Alarm Severity Updated";
    AlarmAck "ALARM_ACK" "Alarm Acknowledged";
    AlarmClear "ALARM_CLEAR" "Alarm Cleared";
    AlarmAssigned "ALARM_ASSIGNED" "Alarm Assigned";
    AlarmUnassigned "ALARM_UNASSIGNED" "Alarm Unassigned";
    CommentCreated "COMMENT_CREATED" "Comment Created";
    CommentUpdated "COMMENT_UPDATED" "Comment Updated";
    EntityAssignedFromTenant "ENTITY_ASSIGNED_FROM_TENANT" "Entity Assigned From Tenant";
    EntityAssignedToTenant "ENTITY_ASSIGNED_TO_TENANT" "Entity Assigned To Tenant";
    TimeseriesUpdated "TIMESERIES_UPDATED" "Timeseries Updated";
    TimeseriesDeleted "TIMESERIES_DELETED" "Timeseries Deleted";
    RpcQueued "RPC_QUEUED" "RPC Queued";
    RpcSent "RPC_SENT" "RPC Sent";
    RpcDelivered "RPC_DELIVERED" "RPC Delivered";
    RpcSuccessful "RPC_SUCCESSFUL" "RPC Successful";
    RpcTimeout "RPC_TIMEOUT" "RPC Timeout";
    RpcExpired "RPC_EXPIRED" "RPC Expired";
    RpcFailed "RPC_FAILED" "RPC Failed";
    RpcDeleted "RPC_DELETED" "RPC Deleted";
    RelationAddOrUpdate "RELATION_ADD_OR_UPDATE" "Relation Added or Updated";
    RelationDeleted "RELATION_DELETED" "Relation Deleted";
    RelationsDeleted "RELATIONS_DELETED" "All Relations Deleted";
    ProvisionSuccess "PROVISION_SUCCESS" "Other";
    ProvisionFailure "PROVISION_FAILURE" "Other";
    RestApiRequest "REST_API_REQUEST" "REST API request";
    Timer "TIMER" "Other";
}

impl fmt::Display for MessageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for kind in MessageKind::ALL {
            assert_eq!(&MessageKind::from(kind.as_str()), kind);
        }
        assert_eq!(MessageKind::from("MY_TYPE").label(), "Other");
        assert_eq!(MessageKind::from("MY_TYPE").as_str(), "MY_TYPE");
    }
}
