//! The port through which routes run listeners of stream adapters. Implemented where sockets and components are known.

use async_trait::async_trait;
use model::TenantId;
use model::entity::StreamListener;
use serde::Serialize;
use uuid::Uuid;

use crate::ApiError;

/// What can be seen of a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    /// Whether it runs.
    pub running: bool,
    /// Connections, or UDP peers.
    pub peers: usize,
    /// How often the adapter failed since the listener started.
    pub faults: u64,
    /// Why it does not run, or how the adapter failed last.
    pub error: Option<String>,
}

/// Why a listener does not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenerError {
    /// The operator allows no such port.
    #[error("Port {port} is not allowed: {allowed}")]
    PortNotAllowed {
        /// Wanted.
        port: u16,
        /// What is, in words.
        allowed: String,
    },
    /// Somebody has it.
    #[error("Port {0} is in use")]
    PortInUse(u16),
    /// The tenant has no such adapter.
    #[error("There is no stream adapter {0:?}")]
    NoAdapter(String),
    /// The system does not give it.
    #[error("Port {port} cannot be used: {reason}")]
    Unusable {
        /// Wanted.
        port: u16,
        /// As the system says.
        reason: String,
    },
}

impl From<ListenerError> for ApiError {
    fn from(error: ListenerError) -> Self {
        match error {
            ListenerError::PortInUse(_) => ApiError::Conflict(error.to_string()),
            _ => ApiError::Invalid(error.to_string()),
        }
    }
}

/// Runs listeners.
#[async_trait]
pub trait Listeners: Send + Sync + 'static {
    /// Keeps a port for a listener, whether it runs or not.
    ///
    /// # Errors
    /// [`ListenerError::PortNotAllowed`], [`ListenerError::PortInUse`].
    fn reserve(&self, tenant: TenantId, id: Uuid, port: u16) -> Result<(), ListenerError>;

    /// Gives the port of a listener back.
    fn release(&self, id: Uuid);

    /// Starts a listener whose port is reserved. One that runs already goes on.
    ///
    /// # Errors
    /// [`ListenerError`].
    async fn start(&self, tenant: TenantId, listener: &StreamListener) -> Result<(), ListenerError>;

    /// Stops a listener: its connections end when what they sent is durable.
    async fn stop(&self, id: Uuid);

    /// Brings a listener in line with what is stored of it; none: it was deleted. What does not start says why in its status.
    async fn align(&self, tenant: TenantId, id: Uuid, stored: Option<&StreamListener>);

    /// Listeners that have a port here.
    fn reserved(&self) -> Vec<(TenantId, Uuid)>;

    /// What can be seen of a listener.
    fn status(&self, id: Uuid) -> ListenerStatus;
}

/// A server without listeners.
#[derive(Clone, Copy, Debug)]
pub struct NoListeners;

#[async_trait]
impl Listeners for NoListeners {
    fn reserve(&self, _: TenantId, _: Uuid, port: u16) -> Result<(), ListenerError> {
        Err(ListenerError::PortNotAllowed {
            port,
            allowed: "this server has no listeners".to_owned(),
        })
    }

    fn release(&self, _: Uuid) {}

    async fn start(&self, tenant: TenantId, listener: &StreamListener) -> Result<(), ListenerError> {
        self.reserve(tenant, Uuid::nil(), listener.port)
    }

    async fn stop(&self, _: Uuid) {}

    async fn align(&self, _: TenantId, _: Uuid, _: Option<&StreamListener>) {}

    fn reserved(&self) -> Vec<(TenantId, Uuid)> {
        Vec::new()
    }

    fn status(&self, _: Uuid) -> ListenerStatus {
        ListenerStatus::default()
    }
}
