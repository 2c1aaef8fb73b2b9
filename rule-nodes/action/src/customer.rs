//! assign to customer, unassign from customer: the originator, a device, gets another owner.

use pacificsoft_sdk::reads::find_customer;
use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{AssignCustomer, Descriptor, Effect, EnsureEntity, EntityRef, Message, Outcome, RuleNode, Steps, UnassignCustomer};
use serde::Deserialize;

/// Assigns.
pub struct AssignToCustomer {
    name: Template,
    create: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    customer_name_pattern: String,
    #[serde(default)]
    create_customer_if_not_exists: bool,
}

/// The originator must be something that customers have.
fn check(message: &Message) -> Result<(), String> {
    match message.originator().entity_type.as_str() {
        "DEVICE" => Ok(()),
        other => Err(["a ", other, " cannot be assigned to a customer"].concat()),
    }
}

impl RuleNode for AssignToCustomer {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "assign-to-customer",
            class_ids: &["org.thingsboard.rule.engine.action.TbAssignToCustomerNode"],
            title: "assign to customer",
            family: "ACTION",
            description: "Assigns the originator, a device, to the customer of a title, which can be created.",
            icon: "add_circle",
            configuration_schema: r#"{"type":"object","required":["customerNamePattern"],"properties":{"customerNamePattern":{"type":"string"},"createCustomerIfNotExists":{"type":"boolean"}}}"#,
            default_configuration: r#"{"customerNamePattern":"","createCustomerIfNotExists":false}"#,
            version: 1,
            effects: &["assign-customer", "ensure-entity"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: Configuration = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        Ok(AssignToCustomer {
            name: Template::parse(&own.customer_name_pattern),
            create: own.create_customer_if_not_exists,
        })
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        check(message)?;
        let title = self.name.fill(message);
        let assign = |customer| Effect::AssignCustomer(AssignCustomer { entity: None, customer });
        match find_customer(&title) {
            Some(found) => Ok(Outcome::Effect(assign(EntityRef::Id(found)))),
            None if self.create => {
                let ensure = Effect::EnsureEntity(EnsureEntity {
                    entity_type: "CUSTOMER".to_owned(),
                    name: title.clone(),
                    subtype: String::new(),
                    becomes_originator: false,
                });
                Ok(Outcome::Steps(Steps {
                    effects: vec![ensure, assign(EntityRef::by_name("CUSTOMER", title))],
                    emissions: Vec::new(),
                }))
            }
            None => Err(["there is no customer with the title ", &title].concat()),
        }
    }
}

/// Takes away.
pub struct UnassignFromCustomer;

impl RuleNode for UnassignFromCustomer {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "unassign-from-customer",
            class_ids: &["org.thingsboard.rule.engine.action.TbUnassignFromCustomerNode"],
            title: "unassign from customer",
            family: "ACTION",
            description: "Takes the originator, a device, from the customer that it is assigned to.",
            details: "customerNamePattern is for dashboards, which several customers can have, and not looked at for devices.",
            icon: "remove_circle",
            configuration_schema: r#"{"type":"object","properties":{"customerNamePattern":{"type":["string","null"]}}}"#,
            default_configuration: r#"{"customerNamePattern":null}"#,
            version: 1,
            effects: &["unassign-customer"],
            ..Descriptor::new()
        }
    }

    fn open(_: &str) -> Result<Self, String> {
        Ok(UnassignFromCustomer)
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        check(message)?;
        Ok(Outcome::Effect(Effect::UnassignCustomer(UnassignCustomer {
            entity: None,
            customer: None,
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::effect;
    use pacificsoft_sdk::testing::platform::{id, named};
    use pacificsoft_sdk::testing::{TestMessage, forget, platform};

    #[test]
    fn a_customer_is_found_or_made() {
        forget();
        platform(|platform| platform.entities.push(named(id("CUSTOMER", 2), "Blue")));
        let run = |create: bool, owner: &str| {
            let configuration = format!(r#"{{"customerNamePattern":"${{owner}}","createCustomerIfNotExists":{create}}}"#);
            let message = TestMessage::telemetry("{}").with("owner", owner);
            AssignToCustomer::open(&configuration).expect("valid").process(&message.message())
        };
        let Effect::AssignCustomer(assign) = effect(run(false, "Blue")) else {
            panic!("assigns")
        };
        assert_eq!(assign.customer, EntityRef::Id(id("CUSTOMER", 2)));
        assert!(run(false, "Red").is_err());
        let Ok(Outcome::Steps(steps)) = run(true, "Red") else {
            panic!("makes")
        };
        assert!(matches!(&steps.effects[..], [Effect::EnsureEntity(ensure), Effect::AssignCustomer(_)] if ensure.name == "Red"));
    }

    #[test]
    fn a_device_is_taken_from_whoever_has_it() {
        let mut node = UnassignFromCustomer::open("{}").expect("valid");
        let taken = effect(node.process(&TestMessage::telemetry("{}").message()));
        assert!(matches!(
            taken,
            Effect::UnassignCustomer(UnassignCustomer {
                entity: None,
                customer: None
            })
        ));
        assert!(node.process(&TestMessage::telemetry("{}").from(id("TENANT", 1)).message()).is_err());
    }
}
