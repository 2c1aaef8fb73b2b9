//! Changing what is at work: every node that uses a component switches to another version, or none does.
//!
//! 1. the version is loaded, and its permissions and class ids are checked,
//! 2. every node that it changes opens beside the one that serves; one that does not open ends it here, nothing has changed,
//! 3. the choice is stored: from here on it also holds after a crash,
//! 4. every node switches between two of its messages.

use std::sync::Arc;

use model::{ComponentRecord, Digest, TenantId};
use plugins::{LoadedComponent, Watch};
use tokio::sync::{RwLockReadGuard, RwLockWriteGuard};

use super::journal::Change;
use super::{Components, Owner};
use crate::serving::{Misfit, Prepared};
use crate::tenants::{Active, TenantSet, used_by};
use crate::{ComponentError, permission};

impl Components {
    /// Makes a version serve.
    ///
    /// # Errors
    /// [`ComponentError::Misfits`] and [`ComponentError::Conflict`]: the version before goes on serving.
    pub async fn activate(&self, owner: &Owner, name: &str, digest: Digest) -> Result<ComponentRecord, ComponentError> {
        let done = self.switch(owner, name, Some(digest), false).await;
        let (change, text) = match &done {
            Ok(_) => (Change::Activated, String::new()),
            Err(error) => (Change::ActivationFailed, error.to_string()),
        };
        if !matches!(done, Err(ComponentError::NotFound(_))) {
            self.note(change, owner.tenant, name, Some(digest), &owner.by, &text).await;
        }
        done
    }

    /// Makes the version serve that served before.
    ///
    /// # Errors
    /// As [`Components::activate`]; [`ComponentError::Conflict`] when there is none.
    pub async fn roll_back(&self, owner: &Owner, name: &str) -> Result<ComponentRecord, ComponentError> {
        let before = self.record(owner.tenant, name).await?.previous;
        let before = before.ok_or_else(|| ComponentError::Conflict(format!("Component [{name}] has no version to roll back to")))?;
        let record = self.switch(owner, name, Some(before), false).await?;
        self.note(Change::RolledBack, owner.tenant, name, Some(before), &owner.by, "").await;
        Ok(record)
    }

    /// As a remedy: the version that was stopped is not what the next roll-back returns to.
    pub(super) async fn roll_back_to(&self, owner: &Owner, name: &str, before: Digest) -> Result<(), ComponentError> {
        self.switch(owner, name, Some(before), true).await?;
        self.note(Change::RolledBack, owner.tenant, name, Some(before), &owner.by, "").await;
        Ok(())
    }

    /// Takes a component out of work. Only for one that no node uses.
    pub(super) async fn take_out(&self, owner: &Owner, name: &str) -> Result<(), ComponentError> {
        self.switch(owner, name, None, false).await.map(drop)
    }

    async fn switch(&self, owner: &Owner, name: &str, digest: Option<Digest>, remedy: bool) -> Result<ComponentRecord, ComponentError> {
        let tenant = owner.tenant;
        // Before any lock: what is started here asks for components itself.
        self.set(tenant).await?;
        if let (Some(serving), false) = (self.0.serving.get(), tenant == TenantId::SYSTEM) {
            serving.ensure(tenant).await.map_err(ComponentError::Host)?;
        }
        let _turn = self.turn(tenant).await;
        let mut record = self.record(tenant, name).await?;
        if digest.is_some() && record.active == digest && record.suspended.is_none() {
            return Ok(record);
        }
        let loaded = match digest {
            None => None,
            Some(digest) => Some((digest, self.loaded_if_allowed(&record, digest).await?)),
        };
        let _others = self.others(tenant).await;
        let set = self.loaded_set(tenant)?;
        let next = loaded.map(|(digest, loaded)| self.at_work(&record, digest, loaded, &set.places));
        let sets = self.next_sets(tenant, &set, name, next.as_ref())?;
        let prepared = self.prepare(&sets).await?;
        if record.active != digest {
            // Whoever was stopped is nothing to return to.
            record.previous = if remedy { None } else { record.active };
            record.active = digest;
        }
        record.suspended = None;
        record.revision = self.0.store.save_component(record.clone()).await?;
        self.announce(tenant);
        self.switch_to(sets, prepared).await;
        Ok(record)
    }

    /// What is stored of an owner's components has changed: other servers hear of it.
    pub(super) fn announce(&self, owner: TenantId) {
        if let Some(serving) = self.0.serving.get() {
            serving.announce(owner);
        }
    }

    /// Waits until nobody changes components that this change concerns.
    pub(super) async fn others(&self, owner: TenantId) -> Others<'_> {
        match owner {
            TenantId::SYSTEM => Others::Locked(self.0.everybody.write().await),
            _ => Others::Apart(self.0.everybody.read().await),
        }
    }

    /// From here on these are at work.
    pub(super) async fn switch_to(&self, sets: Vec<(TenantId, Arc<TenantSet>)>, prepared: Vec<Box<dyn Prepared>>) {
        for (tenant, set) in sets {
            self.0.sets.insert(tenant, set);
        }
        for one in prepared {
            one.commit().await;
        }
    }

    async fn loaded_if_allowed(&self, record: &ComponentRecord, digest: Digest) -> Result<LoadedComponent, ComponentError> {
        let (_, facts) = self.version(record.tenant, &record.name, digest).await?;
        if let Some(obstacle) = permission::obstacle(&facts, &record.granted, &record.denied) {
            return Err(ComponentError::Conflict(format!("The version cannot serve: {obstacle}")));
        }
        self.load(record.tenant, &record.name, digest).await
    }

    pub(super) fn loaded_set(&self, tenant: TenantId) -> Result<Arc<TenantSet>, ComponentError> {
        let set = self.0.sets.get(&tenant).map(|set| Arc::clone(&set));
        set.ok_or_else(|| ComponentError::Host("the tenant's components are not loaded".to_owned()))
    }

    /// What will be at work: for the owner, and for every tenant in use when it is the system's.
    pub(super) fn next_sets(
        &self,
        owner: TenantId,
        set: &TenantSet,
        name: &str,
        next: Option<&Active>,
    ) -> Result<Vec<(TenantId, Arc<TenantSet>)>, ComponentError> {
        let shipped = &self.0.shipped;
        if let Some((class_id, owner)) = next.and_then(|active| set.taken(active)) {
            return Err(ComponentError::Conflict(format!(
                "The version cannot serve: its class id {class_id:?} belongs to {owner}, give the node type another one"
            )));
        }
        let own = set.with_own(shipped, name, next.cloned());
        let mut sets = vec![(owner, Arc::new(own))];
        if owner == TenantId::SYSTEM {
            let watch: Arc<dyn Watch> = self.0.watcher.clone();
            for entry in self.0.sets.iter().filter(|entry| *entry.key() != TenantId::SYSTEM) {
                let (tenant, set) = (*entry.key(), entry.value());
                let next = next.map(|active| used_by(active, tenant, &set.places, &watch));
                sets.push((tenant, Arc::new(set.with_system(shipped, name, next))));
            }
        }
        Ok(sets)
    }

    pub(super) async fn prepare(&self, sets: &[(TenantId, Arc<TenantSet>)]) -> Result<Vec<Box<dyn Prepared>>, ComponentError> {
        let Some(serving) = self.0.serving.get() else {
            return Ok(Vec::new());
        };
        let mut prepared = Vec::with_capacity(sets.len());
        let mut misfits: Vec<Misfit> = Vec::new();
        for (tenant, set) in sets {
            match serving.prepare(*tenant, Arc::clone(&set.catalog)).await {
                Ok(one) => prepared.push(one),
                Err(all) => misfits.extend(all),
            }
        }
        if misfits.is_empty() {
            Ok(prepared)
        } else {
            Err(ComponentError::Misfits(misfits))
        }
    }
}

/// Keeps changes of the system's components apart from everybody else's.
#[allow(dead_code, reason = "held, not looked at")]
pub(super) enum Others<'a> {
    Locked(RwLockWriteGuard<'a, ()>),
    Apart(RwLockReadGuard<'a, ()>),
}
