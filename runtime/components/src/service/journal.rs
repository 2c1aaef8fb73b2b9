//! Every change of components, as an event of the owner: who did what to which version.

use std::sync::Arc;

use model::entity::{Event, EventKind};
use model::{Digest, EntityId, EntityKind, Page, PageRequest, TenantId};
use serde_json::json;
use storage::{EventFilter, Mutation};
use uuid::Uuid;

use super::Components;
use crate::ComponentError;

/// Who acts when nobody does.
pub(super) const SYSTEM: &str = "system";
/// Events of an owner that a look at one component reads.
const EVENTS_READ_MAX: u32 = 10_000;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Change {
    Uploaded,
    Activated,
    ActivationFailed,
    RolledBack,
    RollbackFailed,
    Suspended,
    PermissionsChanged,
    VersionDeleted,
    Deleted,
}

impl Change {
    /// Its name in events.
    pub fn as_str(self) -> &'static str {
        match self {
            Change::Uploaded => "COMPONENT_UPLOADED",
            Change::Activated => "COMPONENT_ACTIVATED",
            Change::ActivationFailed => "COMPONENT_ACTIVATION_FAILED",
            Change::RolledBack => "COMPONENT_ROLLED_BACK",
            Change::RollbackFailed => "COMPONENT_ROLLBACK_FAILED",
            Change::Suspended => "COMPONENT_SUSPENDED",
            Change::PermissionsChanged => "COMPONENT_PERMISSIONS_CHANGED",
            Change::VersionDeleted => "COMPONENT_VERSION_DELETED",
            Change::Deleted => "COMPONENT_DELETED",
        }
    }

    fn is_success(self) -> bool {
        !matches!(self, Change::ActivationFailed | Change::RollbackFailed | Change::Suspended)
    }
}

impl Components {
    /// Records a change. A record that is not written is logged: what was done is done.
    pub(super) async fn note(&self, change: Change, tenant: TenantId, name: &str, version: Option<Digest>, by: &str, text: &str) {
        let now_ms = self.0.clock.now_ms();
        tracing::info!(%tenant, component = name, version = version.map(tracing::field::display), by, text, "{}", change.as_str());
        let event = Event {
            id: Uuid::now_v7(),
            entity: entity(tenant),
            kind: EventKind::LifeCycle,
            ts_ms: now_ms,
            body: json!({
                "event": change.as_str(),
                "component": name,
                "version": version,
                "user": by,
                "success": change.is_success(),
                "error": (!change.is_success()).then_some(text),
                "details": text,
            }),
        };
        let written = match self.0.store.submit(vec![Mutation::AppendEvent(Arc::new(event))]).await {
            Ok(commit) => commit.await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            tracing::error!(%tenant, component = name, %error, "a change of a component was not recorded");
        }
    }

    /// What happened to a component, newest first unless the request says otherwise.
    ///
    /// # Errors
    /// When what is stored cannot be read.
    pub async fn events(&self, owner: TenantId, name: &str, page: &PageRequest) -> Result<Page<Event>, ComponentError> {
        let filter = EventFilter {
            kind: EventKind::LifeCycle,
            from_ms: None,
            to_ms: None,
        };
        let all = PageRequest {
            page: 0,
            page_size: EVENTS_READ_MAX,
            ..page.clone()
        };
        let mut events = self.0.store.events(entity(owner), &filter, &all).await?.data;
        events.retain(|event| event.body["component"] == name);
        Ok(Page::of(events, page))
    }
}

fn entity(tenant: TenantId) -> EntityId {
    EntityId::new(tenant, EntityKind::Tenant, tenant.0)
}
