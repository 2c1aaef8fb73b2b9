//! Another server has changed what is stored of components: what is at work here follows. The store has decided; nothing is written, and
//! nothing is announced.

use std::collections::BTreeSet;

use model::{ComponentRecord, Digest, TenantId};

use super::{Components, lock};
use crate::ComponentError;
use crate::tenants::Active;

/// What has to be done so that what is at work is what is stored. Pure.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// It is.
    Nothing,
    /// The version that serves is stopped, for this reason.
    Suspend(String),
    /// This version serves, started afresh; none: none does.
    Switch(Option<Digest>),
}

/// `serves`: the version at work, and whether it is suspended.
fn step(serves: Option<(Digest, bool)>, record: Option<&ComponentRecord>) -> Step {
    let wanted = record.and_then(|record| record.active);
    let stopped = suspension(record);
    match (serves, wanted) {
        (Some((digest, is_stopped)), Some(wanted)) if digest == wanted => match (is_stopped, stopped) {
            (false, Some(reason)) => Step::Suspend(reason.to_owned()),
            // Somebody has activated it again.
            (true, None) => Step::Switch(Some(wanted)),
            (true, Some(_)) | (false, None) => Step::Nothing,
        },
        (None, None) => Step::Nothing,
        (_, wanted) => Step::Switch(wanted),
    }
}

/// Why the active version is stopped; none while it may run.
fn suspension(record: Option<&ComponentRecord>) -> Option<&str> {
    let record = record?;
    let suspended = record.suspended.as_ref()?;
    (Some(suspended.version) == record.active).then_some(&*suspended.reason)
}

impl Components {
    /// Tenants whose components are loaded; the system's are not among them.
    pub fn tenants_loaded(&self) -> Vec<TenantId> {
        let loaded = self.0.sets.iter().map(|entry| *entry.key());
        loaded.filter(|tenant| *tenant != TenantId::SYSTEM).collect()
    }

    /// Brings what is at work of an owner's components in line with what is stored. An owner whose components are not loaded has nothing
    /// to follow with: they are read at their first use.
    ///
    /// # Errors
    /// When what is stored cannot be read or loaded now. What cannot be loaded at all is logged: its chains go on with what they have.
    pub async fn follow(&self, owner: TenantId) -> Result<(), ComponentError> {
        let is_loaded = {
            // Whoever loads them now may have read what was stored before.
            let _loading = lock(&self.0.loads, owner).await;
            self.0.sets.contains_key(&owner)
        };
        if !is_loaded {
            return Ok(());
        }
        let _turn = self.turn(owner).await;
        let stored = self.0.store.components(owner).await?;
        let own = self.loaded_set(owner)?.own.clone();
        let at_work = own.iter().map(|active| active.name().to_owned());
        let names: BTreeSet<String> = stored.iter().map(|record| record.name.clone()).chain(at_work).collect();
        for name in names {
            let record = stored.iter().find(|record| record.name == name);
            match self.follow_one(owner, &name, record).await {
                Ok(()) => {}
                Err(error @ (ComponentError::Refused(_) | ComponentError::Conflict(_) | ComponentError::Invalid(_))) => {
                    tracing::error!(tenant = %owner, component = name, %error, "the version that another server activated cannot serve here");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn follow_one(&self, owner: TenantId, name: &str, record: Option<&ComponentRecord>) -> Result<(), ComponentError> {
        let set = self.loaded_set(owner)?;
        let serves = set.own.iter().find(|active| active.name() == name);
        let state = serves.map(|active| (active.digest(), active.release.suspended().is_some()));
        match (step(state, record), record) {
            (Step::Switch(Some(digest)), Some(record)) => {
                let loaded = self.load(owner, name, digest).await?;
                let next = self.at_work(record, digest, loaded, &set.places);
                if let Some(reason) = suspension(Some(record)) {
                    next.release.suspend(reason);
                }
                self.put_to_work(owner, name, Some(next)).await?;
            }
            (Step::Switch(_), _) => self.put_to_work(owner, name, None).await?,
            (Step::Suspend(reason), _) => {
                if let Some(active) = serves {
                    active.release.suspend(&reason);
                }
            }
            (Step::Nothing, _) => {}
        }
        record.into_iter().for_each(|record| self.permit_secrets(record));
        Ok(())
    }

    /// Switches everybody concerned, by trial as at an activation. What does not pass the trial here passed it elsewhere: then it goes to
    /// work without one, and its nodes open with their next messages.
    async fn put_to_work(&self, owner: TenantId, name: &str, next: Option<Active>) -> Result<(), ComponentError> {
        let digest = next.as_ref().map(Active::digest);
        let _others = self.others(owner).await;
        let set = self.loaded_set(owner)?;
        let sets = self.next_sets(owner, &set, name, next.as_ref())?;
        match self.prepare(&sets).await {
            Ok(prepared) => self.switch_to(sets, prepared).await,
            Err(ComponentError::Misfits(misfits)) => {
                tracing::warn!(tenant = %owner, component = name, misfits = misfits.len(), "nodes did not open beside those that serve");
                let tenants: Vec<TenantId> = sets.iter().map(|(tenant, _)| *tenant).collect();
                self.switch_to(sets, Vec::new()).await;
                if let Some(serving) = self.0.serving.get() {
                    for tenant in tenants {
                        serving.reload(tenant).await;
                    }
                }
            }
            Err(error) => return Err(error),
        }
        tracing::info!(tenant = %owner, component = name, version = digest.map(tracing::field::display), "component changed by another server");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use model::Suspension;

    use super::*;

    #[test]
    fn what_is_at_work_becomes_what_is_stored() {
        let (one, two) = (Digest([1; 32]), Digest([2; 32]));
        let record = |active: Option<Digest>, suspended: Option<Digest>| ComponentRecord {
            tenant: TenantId::SYSTEM,
            name: "calc".to_owned(),
            revision: 1,
            created_time: 1,
            active,
            previous: None,
            suspended: suspended.map(|version| Suspension {
                version,
                since: 1,
                reason: "it trapped".to_owned(),
            }),
            auto_rollback: false,
            granted: Default::default(),
            denied: Default::default(),
        };
        let suspend = || Step::Suspend("it trapped".to_owned());
        let cases = [
            (None, None, Step::Nothing),
            (None, Some(record(None, None)), Step::Nothing),
            (None, Some(record(Some(one), None)), Step::Switch(Some(one))),
            (None, Some(record(Some(one), Some(one))), Step::Switch(Some(one))),
            (Some((one, false)), Some(record(Some(one), None)), Step::Nothing),
            (Some((one, false)), Some(record(Some(two), None)), Step::Switch(Some(two))),
            (Some((one, false)), Some(record(None, None)), Step::Switch(None)),
            (Some((one, false)), None, Step::Switch(None)),
            (Some((one, false)), Some(record(Some(one), Some(one))), suspend()),
            // Of a version before: it says nothing of this one.
            (Some((one, false)), Some(record(Some(one), Some(two))), Step::Nothing),
            (Some((one, true)), Some(record(Some(one), Some(one))), Step::Nothing),
            (Some((one, true)), Some(record(Some(one), None)), Step::Switch(Some(one))),
        ];
        for (serves, record, expected) in cases {
            assert_eq!(step(serves, record.as_ref()), expected, "{serves:?} {record:?}");
        }
    }
}
