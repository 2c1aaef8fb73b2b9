//! save to custom table: writes fields of the message's data into a table that the operator has made beside the platform's.

use std::collections::BTreeMap;

use pacificsoft_sdk::message::Shape;
use pacificsoft_sdk::{Content, Descriptor, Effect, Message, Outcome, RuleNode, SaveRow};
use serde::Deserialize;

/// Stands for the id of the originator among the fields.
const ENTITY_ID: &str = "$entityId";

/// The node.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SaveToCustomTable {
    table_name: String,
    /// Columns, by field.
    fields_mapping: BTreeMap<String, String>,
    #[serde(default)]
    default_ttl: u32,
}

impl RuleNode for SaveToCustomTable {
    const RELATIONS: &'static [&'static str] = &["Success", "Failure"];

    fn descriptor() -> Descriptor {
        Descriptor {
            type_name: "save-to-custom-table",
            class_ids: &["org.thingsboard.rule.engine.action.TbSaveToCustomCassandraTableNode"],
            title: "save to custom table",
            family: "ACTION",
            description: "Writes fields of the data into a table of its own, where data are kept in a Cassandra.",
            details: "The table is made by the operator, in the keyspace of the server. Its name begins with cs_tb_, which may be left out here, and \
                      its partition key with a column tenant_id of type uuid, which the server fills in. The field $entityId is the id of the originator. \
                      Objects become text. Rows live for defaultTtl seconds; 0: as long as the table says.",
            icon: "file_upload",
            configuration_schema: r#"{"type":"object","required":["tableName","fieldsMapping"],"properties":{"tableName":{"type":"string","minLength":1},"fieldsMapping":{"type":"object","minProperties":1,"additionalProperties":{"type":"string","minLength":1}},"defaultTtl":{"type":"integer","minimum":0}}}"#,
            default_configuration: r#"{"tableName":"readings","fieldsMapping":{"$entityId":"entity_id","temperature":"temperature"},"defaultTtl":0}"#,
            version: 1,
            effects: &["save-row"],
            ..Descriptor::new()
        }
    }

    fn open(configuration: &str) -> Result<Self, String> {
        let node: SaveToCustomTable = serde_json::from_str(configuration).map_err(|error| error.to_string())?;
        if node.table_name.trim().is_empty() || node.fields_mapping.is_empty() {
            return Err("tableName or fieldsMapping is empty".to_owned());
        }
        if node
            .fields_mapping
            .iter()
            .any(|(field, column)| field.is_empty() || column.is_empty())
        {
            return Err("fieldsMapping has a field or a column without a name".to_owned());
        }
        Ok(node)
    }

    fn process(&mut self, message: &Message) -> Result<Outcome, String> {
        if message.shape("") != Shape::Object {
            return Err("the data are not a JSON object".to_owned());
        }
        let fields = message.json("").unwrap_or_default();
        let mut fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&fields).map_err(|error| error.to_string())?;
        let mut columns = serde_json::Map::new();
        for (field, column) in &self.fields_mapping {
            let value = match fields.remove(field) {
                _ if field == ENTITY_ID => message.originator().id.into(),
                Some(object @ serde_json::Value::Object(_)) => object.to_string().into(),
                Some(value) => value,
                None => return Err(format!("the data have no field {field}")),
            };
            columns.insert(column.clone(), value);
        }
        Ok(Outcome::Effect(Effect::SaveRow(SaveRow {
            table: self.table_name.trim().to_owned(),
            columns: Content::Json(serde_json::Value::Object(columns).to_string()),
            ttl_seconds: self.default_ttl,
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::effect;
    use pacificsoft_sdk::testing::TestMessage;
    use serde_json::json;

    #[test]
    fn fields_become_columns() {
        let configuration = r#"{"tableName": " readings ", "fieldsMapping": {"$entityId": "entity_id", "t": "temperature", "o": "about", "l": "list"}, "defaultTtl": 60}"#;
        let mut node = SaveToCustomTable::open(configuration).expect("valid");
        let message = TestMessage::telemetry(r#"{"t": 21.5, "o": {"a": 1}, "l": [1, 2], "other": true, "$entityId": "no"}"#);
        let id = message.message().originator().id;
        let Effect::SaveRow(row) = effect(node.process(&message.message())) else {
            panic!("a row")
        };
        assert_eq!((row.table.as_str(), row.ttl_seconds), ("readings", 60));
        let Content::Json(columns) = row.columns else { panic!("columns") };
        let columns: serde_json::Value = serde_json::from_str(&columns).expect("JSON");
        assert_eq!(
            columns,
            json!({"entity_id": id, "temperature": 21.5, "about": r#"{"a":1}"#, "list": [1, 2]})
        );
    }

    #[test]
    fn what_makes_no_row_is_refused() {
        let mut node = SaveToCustomTable::open(SaveToCustomTable::descriptor().default_configuration).expect("valid");
        for (data, says) in [("[1]", "object"), (r#"{"humidity": 1}"#, "no field temperature")] {
            let refused = node.process(&TestMessage::telemetry(data).message()).expect_err(data);
            assert!(refused.contains(says), "{refused}");
        }
        for configuration in [
            r#"{"tableName": " ", "fieldsMapping": {"a": "a"}}"#,
            r#"{"tableName": "t", "fieldsMapping": {}}"#,
            r#"{"tableName": "t", "fieldsMapping": {"": ""}}"#,
        ] {
            assert!(SaveToCustomTable::open(configuration).is_err(), "{configuration}");
        }
    }
}
