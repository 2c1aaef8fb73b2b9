//! What is done when a version was stopped: it is recorded, and where its component says so, the version before serves again.

use model::{ComponentRecord, Suspension};

use super::journal::{Change, SYSTEM};
use super::{Components, Owner};
use crate::ComponentError;
use crate::breaker::{Remedy, remedy};
use crate::watch::Stopped;

impl Components {
    /// The version is stopped already; this makes it known, lasting and, maybe, good again.
    pub(super) async fn was_stopped(&self, Stopped { tenant, id, reason }: Stopped) {
        let name = &*id.component;
        self.note(Change::Suspended, tenant, name, Some(id.digest), SYSTEM, &reason).await;
        // The system's component goes on for other tenants: only for this one it is stopped, until the server starts again.
        if id.owner != tenant {
            return;
        }
        let record = match self.remember_suspension(&id, reason).await {
            Ok(Some(record)) => record,
            Ok(None) => return,
            Err(error) => return tracing::error!(%tenant, component = name, %error, "a suspension was not stored"),
        };
        if let Remedy::RollBack(before) = remedy(id.digest, record.active, record.previous, record.auto_rollback) {
            let owner = Owner {
                tenant,
                by: SYSTEM.to_owned(),
            };
            if let Err(error) = self.roll_back_to(&owner, name, before).await {
                let text = error.to_string();
                self.note(Change::RollbackFailed, tenant, name, Some(before), SYSTEM, &text).await;
            }
        }
    }

    /// None: another version is active by now.
    async fn remember_suspension(&self, id: &plugins::ReleaseId, reason: String) -> Result<Option<ComponentRecord>, ComponentError> {
        let _turn = self.turn(id.owner).await;
        let mut record = self.record(id.owner, &id.component).await?;
        if record.active != Some(id.digest) {
            return Ok(None);
        }
        record.suspended = Some(Suspension {
            version: id.digest,
            since: self.0.clock.now_ms(),
            reason,
        });
        record.revision = self.0.store.save_component(record.clone()).await?;
        self.announce(id.owner);
        // It may have been started afresh in between, since somebody else knew nothing of the suspension.
        let serves = self
            .0
            .sets
            .get(&id.owner)
            .and_then(|set| set.active_of(id.owner, &id.component).cloned());
        if let (Some(active), Some(suspended)) = (serves.filter(|active| active.digest() == id.digest), &record.suspended) {
            active.release.suspend(&suspended.reason);
        }
        Ok(Some(record))
    }
}
