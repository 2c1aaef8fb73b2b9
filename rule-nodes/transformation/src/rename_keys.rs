//! rename keys: keys of data or metadata get other names.

use std::collections::BTreeMap;

use pacificsoft_sdk::{Descriptor, Message, Outcome, RuleNode};
use serde::Deserialize;
use serde_json::Map;

use crate::keys::{Place, object, upgraded, with_data, with_metadata};

/// The node.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RenameKeys {
    rename_in: Place,
    rename_keys_mapping: BTreeMap<String, String>,
}

impl RenameKeys {
    fn name(&self, key: String) -> String {
        self.rename_keys_mapping.get(&key).cloned().unwrap_or(key)
    }
}

impl RuleNode for RenameKeys {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "rename-keys",
            class_ids: &["org.thingsboard.rule.engine.transform.TbRenameKeysNode"],
            title: "rename keys",
            family: "TRANSFORMATION",
            description: "Gives keys of the data, or of the metadata, other names.",
            icon: "find_replace",
            configuration_schema: r#"{"type":"object","required":["renameIn","renameKeysMapping"],"properties":{"renameIn":{"enum":["DATA","METADATA"]},"renameKeysMapping":{"type":"object","additionalProperties":{"type":"string"}}}}"#,
            default_configuration: r#"{"renameIn":"DATA","renameKeysMapping":{"temperatureCelsius":"temperature"}}"#,
            version: 2,
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let node: RenameKeys = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        match node.rename_keys_mapping.is_empty() {
            true => Err("renameKeysMapping names nothing".to_owned()),
            false => Ok(node),
        }
    }

    fn upgrade(_: u32, configuration: &str) -> Result<String, String> {
        upgraded(configuration, "fromMetadata", "renameIn", &[])
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        Ok(match self.rename_in {
            Place::Data => {
                let data = object(message)?;
                with_data(data.into_iter().map(|(key, value)| (self.name(key), value)).collect::<Map<_, _>>())
            }
            Place::Metadata => {
                let metadata: BTreeMap<String, String> = message
                    .metadata_entries()
                    .into_iter()
                    .map(|(key, value)| (self.name(key), value))
                    .collect();
                with_metadata(metadata.into_iter().collect())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::{data, leaving};
    use pacificsoft_sdk::testing::TestMessage;
    use serde_json::json;

    #[test]
    fn keys_get_other_names() {
        let message = TestMessage::telemetry(r#"{"tempC": 1, "b": 2}"#).with("tempC", "x");
        let mut node = RenameKeys::open(r#"{"renameIn":"DATA","renameKeysMapping":{"tempC":"temperature","gone":"x"}}"#).expect("valid");
        assert_eq!(
            data(&leaving(node.process(&message.message())).remove(0)),
            json!({"temperature": 1, "b": 2})
        );
        let new = RenameKeys::upgrade(0, r#"{"fromMetadata":true,"renameKeysMapping":{"tempC":"t"}}"#).expect("an object");
        let mut node = RenameKeys::open(&new).expect("valid");
        let changed = leaving(node.process(&message.message())).remove(0);
        assert_eq!(changed.metadata, Some(vec![("t".to_owned(), "x".to_owned())]));
        assert!(
            node.process(&TestMessage::telemetry("3").message()).is_ok(),
            "metadata can always be renamed"
        );
        assert!(RenameKeys::open(r#"{"renameIn":"DATA","renameKeysMapping":{}}"#).is_err());
    }
}
