//! The adapters a tenant may name: by the name of a component it uploaded, or its administrators did, else those the server has.

use async_trait::async_trait;
use components::{Active, Components};
use model::TenantId;
use plugins::{AdapterComponent, LoadedComponent, StreamComponent};
use session::AdapterSource;

use crate::shipped::ServerAdapters;

/// Adapters by name.
pub struct TenantAdapters {
    components: Components,
    server: ServerAdapters,
}

impl TenantAdapters {
    /// Of uploaded components, and of those the server has.
    pub fn new(components: Components, server: ServerAdapters) -> Self {
        TenantAdapters { components, server }
    }

    /// The active version of an uploaded component.
    async fn uploaded(&self, tenant: TenantId, name: &str) -> Option<Active> {
        match self.components.active(tenant, name).await {
            Ok(active) => active,
            Err(error) => {
                tracing::warn!(%tenant, name, %error, "a component could not be looked up");
                None
            }
        }
    }
}

#[async_trait]
impl AdapterSource for TenantAdapters {
    async fn payload(&self, tenant: TenantId, adapter: &str) -> Option<AdapterComponent> {
        match self.uploaded(tenant, adapter).await.map(|active| active.loaded) {
            Some(LoadedComponent::Adapter(component)) => Some(component),
            _ => self.server.payload.get(adapter).cloned(),
        }
    }

    async fn stream(&self, tenant: TenantId, adapter: &str) -> Option<StreamComponent> {
        match self.uploaded(tenant, adapter).await.map(|active| active.loaded) {
            Some(LoadedComponent::Stream(component)) => Some(component),
            _ => self.server.stream.get(adapter).cloned(),
        }
    }
}
