//! Between entities, as the API shows them, and records, as the store keeps them.
//!
//! Knows neither callers nor routes.

use model::entity::{
    AiModel, Customer, Device, DeviceProfile, EntityRecord, EntityView, IdRef, StoredChain, StreamListener, Tenant, TenantProfile, User,
};
use model::{EntityId, EntityKind, Page, PageRequest, TenantId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use storage::{EntityFilter, StorageError, Store};
use uuid::Uuid;

use crate::ApiError;

/// Characters of a name at most.
const NAME_LEN_MAX: usize = 255;

/// An entity that is kept as a record.
pub(crate) trait Entity: Serialize + DeserializeOwned {
    const KIND: EntityKind;
    /// What people call the kind.
    const LABEL: &'static str;
    fn name(&self) -> &str;
    fn subtype(&self) -> &str {
        ""
    }
    fn customer(&self) -> Option<Uuid> {
        None
    }
    fn set_version(&mut self, version: Option<u64>);
}

macro_rules! entities {
    ($($type:ident, $kind:ident, $label:literal, $name:ident;)*) => {$(
        impl Entity for $type {
            const KIND: EntityKind = EntityKind::$kind;
            const LABEL: &'static str = $label;
            fn name(&self) -> &str {
                &self.$name
            }
            fn set_version(&mut self, version: Option<u64>) {
                self.version = version;
            }
        }
    )*};
}

entities! {
    Tenant, Tenant, "Tenant", title;
    TenantProfile, TenantProfile, "Tenant profile", name;
    Customer, Customer, "Customer", title;
    DeviceProfile, DeviceProfile, "Device profile", name;
    StreamListener, StreamListener, "Listener", name;
    AiModel, AiModel, "AI model", name;
}

impl Entity for Device {
    const KIND: EntityKind = EntityKind::Device;
    const LABEL: &'static str = "Device";
    fn name(&self) -> &str {
        &self.name
    }
    fn subtype(&self) -> &str {
        &self.device_type
    }
    fn customer(&self) -> Option<Uuid> {
        self.customer_id.map(|customer| customer.id)
    }
    fn set_version(&mut self, version: Option<u64>) {
        self.version = version;
    }
}

impl Entity for EntityView {
    const KIND: EntityKind = EntityKind::EntityView;
    const LABEL: &'static str = "Entity View";
    fn name(&self) -> &str {
        &self.name
    }
    fn subtype(&self) -> &str {
        &self.view_type
    }
    fn customer(&self) -> Option<Uuid> {
        self.customer_id.map(|customer| customer.id)
    }
    fn set_version(&mut self, version: Option<u64>) {
        self.version = version;
    }
}

impl Entity for User {
    const KIND: EntityKind = EntityKind::User;
    const LABEL: &'static str = "User";
    fn name(&self) -> &str {
        &self.email
    }
    fn customer(&self) -> Option<Uuid> {
        self.customer_id.map(|customer| customer.id)
    }
    fn set_version(&mut self, version: Option<u64>) {
        self.version = version;
    }
}

impl Entity for StoredChain {
    const KIND: EntityKind = EntityKind::RuleChain;
    const LABEL: &'static str = "Rule chain";
    fn name(&self) -> &str {
        &self.chain.name
    }
    fn set_version(&mut self, version: Option<u64>) {
        self.chain.version = version;
        self.metadata.version = version;
    }
}

/// The entity of a record.
pub(crate) fn read<E: Entity>(record: EntityRecord) -> Result<E, StorageError> {
    let mut entity: E =
        serde_json::from_value(record.body).map_err(|error| StorageError::Corrupt(format!("{} {}: {error}", E::LABEL, record.id.id)))?;
    entity.set_version(Some(record.version));
    Ok(entity)
}

/// Reads an entity of a tenant.
pub(crate) async fn find<E: Entity>(store: &dyn Store, tenant: TenantId, id: Uuid) -> Result<Option<E>, StorageError> {
    store.entity(EntityId::new(tenant, E::KIND, id)).await?.map(read).transpose()
}

/// Reads an entity of a tenant that has to be there.
///
/// # Errors
/// [`ApiError::NotFound`].
pub(crate) async fn get<E: Entity>(store: &dyn Store, tenant: TenantId, id: Uuid) -> Result<E, ApiError> {
    find(store, tenant, id).await?.ok_or_else(|| ApiError::no_entity(E::LABEL, id))
}

/// A page of a tenant's entities of a kind.
pub(crate) async fn page<E: Entity>(
    store: &dyn Store,
    tenant: TenantId,
    filter: &EntityFilter,
    request: &PageRequest,
) -> Result<Page<E>, ApiError> {
    let found = store.entities(tenant, E::KIND, filter, request).await?;
    Ok(found.try_map(read)?)
}

/// Saves an entity that was read at version `base` (0: a new one), and gives it its new version.
pub(crate) async fn save<E: Entity>(store: &dyn Store, tenant: TenantId, id: Uuid, base: u64, entity: &mut E) -> Result<(), StorageError> {
    entity.set_version(None);
    let mut body = serde_json::to_value(&*entity).map_err(|error| StorageError::Failed(format!("{} is not JSON: {error}", E::LABEL)))?;
    if let Some(members) = body.as_object_mut() {
        members.remove("version");
    }
    let record = EntityRecord {
        id: EntityId::new(tenant, E::KIND, id),
        version: base,
        name: entity.name().to_owned(),
        subtype: entity.subtype().to_owned(),
        customer: entity.customer(),
        body,
    };
    entity.set_version(Some(store.save_entity(record).await?));
    Ok(())
}

/// Refuses names that nothing should have.
///
/// # Errors
/// [`ApiError::Invalid`], naming the kind and the field.
pub(crate) fn check_name(label: &str, field: &str, name: &str) -> Result<(), ApiError> {
    if name.trim().is_empty() {
        return Err(ApiError::Invalid(format!("{label} {field} should be specified!")));
    }
    if name.chars().count() > NAME_LEN_MAX {
        return Err(ApiError::Invalid(format!(
            "{label} {field} length must be equal or less than {NAME_LEN_MAX}"
        )));
    }
    if name.contains('\0') {
        return Err(ApiError::Invalid(format!("{label} {field} must not contain 0x00")));
    }
    Ok(())
}

/// The id that a request gives for an entity of a kind. None: it is to be created.
///
/// # Errors
/// [`ApiError::Invalid`] for an id of another kind.
pub(crate) fn given_id<E: Entity>(id: Option<IdRef>) -> Result<Option<Uuid>, ApiError> {
    match id {
        Some(id) if id.entity_type != E::KIND => Err(ApiError::Invalid(format!(
            "{} id has the entity type {}",
            E::LABEL,
            id.entity_type.as_str()
        ))),
        other => Ok(other.map(|id| id.id)),
    }
}

/// A customer as a request gives it: ThingsBoard's null id stands for none.
pub(crate) fn given_customer(customer: Option<IdRef>) -> Option<IdRef> {
    customer
        .filter(|customer| customer.id != TenantId::SYSTEM.0)
        .map(|customer| IdRef::new(EntityKind::Customer, customer.id))
}

/// A customer as an answer shows it: none is written as ThingsBoard's null id, which its clients expect.
pub(crate) fn shown_customer(customer: Option<IdRef>) -> Option<IdRef> {
    Some(customer.unwrap_or(IdRef::new(EntityKind::Customer, TenantId::SYSTEM.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_the_null_id_outside_and_none_inside() {
        let nobody = shown_customer(None);
        assert_eq!(
            nobody.map(|customer| customer.id.to_string()).as_deref(),
            Some("13814000-1dd2-11b2-8080-808080808080")
        );
        assert_eq!(given_customer(nobody), None);
        let somebody = Some(IdRef::new(EntityKind::Customer, Uuid::from_u128(1)));
        assert_eq!(given_customer(shown_customer(somebody)), somebody);
    }

    #[test]
    fn names_have_limits() {
        for (name, taken) in [
            ("a", true),
            ("", false),
            ("  ", false),
            ("a\0", false),
            (&*"ö".repeat(255), true),
            (&*"a".repeat(256), false),
        ] {
            assert_eq!(check_name("Device", "name", name).is_ok(), taken, "{name}");
        }
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let id = IdRef::new(EntityKind::Asset, Uuid::from_u128(1));
        assert!(given_id::<Device>(Some(id)).is_err());
        assert_eq!(given_id::<Device>(None), Ok(None));
    }
}
