//! entity type filter and entity type switch: what is the originator?

use pacificsoft_sdk::{Descriptor, Message, Outcome, RuleNode, relation};
use serde::Deserialize;

/// The filter.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OriginatorTypeFilter {
    originator_types: Vec<String>,
}

impl RuleNode for OriginatorTypeFilter {
    const RELATIONS: &'static [&'static str] = &["True", "False", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "originator-type-filter",
            class_ids: &["org.thingsboard.rule.engine.filter.TbOriginatorTypeFilterNode"],
            title: "entity type filter",
            family: "FILTER",
            description: "Is the originator of one of the entity types?",
            icon: "filter_list",
            configuration_schema: r#"{"type":"object","required":["originatorTypes"],"properties":{"originatorTypes":{"type":"array","items":{"type":"string"}}}}"#,
            default_configuration: r#"{"originatorTypes":["DEVICE"]}"#,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        serde_json::from_str(configuration).map_err(|error| error.to_string())
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        const TRUE: u32 = relation(OriginatorTypeFilter::RELATIONS, "True");
        const FALSE: u32 = relation(OriginatorTypeFilter::RELATIONS, "False");
        let kind = message.originator().entity_type;
        Ok(Outcome::Forward(if self.originator_types.contains(&kind) { TRUE } else { FALSE }))
    }
}

/// Types, in the order of [`OriginatorTypeSwitch::RELATIONS`].
const TYPES: &[&str] = &[
    "DEVICE",
    "ASSET",
    "ALARM",
    "ENTITY_VIEW",
    "TENANT",
    "CUSTOMER",
    "USER",
    "DASHBOARD",
    "RULE_CHAIN",
    "RULE_NODE",
    "EDGE",
];

/// The switch.
pub struct OriginatorTypeSwitch;

impl RuleNode for OriginatorTypeSwitch {
    const RELATIONS: &'static [&'static str] = &[
        "Device",
        "Asset",
        "Alarm",
        "Entity View",
        "Tenant",
        "Customer",
        "User",
        "Dashboard",
        "Rule chain",
        "Rule node",
        "Edge",
        "Other",
        "Failure",
    ];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "originator-type-switch",
            class_ids: &["org.thingsboard.rule.engine.filter.TbOriginatorTypeSwitchNode"],
            title: "entity type switch",
            family: "FILTER",
            description: "Sends each message along the relation that stands for the type of its originator.",
            icon: "call_split",
            default_configuration: r#"{"version":0}"#,
            ..Descriptor::new()
        }
    }

    fn open(_: &str) -> Result<Self, String> {
        Ok(OriginatorTypeSwitch)
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        const OTHER: u32 = relation(OriginatorTypeSwitch::RELATIONS, "Other");
        let kind = message.originator().entity_type;
        let position = TYPES.iter().position(|known| *known == kind);
        Ok(Outcome::Forward(position.map_or(OTHER, |position| position as u32)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::TestMessage;
    use pacificsoft_sdk::testing::platform::id;

    #[test]
    fn the_filter_knows_its_types() {
        let mut node = OriginatorTypeFilter::open(r#"{"originatorTypes":["ASSET","CUSTOMER"]}"#).expect("valid");
        for (kind, expected) in [("ASSET", 0), ("CUSTOMER", 0), ("DEVICE", 1)] {
            let message = TestMessage::telemetry("{}").from(id(kind, 1));
            assert_eq!(node.process(&message.message()), Ok(Outcome::Forward(expected)), "{kind}");
        }
        assert!(OriginatorTypeFilter::open("{}").is_err());
    }

    #[test]
    fn the_switch_has_a_relation_for_each() {
        let mut node = OriginatorTypeSwitch;
        for (kind, name) in [
            ("DEVICE", "Device"),
            ("ENTITY_VIEW", "Entity View"),
            ("EDGE", "Edge"),
            ("STREAM_LISTENER", "Other"),
        ] {
            let message = TestMessage::telemetry("{}").from(id(kind, 1));
            let expected = relation(OriginatorTypeSwitch::RELATIONS, name);
            assert_eq!(node.process(&message.message()), Ok(Outcome::Forward(expected)), "{kind}");
        }
        assert_eq!(TYPES.len() + 2, OriginatorTypeSwitch::RELATIONS.len());
    }
}
