//! Rows of tables that the operator makes beside the platform's, in the same keyspace. The database turns JSON into what the columns
//! are; here it is decided whose a row is, and whether the table can take it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use model::TenantId;
use parking_lot::Mutex;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::MaybeUnset;
use serde_json::Value as Json;
use storage::row::TENANT;
use storage::{Row, RowStore, StorageError};

use crate::driver::Driver;
use crate::queries::Query;
use crate::store::{CassandraStore, text};

/// How long what is known of a table is believed: so soon one that was made or changed is seen.
const BELIEVED: Duration = Duration::from_secs(5);
/// Tables that something is known of, those included that are not there: whoever configures a node names them.
const TABLES_MAX: usize = 1_000;

/// What is known of tables, by name.
#[derive(Default)]
pub(crate) struct Rows {
    shapes: Mutex<HashMap<String, Seen>>,
    /// There are as many as the operator has made tables.
    statements: Mutex<HashMap<String, PreparedStatement>>,
}

/// How a table looked when it was last looked at; none: it was not there.
struct Seen(Instant, Option<Arc<Shape>>);

impl Rows {
    /// A table's; none: there is no such table.
    async fn shape(&self, driver: &Driver, table: &str) -> Result<Option<Arc<Shape>>, StorageError> {
        if let Some(Seen(at, shape)) = self.shapes.lock().get(table)
            && at.elapsed() < BELIEVED
        {
            return Ok(shape.clone());
        }
        let keyspace = driver.keyspace().unwrap_or_default();
        let columns = driver
            .rows::<(String, String, i32, String)>("columns of a table", Query::TableColumns, (&*keyspace, table))
            .await?;
        let shape = (!columns.is_empty()).then(|| Arc::new(Shape::of(columns)));
        let mut shapes = self.shapes.lock();
        if shapes.len() >= TABLES_MAX {
            shapes.clear();
        }
        shapes.insert(table.to_owned(), Seen(Instant::now(), shape.clone()));
        Ok(shape)
    }

    async fn statement(&self, driver: &Driver, table: &str) -> Result<PreparedStatement, StorageError> {
        if let Some(known) = self.statements.lock().get(table) {
            return Ok(known.clone());
        }
        let insert = format!("INSERT INTO \"{table}\" JSON ? DEFAULT UNSET USING TIMESTAMP ? AND TTL ?");
        let statement = driver.prepare(&insert).await?;
        self.statements.lock().insert(table.to_owned(), statement.clone());
        Ok(statement)
    }
}

#[async_trait]
impl RowStore for CassandraStore {
    async fn save_row(&self, tenant: TenantId, row: Row) -> Result<(), StorageError> {
        let inner = &*self.0;
        inner.order.check_open()?;
        let shape = inner.rows.shape(&inner.driver, &row.table).await?;
        let (name, ttl_s) = (row.table.clone(), row.ttl_s);
        let fitting = fit(tenant, row, shape.as_deref()).map_err(StorageError::Unfit)?;
        let statement = inner.rows.statement(&inner.driver, &name).await?;
        let ttl = match i32::try_from(ttl_s) {
            Ok(0) | Err(_) => MaybeUnset::Unset,
            Ok(ttl) => MaybeUnset::Set(ttl),
        };
        let stamp_us = inner.order.stamp();
        inner.fenced.check()?;
        inner.driver.insert(&statement, (text(&fitting)?, stamp_us, ttl)).await
    }
}

/// What has to be known of a table.
struct Shape {
    /// Types by column.
    columns: BTreeMap<String, String>,
    /// Partition key, then the rest of the key.
    key: Vec<String>,
}

impl Shape {
    /// Of rows of the schema: name, kind, position among its kind, type.
    fn of(columns: Vec<(String, String, i32, String)>) -> Self {
        let mut keys: Vec<_> = columns
            .iter()
            .filter(|(_, kind, ..)| kind == "partition_key" || kind == "clustering")
            .map(|(name, kind, position, _)| (kind != "partition_key", *position, name.clone()))
            .collect();
        keys.sort();
        Shape {
            key: keys.into_iter().map(|(.., name)| name).collect(),
            columns: columns.into_iter().map(|(name, .., of)| (name, of)).collect(),
        }
    }

    /// Whether rows lie with their tenant: the partition key begins with [`TENANT`], an id.
    fn is_by_tenant(&self) -> bool {
        self.key.first().is_some_and(|first| first == TENANT) && self.columns.get(TENANT).is_some_and(|of| of == "uuid")
    }
}

/// The row as the database is to take it, or why the table cannot.
fn fit(tenant: TenantId, row: Row, shape: Option<&Shape>) -> Result<Json, String> {
    let Row { table, mut columns, .. } = row;
    let Some(shape) = shape else {
        return Err(format!("there is no table {table} in the server's keyspace"));
    };
    if !shape.is_by_tenant() {
        return Err(format!(
            "the partition key of the table {table} does not begin with a column {TENANT} of type uuid"
        ));
    }
    if let Some(unknown) = columns.keys().find(|name| !shape.columns.contains_key(*name)) {
        return Err(format!("the table {table} has no column {unknown}"));
    }
    columns.insert(TENANT.to_owned(), tenant.0.to_string().into());
    match shape.key.iter().find(|name| !columns.contains_key(*name)) {
        Some(missing) => Err(format!("the column {missing} of the key of {table} has no value")),
        None => Ok(columns.into()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn row(columns: Json) -> Row {
        let Json::Object(columns) = columns else { panic!("an object") };
        Row::new("t", columns, 0).expect("a row")
    }

    /// Of columns, each a name, a kind, a position and a type.
    fn shape(columns: &[(&str, &str, i32, &str)]) -> Shape {
        let owned =
            |(name, kind, position, of): &(&str, &str, i32, &str)| ((*name).to_owned(), (*kind).to_owned(), *position, (*of).to_owned());
        Shape::of(columns.iter().map(owned).collect())
    }

    const TENANT_FIRST: (&str, &str, i32, &str) = (TENANT, "partition_key", 0, "uuid");

    #[test]
    fn a_key_begins_with_the_partition() {
        let shape = shape(&[
            ("b", "clustering", 0, "int"),
            ("c", "regular", -1, "int"),
            ("a", "partition_key", 1, "int"),
            TENANT_FIRST,
        ]);
        assert_eq!(shape.key, [TENANT, "a", "b"]);
        assert!(shape.is_by_tenant());
    }

    #[test]
    fn a_row_is_its_tenants() {
        let tenant = TenantId(Uuid::from_u128(7));
        let shape = shape(&[TENANT_FIRST, ("a", "clustering", 0, "int"), ("b", "regular", -1, "int")]);
        let fitting = fit(tenant, row(json!({"a": 1})), Some(&shape));
        assert_eq!(fitting, Ok(json!({"a": 1, "tenant_id": tenant.0.to_string()})));
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let (a, b) = (("a", "clustering", 0, "int"), ("b", "regular", -1, "int"));
        let good = shape(&[TENANT_FIRST, a, b]);
        let foreign = shape(&[("a", "partition_key", 0, "int"), (TENANT, "regular", -1, "uuid")]);
        let second = shape(&[("a", "partition_key", 0, "int"), (TENANT, "partition_key", 1, "uuid")]);
        let other = shape(&[(TENANT, "partition_key", 0, "text"), a]);
        for (columns, shape, says) in [
            (json!({"a": 1}), None, "no table cs_tb_t"),
            (json!({"a": 1}), Some(&foreign), "does not begin with a column tenant_id"),
            (json!({"a": 1}), Some(&second), "does not begin with a column tenant_id"),
            (json!({"a": 1}), Some(&other), "tenant_id of type uuid"),
            (json!({"a": 1, "c": 1}), Some(&good), "no column c"),
            (json!({"b": 1}), Some(&good), "the column a of the key"),
        ] {
            let refused = fit(TenantId(Uuid::nil()), row(columns), shape).expect_err(says);
            assert!(refused.contains(says), "{refused}");
        }
    }
}
