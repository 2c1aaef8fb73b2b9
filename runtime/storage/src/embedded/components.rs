//! Components: a row for each, a row for each version, and the bytes of a version in pieces, so that a large upload neither fills a
//! batch nor keeps other writes waiting. The row of a version is written last: what was interrupted is not seen.

use std::sync::Arc;

use async_trait::async_trait;
use model::{ComponentRecord, ComponentVersion, Digest, TenantId};

use super::apply::{from_json, json, remove_all};
use super::change::Change;
use super::tables::{Table, capped};
use super::{EmbeddedStore, keys};
use crate::text::{check_within, storable_within};
use crate::{ComponentStore, StorageError};

const NAME: &str = "the name of a component";
/// Bytes of a piece.
const PIECE_BYTES: usize = 1 << 20;

#[async_trait]
impl ComponentStore for EmbeddedStore {
    async fn component(&self, tenant: TenantId, name: &str) -> Result<Option<ComponentRecord>, StorageError> {
        if !storable_within(name) {
            return Ok(None);
        }
        let stored = self.0.tables.get(Table::Components, keys::component(tenant, name))?;
        stored.map(|bytes| from_json("a component", &bytes)).transpose()
    }

    async fn components(&self, tenant: TenantId) -> Result<Vec<ComponentRecord>, StorageError> {
        self.scan(move |tables| {
            capped("components", tables.prefix(Table::Components, tenant.0.as_bytes()))
                .map(|row| from_json("a component", &row?.1))
                .collect()
        })
        .await
    }

    async fn save_component(&self, mut record: ComponentRecord) -> Result<u64, StorageError> {
        check_within(NAME, &record.name)?;
        self.command(move |change| {
            let key = keys::component(record.tenant, &record.name);
            let stored = change.get(Table::Components, &key)?;
            let stored: Option<ComponentRecord> = stored.map(|bytes| from_json("a component", &bytes)).transpose()?;
            match stored.map(|old| old.revision) {
                None if record.revision != 0 => return Err(StorageError::NotFound),
                Some(stored) if stored != record.revision => {
                    return Err(StorageError::VersionConflict {
                        given: record.revision,
                        stored,
                    });
                }
                _ => {}
            }
            record.revision += 1;
            change.put(Table::Components, key, json(&record)?);
            Ok(record.revision)
        })
        .await
    }

    async fn delete_component(&self, tenant: TenantId, name: &str) -> Result<bool, StorageError> {
        if !storable_within(name) {
            return Ok(false);
        }
        let name = name.to_owned();
        self.command(move |change| {
            let parts = keys::component_parts(tenant, &name);
            remove_prefix(change, Table::ComponentVersions, &parts)?;
            remove_prefix(change, Table::ComponentPieces, &parts)?;
            let key = keys::component(tenant, &name);
            let there = change.get(Table::Components, &key)?.is_some();
            change.remove(Table::Components, key);
            Ok(there)
        })
        .await
    }

    async fn component_versions(&self, tenant: TenantId, name: &str) -> Result<Vec<ComponentVersion>, StorageError> {
        if !storable_within(name) {
            return Ok(Vec::new());
        }
        let prefix = keys::component_parts(tenant, name);
        self.scan(move |tables| {
            let rows = capped("versions of a component", tables.prefix(Table::ComponentVersions, &prefix));
            let mut versions = rows
                .map(|row| from_json("a version of a component", &row?.1))
                .collect::<Result<Vec<ComponentVersion>, StorageError>>()?;
            versions.sort_unstable_by_key(|version| (std::cmp::Reverse(version.created_time), version.digest));
            Ok(versions)
        })
        .await
    }

    async fn add_component_version(
        &self,
        tenant: TenantId,
        name: &str,
        version: ComponentVersion,
        bytes: Arc<[u8]>,
    ) -> Result<bool, StorageError> {
        check_within(NAME, name)?;
        let (name, digest) = (name.to_owned(), version.digest);
        let key = keys::component_version(tenant, &name, digest);
        if self.0.tables.get(Table::ComponentVersions, &key)?.is_some() {
            return Ok(false);
        }
        for (position, start) in (0..bytes.len()).step_by(PIECE_BYTES).enumerate() {
            let position = u32::try_from(position).map_err(|_| StorageError::Failed("refused: the component is too large".into()))?;
            let piece = keys::component_piece(tenant, &name, digest, position);
            let bytes = Arc::clone(&bytes);
            self.command(move |change| {
                let end = bytes.len().min(start + PIECE_BYTES);
                change.put(Table::ComponentPieces, piece, &bytes[start..end]);
                Ok(())
            })
            .await?;
        }
        self.command(move |change| {
            let new = change.get(Table::ComponentVersions, &key)?.is_none();
            if new {
                change.put(Table::ComponentVersions, key, json(&version)?);
            }
            Ok(new)
        })
        .await
    }

    async fn component_bytes(&self, tenant: TenantId, name: &str, digest: Digest) -> Result<Option<Vec<u8>>, StorageError> {
        if !storable_within(name) {
            return Ok(None);
        }
        let key = keys::component_version(tenant, name, digest);
        self.scan(move |tables| {
            let Some(row) = tables.get(Table::ComponentVersions, &key)? else {
                return Ok(None);
            };
            let version: ComponentVersion = from_json("a version of a component", &row)?;
            let mut bytes = Vec::new();
            for row in tables.prefix(Table::ComponentPieces, &key) {
                bytes.extend_from_slice(&row?.1);
            }
            // Deleted in between, or damaged: the caller must not run half a component.
            if bytes.len() as u64 != version.bytes {
                let gone = tables.get(Table::ComponentVersions, &key)?.is_none();
                return if gone { Ok(None) } else { Err(torn(digest)) };
            }
            Ok(Some(bytes))
        })
        .await
    }

    async fn delete_component_version(&self, tenant: TenantId, name: &str, digest: Digest) -> Result<bool, StorageError> {
        if !storable_within(name) {
            return Ok(false);
        }
        let key = keys::component_version(tenant, name, digest);
        self.command(move |change| {
            let there = change.get(Table::ComponentVersions, &key)?.is_some();
            remove_prefix(change, Table::ComponentPieces, &key)?;
            change.remove(Table::ComponentVersions, key);
            Ok(there)
        })
        .await
    }
}

fn torn(digest: Digest) -> StorageError {
    StorageError::Corrupt(format!("the bytes of version {digest} of a component are not complete"))
}

fn remove_prefix(change: &mut Change, table: Table, prefix: &[u8]) -> Result<(), StorageError> {
    let rows = change.prefix(table, prefix)?;
    remove_all(change, table, rows)
}
