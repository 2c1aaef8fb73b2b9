//! Entities in the form the REST API shows and the store keeps: the same JSON (ThingsBoard's field names).
//!
//! A stored entity is an [`EntityRecord`]: the fields every store indexes, and the JSON of one of the types here as its body.

pub mod ai_model;
pub mod alarm;
pub mod claim;
pub mod credentials;
pub mod device;
pub mod event;
pub mod listener;
pub mod provisioning;
pub mod reference;
pub mod relation;
pub mod rpc;
pub mod rule_chain;
pub mod tenant_profile;
pub mod topics;
pub mod user;
pub mod view;

pub use ai_model::AiModel;
pub use alarm::{Alarm, Severity};
pub use claim::ClaimWindow;
pub use credentials::{CredentialsError, MqttBasic, Proof};
pub use device::{CredentialsType, Device, DeviceCredentials, DeviceProfile};
pub use event::{Event, EventKind};
pub use listener::{Carrier, StreamListener};
pub use provisioning::{Issuer, Provisioning, Strategy};
pub use reference::IdRef;
pub use relation::{Direction, Relation, RelationGroup};
pub use rpc::{MethodCall, Rpc, RpcBody, RpcStatus};
pub use rule_chain::{Connection, DebugSettings, RuleChain, RuleChainMetadata, RuleNode, StoredChain};
pub use tenant_profile::{ComponentLimits, TenantProfile};
pub use topics::{OwnTopics, TopicsError};
pub use user::{Authority, Contact, Customer, Tenant, User};
pub use view::{EntityView, ViewAttributes, ViewKeys};

use crate::EntityId;

/// A stored entity: what every store indexes, and its JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct EntityRecord {
    /// Who it is.
    pub id: EntityId,
    /// Counts saves; starts at 1. In a save: the version the change is based on, 0 for a new entity.
    pub version: u64,
    /// Unique for a kind within a tenant (e-mail of a user, title of a tenant or customer).
    pub name: String,
    /// Type or profile name, for filtering; may be empty.
    pub subtype: String,
    /// The customer it is assigned to.
    pub customer: Option<uuid::Uuid>,
    /// JSON of the entity, without `version`.
    pub body: serde_json::Value,
}
