//! originator fields: what people know of the originator, under names of one's choice.

use std::collections::BTreeMap;

use pacificsoft_sdk::reads::{EntityInfo, customer, entity};
use pacificsoft_sdk::{Descriptor, Message, Outcome, RuleNode};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::fetch::{FetchTo, parsed};

/// The node.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OriginatorFields {
    /// Fields, and names here.
    data_mapping: BTreeMap<String, String>,
    #[serde(default = "yes")]
    ignore_null_strings: bool,
    #[serde(default)]
    fetch_to: FetchTo,
}

fn yes() -> bool {
    true
}

/// A field of an entity, by its name in the REST API.
pub fn field(info: &EntityInfo, name: &str) -> Option<Json> {
    Some(match name {
        "id" => info.id.id.clone().into(),
        "entityType" => info.id.entity_type.clone().into(),
        "name" | "title" => info.name.clone().into(),
        "type" => info.subtype.clone().into(),
        "label" => info.label.clone()?.into(),
        "createdTime" => info.created_ms.into(),
        "additionalInfo" => parsed(info.additional_info.as_deref()?),
        "customerId" => info.customer.clone()?.id.into(),
        other => info.fields.iter().find(|(key, _)| key == other)?.1.clone().into(),
    })
}

impl RuleNode for OriginatorFields {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "originator-fields",
            class_ids: &["org.thingsboard.rule.engine.metadata.TbGetOriginatorFieldsNode"],
            title: "originator fields",
            family: "ENRICHMENT",
            description: "Adds fields of the originator: name, type, label and others.",
            details: "ignoreNullStrings: fields that are not there are left out; else they are empty.",
            icon: "playlist_add",
            configuration_schema: r#"{"type":"object","required":["dataMapping"],"properties":{"dataMapping":{"type":"object","additionalProperties":{"type":"string"}},"ignoreNullStrings":{"type":"boolean"},"fetchTo":{"enum":["DATA","METADATA"]}}}"#,
            default_configuration: r#"{"dataMapping":{"name":"originatorName","type":"originatorType"},"ignoreNullStrings":false,"fetchTo":"METADATA"}"#,
            version: 1,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let own: OriginatorFields = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        match own.data_mapping.is_empty() {
            true => Err("dataMapping names nothing".to_owned()),
            false => Ok(own),
        }
    }

    fn upgrade(from_version: u32, configuration: &str) -> Result<String, String> {
        let mut json = FetchTo::upgraded(from_version, configuration, "fetchToData", FetchTo::Metadata)?;
        if let Some(fields) = json.as_object_mut().filter(|_| from_version == 0)
            && let Some(mapping) = fields.remove("fieldsMapping")
        {
            fields.entry("dataMapping").or_insert(mapping);
        }
        Ok(json.to_string())
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        let originator = message.originator();
        let found = if originator.entity_type == "CUSTOMER" {
            customer(&originator)
        } else {
            entity(&originator)
        };
        let info = found.ok_or("the originator is not there, or has no fields that nodes may see")?;
        let mut more = Vec::new();
        for (there, here) in &self.data_mapping {
            match field(&info, there) {
                Some(value) => more.push((here.clone(), value)),
                None if self.ignore_null_strings => {}
                None => more.push((here.clone(), "".into())),
            }
        }
        self.fetch_to.with(message, more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::tests::leaving;
    use pacificsoft_sdk::testing::platform::{id, named};
    use pacificsoft_sdk::testing::{TestMessage, forget, platform};
    use serde_json::json;

    #[test]
    fn fields_get_other_names() {
        forget();
        platform(|platform| {
            let mut device = named(id("DEVICE", 1), "Boiler");
            device.subtype = "heater".to_owned();
            device.fields = vec![("phone".to_owned(), "1".to_owned())];
            platform.entities.push(device);
        });
        let message = TestMessage::telemetry(r#"{"t": 1}"#);
        let run = |rest: &str| {
            let configuration = format!(r#"{{"dataMapping":{{"name":"n","type":"t2","label":"l","phone":"p"}}{rest}}}"#);
            OriginatorFields::open(&configuration).expect("valid").process(&message.message())
        };
        let (_, data) = leaving(run(r#","fetchTo":"DATA""#));
        assert_eq!(data, json!({"t": 1, "n": "Boiler", "t2": "heater", "p": "1"}));
        let (metadata, _) = leaving(run(r#","ignoreNullStrings":false"#));
        assert!(metadata.contains(&("l".to_owned(), String::new())));
        let gone = TestMessage::telemetry("{}").from(id("DEVICE", 2));
        let mut node = OriginatorFields::open(OriginatorFields::descriptor().default_configuration).expect("the default");
        assert!(node.process(&gone.message()).is_err());
        assert!(OriginatorFields::upgrade(0, r#"{"fieldsMapping":{"name":"n"}}"#).is_ok_and(|new| OriginatorFields::open(&new).is_ok()));
    }
}
