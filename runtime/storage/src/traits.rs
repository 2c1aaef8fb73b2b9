//! The ports. A back end implements all of them; [`Store`] is their sum.

use std::sync::Arc;

use async_trait::async_trait;
use model::entity::{Alarm, DeviceCredentials, EntityRecord, Event, Relation, Rpc, RpcStatus};
use model::{
    AttributeScope, ComponentRecord, ComponentVersion, DeviceId, Digest, EntityId, EntityKind, NodeState, Page, PageRequest, Reading,
    RuleNodeId, TenantId, UserId,
};
use serde::{Deserialize, Serialize};

use crate::{AlarmFilter, Commit, EntityFilter, EventFilter, Mutation, RelationQuery, Row, SeriesQuery, StorageError};

/// Everything a back end does.
pub trait Store:
    Journal
    + EntityStore
    + CredentialStore
    + LoginStore
    + AttributeStore
    + TimeSeriesStore
    + AlarmStore
    + RpcStore
    + EventStore
    + ComponentStore
    + SettingStore
    + NodeStateStore
    + RelationStore
    + ReminderStore
    + RowStore
{
}

impl<T> Store for T where
    T: Journal
        + EntityStore
        + CredentialStore
        + LoginStore
        + AttributeStore
        + TimeSeriesStore
        + AlarmStore
        + RpcStore
        + EventStore
        + ComponentStore
        + SettingStore
        + NodeStateStore
        + RelationStore
        + ReminderStore
        + RowStore
{
}

/// Takes changes in batches.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Hands a batch over. Returns when it has a place in the bounded queue (this is the back-pressure); the [`Commit`] resolves when
    /// the batch is durable. Batches handed over one after the other become durable in that order.
    async fn submit(&self, batch: Vec<Mutation>) -> Result<Commit, StorageError>;

    /// Makes everything handed over so far durable and takes no more.
    async fn close(&self) -> Result<(), StorageError>;
}

/// Entities of all kinds, as records. A saved entity is durable when the call returns.
#[async_trait]
pub trait EntityStore: Send + Sync + 'static {
    /// One entity.
    async fn entity(&self, id: EntityId) -> Result<Option<EntityRecord>, StorageError>;

    /// One entity by its name.
    async fn entity_by_name(&self, tenant: TenantId, kind: EntityKind, name: &str) -> Result<Option<EntityRecord>, StorageError>;

    /// A page of a tenant's entities of a kind. Text search looks at names. Sorting by `name`, `type` or `createdTime` (the default).
    async fn entities(
        &self,
        tenant: TenantId,
        kind: EntityKind,
        filter: &EntityFilter,
        page: &PageRequest,
    ) -> Result<Page<EntityRecord>, StorageError>;

    /// Creates (`version` 0) or replaces (`version` as stored) an entity. Answers the new version.
    ///
    /// # Errors
    /// [`StorageError::NameTaken`], [`StorageError::VersionConflict`] (also for creating what exists), [`StorageError::NotFound`]
    /// (for replacing what does not).
    async fn save_entity(&self, record: EntityRecord) -> Result<u64, StorageError>;

    /// Removes an entity with its attributes, time series, events, credentials, relations and requests. False: there was none.
    async fn delete_entity(&self, id: EntityId) -> Result<bool, StorageError>;
}

/// How devices are found by what they present.
#[async_trait]
pub trait CredentialStore: Send + Sync + 'static {
    /// The device that credentials belong to. `credentials_id` is unique in the system.
    async fn credentials(&self, credentials_id: &str) -> Result<Option<(TenantId, DeviceCredentials)>, StorageError>;

    /// The credentials of a device.
    async fn credentials_of(&self, device: DeviceId) -> Result<Option<DeviceCredentials>, StorageError>;

    /// Sets the credentials of a device; its old ones are gone.
    ///
    /// # Errors
    /// [`StorageError::CredentialsTaken`] when another device has the credentials id.
    async fn save_credentials(&self, tenant: TenantId, credentials: DeviceCredentials) -> Result<(), StorageError>;
}

/// What a user logs in with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Login {
    /// Who.
    pub user: UserId,
    /// E-mail in lower case.
    pub email: String,
    /// Argon2 hash in PHC form; none until a password is set.
    pub password_hash: Option<String>,
    /// Whether the user may log in.
    pub enabled: bool,
    /// Tokens issued before this time are void. Milliseconds since 1970-01-01 UTC.
    pub tokens_valid_from_ms: i64,
}

/// Logins by e-mail, over all tenants.
#[async_trait]
pub trait LoginStore: Send + Sync + 'static {
    /// The login of an e-mail address, in any case.
    async fn login(&self, email: &str) -> Result<Option<Login>, StorageError>;

    /// Writes a login.
    ///
    /// # Errors
    /// [`StorageError::NameTaken`] when another user has the e-mail address.
    async fn save_login(&self, login: Login) -> Result<(), StorageError>;

    /// Removes a login.
    async fn delete_login(&self, email: &str) -> Result<(), StorageError>;
}

/// Attributes. Written through [`Journal`].
#[async_trait]
pub trait AttributeStore: Send + Sync + 'static {
    /// Attributes of a scope: the keys given, or all. Sorted by key.
    async fn attributes(
        &self,
        entity: EntityId,
        scope: AttributeScope,
        keys: Option<&[Arc<str>]>,
    ) -> Result<Vec<(Arc<str>, Reading)>, StorageError>;
}

/// Time series. Written through [`Journal`].
#[async_trait]
pub trait TimeSeriesStore: Send + Sync + 'static {
    /// Keys an entity has reported, sorted.
    async fn series_keys(&self, entity: EntityId) -> Result<Vec<Arc<str>>, StorageError>;

    /// The newest reading of each key given, or of all keys. Sorted by key; keys without readings are left out.
    async fn latest(&self, entity: EntityId, keys: Option<&[Arc<str>]>) -> Result<Vec<(Arc<str>, Reading)>, StorageError>;

    /// Readings of a key.
    async fn series(&self, entity: EntityId, key: &str, query: &SeriesQuery) -> Result<Vec<Reading>, StorageError>;
}

/// Alarms. Written through [`Journal`].
#[async_trait]
pub trait AlarmStore: Send + Sync + 'static {
    /// One alarm.
    async fn alarm(&self, tenant: TenantId, id: uuid::Uuid) -> Result<Option<Alarm>, StorageError>;

    /// The alarm of a type that is not cleared, if there is one.
    async fn active_alarm(&self, originator: EntityId, alarm_type: &str) -> Result<Option<Alarm>, StorageError>;

    /// The alarms of an originator that are not cleared, so many at most, sorted by type.
    async fn active_alarms(&self, originator: EntityId, limit: usize) -> Result<Vec<Alarm>, StorageError>;

    /// A page of a tenant's alarms, newest first unless the request says otherwise. Text search looks at types.
    async fn alarms(&self, tenant: TenantId, filter: &AlarmFilter, page: &PageRequest) -> Result<Page<Alarm>, StorageError>;
}

/// Requests to devices that are kept. Written through [`Journal`].
#[async_trait]
pub trait RpcStore: Send + Sync + 'static {
    /// One request.
    async fn rpc(&self, tenant: TenantId, id: uuid::Uuid) -> Result<Option<Rpc>, StorageError>;

    /// The requests to a device that are [open](Rpc::is_open), the oldest first: by time of creation, then by number.
    async fn open_rpcs(&self, device: DeviceId) -> Result<Vec<Rpc>, StorageError>;

    /// A page of the requests to a device, of one status or of all, newest first unless the request says otherwise. Text search looks
    /// at methods.
    async fn rpcs(&self, device: DeviceId, status: Option<RpcStatus>, page: &PageRequest) -> Result<Page<Rpc>, StorageError>;
}

/// Events. Written through [`Journal`].
#[async_trait]
pub trait EventStore: Send + Sync + 'static {
    /// A page of an entity's events, newest first unless the request says otherwise.
    async fn events(&self, entity: EntityId, filter: &EventFilter, page: &PageRequest) -> Result<Page<Event>, StorageError>;
}

/// Uploaded components: records, and immutable versions with their bytes. Whatever a call writes is durable when it returns.
#[async_trait]
pub trait ComponentStore: Send + Sync + 'static {
    /// One component.
    async fn component(&self, tenant: TenantId, name: &str) -> Result<Option<ComponentRecord>, StorageError>;

    /// Every component of an owner, sorted by name.
    async fn components(&self, tenant: TenantId) -> Result<Vec<ComponentRecord>, StorageError>;

    /// Creates (`revision` 0) or replaces (`revision` as stored) a component. Answers the new revision.
    ///
    /// # Errors
    /// [`StorageError::VersionConflict`] (also for creating what exists), [`StorageError::NotFound`] (for replacing what does not).
    async fn save_component(&self, record: ComponentRecord) -> Result<u64, StorageError>;

    /// Removes a component with its versions. False: there was none.
    async fn delete_component(&self, tenant: TenantId, name: &str) -> Result<bool, StorageError>;

    /// The versions of a component, newest first.
    async fn component_versions(&self, tenant: TenantId, name: &str) -> Result<Vec<ComponentVersion>, StorageError>;

    /// Adds a version with its bytes. A version that is there already stays as it is: false. Seen only when all of it is there.
    async fn add_component_version(
        &self,
        tenant: TenantId,
        name: &str,
        version: ComponentVersion,
        bytes: Arc<[u8]>,
    ) -> Result<bool, StorageError>;

    /// The bytes of a version; none when there is no such version.
    async fn component_bytes(&self, tenant: TenantId, name: &str, digest: Digest) -> Result<Option<Vec<u8>>, StorageError>;

    /// Removes a version with its bytes. False: there was none.
    async fn delete_component_version(&self, tenant: TenantId, name: &str, digest: Digest) -> Result<bool, StorageError>;
}

/// Small values the system keeps for itself, such as its signing key. Durable when the call returns.
#[async_trait]
pub trait SettingStore: Send + Sync + 'static {
    /// One value.
    async fn setting(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError>;

    /// Writes one value if there is none yet; answers the value that is stored then.
    async fn setting_or_init(&self, name: &str, value: Vec<u8>) -> Result<Vec<u8>, StorageError>;

    /// Writes one value.
    async fn save_setting(&self, name: &str, value: Vec<u8>) -> Result<(), StorageError>;
}

/// What rule nodes keep between messages. Written through [`Journal`].
#[async_trait]
pub trait NodeStateStore: Send + Sync + 'static {
    /// What a node keeps; none when it never kept anything. Sees every batch that was handed over before, durable or not: a node that
    /// starts again must not start behind its own changes.
    async fn node_state(&self, node: RuleNodeId) -> Result<Option<NodeState>, StorageError>;
}

/// Relations between entities of a tenant. Written through [`Journal`].
#[async_trait]
pub trait RelationStore: Send + Sync + 'static {
    /// One relation, named by its ends, type and group.
    async fn relation(&self, tenant: TenantId, named: &Relation) -> Result<Option<Relation>, StorageError>;

    /// Relations that start or end at an entity, sorted by type.
    async fn relations(&self, entity: EntityId, query: &RelationQuery) -> Result<Vec<Relation>, StorageError>;
}

/// Devices that are to be thought of when a server starts, because something is left to do for them. Written through [`Journal`].
#[async_trait]
pub trait ReminderStore: Send + Sync + 'static {
    /// Of all tenants, in any order.
    async fn reminders(&self) -> Result<Vec<DeviceId>, StorageError>;
}

/// Rows of tables beside the platform's, which an operator makes and others read.
#[async_trait]
pub trait RowStore: Send + Sync + 'static {
    /// Writes a row of a tenant; done when it is durable. A row that is there under the same key gets the values.
    ///
    /// # Errors
    /// [`StorageError::Unfit`] when there is no such table, or it cannot take the row; a store that has no such tables refuses all.
    async fn save_row(&self, tenant: TenantId, row: Row) -> Result<(), StorageError>;
}
