//! What is known of components: lists, versions, permissions, figures, bytes; who uses them. And what only changes that.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use model::entity::StoredChain;
use model::{ComponentRecord, ComponentVersion, Digest, EntityKind, Page, PageRequest, TenantId};
use plugins::ReleaseState;
use storage::EntityFilter;

use super::journal::Change;
use super::{Components, Owner, facts};
use crate::permission::{self, Permission};
use crate::{ComponentError, Facts};

/// Names that one request grants or denies at most.
const DECISIONS_MAX: usize = 100;
/// Bytes of the name of a permission at most.
const PERMISSION_BYTES_MAX: usize = 100;
/// Tenants whose chains are looked through for a component of the system, and chains of each.
const TENANTS_MAX: u32 = 100_000;
const CHAINS_MAX: u32 = 1_000;

/// A component with its versions.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// The component.
    pub record: ComponentRecord,
    /// Newest first.
    pub versions: Vec<InspectedVersion>,
}

/// A version, for the person who decides about it.
#[derive(Clone, Debug)]
pub struct InspectedVersion {
    /// The version.
    pub version: ComponentVersion,
    /// What was found out when it was admitted.
    pub facts: Facts,
    /// What it needs.
    pub permissions: Vec<Permission>,
    /// How it fares; none unless it is at work.
    pub state: Option<ReleaseState>,
}

impl Components {
    /// A page of an owner's components. Text search looks at names; sorted by `name` (the default) or `createdTime`.
    ///
    /// # Errors
    /// When what is stored cannot be read.
    pub async fn list(&self, owner: TenantId, page: &PageRequest) -> Result<Page<ComponentRecord>, ComponentError> {
        let mut all = self.0.store.components(owner).await?;
        if let Some(text) = page.text_search.as_ref().map(|text| text.to_lowercase()) {
            all.retain(|record| record.name.to_lowercase().contains(&text));
        }
        if page.sort_property.as_deref() == Some("createdTime") {
            all.sort_by_key(|record| record.created_time);
        }
        if page.descending {
            all.reverse();
        }
        Ok(Page::of(all, page))
    }

    /// A component.
    ///
    /// # Errors
    /// [`ComponentError::NotFound`].
    pub async fn inspect(&self, owner: TenantId, name: &str) -> Result<Inspected, ComponentError> {
        let record = self.record(owner, name).await?;
        let stored = self.0.store.component_versions(owner, name).await?;
        let versions = stored.into_iter().map(|version| self.inspected(&record, version));
        Ok(Inspected {
            versions: versions.collect::<Result<_, _>>()?,
            record,
        })
    }

    fn inspected(&self, record: &ComponentRecord, version: ComponentVersion) -> Result<InspectedVersion, ComponentError> {
        let facts = facts(&version)?;
        let set = self.0.sets.get(&record.tenant);
        let active = set.as_ref().and_then(|set| set.active_of(record.tenant, &record.name));
        let mut permissions = permission::needed(&facts, &record.granted, &record.denied);
        permissions.extend(permission::of_secrets(&record.granted, &record.denied));
        Ok(InspectedVersion {
            permissions,
            state: active
                .filter(|active| active.digest() == version.digest)
                .map(|active| active.release.state()),
            version,
            facts,
        })
    }

    /// The digest that a text stands for: all of its digits, or as many of the first as are unique, eight at least.
    ///
    /// # Errors
    /// [`ComponentError::NotFound`], [`ComponentError::Invalid`].
    pub async fn named_version(&self, owner: TenantId, name: &str, text: &str) -> Result<Digest, ComponentError> {
        self.record(owner, name).await?;
        let text = text.to_ascii_lowercase();
        if !(8..=64).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ComponentError::Invalid(
                "Version should be the 64 hexadecimal digits of a SHA-256, or the first 8 or more".to_owned(),
            ));
        }
        let versions = self.0.store.component_versions(owner, name).await?;
        let mut found = versions.iter().filter(|version| version.digest.to_string().starts_with(&text));
        match (found.next(), found.next()) {
            (Some(version), None) => Ok(version.digest),
            (None, _) => Err(ComponentError::no_version(name, text)),
            (Some(_), Some(_)) => Err(ComponentError::Invalid(format!("Several versions begin with [{text}]"))),
        }
    }

    /// The bytes of a version.
    ///
    /// # Errors
    /// [`ComponentError::NotFound`].
    pub async fn download(&self, owner: TenantId, name: &str, digest: Digest) -> Result<Vec<u8>, ComponentError> {
        let bytes = self.0.store.component_bytes(owner, name, digest).await?;
        bytes.ok_or_else(|| ComponentError::no_version(name, digest))
    }

    /// Grants and denies permissions.
    ///
    /// # Errors
    /// [`ComponentError::Conflict`] when the active version needs what would be denied.
    pub async fn decide(&self, owner: &Owner, name: &str, grant: Vec<String>, deny: Vec<String>) -> Result<Inspected, ComponentError> {
        let all = || grant.iter().chain(&deny);
        if all().count() > DECISIONS_MAX || all().any(|name| name.is_empty() || name.len() > PERMISSION_BYTES_MAX) {
            return Err(ComponentError::Invalid(format!(
                "At most {DECISIONS_MAX} permissions, each by its name, can be decided about at once"
            )));
        }
        let text = format!("granted: {}; denied: {}", grant.join(", "), deny.join(", "));
        {
            let _turn = self.turn(owner.tenant).await;
            let mut record = self.record(owner.tenant, name).await?;
            let known = self.needed_by_any(owner.tenant, name).await?;
            if let Some(unknown) = all().find(|name| !permission::is_decidable(name, &known)) {
                return Err(ComponentError::Invalid(format!(
                    "No version of the component needs the permission [{unknown}]"
                )));
            }
            permission::decide(&mut record, grant, deny);
            if let Some(digest) = record.active {
                let (_, facts) = self.version(owner.tenant, name, digest).await?;
                if let Some(obstacle) = permission::obstacle(&facts, &record.granted, &record.denied) {
                    return Err(ComponentError::Conflict(format!(
                        "The active version would not be allowed to serve any more: {obstacle}; or activate a version that does not need it"
                    )));
                }
            }
            self.0.store.save_component(record.clone()).await?;
            self.announce(owner.tenant);
            self.permit_secrets(&record);
        }
        self.note(Change::PermissionsChanged, owner.tenant, name, None, &owner.by, &text)
            .await;
        self.inspect(owner.tenant, name).await
    }

    /// Tells what is at work which secrets it may use now.
    pub(super) fn permit_secrets(&self, record: &ComponentRecord) {
        let secrets = Arc::new(permission::secrets(record));
        for set in &self.0.sets {
            let ours = *set.key() == record.tenant || record.tenant == TenantId::SYSTEM;
            if let Some(active) = set.active_of(record.tenant, &record.name).filter(|_| ours) {
                active.release.permit_secrets(Arc::clone(&secrets));
            }
        }
    }

    async fn needed_by_any(&self, owner: TenantId, name: &str) -> Result<BTreeSet<String>, ComponentError> {
        let mut known = BTreeSet::new();
        for version in self.0.store.component_versions(owner, name).await? {
            let Facts { imports, effects, .. } = facts(&version)?;
            known.extend(imports.into_iter().chain(effects));
        }
        Ok(known)
    }

    /// Removes a component with all its versions.
    ///
    /// # Errors
    /// [`ComponentError::Conflict`] while nodes use it, naming them.
    pub async fn delete(&self, owner: &Owner, name: &str) -> Result<(), ComponentError> {
        let record = self.record(owner.tenant, name).await?;
        let uses = self.uses(owner.tenant, name).await?;
        if !uses.is_empty() {
            let named: Vec<String> = uses
                .iter()
                .take(20)
                .map(|(chain, node)| format!("rule chain {chain:?}, node {node:?}"))
                .collect();
            let more = if uses.len() > named.len() { " and others" } else { "" };
            return Err(ComponentError::Conflict(format!(
                "Component [{name}] is used by {}{more}: remove these nodes first",
                named.join("; ")
            )));
        }
        if record.active.is_some() {
            self.take_out(owner, name).await?;
        }
        let _turn = self.turn(owner.tenant).await;
        self.0.store.delete_component(owner.tenant, name).await?;
        self.note(Change::Deleted, owner.tenant, name, None, &owner.by, "").await;
        Ok(())
    }

    /// Removes a version.
    ///
    /// # Errors
    /// [`ComponentError::Conflict`] for the one that serves, and the one that a roll-back returns to.
    pub async fn delete_version(&self, owner: &Owner, name: &str, digest: Digest) -> Result<(), ComponentError> {
        let _turn = self.turn(owner.tenant).await;
        let record = self.record(owner.tenant, name).await?;
        let kept = [(record.active, "serves"), (record.previous, "is what a roll-back returns to")];
        if let Some((_, why)) = kept.into_iter().find(|(kept, _)| *kept == Some(digest)) {
            return Err(ComponentError::Conflict(format!("The version {why}: activate another one first")));
        }
        if !self.0.store.delete_component_version(owner.tenant, name, digest).await? {
            return Err(ComponentError::no_version(name, digest));
        }
        self.note(Change::VersionDeleted, owner.tenant, name, Some(digest), &owner.by, "")
            .await;
        Ok(())
    }

    /// Chains and nodes that name a type of the component, and that get it from there.
    async fn uses(&self, owner: TenantId, name: &str) -> Result<Vec<(String, String)>, ComponentError> {
        let mut class_ids = HashSet::new();
        for version in self.0.store.component_versions(owner, name).await? {
            class_ids.extend(facts(&version)?.class_ids().cloned());
        }
        let tenants = match owner {
            TenantId::SYSTEM => {
                let (filter, page) = (EntityFilter::default(), PageRequest::first(TENANTS_MAX));
                let all = self.0.store.entities(TenantId::SYSTEM, EntityKind::Tenant, &filter, &page).await?;
                all.data.into_iter().map(|record| TenantId(record.id.id)).collect()
            }
            tenant => vec![tenant],
        };
        let mut uses = Vec::new();
        for tenant in tenants {
            self.uses_of_tenant(tenant, owner, name, &class_ids, &mut uses).await?;
        }
        Ok(uses)
    }

    async fn uses_of_tenant(
        &self,
        tenant: TenantId,
        owner: TenantId,
        name: &str,
        class_ids: &HashSet<String>,
        uses: &mut Vec<(String, String)>,
    ) -> Result<(), ComponentError> {
        let (filter, page) = (EntityFilter::default(), PageRequest::first(CHAINS_MAX));
        let chains = self.0.store.entities(tenant, EntityKind::RuleChain, &filter, &page).await?;
        for record in chains.data {
            let Ok(stored) = serde_json::from_value::<StoredChain>(record.body) else {
                continue;
            };
            for node in stored.metadata.nodes.iter().filter(|node| class_ids.contains(&node.node_type)) {
                // The id may belong to somebody else by now; where nobody has it, it is still this component's.
                let known = self.catalog(tenant).await?.resolve(&node.node_type);
                let ours = known.is_none_or(|known| {
                    known
                        .release()
                        .is_some_and(|release| release.id().owner == owner && &*release.id().component == name)
                });
                if ours {
                    uses.push((stored.chain.name.clone(), node.name.clone()));
                }
            }
        }
        Ok(())
    }
}
