//! One device: created, changed, read, assigned, deleted.

use axum::extract::State;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use cluster::{Change, What};
use model::entity::{CredentialsType, Customer, Device, DeviceProfile, IdRef, Proof};
use model::{DeviceId, EntityKind, TenantId};
use serde::Deserialize;
use session::CloseReason;
use storage::StorageError;
use uuid::Uuid;

use super::credentials::{proof, replace};
use super::entity_view;
use crate::extract::{Body, Member, Params, PathOf, TenantAdmin};
use crate::record::{self, check_name, given_customer, shown_customer};
use crate::state::ApiState;
use crate::{ApiError, seed};

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/device", post(save))
        .route("/api/device-with-credentials", post(save_with_credentials))
        .route("/api/device/{id}", get(read).delete(remove))
        .route("/api/customer/{customer}/device/{id}", post(assign))
        .route("/api/customer/device/{id}", delete(unassign))
}

/// A device as answers show it.
pub(super) fn shown(mut device: Device) -> Device {
    device.customer_id = shown_customer(device.customer_id);
    device
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Saving {
    access_token: Option<String>,
}

async fn save(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    Params(asked): Params<Saving>,
    Body(device): Body<Device>,
) -> Result<Json<Device>, ApiError> {
    let token = asked.access_token.filter(|token| !token.is_empty());
    let given = token.map(|token| proof(CredentialsType::AccessToken, &token, None)).transpose()?;
    api.clone()
        .finish("save device", async move { save_device(&api, tenant, device, given).await })
        .await
        .map(shown)
        .map(Json)
}

#[derive(Deserialize)]
struct WithCredentials {
    device: Device,
    credentials: GivenCredentials,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GivenCredentials {
    credentials_type: CredentialsType,
    credentials_id: Option<String>,
    credentials_value: Option<String>,
}

async fn save_with_credentials(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    Body(WithCredentials { device, credentials }): Body<WithCredentials>,
) -> Result<Json<Device>, ApiError> {
    let id = credentials.credentials_id.filter(|id| !id.is_empty());
    let given = match (credentials.credentials_type, id) {
        // A device without a token is given one.
        (CredentialsType::AccessToken, None) => None,
        (kind, id) => Some(proof(kind, &id.unwrap_or_default(), credentials.credentials_value.as_deref())?),
    };
    api.clone()
        .finish("save device", async move { save_device(&api, tenant, device, given).await })
        .await
        .map(shown)
        .map(Json)
}

async fn read(State(api): State<ApiState>, member: Member, PathOf(id): PathOf<Uuid>) -> Result<Json<Device>, ApiError> {
    member.device(&api, id).await.map(shown).map(Json)
}

async fn remove(State(api): State<ApiState>, TenantAdmin { tenant }: TenantAdmin, PathOf(id): PathOf<Uuid>) -> Result<(), ApiError> {
    let device = DeviceId::new(tenant, id);
    api.clone()
        .finish("delete device", async move {
            if entity_view::has_views(&api, device.entity()).await? {
                return Err(ApiError::invalid("Can't delete device that has entity views!"));
            }
            if !api.store.delete_entity(device.entity()).await? {
                return Err(ApiError::no_entity("Device", id));
            }
            api.app.announce(Change::of(device, What::DeviceDeleted));
            // First, so that nothing is written of what its sessions do at their end.
            api.app.refresh_device(device).await;
            api.sessions.close_device(device, CloseReason::Administrative).await;
            Ok(())
        })
        .await
}

async fn assign(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    PathOf((customer, id)): PathOf<(Uuid, Uuid)>,
) -> Result<Json<Device>, ApiError> {
    record::get::<Customer>(&*api.store, tenant, customer).await?;
    let device = record::get(&*api.store, tenant, id).await?;
    give_to(api, tenant, device, Some(IdRef::new(EntityKind::Customer, customer))).await
}

async fn unassign(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    PathOf(id): PathOf<Uuid>,
) -> Result<Json<Device>, ApiError> {
    let device: Device = record::get(&*api.store, tenant, id).await?;
    if device.customer_id.is_none() {
        return Err(ApiError::invalid("Device isn't assigned to any customer!"));
    }
    give_to(api, tenant, device, None).await
}

async fn give_to(api: ApiState, tenant: TenantId, mut device: Device, customer: Option<IdRef>) -> Result<Json<Device>, ApiError> {
    device.customer_id = customer;
    api.clone()
        .finish("assign device", async move { change_device(&api, tenant, device).await })
        .await
        .map(shown)
        .map(Json)
}

/// Creates or changes a device. A new one without credentials gets a token that nobody guesses.
async fn save_device(api: &ApiState, tenant: TenantId, mut device: Device, given: Option<Proof>) -> Result<Device, ApiError> {
    check_name("Device", "name", &device.name)?;
    // First of all: a request for what is not there must not leave a new profile behind.
    let stored = match record::given_id::<Device>(device.id)? {
        None => None,
        Some(id) => Some((DeviceId::new(tenant, id), record::get::<Device>(&*api.store, tenant, id).await?)),
    };
    device.customer_id = given_customer(device.customer_id);
    if let Some(customer) = device.customer_id {
        let found: Option<Customer> = record::find(&*api.store, tenant, customer.id).await?;
        found.ok_or_else(|| ApiError::invalid("Can't assign device to non-existent customer!"))?;
    }
    give_profile(api, tenant, &mut device).await?;
    let Some((id, stored)) = stored else {
        let proof = given.unwrap_or_else(|| Proof::token(&seed::random_token()));
        let saved = seed::save_new_device(&*api.store, &*api.clock, tenant, &mut device, proof).await;
        saved.map_err(|error| ApiError::saving("Device", error))?;
        return Ok(device);
    };
    device.created_time = stored.created_time;
    device.tenant_id = stored.tenant_id;
    device.version = device.version.or(stored.version);
    let device = change_device(api, tenant, device).await?;
    if let Some(proof) = given {
        replace(api, id, proof, None).await?;
    }
    Ok(device)
}

/// Saves a device that is there, and tells its actor.
pub(super) async fn change_device(api: &ApiState, tenant: TenantId, mut device: Device) -> Result<Device, ApiError> {
    let id = device.id.ok_or_else(|| ApiError::internal("a stored device has no id"))?.id;
    let base = device.version.unwrap_or(0);
    // Version 0 means a new entity to the store, and this one is not.
    if base == 0 {
        return Err(StorageError::VersionConflict { given: 0, stored: 1 }.into());
    }
    let saved = record::save(&*api.store, tenant, id, base, &mut device).await;
    saved.map_err(|error| ApiError::saving("Device", error))?;
    api.app.device_changed(DeviceId::new(tenant, id)).await;
    Ok(device)
}

/// By id, by type, or the default one. A type that is no profile yet becomes one, as with ThingsBoard.
async fn give_profile(api: &ApiState, tenant: TenantId, device: &mut Device) -> Result<(), ApiError> {
    let profile: DeviceProfile = match (device.device_profile_id, device.device_type.as_str()) {
        (Some(id), _) => record::find(&*api.store, tenant, id.id)
            .await?
            .ok_or_else(|| ApiError::invalid("Device is referencing to non-existent device profile!"))?,
        (None, name) => {
            let name = if name.is_empty() { seed::DEFAULT_PROFILE } else { name };
            check_name("Device profile", "name", name)?;
            seed::profile(&*api.store, &*api.clock, tenant, name).await?
        }
    };
    device.device_profile_id = profile.id;
    device.device_type = profile.name;
    Ok(())
}
