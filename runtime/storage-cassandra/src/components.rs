//! Components: a row for each and a row for each version, decided by transactions, and the bytes of a version in pieces, as a large value
//! would have to be held in memory by every node it passes. The row of a version is written last: what was interrupted is not seen.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use model::{ComponentRecord, ComponentVersion, Digest, TenantId};
use storage::text::{check_within, storable_within};
use storage::{ComponentStore, StorageError};
use uuid::Uuid;

use crate::bind::{Bind, Write};
use crate::queries::Query;
use crate::store::{CassandraStore, Inner, count, parse, text};

const NAME: &str = "the name of a component";
const WHAT: &str = "a component";
const VERSION: &str = "a version of a component";
/// Bytes of a piece.
const PIECE_BYTES: usize = 256 * 1024;
/// Pieces on their way at the same time.
const PIECES_AT_ONCE: usize = 8;

#[async_trait]
impl ComponentStore for CassandraStore {
    async fn component(&self, tenant: TenantId, name: &str) -> Result<Option<ComponentRecord>, StorageError> {
        if !storable_within(name) {
            return Ok(None);
        }
        let row = self.0.driver.first::<(String,)>(Query::Component, (tenant.0, name)).await?;
        row.map(|(body,)| parse(WHAT, &body)).transpose()
    }

    async fn components(&self, tenant: TenantId) -> Result<Vec<ComponentRecord>, StorageError> {
        let rows = self
            .0
            .driver
            .rows::<(String,)>("components", Query::Components, (tenant.0,))
            .await?;
        rows.iter().map(|(body,)| parse(WHAT, body)).collect()
    }

    async fn save_component(&self, mut record: ComponentRecord) -> Result<u64, StorageError> {
        check_within(NAME, &record.name)?;
        self.0.order.check_open()?;
        let (given, tenant, name) = (record.revision, record.tenant.0, record.name.clone());
        record.revision += 1;
        let based_on = i64::try_from(given).map_err(|_| StorageError::NotFound)?;
        let (body, stamp, revision) = (text(&record)?, Uuid::now_v7(), based_on + 1);
        let _turn = self.0.turn((tenant, WHAT)).await;
        let applied = if based_on == 0 {
            let values = (revision, &body, stamp, tenant, &name);
            self.0.driver.decide(Query::CreateComponent, values).await?
        } else {
            let values = (revision, &body, stamp, tenant, &name, based_on);
            self.0.driver.decide(Query::ReplaceComponent, values).await?
        };
        if applied {
            return Ok(record.revision);
        }
        match self.0.driver.first::<(i64, Uuid)>(Query::ComponentState, (tenant, &name)).await? {
            // Applied by an attempt that had no answer.
            Some((_, by)) if by == stamp => Ok(record.revision),
            Some((stored, _)) => Err(StorageError::VersionConflict {
                given,
                stored: count(stored)?,
            }),
            None => Err(StorageError::NotFound),
        }
    }

    async fn delete_component(&self, tenant: TenantId, name: &str) -> Result<bool, StorageError> {
        if !storable_within(name) {
            return Ok(false);
        }
        self.0.order.check_open()?;
        for (digest, _) in self.0.versions(tenant, name).await? {
            self.0.delete_version(tenant, name, &digest).await?;
        }
        let state = self.0.driver.first::<(i64, Uuid)>(Query::ComponentState, (tenant.0, name)).await?;
        let _turn = self.0.turn((tenant.0, WHAT)).await;
        self.0.driver.decide(Query::DeleteComponent, (tenant.0, name)).await?;
        Ok(state.is_some())
    }

    async fn component_versions(&self, tenant: TenantId, name: &str) -> Result<Vec<ComponentVersion>, StorageError> {
        if !storable_within(name) {
            return Ok(Vec::new());
        }
        let rows = self.0.versions(tenant, name).await?;
        let mut versions = rows
            .iter()
            .map(|(_, body)| parse(VERSION, body))
            .collect::<Result<Vec<ComponentVersion>, _>>()?;
        versions.sort_unstable_by_key(|version| (std::cmp::Reverse(version.created_time), version.digest));
        Ok(versions)
    }

    async fn add_component_version(
        &self,
        tenant: TenantId,
        name: &str,
        version: ComponentVersion,
        bytes: Arc<[u8]>,
    ) -> Result<bool, StorageError> {
        check_within(NAME, name)?;
        self.0.order.check_open()?;
        let digest = &version.digest.0[..];
        if self.0.version(tenant, name, version.digest).await?.is_some() {
            return Ok(false);
        }
        self.0.write_pieces(tenant, name, digest, &bytes).await?;
        let (body, stamp) = (text(&version)?, Uuid::now_v7());
        let values = (&body, stamp, tenant.0, name, digest);
        if self.0.driver.decide(Query::CreateComponentVersion, values).await? {
            return Ok(true);
        }
        let by = self
            .0
            .driver
            .first::<(Uuid,)>(Query::ComponentVersionState, (tenant.0, name, digest))
            .await?;
        // Its own: applied by an attempt that had no answer.
        Ok(by == Some((stamp,)))
    }

    async fn component_bytes(&self, tenant: TenantId, name: &str, digest: Digest) -> Result<Option<Vec<u8>>, StorageError> {
        if !storable_within(name) {
            return Ok(None);
        }
        let Some(version) = self.0.version(tenant, name, digest).await? else {
            return Ok(None);
        };
        let values = (tenant.0, name, &digest.0[..]);
        let pieces = self
            .0
            .driver
            .rows::<(Vec<u8>,)>("pieces of a component", Query::Pieces, values)
            .await?;
        let bytes: Vec<u8> = pieces.into_iter().flat_map(|(piece,)| piece).collect();
        // Deleted in between, or damaged: the caller must not run half a component.
        if bytes.len() as u64 != version.bytes {
            return match self.0.version(tenant, name, digest).await? {
                None => Ok(None),
                Some(_) => Err(StorageError::Corrupt(format!(
                    "the bytes of version {digest} of a component are not complete"
                ))),
            };
        }
        Ok(Some(bytes))
    }

    async fn delete_component_version(&self, tenant: TenantId, name: &str, digest: Digest) -> Result<bool, StorageError> {
        if !storable_within(name) {
            return Ok(false);
        }
        self.0.order.check_open()?;
        self.0.delete_version(tenant, name, &digest.0).await
    }
}

impl Inner {
    async fn versions(&self, tenant: TenantId, name: &str) -> Result<Vec<(Vec<u8>, String)>, StorageError> {
        self.driver
            .rows::<(Vec<u8>, String)>("versions of a component", Query::ComponentVersions, (tenant.0, name))
            .await
    }

    async fn version(&self, tenant: TenantId, name: &str, digest: Digest) -> Result<Option<ComponentVersion>, StorageError> {
        let values = (tenant.0, name, &digest.0[..]);
        let row = self.driver.first::<(String,)>(Query::ComponentVersion, values).await?;
        row.map(|(body,)| parse(VERSION, &body)).transpose()
    }

    async fn write_pieces(&self, tenant: TenantId, name: &str, digest: &[u8], bytes: &[u8]) -> Result<(), StorageError> {
        let stamp_us = self.order.stamp();
        let key = pieces_key(tenant, name, digest);
        let mut pieces = bytes.chunks(PIECE_BYTES).zip(0_i32..);
        loop {
            let some = pieces.by_ref().take(PIECES_AT_ONCE).map(|(piece, position)| {
                let rest = [Bind::Int(position), Bind::Blob(Bytes::copy_from_slice(piece))];
                Write::put(Query::PutPiece, key.clone(), rest, stamp_us)
            });
            let some: Vec<Write> = some.collect();
            if some.is_empty() {
                return Ok(());
            }
            self.driver.write(some).await?;
        }
    }

    /// The row first: nobody sees a version without its bytes.
    async fn delete_version(&self, tenant: TenantId, name: &str, digest: &[u8]) -> Result<bool, StorageError> {
        let values = (tenant.0, name, digest);
        let there = self.driver.first::<(Uuid,)>(Query::ComponentVersionState, values).await?.is_some();
        self.driver.decide(Query::DeleteComponentVersion, values).await?;
        let pieces = Write::remove(Query::DropPieces, pieces_key(tenant, name, digest), [], self.order.stamp());
        self.driver.write(vec![pieces]).await?;
        Ok(there)
    }
}

fn pieces_key(tenant: TenantId, name: &str, digest: &[u8]) -> Vec<Bind> {
    vec![tenant.into(), name.into(), Bind::Blob(Bytes::copy_from_slice(digest))]
}
