//! create relation, delete relation: between the originator and an entity named by a template.

use pacificsoft_sdk::reads::{Direction, find_customer, find_entity, relations, tenant};
use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{
    Descriptor, Effect, Emission, EnsureEntity, EntityId, EntityRef, Message, NewMessage, Outcome, RelationChange, RuleNode, Steps,
};
use serde::Deserialize;
use serde_json::Value as Json;

/// Relations that one message removes at most: effects have a limit.
const REMOVED_MAX: u32 = 90;

/// What both nodes share.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Other {
    /// As seen from the originator.
    direction: End,
    /// A template.
    relation_type: String,
    #[serde(default)]
    entity_type: Option<String>,
    #[serde(default)]
    entity_name_pattern: Option<String>,
    #[serde(default)]
    entity_type_pattern: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum End {
    From,
    To,
}

impl Other {
    fn check(&self, named: bool) -> Result<(), String> {
        if self.relation_type.is_empty() {
            return Err("relationType is missing".to_owned());
        }
        let tenant = self.entity_type.as_deref() == Some("TENANT");
        if named && (self.entity_type.is_none() || (self.entity_name_pattern.is_none() && !tenant)) {
            return Err("entityType and entityNamePattern are needed".to_owned());
        }
        Ok(())
    }

    fn name(&self, message: &Message) -> String {
        Template::parse(self.entity_name_pattern.as_deref().unwrap_or_default()).fill(message)
    }

    fn found(&self, name: &str) -> Option<EntityId> {
        match self.entity_type.as_deref()? {
            "TENANT" => Some(tenant()),
            "CUSTOMER" => find_customer(name),
            kind => find_entity(kind, name),
        }
    }

    /// The relation between the originator and another entity.
    fn change(&self, other: EntityRef, relation_type: &str) -> RelationChange {
        let (source, target) = match self.direction {
            End::From => (None, Some(other)),
            End::To => (Some(other), None),
        };
        RelationChange {
            source,
            target,
            relation_type: relation_type.to_owned(),
        }
    }

    /// What the originator is related to now.
    fn present(&self, message: &Message, relation_type: &str) -> Result<Vec<EntityId>, String> {
        let direction = match self.direction {
            End::From => Direction::Outgoing,
            End::To => Direction::Incoming,
        };
        let found = relations(&message.originator(), direction, Some(relation_type), REMOVED_MAX + 1);
        match found.len() as u32 {
            0..=REMOVED_MAX => Ok(found.into_iter().map(|one| one.entity).collect()),
            _ => Err("the originator has more than 90 such relations: too many to be removed at once".to_owned()),
        }
    }

    /// Before version 1 the direction was that of the other entity.
    fn upgraded(from_version: u32, configuration: &str) -> Result<String, String> {
        let mut json: Json = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        if let Some(fields) = json.as_object_mut().filter(|_| from_version == 0) {
            let turned = if fields.get("direction").is_some_and(|direction| direction == "FROM") {
                "TO"
            } else {
                "FROM"
            };
            fields.insert("direction".to_owned(), turned.into());
            fields.remove("entityCacheExpiration");
        }
        Ok(json.to_string())
    }
}

/// Relates.
pub struct CreateRelation {
    other: Other,
    create: bool,
    change_originator: bool,
    remove_current: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Creating {
    #[serde(flatten)]
    other: Other,
    #[serde(default)]
    create_entity_if_not_exists: bool,
    #[serde(default)]
    change_originator_to_related_entity: bool,
    #[serde(default)]
    remove_current_relations: bool,
}

impl RuleNode for CreateRelation {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "create-relation",
            class_ids: &["org.thingsboard.rule.engine.action.TbCreateRelationNode"],
            title: "create relation",
            family: "ACTION",
            description: "Relates the originator to an entity that is found by its name, or created.",
            details: "Direction FROM: the relation starts at the originator. Devices and customers can be created.",
            icon: "add_circle",
            configuration_schema: r#"{"type":"object","required":["direction","relationType","entityType"],"properties":{"direction":{"enum":["FROM","TO"]},"relationType":{"type":"string"},"entityType":{"type":"string"},"entityNamePattern":{"type":["string","null"]},"entityTypePattern":{"type":["string","null"]},"createEntityIfNotExists":{"type":"boolean"},"changeOriginatorToRelatedEntity":{"type":"boolean"},"removeCurrentRelations":{"type":"boolean"}}}"#,
            default_configuration: r#"{"direction":"FROM","relationType":"Contains","entityType":"DEVICE","entityNamePattern":"","entityTypePattern":null,"createEntityIfNotExists":false,"changeOriginatorToRelatedEntity":false,"removeCurrentRelations":false}"#,
            version: 1,
            effects: &["create-relation", "delete-relation", "ensure-entity"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Creating = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        own.other.check(true)?;
        let kind = own.other.entity_type.as_deref().unwrap_or_default();
        if own.create_entity_if_not_exists && !["DEVICE", "CUSTOMER"].contains(&kind) {
            return Err(["entities of the type ", kind, " cannot be created: only DEVICE and CUSTOMER"].concat());
        }
        Ok(CreateRelation {
            other: own.other,
            create: own.create_entity_if_not_exists,
            change_originator: own.change_originator_to_related_entity,
            remove_current: own.remove_current_relations,
        })
    }

    fn upgrade(from_version: u32, configuration: &str) -> Result<String, String> {
        Other::upgraded(from_version, configuration)
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let name = self.other.name(message);
        let relation_type = Template::parse(&self.other.relation_type).fill(message);
        let found = self.other.found(&name);
        let mut effects = Vec::new();
        if self.remove_current {
            let present = self.other.present(message, &relation_type)?;
            let others = present.into_iter().filter(|one| found.as_ref() != Some(one));
            effects.extend(others.map(|one| Effect::DeleteRelation(self.other.change(EntityRef::Id(one), &relation_type))));
        }
        let mut emissions = Vec::new();
        let target = match found {
            Some(found) => {
                if self.change_originator {
                    emissions.push(of(found.clone()));
                }
                EntityRef::Id(found)
            }
            None if self.create => {
                let kind = self.other.entity_type.clone().unwrap_or_default();
                let subtype = self.other.entity_type_pattern.as_deref().unwrap_or_default();
                effects.push(Effect::EnsureEntity(EnsureEntity {
                    entity_type: kind.clone(),
                    name: name.clone(),
                    subtype: Template::parse(subtype).fill(message),
                    becomes_originator: self.change_originator,
                }));
                EntityRef::by_name(kind, name)
            }
            None => return Err(["there is no entity with the name ", &name].concat()),
        };
        effects.push(Effect::CreateRelation(self.other.change(target, &relation_type)));
        Ok(Outcome::Steps(Steps { effects, emissions }))
    }
}

/// The message as another entity's.
fn of(originator: EntityId) -> Emission {
    Emission {
        relation: "Success".to_owned(),
        message: Some(NewMessage {
            kind: None,
            originator: Some(originator),
            metadata: None,
            payload: None,
        }),
    }
}

/// Relates no more.
pub struct DeleteRelation {
    other: Other,
    single: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Deleting {
    #[serde(flatten)]
    other: Other,
    #[serde(default = "yes")]
    delete_for_single_entity: bool,
}

fn yes() -> bool {
    true
}

impl RuleNode for DeleteRelation {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "delete-relation",
            class_ids: &["org.thingsboard.rule.engine.action.TbDeleteRelationNode"],
            title: "delete relation",
            family: "ACTION",
            description: "Removes relations of the originator: to one entity that is found by its name, or all of a type.",
            details: "Direction FROM: relations that start at the originator.",
            icon: "remove_circle",
            configuration_schema: r#"{"type":"object","required":["direction","relationType"],"properties":{"direction":{"enum":["FROM","TO"]},"relationType":{"type":"string"},"entityType":{"type":["string","null"]},"entityNamePattern":{"type":["string","null"]},"entityTypePattern":{"type":["string","null"]},"deleteForSingleEntity":{"type":"boolean"}}}"#,
            default_configuration: r#"{"deleteForSingleEntity":false,"direction":"FROM","relationType":"Contains","entityType":null,"entityNamePattern":null}"#,
            version: 1,
            effects: &["delete-relation"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Deleting = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        own.other.check(own.delete_for_single_entity)?;
        Ok(DeleteRelation {
            other: own.other,
            single: own.delete_for_single_entity,
        })
    }

    fn upgrade(from_version: u32, configuration: &str) -> Result<String, String> {
        Other::upgraded(from_version, configuration)
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let relation_type = Template::parse(&self.other.relation_type).fill(message);
        let gone = if self.single {
            let name = self.other.name(message);
            vec![
                self.other
                    .found(&name)
                    .ok_or_else(|| ["there is no entity with the name ", &name].concat())?,
            ]
        } else {
            self.other.present(message, &relation_type)?
        };
        if gone.is_empty() {
            return Ok(Outcome::along("Success"));
        }
        let effect = |one| Effect::DeleteRelation(self.other.change(EntityRef::Id(one), &relation_type));
        Ok(Outcome::Steps(Steps {
            effects: gone.into_iter().map(effect).collect(),
            emissions: Vec::new(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pacificsoft_sdk::testing::platform::{id, named};
    use pacificsoft_sdk::testing::{TestMessage, forget, platform};

    fn steps(outcome: Result<Outcome, String>) -> Steps {
        match outcome {
            Ok(Outcome::Steps(steps)) => steps,
            other => panic!("{other:?}"),
        }
    }

    fn message() -> TestMessage {
        TestMessage::telemetry("{}").with("house", "House 7").with("relation", "Contains")
    }

    fn fill() -> (EntityId, EntityId) {
        forget();
        let (house, old) = (id("ASSET", 2), id("ASSET", 3));
        platform(|platform| {
            platform
                .entities
                .extend([named(house.clone(), "House 7"), named(old.clone(), "House 1")]);
            platform.relations.push((old.clone(), "Contains".to_owned(), id("DEVICE", 1)));
        });
        (house, old)
    }

    #[test]
    fn the_originator_is_related_and_the_old_relation_goes() {
        let (house, old) = fill();
        let configuration = r#"{"direction":"TO","relationType":"${relation}","entityType":"ASSET","entityNamePattern":"${house}","removeCurrentRelations":true,"changeOriginatorToRelatedEntity":true}"#;
        let mut node = CreateRelation::open(configuration).expect("valid");
        let change = |other: &EntityId| RelationChange {
            source: Some(EntityRef::Id(other.clone())),
            target: None,
            relation_type: "Contains".to_owned(),
        };
        let expected = Steps {
            effects: vec![Effect::DeleteRelation(change(&old)), Effect::CreateRelation(change(&house))],
            emissions: vec![of(house)],
        };
        assert_eq!(steps(node.process(&message().message())), expected);
        assert!(node.process(&TestMessage::telemetry("{}").message()).is_err(), "no such house");
    }

    #[test]
    fn an_entity_is_made_if_it_should() {
        fill();
        let configuration = r#"{"direction":"FROM","relationType":"Manages","entityType":"DEVICE","entityNamePattern":"new","entityTypePattern":"meter","createEntityIfNotExists":true}"#;
        let made = steps(CreateRelation::open(configuration).expect("valid").process(&message().message()));
        let [Effect::EnsureEntity(ensure), Effect::CreateRelation(change)] = &made.effects[..] else {
            panic!("{made:?}")
        };
        assert_eq!(
            (ensure.name.as_str(), ensure.subtype.as_str(), ensure.becomes_originator),
            ("new", "meter", false)
        );
        assert_eq!(
            (&change.source, &change.target),
            (&None, &Some(EntityRef::by_name("DEVICE", "new")))
        );
        assert!(
            CreateRelation::open(&configuration.replace("DEVICE", "ASSET")).is_err(),
            "assets cannot be made"
        );
    }

    #[test]
    fn relations_are_removed_one_or_all() {
        let (_, old) = fill();
        let expected = Effect::DeleteRelation(RelationChange {
            source: Some(EntityRef::Id(old)),
            target: None,
            relation_type: "Contains".to_owned(),
        });
        for configuration in [
            r#"{"direction":"TO","relationType":"Contains","deleteForSingleEntity":false}"#,
            r#"{"direction":"TO","relationType":"Contains","deleteForSingleEntity":true,"entityType":"ASSET","entityNamePattern":"House 1"}"#,
        ] {
            let removed = steps(DeleteRelation::open(configuration).expect("valid").process(&message().message()));
            assert_eq!(removed.effects, std::slice::from_ref(&expected), "{configuration}");
        }
        let mut node =
            DeleteRelation::open(r#"{"direction":"FROM","relationType":"Contains","deleteForSingleEntity":false}"#).expect("valid");
        assert_eq!(node.process(&message().message()), Ok(Outcome::along("Success")), "there is none");
        assert!(DeleteRelation::open(r#"{"direction":"FROM","relationType":"C","deleteForSingleEntity":true}"#).is_err());
        let new = DeleteRelation::upgrade(0, r#"{"direction":"FROM","relationType":"C","entityCacheExpiration":300}"#).expect("an object");
        assert_eq!(new, r#"{"direction":"TO","relationType":"C"}"#);
    }
}
