//! change originator: the message goes on as the customer's, the tenant's, a related entity's …

use pacificsoft_sdk::reads::{alarm, customer_of, find_customer, find_entity, tenant};
use pacificsoft_sdk::related::Query;
use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{Descriptor, EntityId, Message, NewMessage, Outcome, RuleNode};
use serde::Deserialize;
use serde_json::Value as Json;

/// The node.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeOriginator {
    originator_source: Source,
    #[serde(default)]
    relations_query: Option<Query>,
    #[serde(default)]
    entity_type: Option<String>,
    #[serde(default)]
    entity_name_pattern: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Source {
    Customer,
    Tenant,
    Related,
    AlarmOriginator,
    Entity,
}

impl RuleNode for ChangeOriginator {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "change-originator",
            class_ids: &["org.thingsboard.rule.engine.transform.TbChangeOriginatorNode"],
            title: "change originator",
            family: "TRANSFORMATION",
            description: "Sends the message on as that of the originator's customer, the tenant, a related entity, the originator of an alarm, or an entity by its name.",
            details: "When there is no such entity the message leaves along Failure.",
            icon: "find_replace",
            configuration_schema: r#"{"type":"object","required":["originatorSource"],"properties":{"originatorSource":{"enum":["CUSTOMER","TENANT","RELATED","ALARM_ORIGINATOR","ENTITY"]},"relationsQuery":{"type":["object","null"]},"entityType":{"type":["string","null"]},"entityNamePattern":{"type":["string","null"]}}}"#,
            default_configuration: r#"{"originatorSource":"CUSTOMER","relationsQuery":{"direction":"FROM","maxLevel":1,"filters":[{"relationType":"Contains","entityTypes":[]}],"fetchLastLevelOnly":false},"entityType":null,"entityNamePattern":null}"#,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let node: ChangeOriginator = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        match node.originator_source {
            Source::Related if node.relations_query.is_none() => Err("relationsQuery is missing".to_owned()),
            Source::Entity if node.entity_type.is_none() || node.entity_name_pattern.is_none() => {
                Err("entityType and entityNamePattern are missing".to_owned())
            }
            _ => Ok(node),
        }
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let found = self.originator(message).ok_or("there is no such originator")?;
        let changed = NewMessage {
            kind: None,
            originator: Some(found),
            metadata: None,
            payload: None,
        };
        Ok(Outcome::emit("Success", changed))
    }
}

impl ChangeOriginator {
    fn originator(&self, message: &Message) -> Option<EntityId> {
        let originator = message.originator();
        match self.originator_source {
            Source::Customer if originator.entity_type == "CUSTOMER" => Some(originator),
            Source::Customer => customer_of(&originator).map(|owner| owner.id),
            Source::Tenant => Some(tenant()),
            Source::Related => self.relations_query.as_ref()?.first(&originator),
            Source::AlarmOriginator => {
                let alarm: Json = serde_json::from_str(&alarm(&originator.id)?).ok()?;
                Some(EntityId {
                    entity_type: alarm["originator"]["entityType"].as_str()?.to_owned(),
                    id: alarm["originator"]["id"].as_str()?.to_owned(),
                })
            }
            Source::Entity => {
                let name = Template::parse(self.entity_name_pattern.as_deref()?).fill(message);
                match self.entity_type.as_deref()? {
                    "CUSTOMER" => find_customer(&name),
                    kind => find_entity(kind, &name),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::leaving;
    use pacificsoft_sdk::testing::platform::{id, named};
    use pacificsoft_sdk::testing::{TestMessage, forget, platform};
    use serde_json::json;

    #[test]
    fn each_source_names_an_entity() {
        forget();
        let (device, owner, house, fire) = (id("DEVICE", 1), id("CUSTOMER", 2), id("ASSET", 3), id("ALARM", 4));
        platform(|platform| {
            let mut assigned = named(device.clone(), "D");
            assigned.customer = Some(owner.clone());
            platform
                .entities
                .extend([assigned, named(owner.clone(), "C"), named(house.clone(), "House 7")]);
            platform.relations.push((house.clone(), "Contains".to_owned(), device.clone()));
            platform
                .alarms
                .push(json!({"id": {"id": fire.id}, "originator": {"entityType": "ASSET", "id": house.id}}));
        });
        let tenant = platform(|platform| platform.tenant.clone());
        let related = r#"{"originatorSource":"RELATED","relationsQuery":{"direction":"TO","maxLevel":1,"filters":[]}}"#;
        for (configuration, from, expected) in [
            (r#"{"originatorSource":"CUSTOMER"}"#, &device, Some(&owner)),
            (r#"{"originatorSource":"CUSTOMER"}"#, &house, None),
            (r#"{"originatorSource":"TENANT"}"#, &device, Some(&tenant)),
            (related, &device, Some(&house)),
            (related, &house, None),
            (r#"{"originatorSource":"ALARM_ORIGINATOR"}"#, &fire, Some(&house)),
            (
                r#"{"originatorSource":"ENTITY","entityType":"ASSET","entityNamePattern":"House ${number}"}"#,
                &device,
                Some(&house),
            ),
            (
                r#"{"originatorSource":"ENTITY","entityType":"CUSTOMER","entityNamePattern":"C"}"#,
                &device,
                Some(&owner),
            ),
            (
                r#"{"originatorSource":"ENTITY","entityType":"DEVICE","entityNamePattern":"none"}"#,
                &device,
                None,
            ),
        ] {
            let message = TestMessage::telemetry("{}").with("number", "7").from(from.clone());
            let outcome = ChangeOriginator::open(configuration).expect("valid").process(&message.message());
            match expected {
                Some(expected) => assert_eq!(leaving(outcome)[0].originator.as_ref(), Some(expected), "{configuration}"),
                None => assert!(outcome.is_err(), "{configuration}"),
            }
        }
        assert!(ChangeOriginator::open(r#"{"originatorSource":"RELATED"}"#).is_err());
        assert!(ChangeOriginator::open(r#"{"originatorSource":"ENTITY"}"#).is_err());
        assert!(ChangeOriginator::open(ChangeOriginator::descriptor().default_configuration).is_ok());
    }
}
