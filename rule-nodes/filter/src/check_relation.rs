//! check relation presence: is the originator related to one entity, or to any of a type?

use pacificsoft_sdk::reads::{Direction, is_related, relations};
use pacificsoft_sdk::{Descriptor, EntityId, Message, Outcome, RuleNode, relation};
use serde::Deserialize;
use serde_json::Value as Json;

/// Relations that are looked through for one that leads to an entity of a type.
const RELATIONS_MAX: u32 = 1_000;

/// The node.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckRelation {
    /// As seen from the originator.
    direction: End,
    #[serde(default)]
    entity_id: Option<String>,
    #[serde(default)]
    entity_type: Option<String>,
    relation_type: String,
    #[serde(default)]
    check_for_single_entity: bool,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum End {
    From,
    To,
}

impl RuleNode for CheckRelation {
    const RELATIONS: &'static [&'static str] = &["True", "False", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "check-relation",
            class_ids: &["org.thingsboard.rule.engine.filter.TbCheckRelationNode"],
            title: "check relation presence",
            family: "FILTER",
            description: "Is the originator related to one entity, or to any of a type?",
            details: "Direction FROM: the relation starts at the originator; TO: it ends there.",
            icon: "playlist_add_check",
            configuration_schema: r#"{"type":"object","required":["direction","relationType"],"properties":{"direction":{"enum":["FROM","TO"]},"entityType":{"type":["string","null"]},"entityId":{"type":["string","null"]},"relationType":{"type":"string"},"checkForSingleEntity":{"type":"boolean"}}}"#,
            default_configuration: r#"{"checkForSingleEntity":false,"direction":"FROM","entityId":"","entityType":"","relationType":"Contains"}"#,
            version: 1,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let mut node: CheckRelation = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        node.entity_id = node.entity_id.filter(|id| !id.is_empty());
        node.entity_type = node.entity_type.filter(|name| !name.is_empty());
        if node.check_for_single_entity && (node.entity_id.is_none() || node.entity_type.is_none()) {
            return Err("entityId and entityType are needed to check for a single entity".to_owned());
        }
        Ok(node)
    }

    /// Before version 1 the direction was that of the other entity.
    fn upgrade(from_version: u32, configuration: &str) -> Result<String, String> {
        let mut json: Json = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        if from_version == 0 {
            let turned = if json["direction"] == "FROM" { "TO" } else { "FROM" };
            json["direction"] = turned.into();
        }
        Ok(json.to_string())
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        const TRUE: u32 = relation(CheckRelation::RELATIONS, "True");
        const FALSE: u32 = relation(CheckRelation::RELATIONS, "False");
        let originator = message.originator();
        Ok(Outcome::Forward(if self.holds(&originator) { TRUE } else { FALSE }))
    }
}

impl CheckRelation {
    fn holds(&self, originator: &EntityId) -> bool {
        if self.check_for_single_entity {
            let other = EntityId {
                entity_type: self.entity_type.clone().unwrap_or_default(),
                id: self.entity_id.clone().unwrap_or_default(),
            };
            return match self.direction {
                End::From => is_related(originator, &other, &self.relation_type),
                End::To => is_related(&other, originator, &self.relation_type),
            };
        }
        let direction = match self.direction {
            End::From => Direction::Outgoing,
            End::To => Direction::Incoming,
        };
        let limit = if self.entity_type.is_none() { 1 } else { RELATIONS_MAX };
        let found = relations(originator, direction, Some(&self.relation_type), limit);
        let wanted = |found: &str| self.entity_type.as_deref().is_none_or(|wanted| wanted == found);
        found.iter().any(|one| wanted(&one.entity.entity_type))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::platform::id;
    use pacificsoft_sdk::testing::{TestMessage, forget, platform};

    #[test]
    fn looks_from_the_originator() {
        forget();
        let (device, asset) = (id("DEVICE", 1), id("ASSET", 2));
        platform(|platform| platform.relations.push((asset.clone(), "Contains".to_owned(), device.clone())));
        let one = format!(r#""checkForSingleEntity":true,"entityType":"ASSET","entityId":"{}""#, asset.id);
        for (configuration, expected) in [
            (r#"{"direction":"TO","relationType":"Contains"}"#.to_owned(), true),
            (r#"{"direction":"FROM","relationType":"Contains"}"#.to_owned(), false),
            (r#"{"direction":"TO","relationType":"Manages"}"#.to_owned(), false),
            (
                r#"{"direction":"TO","relationType":"Contains","entityType":"ASSET"}"#.to_owned(),
                true,
            ),
            (
                r#"{"direction":"TO","relationType":"Contains","entityType":"DEVICE"}"#.to_owned(),
                false,
            ),
            (format!(r#"{{"direction":"TO","relationType":"Contains",{one}}}"#), true),
            (format!(r#"{{"direction":"FROM","relationType":"Contains",{one}}}"#), false),
        ] {
            let mut node = CheckRelation::open(&configuration).expect("valid");
            let message = TestMessage::telemetry("{}").from(device.clone());
            assert_eq!(
                node.process(&message.message()),
                Ok(Outcome::Forward(u32::from(!expected))),
                "{configuration}"
            );
        }
        assert!(CheckRelation::open(r#"{"direction":"TO","relationType":"C","checkForSingleEntity":true}"#).is_err());
    }

    #[test]
    fn an_old_direction_is_turned() {
        let new = CheckRelation::upgrade(0, r#"{"direction":"FROM","relationType":"Contains"}"#).expect("an object");
        assert!(new.contains(r#""direction":"TO""#), "{new}");
    }
}
