//! message type switch: sends each message along the relation that stands for its type.

use pacificsoft_sdk::{Descriptor, Message, Outcome, RuleNode, relation};

/// Types and their relations, by ThingsBoard's names. The position is the same in [`MessageTypeSwitch::RELATIONS`].
const TYPES: &[&str] = &[
    "POST_ATTRIBUTES_REQUEST",
    "POST_TELEMETRY_REQUEST",
    "TO_SERVER_RPC_REQUEST",
    "RPC_CALL_FROM_SERVER_TO_DEVICE",
    "ACTIVITY_EVENT",
    "INACTIVITY_EVENT",
    "CONNECT_EVENT",
    "DISCONNECT_EVENT",
    "ENTITY_CREATED",
    "ENTITY_UPDATED",
    "ENTITY_DELETED",
    "ENTITY_ASSIGNED",
    "ENTITY_UNASSIGNED",
    "ENTITY_ASSIGNED_FROM_TENANT",
    "ENTITY_ASSIGNED_TO_TENANT",
    "ATTRIBUTES_UPDATED",
    "ATTRIBUTES_DELETED",
    "ALARM",
    "ALARM_CREATED",
    "ALARM_UPDATED",
    "ALARM_SEVERITY_UPDATED",
    "ALARM_ACK",
    "ALARM_CLEAR",
    "ALARM_ASSIGNED",
    "ALARM_UNASSIGNED",
    "COMMENT_CREATED",
    "COMMENT_UPDATED",
    "TIMESERIES_UPDATED",
    "TIMESERIES_DELETED",
    "RPC_QUEUED",
    "RPC_SENT",
    "RPC_DELIVERED",
    "RPC_SUCCESSFUL",
    "RPC_TIMEOUT",
    "RPC_EXPIRED",
    "RPC_FAILED",
    "RPC_DELETED",
    "RELATION_ADD_OR_UPDATE",
    "RELATION_DELETED",
    "RELATIONS_DELETED",
    "REST_API_REQUEST",
];

/// The node.
pub struct MessageTypeSwitch;

impl RuleNode for MessageTypeSwitch {
    const RELATIONS: &'static [&'static str] = &[
        "Post attributes",
        "Post telemetry",
        "RPC Request from Device",
        "RPC Request to Device",
        "Activity Event",
        "Inactivity Event",
        "Connect Event",
        "Disconnect Event",
        "Entity Created",
        "Entity Updated",
        "Entity Deleted",
        "Entity Assigned",
        "Entity Unassigned",
        "Entity Assigned From Tenant",
        "Entity Assigned To Tenant",
        "Attributes Updated",
        "Attributes Deleted",
        "Alarm",
        "Alarm Created",
        "Alarm Updated",
        "Alarm Severity Updated",
        "Alarm Acknowledged",
        "Alarm Cleared",
        "Alarm Assigned",
        "Alarm Unassigned",
        "Comment Created",
        "Comment Updated",
        "Timeseries Updated",
        "Timeseries Deleted",
        "RPC Queued",
        "RPC Sent",
        "RPC Delivered",
        "RPC Successful",
        "RPC Timeout",
        "RPC Expired",
        "RPC Failed",
        "RPC Deleted",
        "Relation Added or Updated",
        "Relation Deleted",
        "All Relations Deleted",
        "REST API request",
        "Other",
        "Failure",
    ];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "message-type-switch",
            class_ids: &["org.thingsboard.rule.engine.filter.TbMsgTypeSwitchNode"],
            title: "message type switch",
            family: "FILTER",
            description: "Sends each message along the relation that stands for its type.",
            details: "Types without a relation of their own leave along Other.",
            icon: "call_split",
            default_configuration: r#"{"version":0}"#,
            ..Descriptor::new()
        }
    }

    fn open(_: &str) -> Result<Self, String> {
        Ok(MessageTypeSwitch)
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        const OTHER: u32 = relation(MessageTypeSwitch::RELATIONS, "Other");
        let kind = message.kind();
        let position = TYPES.iter().position(|known| *known == kind);
        Ok(Outcome::Forward(position.map_or(OTHER, |position| position as u32)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestMessage;

    #[test]
    fn every_type_has_its_relation() {
        let cases = [
            ("POST_TELEMETRY_REQUEST", "Post telemetry"),
            ("RPC_CALL_FROM_SERVER_TO_DEVICE", "RPC Request to Device"),
            ("RELATIONS_DELETED", "All Relations Deleted"),
            ("REST_API_REQUEST", "REST API request"),
            ("SEND_EMAIL", "Other"),
            ("MY_OWN", "Other"),
        ];
        let mut node = MessageTypeSwitch::open("{}").expect("any configuration will do");
        for (kind, expected) in cases {
            let outcome = node.process(&TestMessage::new(kind, "{}").message());
            assert_eq!(
                outcome,
                Ok(Outcome::Forward(relation(MessageTypeSwitch::RELATIONS, expected))),
                "{kind}"
            );
        }
        assert_eq!(TYPES.len() + 2, MessageTypeSwitch::RELATIONS.len());
    }
}
