//! customer details, tenant details: how the customer or the tenant of the originator is reached.

use pacificsoft_sdk::reads::{EntityInfo, customer, customer_of, entity, tenant};
use pacificsoft_sdk::{Descriptor, Message, Outcome, RuleNode};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::fetch::FetchTo;

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Detail {
    Id,
    Title,
    Country,
    City,
    State,
    Zip,
    Address,
    Address2,
    Phone,
    Email,
    AdditionalInfo,
}

impl Detail {
    /// Its name in the REST API, and behind the prefix.
    fn name(self) -> &'static str {
        match self {
            Detail::Id => "id",
            Detail::Title => "title",
            Detail::Country => "country",
            Detail::City => "city",
            Detail::State => "state",
            Detail::Zip => "zip",
            Detail::Address => "address",
            Detail::Address2 => "address2",
            Detail::Phone => "phone",
            Detail::Email => "email",
            Detail::AdditionalInfo => "additionalInfo",
        }
    }

    fn of(self, info: &EntityInfo) -> Option<String> {
        match self {
            Detail::Id => Some(info.id.id.clone()),
            Detail::AdditionalInfo => {
                let told: Json = serde_json::from_str(info.additional_info.as_deref()?).ok()?;
                Some(told.get("description")?.as_str()?.to_owned())
            }
            _ => {
                let field = info.fields.iter().find(|(key, _)| key == self.name());
                field.map(|(_, value)| value.clone())
            }
        }
    }
}

/// What the two nodes share.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    details_list: Vec<Detail>,
    #[serde(default)]
    fetch_to: FetchTo,
}

const SCHEMA: &str = r#"{"type":"object","required":["detailsList"],"properties":{"detailsList":{"type":"array","items":{"enum":["ID","TITLE","COUNTRY","CITY","STATE","ZIP","ADDRESS","ADDRESS2","PHONE","EMAIL","ADDITIONAL_INFO"]}},"fetchTo":{"enum":["DATA","METADATA"]}}}"#;
const DEFAULT: &str = r#"{"detailsList":["TITLE"],"fetchTo":"DATA"}"#;
const HELP: &str = "What is not set is left out. ADDITIONAL_INFO is the description.";

impl Details {
    fn open(configuration: &str) -> Result<Self, String> {
        let own: Details = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        if own.details_list.is_empty() {
            return Err("detailsList names nothing".to_owned());
        }
        Ok(own)
    }

    fn add(&self, prefix: &str, info: &EntityInfo, message: &Message) -> Result<Outcome, String> {
        let told = self.details_list.iter();
        let more = told.filter_map(|detail| Some(([prefix, detail.name()].concat(), Json::String(detail.of(info)?))));
        self.fetch_to.with(message, more.collect())
    }

    /// Configurations of version 0 said whether metadata were meant.
    fn upgraded(from_version: u32, configuration: &str) -> Result<String, String> {
        let mut json: Json = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        if let Some(fields) = json.as_object_mut().filter(|_| from_version == 0) {
            let metadata = fields.remove("addToMetadata").and_then(|value| value.as_bool()).unwrap_or(false);
            let name = if metadata { "METADATA" } else { "DATA" };
            fields.entry("fetchTo").or_insert_with(|| name.into());
        }
        Ok(json.to_string())
    }
}

/// Of the customer that the originator is assigned to.
pub struct CustomerDetails(Details);

impl RuleNode for CustomerDetails {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "customer-details",
            class_ids: &["org.thingsboard.rule.engine.metadata.TbGetCustomerDetailsNode"],
            title: "customer details",
            family: "ENRICHMENT",
            description: "Adds title, address and such of the customer that the originator is assigned to, as customer_….",
            details: HELP,
            icon: "contact_mail",
            configuration_schema: SCHEMA,
            default_configuration: DEFAULT,
            version: 1,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        Details::open(configuration).map(CustomerDetails)
    }

    fn upgrade(from_version: u32, configuration: &str) -> Result<String, String> {
        Details::upgraded(from_version, configuration)
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let originator = message.originator();
        let owner = match originator.entity_type.as_str() {
            "CUSTOMER" => customer(&originator),
            _ => customer_of(&originator),
        };
        let owner = owner.ok_or("the originator is assigned to no customer")?;
        self.0.add("customer_", &owner, message)
    }
}

/// Of the tenant.
pub struct TenantDetails(Details);

impl RuleNode for TenantDetails {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "tenant-details",
            class_ids: &["org.thingsboard.rule.engine.metadata.TbGetTenantDetailsNode"],
            title: "tenant details",
            family: "ENRICHMENT",
            description: "Adds title, address and such of the tenant, as tenant_….",
            details: HELP,
            icon: "contact_mail",
            configuration_schema: SCHEMA,
            default_configuration: DEFAULT,
            version: 1,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        Details::open(configuration).map(TenantDetails)
    }

    fn upgrade(from_version: u32, configuration: &str) -> Result<String, String> {
        Details::upgraded(from_version, configuration)
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let known = entity(&tenant()).ok_or("the tenant is not there")?;
        self.0.add("tenant_", &known, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::tests::leaving;
    use pacificsoft_sdk::testing::platform::{id, named};
    use pacificsoft_sdk::testing::{TestMessage, forget, platform};
    use serde_json::json;

    fn known() {
        forget();
        platform(|platform| {
            let field = |key: &str, value: &str| (key.to_owned(), value.to_owned());
            let mut owner = named(id("CUSTOMER", 7), "Red");
            owner.fields = vec![field("title", "Red"), field("city", "Berlin"), field("address2", "left")];
            owner.additional_info = Some(r#"{"description": "loud"}"#.to_owned());
            let mut device = named(id("DEVICE", 1), "D");
            device.customer = Some(id("CUSTOMER", 7));
            let mut tenant = named(id("TENANT", 1), "Acme");
            tenant.fields = vec![field("title", "Acme"), field("email", "a@example.org")];
            platform.entities.extend([owner, device, tenant]);
        });
    }

    #[test]
    fn what_is_set_is_added_under_a_prefix() {
        known();
        let message = TestMessage::telemetry(r#"{"t": 1}"#);
        let all = r#"["ID","TITLE","COUNTRY","CITY","ADDRESS2","EMAIL","ADDITIONAL_INFO"]"#;
        let configuration = format!(r#"{{"detailsList":{all},"fetchTo":"DATA"}}"#);
        let mut node = CustomerDetails::open(&configuration).expect("valid");
        let (_, data) = leaving(node.process(&message.message()));
        assert_eq!(
            data,
            json!({"t": 1, "customer_id": id("CUSTOMER", 7).id, "customer_title": "Red", "customer_city": "Berlin", "customer_address2": "left", "customer_additionalInfo": "loud"})
        );
        let mut node = TenantDetails::open(r#"{"detailsList":["TITLE","EMAIL"],"fetchTo":"METADATA"}"#).expect("valid");
        let (metadata, _) = leaving(node.process(&message.message()));
        assert_eq!(
            metadata,
            [
                ("tenant_title".to_owned(), "Acme".to_owned()),
                ("tenant_email".to_owned(), "a@example.org".to_owned())
            ]
        );
        let nobodys = TestMessage::telemetry("{}").from(id("DEVICE", 2));
        let mut node = CustomerDetails::open(&configuration).expect("valid");
        assert!(node.process(&nobodys.message()).is_err());
    }

    #[test]
    fn configurations_name_something_and_old_ones_are_understood() {
        for wrong in [r#"{"detailsList":[]}"#, r#"{"detailsList":["SHOE_SIZE"]}"#, "{}"] {
            assert!(TenantDetails::open(wrong).is_err(), "{wrong}");
        }
        for (old, place) in [(true, FetchTo::Metadata), (false, FetchTo::Data)] {
            let new = CustomerDetails::upgrade(0, &format!(r#"{{"detailsList":["ID"],"addToMetadata":{old}}}"#)).expect("an object");
            assert_eq!(CustomerDetails::open(&new).expect("valid").0.fetch_to, place);
        }
    }
}
