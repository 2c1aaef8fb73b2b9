//! What a server, a tenant or a device starts with. Used by the server at its first start and by the routes that create these things;
//! works on a store alone, so it runs before anything else does.
//!
//! [`chains`] – the rule chains that tenants start with.

pub mod chains;

use model::entity::device::CredentialsRef;
use model::entity::{
    Authority, Contact, Customer, Device, DeviceCredentials, DeviceProfile, IdRef, Proof, RuleChain, RuleChainMetadata, StoredChain,
    Tenant, User,
};
use model::{Clock, CustomerId, DeviceId, EntityKind, RuleChainId, TenantId, UserId};
use plugins::Catalog;
use rand::Rng;
use rand::distr::Alphanumeric;
use rules::Graph;
use storage::{Login, StorageError, Store};
use uuid::Uuid;

use crate::auth::password;
use crate::record;
use crate::state::blocking;
pub use chains::{default_root_chain, demo_root_chain};

/// Name of the profile that devices get when they name none.
pub const DEFAULT_PROFILE: &str = "default";
/// Characters of a token that is made.
const TOKEN_LEN: usize = 20;

/// Why something was not created. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The root chain needs node types that are not there; with the reasons.
    #[error("the root rule chain cannot be made: {0}")]
    Chain(String),
    /// The password could not be hashed.
    #[error("the password cannot be hashed")]
    Password,
    /// The store did not take it: the name or token is taken, or it failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Creates a user who can log in. `email` is unique in the system, in any case. The password is not checked for length.
///
/// # Errors
/// [`SeedError`]; [`StorageError::NameTaken`] inside when there is such a user.
#[allow(clippy::too_many_arguments, reason = "all of it makes a user")]
pub async fn create_login(
    store: &dyn Store,
    clock: &dyn Clock,
    tenant: TenantId,
    customer: Option<Uuid>,
    authority: Authority,
    email: &str,
    first_name: &str,
    last_name: &str,
    password: &str,
) -> Result<UserId, SeedError> {
    let password = password.to_owned();
    let hashed = blocking(move || password::hash_blocking(&password))
        .await
        .map_err(|_| SeedError::Password)?;
    let hash = hashed.map_err(|_| SeedError::Password)?;
    let mut user = new_user(email, authority);
    user.customer_id = customer.map(|customer| IdRef::new(EntityKind::Customer, customer));
    let name = |name: &str| Some(name.to_owned()).filter(|name| !name.is_empty());
    (user.first_name, user.last_name) = (name(first_name), name(last_name));
    Ok(save_new_user(store, clock, tenant, &mut user, Some(hash)).await?)
}

/// A user without names.
pub(crate) fn new_user(email: &str, authority: Authority) -> User {
    User {
        id: None,
        created_time: 0,
        tenant_id: None,
        customer_id: None,
        email: email.to_owned(),
        name: None,
        authority,
        first_name: None,
        last_name: None,
        phone: None,
        additional_info: None,
        version: None,
    }
}

/// Saves a new user and the login; without a hash the user cannot log in yet.
pub(crate) async fn save_new_user(
    store: &dyn Store,
    clock: &dyn Clock,
    tenant: TenantId,
    user: &mut User,
    password_hash: Option<String>,
) -> Result<UserId, StorageError> {
    let id = UserId::generate(tenant);
    let email = user.email.trim().to_lowercase();
    if store.login(&email).await?.is_some() {
        return Err(StorageError::NameTaken(email));
    }
    user.id = Some(id.into());
    user.tenant_id = Some(IdRef::tenant(tenant));
    user.created_time = clock.now_ms();
    user.name = Some(email.clone());
    user.email = email.clone();
    record::save(store, tenant, id.id, 0, user).await?;
    let login = Login {
        user: id,
        email,
        enabled: password_hash.is_some(),
        password_hash,
        tokens_valid_from_ms: 0,
    };
    if let Err(error) = store.save_login(login).await {
        store.delete_entity(id.entity()).await?;
        return Err(error);
    }
    Ok(id)
}

/// Creates a tenant with a default device profile and a root rule chain.
///
/// # Errors
/// [`SeedError`]; [`StorageError::NameTaken`] inside when there is such a tenant.
pub async fn create_tenant(store: &dyn Store, catalog: &Catalog, clock: &dyn Clock, title: &str) -> Result<TenantId, SeedError> {
    let mut tenant = new_tenant(title);
    save_new_tenant(store, catalog, clock, &mut tenant, default_root_chain("Root Rule Chain")).await
}

/// As [`create_tenant`], with a root chain that raises an alarm above 25 degrees.
///
/// # Errors
/// As [`create_tenant`].
pub async fn create_demo_tenant(store: &dyn Store, catalog: &Catalog, clock: &dyn Clock, title: &str) -> Result<TenantId, SeedError> {
    let mut tenant = new_tenant(title);
    save_new_tenant(store, catalog, clock, &mut tenant, demo_root_chain("Root Rule Chain")).await
}

fn new_tenant(title: &str) -> Tenant {
    Tenant {
        id: None,
        created_time: 0,
        title: title.to_owned(),
        name: None,
        region: None,
        tenant_profile_id: None,
        contact: Contact::default(),
        additional_info: None,
        version: None,
    }
}

/// Saves a new tenant and what it starts with.
pub(crate) async fn save_new_tenant(
    store: &dyn Store,
    catalog: &Catalog,
    clock: &dyn Clock,
    record: &mut Tenant,
    root: (RuleChain, RuleChainMetadata),
) -> Result<TenantId, SeedError> {
    let tenant = TenantId::generate();
    record.id = Some(IdRef::tenant(tenant));
    record.created_time = clock.now_ms();
    record.name = Some(record.title.clone());
    record.region = Some("Global".to_owned());
    let (id, mut root) = root_chain(catalog, tenant, clock.now_ms(), root)?;
    record::save(store, TenantId::SYSTEM, tenant.0, 0, record).await?;
    let started = async {
        profile(store, clock, tenant, DEFAULT_PROFILE).await?;
        record::save(store, tenant, id.id, 0, &mut root).await
    };
    if let Err(error) = started.await {
        store
            .delete_entity(model::EntityId::new(TenantId::SYSTEM, EntityKind::Tenant, tenant.0))
            .await?;
        return Err(error.into());
    }
    Ok(tenant)
}

fn root_chain(
    catalog: &Catalog,
    tenant: TenantId,
    now_ms: i64,
    (mut chain, mut metadata): (RuleChain, RuleChainMetadata),
) -> Result<(RuleChainId, StoredChain), SeedError> {
    let id = RuleChainId::generate(tenant);
    chain.id = Some(id.into());
    chain.tenant_id = Some(IdRef::tenant(tenant));
    chain.created_time = now_ms;
    chain.root = true;
    chains::identify(id, &mut metadata, now_ms);
    chain.first_rule_node_id = chains::first_node(&metadata);
    if let Err(errors) = Graph::validate(id, &chain.name, &metadata, catalog) {
        return Err(SeedError::Chain(
            errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        ));
    }
    Ok((id, StoredChain { chain, metadata }))
}

/// The device profile of a name, made if there is none.
pub(crate) async fn profile(store: &dyn Store, clock: &dyn Clock, tenant: TenantId, name: &str) -> Result<DeviceProfile, StorageError> {
    let stored = || async {
        store
            .entity_by_name(tenant, EntityKind::DeviceProfile, name)
            .await?
            .map(record::read)
            .transpose()
    };
    if let Some(profile) = stored().await? {
        return Ok(profile);
    }
    let id = Uuid::now_v7();
    let mut profile = DeviceProfile {
        id: Some(IdRef::new(EntityKind::DeviceProfile, id)),
        created_time: clock.now_ms(),
        tenant_id: Some(IdRef::tenant(tenant)),
        name: name.to_owned(),
        description: None,
        default: name == DEFAULT_PROFILE,
        profile_type: "DEFAULT".to_owned(),
        transport_type: "DEFAULT".to_owned(),
        provision_type: "DISABLED".to_owned(),
        provision_device_key: None,
        default_rule_chain_id: None,
        profile_data: Some(serde_json::json!({"configuration": {"type": "DEFAULT"}, "transportConfiguration": {"type": "DEFAULT"}})),
        version: None,
    };
    match record::save(store, tenant, id, 0, &mut profile).await {
        Ok(()) => Ok(profile),
        // Somebody else made it in between.
        Err(error @ StorageError::NameTaken(_)) => stored().await?.ok_or(error),
        Err(error) => Err(error),
    }
}

/// Creates a customer.
///
/// # Errors
/// [`SeedError`]; [`StorageError::NameTaken`] inside when the tenant has such a customer.
pub async fn create_customer(store: &dyn Store, clock: &dyn Clock, tenant: TenantId, title: &str) -> Result<Uuid, SeedError> {
    let id = CustomerId::generate(tenant);
    let mut customer = Customer {
        id: Some(id.into()),
        created_time: clock.now_ms(),
        tenant_id: Some(IdRef::tenant(tenant)),
        title: title.to_owned(),
        name: Some(title.to_owned()),
        contact: Contact::default(),
        additional_info: None,
        version: None,
    };
    record::save(store, tenant, id.id, 0, &mut customer).await?;
    Ok(id.id)
}

/// Creates a device of the default profile that connects with a token. `customer` is not looked up.
///
/// # Errors
/// [`SeedError`]; [`StorageError::NameTaken`] or [`StorageError::CredentialsTaken`] inside.
pub async fn create_device(
    store: &dyn Store,
    clock: &dyn Clock,
    tenant: TenantId,
    name: &str,
    customer: Option<Uuid>,
    token: &str,
) -> Result<DeviceId, SeedError> {
    let profile = profile(store, clock, tenant, DEFAULT_PROFILE).await?;
    let mut device = Device {
        id: None,
        created_time: 0,
        tenant_id: None,
        customer_id: customer.map(|customer| IdRef::new(EntityKind::Customer, customer)),
        name: name.to_owned(),
        device_type: profile.name,
        label: None,
        device_profile_id: profile.id,
        device_data: None,
        additional_info: None,
        version: None,
    };
    Ok(save_new_device(store, clock, tenant, &mut device, Proof::token(token)).await?)
}

/// Saves a new device and its credentials.
pub(crate) async fn save_new_device(
    store: &dyn Store,
    clock: &dyn Clock,
    tenant: TenantId,
    device: &mut Device,
    proof: Proof,
) -> Result<DeviceId, StorageError> {
    let id = DeviceId::generate(tenant);
    device.id = Some(id.into());
    device.tenant_id = Some(IdRef::tenant(tenant));
    device.created_time = clock.now_ms();
    record::save(store, tenant, id.id, 0, device).await?;
    if let Err(error) = store.save_credentials(tenant, new_credentials(id, clock.now_ms(), proof)).await {
        store.delete_entity(id.entity()).await?;
        return Err(error);
    }
    Ok(id)
}

/// Credentials of a device that has none yet.
pub(crate) fn new_credentials(device: DeviceId, now_ms: i64, proof: Proof) -> DeviceCredentials {
    DeviceCredentials {
        id: Some(CredentialsRef { id: Uuid::now_v7() }),
        created_time: now_ms,
        device_id: device.into(),
        credentials_type: proof.credentials_type,
        credentials_id: proof.credentials_id,
        credentials_value: proof.credentials_value,
        version: Some(1),
    }
}

/// A token that nobody guesses.
pub(crate) fn random_token() -> String {
    rand::rng().sample_iter(Alphanumeric).take(TOKEN_LEN).map(char::from).collect()
}
