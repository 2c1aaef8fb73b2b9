//! Attributes: a row each, all of an entity in one partition.

use std::sync::Arc;

use async_trait::async_trait;
use model::{AttributeScope, EntityId, Reading};
use storage::{AttributeStore, StorageError, value_codec};

use crate::bind::tiny;
use crate::queries::Query;
use crate::series::asked;
use crate::store::CassandraStore;

/// Keys looked up with one request.
const KEYS_AT_ONCE: usize = 100;
const WHAT: &str = "attributes of an entity";

#[async_trait]
impl AttributeStore for CassandraStore {
    async fn attributes(
        &self,
        entity: EntityId,
        scope: AttributeScope,
        keys: Option<&[Arc<str>]>,
    ) -> Result<Vec<(Arc<str>, Reading)>, StorageError> {
        let driver = &self.0.driver;
        let (tenant, kind, id, scope) = (entity.tenant.0, tiny(entity.kind.number()), entity.id, tiny(scope as u8));
        let rows = match keys {
            None => {
                let values = (tenant, kind, id, scope);
                driver.rows::<(String, Vec<u8>)>(WHAT, Query::Attributes, values).await?
            }
            Some(keys) => {
                let mut rows = Vec::new();
                for keys in asked(keys).chunks(KEYS_AT_ONCE) {
                    let values = (tenant, kind, id, scope, keys);
                    rows.extend(driver.rows::<(String, Vec<u8>)>(WHAT, Query::AttributesOfKeys, values).await?);
                }
                rows
            }
        };
        rows.into_iter()
            .map(|(key, bytes)| Ok((key.into(), value_codec::decode_attribute(&bytes)?)))
            .collect()
    }
}
