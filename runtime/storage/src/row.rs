//! A row for a table that the platform does not know: an operator's own, beside the platform's.

use serde_json::{Map, Value as Json};

use crate::StorageError;

/// How names of such tables begin; nothing of the platform's own begins so.
pub const PREFIX: &str = "cs_tb_";
/// The column that says whose a row is. The store fills it in.
pub const TENANT: &str = "tenant_id";
/// Characters of a table's name at most.
const TABLE_MAX: usize = 48;
/// Columns of a row at most.
const COLUMNS_MAX: usize = 100;
/// Twenty years, the longest time to live there is.
const TTL_S_MAX: u32 = 630_720_000;

/// A row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Name of the table, with [`PREFIX`].
    pub table: String,
    /// Values by column, none of them null. Never [`TENANT`].
    pub columns: Map<String, Json>,
    /// Seconds until it is gone; 0: as the table says.
    pub ttl_s: u32,
}

impl Row {
    /// A row for a table whose name may lack [`PREFIX`]. Names are lower case, as they are in CQL without quotes.
    ///
    /// # Errors
    /// [`StorageError::Unfit`] when no table could take it.
    pub fn new(table: &str, columns: Map<String, Json>, ttl_s: u32) -> Result<Self, StorageError> {
        let unfit = |why: String| Err(StorageError::Unfit(why));
        let table = table.to_lowercase();
        let table = if table.starts_with(PREFIX) {
            table
        } else {
            [PREFIX, &table].concat()
        };
        let plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if table.len() > TABLE_MAX || table.len() == PREFIX.len() || !plain(&table) {
            return unfit(format!(
                "{table:?} is no name of a table: letters, digits and _, {TABLE_MAX} at most with {PREFIX:?}"
            ));
        }
        if columns.len() > COLUMNS_MAX {
            return unfit(format!("{} columns are more than the {COLUMNS_MAX} allowed", columns.len()));
        }
        if ttl_s > TTL_S_MAX {
            return unfit(format!("{ttl_s} s are more than the {TTL_S_MAX} that a row can live"));
        }
        let mut lower = Map::with_capacity(columns.len());
        for (name, value) in columns {
            let name = name.to_lowercase();
            if name == TENANT {
                return unfit(format!("the column {TENANT} is filled in by the server"));
            }
            if !plain(&name) || name.is_empty() {
                return unfit(format!("{name:?} is no name of a column: letters, digits and _"));
            }
            if !value.is_null() {
                lower.insert(name, value);
            }
        }
        if lower.is_empty() {
            return unfit("the row has no value".to_owned());
        }
        Ok(Row {
            table,
            columns: lower,
            ttl_s,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(table: &str, columns: Json, ttl_s: u32) -> Result<Row, StorageError> {
        let Json::Object(columns) = columns else { panic!("an object") };
        Row::new(table, columns, ttl_s)
    }

    #[test]
    fn names_are_as_in_cql_without_quotes() {
        for table in ["Readings", "cs_tb_readings", "CS_TB_readings"] {
            let row = row(table, json!({"Room": "a", "gone": null}), 5).expect("a row");
            assert_eq!((row.table.as_str(), row.ttl_s), ("cs_tb_readings", 5));
            assert_eq!(Json::Object(row.columns), json!({"room": "a"}));
        }
    }

    #[test]
    fn what_no_table_could_take_is_refused() {
        let long = "t".repeat(TABLE_MAX);
        let many: Json = (0..=COLUMNS_MAX)
            .map(|column| (format!("c{column}"), json!(1)))
            .collect::<Map<_, _>>()
            .into();
        for (table, columns, ttl_s, says) in [
            ("", json!({"a": 1}), 0, "no name of a table"),
            ("a b", json!({"a": 1}), 0, "no name of a table"),
            ("a\";drop", json!({"a": 1}), 0, "no name of a table"),
            ("entities.x", json!({"a": 1}), 0, "no name of a table"),
            (&long, json!({"a": 1}), 0, "no name of a table"),
            ("t", json!({"tenant_id": "x"}), 0, "filled in by the server"),
            ("t", json!({"Tenant_ID": "x"}), 0, "filled in by the server"),
            ("t", json!({"\"tenant_id\"": "x"}), 0, "no name of a column"),
            ("t", json!({"": 1}), 0, "no name of a column"),
            ("t", json!({"a": null}), 0, "no value"),
            ("t", json!({}), 0, "no value"),
            ("t", many, 0, "101 columns"),
            ("t", json!({"a": 1}), TTL_S_MAX + 1, "more than"),
        ] {
            let refused = row(table, columns, ttl_s).expect_err(table).to_string();
            assert!(refused.contains(says), "{table}: {refused}");
        }
    }
}
