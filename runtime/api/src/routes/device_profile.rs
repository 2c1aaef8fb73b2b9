//! Device profiles: what devices of a type share. `profileData.transportConfiguration.adapter` names the payload adapter that they speak
//! through.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use cluster::{Change, What};
use model::entity::credentials::TEXT_BYTES_MAX;
use model::entity::{DeviceProfile, IdRef, StoredChain, Strategy};
use model::ids::DeviceProfileId;
use model::{EntityKind, Page, PageRequest, TenantId};
use regex_lite::Regex;
use serde_json::{Value as JsonValue, json};
use storage::{EntityFilter, StorageError};
use uuid::Uuid;

use crate::extract::{Body, Member, Paging, PathOf, TenantAdmin};
use crate::provision::keys;
use crate::record::{self, check_name};
use crate::state::ApiState;
use crate::{ApiError, seed};

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/deviceProfile", post(save))
        .route("/api/deviceProfile/{id}", get(read).delete(remove))
        .route("/api/deviceProfiles", get(list))
        .route("/api/deviceProfileInfos", get(list_infos))
        .route("/api/deviceProfileInfo/default", get(default_info))
        .route("/api/deviceProfileInfo/{id}", get(read_info))
}

async fn save(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    Body(profile): Body<DeviceProfile>,
) -> Result<Json<DeviceProfile>, ApiError> {
    api.clone()
        .finish(
            "save device profile",
            async move { save_profile(&api, tenant, profile).await.map(Json) },
        )
        .await
}

async fn save_profile(api: &ApiState, tenant: TenantId, mut profile: DeviceProfile) -> Result<DeviceProfile, ApiError> {
    check_name("Device profile", "name", &profile.name)?;
    if let Some(adapter) = profile.adapter()
        && !api.sessions.adapters().knows(tenant, adapter).await
    {
        return Err(ApiError::Invalid(format!("There is no payload adapter {adapter:?}")));
    }
    profile.own_topics().map_err(|error| ApiError::Invalid(error.to_string()))?;
    if let Some(chain) = profile.default_rule_chain_id {
        let found: Option<StoredChain> = record::find(&*api.store, tenant, chain.id).await?;
        found.ok_or_else(|| ApiError::invalid("Device profile is referencing to non-existent rule chain!"))?;
    }
    give_key(&mut profile)?;
    let _turn = api.turns.take(("device profiles", tenant)).await;
    let (mut key_before, mut chain_before) = (None, None);
    let (id, base) = match record::given_id::<DeviceProfile>(profile.id)? {
        None => {
            profile.created_time = api.clock.now_ms();
            profile.default = false;
            (DeviceProfileId::generate(tenant), 0)
        }
        Some(id) => {
            let stored: DeviceProfile = record::get(&*api.store, tenant, id).await?;
            // Devices carry the name of their profile as their type; those that name none look for the default one by its name.
            if stored.name != profile.name && (stored.default || count(api, tenant, &stored.name).await? > 0) {
                return Err(ApiError::invalid(
                    "Can't rename the default device profile, or one that devices have!",
                ));
            }
            (profile.created_time, profile.default) = (stored.created_time, stored.default);
            let (given, stored_version) = (profile.version.or(stored.version).unwrap_or(0), stored.version.unwrap_or(1));
            if given != stored_version {
                let stored = stored_version;
                return Err(StorageError::VersionConflict { given, stored }.into());
            }
            let base = given;
            (key_before, chain_before) = (stored.provision_device_key, stored.default_rule_chain_id);
            (DeviceProfileId::new(tenant, id), base)
        }
    };
    profile.id = Some(id.into());
    profile.tenant_id = Some(IdRef::tenant(tenant));
    let key = profile.provision_device_key.clone();
    let taken = |error| match error {
        StorageError::NameTaken(_) => ApiError::invalid("Device profile with such provision device key already exists!"),
        other => other.into(),
    };
    keys::set(&*api.store, tenant, id.id, key.as_deref()).await.map_err(taken)?;
    if let Err(error) = record::save(&*api.store, tenant, id.id, base, &mut profile).await {
        keys::set(&*api.store, tenant, id.id, key_before.as_deref()).await?;
        return Err(ApiError::saving("Device profile", error));
    }
    api.app.announce(Change::new(tenant, What::DeviceProfiles));
    api.sessions.adapters().profile_changed(tenant);
    if chain_before != profile.default_rule_chain_id {
        // Devices that are awake know their chain.
        for device in api.app.devices_awake(Some(tenant)) {
            api.app.refresh_device(device).await;
        }
    }
    Ok(profile)
}

/// A profile whose devices may come to credentials by themselves needs a key and a secret: what is not given is made.
fn give_key(profile: &mut DeviceProfile) -> Result<(), ApiError> {
    let strategy = Strategy::named(&profile.provision_type)
        .ok_or_else(|| ApiError::Invalid(format!("The provision type {:?} is not offered", profile.provision_type)))?;
    profile.provision_device_key = profile.provision_device_key.take().filter(|key| !key.is_empty());
    if strategy == Strategy::Disabled {
        return Ok(());
    }
    if strategy == Strategy::CertificateChain {
        return certify(profile);
    }
    let key = profile.provision_device_key.get_or_insert_with(seed::random_token).clone();
    let secret = profile.provision_secret().map_or_else(seed::random_token, str::to_owned);
    if [&key, &secret].into_iter().any(|text| text.len() > TEXT_BYTES_MAX) {
        return Err(ApiError::Invalid(format!(
            "Provision device key and secret must have {TEXT_BYTES_MAX} bytes at most"
        )));
    }
    let configuration = json!({"type": profile.provision_type, "provisionDeviceSecret": secret});
    configure(profile, configuration)
}

/// A profile whose devices come with certificates of an authority: its key is what the authority's certificate is found by.
fn certify(profile: &mut DeviceProfile) -> Result<(), ApiError> {
    let authority = profile.authority();
    let Ok(Some(authority)) = authority else {
        return Err(ApiError::invalid(
            "provisionDeviceSecret must be the authority's X.509 certificate in PEM form!",
        ));
    };
    if authority.name_pattern.len() > TEXT_BYTES_MAX || Regex::new(&authority.name_pattern).is_err() {
        return Err(ApiError::invalid("certificateRegExPattern must be a regular expression!"));
    }
    profile.provision_device_key = Some(authority.key());
    let secret = profile.provision_secret().map(str::to_owned);
    let configuration = json!({
        "type": profile.provision_type,
        "provisionDeviceSecret": secret,
        "certificateRegExPattern": authority.name_pattern,
        "allowCreateNewDevicesByX509Certificate": authority.creates,
    });
    configure(profile, configuration)
}

fn configure(profile: &mut DeviceProfile, configuration: JsonValue) -> Result<(), ApiError> {
    match profile.profile_data.get_or_insert_with(|| json!({})) {
        JsonValue::Object(data) => data.insert("provisionConfiguration".to_owned(), configuration),
        _ => return Err(ApiError::invalid("Device profile data must be an object")),
    };
    Ok(())
}

async fn read(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    PathOf(id): PathOf<Uuid>,
) -> Result<Json<DeviceProfile>, ApiError> {
    record::get(&*api.store, tenant, id).await.map(Json)
}

async fn remove(State(api): State<ApiState>, TenantAdmin { tenant }: TenantAdmin, PathOf(id): PathOf<Uuid>) -> Result<(), ApiError> {
    api.clone()
        .finish("delete device profile", async move {
            let _turn = api.turns.take(("device profiles", tenant)).await;
            let profile: DeviceProfile = record::get(&*api.store, tenant, id).await?;
            if profile.default {
                return Err(ApiError::invalid("Deletion of Default Device Profile is prohibited!"));
            }
            if count(&api, tenant, &profile.name).await? > 0 {
                return Err(ApiError::invalid("The device profile referenced by the devices cannot be deleted!"));
            }
            api.store.delete_entity(DeviceProfileId::new(tenant, id).entity()).await?;
            keys::set(&*api.store, tenant, id, None).await?;
            api.app.announce(Change::new(tenant, What::DeviceProfiles));
            api.sessions.adapters().profile_changed(tenant);
            Ok(())
        })
        .await
}

/// Devices that have a profile, by its name.
async fn count(api: &ApiState, tenant: TenantId, name: &str) -> Result<u64, ApiError> {
    let filter = EntityFilter {
        subtype: Some(name.to_owned()),
        ..EntityFilter::default()
    };
    let found = api
        .store
        .entities(tenant, EntityKind::Device, &filter, &PageRequest::first(1))
        .await?;
    Ok(found.total_elements)
}

async fn pages(api: &ApiState, tenant: TenantId, page: &PageRequest) -> Result<Page<DeviceProfile>, ApiError> {
    record::page(&*api.store, tenant, &EntityFilter::default(), page).await
}

async fn list(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    Paging(page): Paging,
) -> Result<Json<Page<DeviceProfile>>, ApiError> {
    pages(&api, tenant, &page).await.map(Json)
}

async fn list_infos(State(api): State<ApiState>, member: Member, Paging(page): Paging) -> Result<Json<Page<JsonValue>>, ApiError> {
    let found = pages(&api, member.tenant, &page).await?;
    Ok(Json(found.map(|profile| info(&profile))))
}

async fn read_info(State(api): State<ApiState>, member: Member, PathOf(id): PathOf<Uuid>) -> Result<Json<JsonValue>, ApiError> {
    let profile = record::get(&*api.store, member.tenant, id).await?;
    Ok(Json(info(&profile)))
}

async fn default_info(State(api): State<ApiState>, member: Member) -> Result<Json<JsonValue>, ApiError> {
    let profile = seed::profile(&*api.store, &*api.clock, member.tenant, seed::DEFAULT_PROFILE).await?;
    Ok(Json(info(&profile)))
}

/// What everybody in a tenant may know of a profile.
fn info(profile: &DeviceProfile) -> JsonValue {
    json!({
        "id": profile.id,
        "tenantId": profile.tenant_id,
        "name": profile.name,
        "image": null,
        "defaultDashboardId": null,
        "type": profile.profile_type,
        "transportType": profile.transport_type,
    })
}
