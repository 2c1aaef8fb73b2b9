//! related entity data, customer attributes, tenant attributes: values of one other entity, under names of one's choice.

use std::collections::BTreeMap;

use pacificsoft_sdk::reads::{attributes, customer, customer_of, entity, latest_values, tenant};
use pacificsoft_sdk::related::Query;
use pacificsoft_sdk::template::Template;
use pacificsoft_sdk::{Descriptor, EntityId, Message, Outcome, RuleNode};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::fetch::{FetchTo, parsed};
use crate::originator_fields::field;

/// What is fetched of the entity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum What {
    #[default]
    Attributes,
    LatestTelemetry,
    Fields,
}

/// What the three nodes share.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mapped {
    #[serde(default)]
    data_to_fetch: What,
    /// Names there, and names here; both are templates.
    data_mapping: BTreeMap<String, String>,
    #[serde(default)]
    fetch_to: FetchTo,
}

const SCHEMA: &str = r#"{"type":"object","required":["dataMapping"],"properties":{"dataToFetch":{"enum":["ATTRIBUTES","LATEST_TELEMETRY","FIELDS"]},"dataMapping":{"type":"object","additionalProperties":{"type":"string"}},"fetchTo":{"enum":["DATA","METADATA"]},"relationsQuery":{"type":"object"}}}"#;

impl Mapped {
    fn open(configuration: &str) -> Result<Self, String> {
        let own: Mapped = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        match own.data_mapping.len() {
            0 => Err("dataMapping names nothing".to_owned()),
            1..=100 => Ok(own),
            _ => Err("dataMapping has more than 100 entries".to_owned()),
        }
    }

    fn process(&self, of: &EntityId, message: &Message) -> Result<Outcome, String> {
        let filled = self.data_mapping.iter().map(|(there, here)| {
            let fill = |text: &String| Template::parse(text).fill(message);
            (fill(there), fill(here))
        });
        let names: BTreeMap<String, String> = filled.collect();
        let keys: Vec<String> = names.keys().cloned().collect();
        let found: Vec<(String, Json)> = match self.data_to_fetch {
            What::Attributes => {
                let found = attributes(of, "SERVER_SCOPE", &keys);
                found.into_iter().map(|(key, _, value)| (key, parsed(&value))).collect()
            }
            What::LatestTelemetry => {
                let found = latest_values(of, &keys);
                found.into_iter().map(|(key, _, value)| (key, parsed(&value))).collect()
            }
            What::Fields => {
                let known = if of.entity_type == "CUSTOMER" { customer(of) } else { entity(of) };
                let known = known.ok_or("the entity is not there")?;
                keys.iter().filter_map(|key| Some((key.clone(), field(&known, key)?))).collect()
            }
        };
        let more = found.into_iter().filter_map(|(key, value)| Some((names.get(&key)?.clone(), value)));
        self.fetch_to.with(message, more.collect())
    }

    /// Before version 1 attributes were called differently.
    fn upgraded(from_version: u32, configuration: &str) -> Result<String, String> {
        let mut json = FetchTo::upgraded(from_version, configuration, "fetchToData", FetchTo::Metadata)?;
        if let Some(fields) = json.as_object_mut().filter(|_| from_version == 0) {
            if let Some(mapping) = fields.remove("attrMapping").or_else(|| fields.remove("attributesMapping")) {
                fields.entry("dataMapping").or_insert(mapping);
            }
            if let Some(Json::Bool(telemetry)) = fields.remove("telemetry") {
                let what = if telemetry { "LATEST_TELEMETRY" } else { "ATTRIBUTES" };
                fields.entry("dataToFetch").or_insert_with(|| what.into());
            }
        }
        Ok(json.to_string())
    }
}

/// Of the customer that the originator is assigned to.
pub struct CustomerAttributes(Mapped);

impl RuleNode for CustomerAttributes {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "customer-attributes",
            class_ids: &["org.thingsboard.rule.engine.metadata.TbGetCustomerAttributeNode"],
            title: "customer attributes",
            family: "ENRICHMENT",
            description: "Adds attributes or latest values of the customer that the originator is assigned to.",
            icon: "playlist_add",
            configuration_schema: SCHEMA,
            default_configuration: r#"{"dataMapping":{"alarmThreshold":"threshold"},"dataToFetch":"ATTRIBUTES","fetchTo":"METADATA"}"#,
            version: 1,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        Mapped::open(configuration).map(CustomerAttributes)
    }

    fn upgrade(from_version: u32, configuration: &str) -> Result<String, String> {
        Mapped::upgraded(from_version, configuration)
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let originator = message.originator();
        let owner = match originator.entity_type.as_str() {
            "CUSTOMER" => originator,
            _ => customer_of(&originator).ok_or("the originator is assigned to no customer")?.id,
        };
        self.0.process(&owner, message)
    }
}

/// Of the tenant.
pub struct TenantAttributes(Mapped);

impl RuleNode for TenantAttributes {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "tenant-attributes",
            class_ids: &["org.thingsboard.rule.engine.metadata.TbGetTenantAttributeNode"],
            title: "tenant attributes",
            family: "ENRICHMENT",
            description: "Adds attributes or latest values of the tenant.",
            icon: "playlist_add",
            configuration_schema: SCHEMA,
            default_configuration: r#"{"dataMapping":{"alarmThreshold":"threshold"},"dataToFetch":"ATTRIBUTES","fetchTo":"METADATA"}"#,
            version: 1,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        Mapped::open(configuration).map(TenantAttributes)
    }

    fn upgrade(from_version: u32, configuration: &str) -> Result<String, String> {
        Mapped::upgraded(from_version, configuration)
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        self.0.process(&tenant(), message)
    }
}

/// Of the first entity that is found along relations of the originator.
pub struct RelatedEntityData {
    query: Query,
    mapped: Mapped,
}

impl RuleNode for RelatedEntityData {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "related-entity-data",
            class_ids: &["org.thingsboard.rule.engine.metadata.TbGetRelatedAttributeNode"],
            title: "related entity data",
            family: "ENRICHMENT",
            description: "Adds attributes, latest values or fields of the first entity that is found along relations of the originator.",
            icon: "playlist_add",
            configuration_schema: SCHEMA,
            default_configuration: r#"{"dataMapping":{"serialNumber":"sn"},"dataToFetch":"ATTRIBUTES","fetchTo":"METADATA","relationsQuery":{"direction":"FROM","maxLevel":1,"filters":[{"relationType":"Contains","entityTypes":[]}],"fetchLastLevelOnly":false}}"#,
            version: 1,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let json: Json = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        let query = Query::deserialize(&json["relationsQuery"]).map_err(|error| ["relationsQuery: ", &error.to_string()].concat())?;
        Ok(RelatedEntityData {
            query,
            mapped: Mapped::open(configuration)?,
        })
    }

    fn upgrade(from_version: u32, configuration: &str) -> Result<String, String> {
        Mapped::upgraded(from_version, configuration)
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let found = self
            .query
            .first(&message.originator())
            .ok_or("no such entity is related to the originator")?;
        self.mapped.process(&found, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::tests::leaving;
    use pacificsoft_sdk::testing::platform::{id, named};
    use pacificsoft_sdk::testing::{TestMessage, forget, platform};
    use serde_json::json;

    fn texts(entries: &[(&str, &str)]) -> Vec<(String, String)> {
        entries
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_customer_s_values_get_other_names() {
        forget();
        let (device, owner) = (id("DEVICE", 1), id("CUSTOMER", 2));
        platform(|platform| {
            let mut assigned = named(device.clone(), "D");
            assigned.customer = Some(owner.clone());
            platform
                .entities
                .extend([assigned, named(owner.clone(), "C"), named(id("DEVICE", 9), "Free")]);
            platform.set_attribute(&owner, "SERVER_SCOPE", "alarmThreshold", json!(40));
            platform.add_reading(&owner, "load", 1, json!(0.5));
        });
        let run = |configuration: &str, entity| {
            let message = TestMessage::telemetry("{}").with("what", "alarmThreshold").from(entity);
            CustomerAttributes::open(configuration).expect("valid").process(&message.message())
        };
        let (metadata, _) = leaving(run(r#"{"dataMapping":{"${what}":"threshold","gone":"x"}}"#, device.clone()));
        assert_eq!(metadata, texts(&[("what", "alarmThreshold"), ("threshold", "40")]));
        let (_, data) = leaving(run(
            r#"{"dataMapping":{"load":"l"},"dataToFetch":"LATEST_TELEMETRY","fetchTo":"DATA"}"#,
            owner,
        ));
        assert_eq!(data, json!({"l": 0.5}));
        assert!(run(r#"{"dataMapping":{"a":"b"}}"#, id("DEVICE", 9)).is_err(), "it is nobody's");
        assert!(CustomerAttributes::open(r#"{"dataMapping":{}}"#).is_err());
    }

    #[test]
    fn the_tenant_and_related_entities_are_asked() {
        forget();
        let (device, asset) = (id("DEVICE", 1), id("ASSET", 2));
        platform(|platform| {
            let tenant = platform.tenant.clone();
            platform.set_attribute(&tenant, "SERVER_SCOPE", "limit", json!("low"));
            platform.set_attribute(&asset, "SERVER_SCOPE", "serialNumber", json!("x1"));
            platform.relations.push((asset.clone(), "Contains".to_owned(), device.clone()));
            platform.entities.push(named(asset, "House"));
        });
        let message = TestMessage::telemetry("{}").from(device);
        let mut node = TenantAttributes::open(r#"{"dataMapping":{"limit":"l"}}"#).expect("valid");
        assert_eq!(leaving(node.process(&message.message())).0, texts(&[("l", "low")]));
        let query = r#""relationsQuery":{"direction":"TO","maxLevel":1,"filters":[{"relationType":"Contains","entityTypes":["ASSET"]}]}"#;
        for (what, mapping, expected) in [("ATTRIBUTES", "serialNumber", "x1"), ("FIELDS", "name", "House")] {
            let configuration = format!(r#"{{"dataMapping":{{"{mapping}":"found"}},"dataToFetch":"{what}",{query}}}"#);
            let mut node = RelatedEntityData::open(&configuration).expect("valid");
            assert_eq!(leaving(node.process(&message.message())).0, texts(&[("found", expected)]));
        }
        let mut node = RelatedEntityData::open(RelatedEntityData::descriptor().default_configuration).expect("the default");
        assert!(node.process(&message.message()).is_err(), "nothing is related that way");
    }

    #[test]
    fn an_old_configuration_is_understood() {
        let new = CustomerAttributes::upgrade(0, r#"{"attrMapping":{"a":"b"},"telemetry":true}"#).expect("an object");
        let node = CustomerAttributes::open(&new).expect("valid");
        assert_eq!((node.0.data_to_fetch, node.0.fetch_to), (What::LatestTelemetry, FetchTo::Metadata));
    }
}
