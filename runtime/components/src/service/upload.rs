//! Uploading: admitted first, then kept. The same bytes again are the same version.

use std::sync::Arc;

use model::{ComponentRecord, ComponentVersion, Digest};
use sha2::{Digest as _, Sha256};

use super::journal::Change;
use super::{Components, Owner};
use crate::admit::{admit, blocking};
use crate::{ComponentError, Facts, Quotas};

/// Characters of a name at most.
const NAME_LEN_MAX: usize = 64;

/// What is uploaded.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Name of the component.
    pub name: String,
    /// The component.
    pub bytes: Arc<[u8]>,
    /// Whether a suspension rolls back by itself; none: as it was, at first not.
    pub auto_rollback: Option<bool>,
}

impl Components {
    /// Admits a version and keeps it. It does not serve yet. Answers the version, and whether it is new.
    ///
    /// # Errors
    /// [`ComponentError::Refused`], [`ComponentError::Quota`], [`ComponentError::Busy`], or what went wrong here.
    pub async fn upload(&self, owner: &Owner, upload: Upload) -> Result<(ComponentVersion, bool), ComponentError> {
        let Upload {
            name,
            bytes,
            auto_rollback,
        } = upload;
        check_name(&name)?;
        let _turn = self.turn(owner.tenant).await;
        let record = self.0.store.component(owner.tenant, &name).await?;
        let hashed = Arc::clone(&bytes);
        let digest = blocking(move || Digest(Sha256::digest(&hashed).into())).await?;
        let stored = self.0.store.component_versions(owner.tenant, &name).await?;
        let quotas = self.quotas(owner.tenant).await?;
        let known = stored.iter().find(|version| version.digest == digest).cloned();
        if known.is_none() {
            self.check_quotas(owner, &quotas, record.is_none(), bytes.len() as u64).await?;
        }
        let version = match &known {
            Some(version) => version.clone(),
            None => {
                let bytes_max = quotas.component_bytes_max;
                let facts = admit(&self.0.host, &*self.0.compiler, Arc::clone(&bytes), bytes_max).await?;
                self.new_version(digest, bytes.len() as u64, &facts)?
            }
        };
        let record = self.keep_record(owner, &name, record, auto_rollback).await?;
        if known.is_none() {
            self.0
                .store
                .add_component_version(owner.tenant, &name, version.clone(), bytes)
                .await?;
            self.make_room(&record, stored, quotas.versions_max).await?;
            let text = format!("{} bytes", version.bytes);
            self.note(Change::Uploaded, owner.tenant, &name, Some(digest), &owner.by, &text)
                .await;
        }
        Ok((version, known.is_none()))
    }

    fn new_version(&self, digest: Digest, bytes: u64, facts: &Facts) -> Result<ComponentVersion, ComponentError> {
        Ok(ComponentVersion {
            digest,
            created_time: self.0.clock.now_ms(),
            bytes,
            facts: serde_json::to_value(facts).map_err(|error| ComponentError::Host(error.to_string()))?,
        })
    }

    async fn check_quotas(&self, owner: &Owner, quotas: &Quotas, is_new: bool, more_bytes: u64) -> Result<(), ComponentError> {
        let components = self.0.store.components(owner.tenant).await?;
        let mut stored_bytes = 0u64;
        for component in &components {
            let versions = self.0.store.component_versions(owner.tenant, &component.name).await?;
            stored_bytes += versions.iter().map(|version| version.bytes).sum::<u64>();
        }
        quotas.check(components.len(), is_new, stored_bytes, more_bytes)
    }

    async fn keep_record(
        &self,
        owner: &Owner,
        name: &str,
        record: Option<ComponentRecord>,
        auto_rollback: Option<bool>,
    ) -> Result<ComponentRecord, ComponentError> {
        let mut record = match record {
            Some(record) if auto_rollback.is_none_or(|wanted| wanted == record.auto_rollback) => return Ok(record),
            Some(record) => record,
            None => ComponentRecord {
                tenant: owner.tenant,
                name: name.to_owned(),
                revision: 0,
                created_time: self.0.clock.now_ms(),
                active: None,
                previous: None,
                suspended: None,
                auto_rollback: false,
                granted: Default::default(),
                denied: Default::default(),
            },
        };
        record.auto_rollback = auto_rollback.unwrap_or(record.auto_rollback);
        record.revision = self.0.store.save_component(record.clone()).await?;
        Ok(record)
    }

    /// Removes the oldest versions beyond the limit, but none that serves or that a roll-back returns to. `before` is without the newest.
    async fn make_room(&self, record: &ComponentRecord, before: Vec<ComponentVersion>, versions_max: usize) -> Result<(), ComponentError> {
        let keep = versions_max.saturating_sub(1);
        for old in before.into_iter().skip(keep) {
            if record.active != Some(old.digest) && record.previous != Some(old.digest) {
                self.0
                    .store
                    .delete_component_version(record.tenant, &record.name, old.digest)
                    .await?;
            }
        }
        Ok(())
    }
}

/// Names stand in paths and in what people type.
fn check_name(name: &str) -> Result<(), ComponentError> {
    let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
    let begins = name
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if begins && name.len() <= NAME_LEN_MAX && name.bytes().all(fine) {
        return Ok(());
    }
    Err(ComponentError::Invalid(format!(
        "Component name should have 1 to {NAME_LEN_MAX} lower-case letters, digits, '-', '_' or '.', and begin with a letter or digit"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        for (name, fine) in [
            ("moving-average", true),
            ("a", true),
            ("3d_v1.2", true),
            (&*"a".repeat(64), true),
            (&*"a".repeat(65), false),
            ("", false),
            ("-a", false),
            ("..", false),
            ("A", false),
            ("a b", false),
            ("a/b", false),
            ("ä", false),
            ("a\0", false),
        ] {
            assert_eq!(check_name(name).is_ok(), fine, "{name:?}");
        }
    }
}
