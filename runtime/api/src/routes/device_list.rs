//! Lists of devices, devices by name, and devices with what people want to see beside them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use model::entity::{Device, DeviceProfile};
use model::{AttributeScope, EntityId, EntityKind, Page, TenantId, Value};
use serde::{Deserialize, Serialize};
use storage::EntityFilter;
use uuid::Uuid;

use super::customer_titles::CustomerTitles;
use super::device::shown;
use crate::extract::{Member, Paging, Params, PathOf, TenantAdmin};
use crate::state::ApiState;
use crate::{ApiError, record};

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/tenant/device", get(by_name))
        .route("/api/tenant/devices", get(of_tenant))
        .route("/api/tenant/deviceInfos", get(infos_of_tenant))
        .route("/api/customer/{customer}/devices", get(of_customer))
        .route("/api/customer/{customer}/deviceInfos", get(infos_of_customer))
        .route("/api/device/info/{id}", get(info))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    device_name: Option<String>,
    #[serde(rename = "type")]
    device_type: Option<String>,
    device_profile_id: Option<Uuid>,
    active: Option<bool>,
}

/// A device, and the names of what it refers to.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeviceInfo {
    #[serde(flatten)]
    device: Device,
    customer_title: Option<String>,
    customer_is_public: bool,
    device_profile_name: String,
    /// What the server attribute of this name says.
    active: bool,
}

async fn by_name(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    Params(asked): Params<Asked>,
) -> Result<Json<Device>, ApiError> {
    let name = asked
        .device_name
        .ok_or_else(|| ApiError::invalid("Required request parameter 'deviceName' is not present"))?;
    named(&api, tenant, &name).await
}

/// One path, two questions: `deviceName` asks for one device.
async fn of_tenant(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    Params(asked): Params<Asked>,
    paging: Result<Paging, ApiError>,
) -> Result<Response, ApiError> {
    match &asked.device_name {
        Some(name) => named(&api, tenant, name).await.map(IntoResponse::into_response),
        None => page(&api, tenant, filter(&api, tenant, None, asked).await?, paging?)
            .await
            .map(IntoResponse::into_response),
    }
}

async fn infos_of_tenant(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    Params(asked): Params<Asked>,
    paging: Paging,
) -> Result<Json<Page<DeviceInfo>>, ApiError> {
    let Json(page) = page(&api, tenant, filter(&api, tenant, None, asked).await?, paging).await?;
    infos(&api, tenant, page).await
}

async fn of_customer(
    State(api): State<ApiState>,
    member: Member,
    PathOf(customer): PathOf<Uuid>,
    Params(asked): Params<Asked>,
    paging: Paging,
) -> Result<Json<Page<Device>>, ApiError> {
    let customer = member.customer_id(&api, customer).await?;
    page(
        &api,
        member.tenant,
        filter(&api, member.tenant, Some(customer), asked).await?,
        paging,
    )
    .await
}

async fn infos_of_customer(
    State(api): State<ApiState>,
    member: Member,
    PathOf(customer): PathOf<Uuid>,
    Params(asked): Params<Asked>,
    paging: Paging,
) -> Result<Json<Page<DeviceInfo>>, ApiError> {
    let customer = member.customer_id(&api, customer).await?;
    let Json(page) = page(
        &api,
        member.tenant,
        filter(&api, member.tenant, Some(customer), asked).await?,
        paging,
    )
    .await?;
    infos(&api, member.tenant, page).await
}

async fn info(State(api): State<ApiState>, member: Member, PathOf(id): PathOf<Uuid>) -> Result<Json<DeviceInfo>, ApiError> {
    let device = member.device(&api, id).await?;
    device_info(&api, member.tenant, shown(device), &mut CustomerTitles::new(member.tenant))
        .await
        .map(Json)
}

async fn named(api: &ApiState, tenant: TenantId, name: &str) -> Result<Json<Device>, ApiError> {
    match api.store.entity_by_name(tenant, EntityKind::Device, name).await? {
        Some(record) => Ok(Json(shown(record::read(record)?))),
        None => Err(ApiError::NotFound(format!("Device with name [{name}] is not found"))),
    }
}

async fn filter(api: &ApiState, tenant: TenantId, customer: Option<Uuid>, asked: Asked) -> Result<EntityFilter, ApiError> {
    if asked.active.is_some() {
        return Err(ApiError::invalid("The filter 'active' is not supported yet"));
    }
    let subtype = match asked.device_profile_id {
        None => asked.device_type.filter(|name| !name.is_empty()),
        Some(id) => Some(record::get::<DeviceProfile>(&*api.store, tenant, id).await?.name),
    };
    Ok(EntityFilter { customer, subtype })
}

async fn page(api: &ApiState, tenant: TenantId, filter: EntityFilter, Paging(page): Paging) -> Result<Json<Page<Device>>, ApiError> {
    let found = record::page(&*api.store, tenant, &filter, &page).await?;
    Ok(Json(found.map(shown)))
}

async fn infos(api: &ApiState, tenant: TenantId, mut page: Page<Device>) -> Result<Json<Page<DeviceInfo>>, ApiError> {
    let mut titles = CustomerTitles::new(tenant);
    let mut data = Vec::with_capacity(page.data.len());
    for device in std::mem::take(&mut page.data) {
        data.push(device_info(api, tenant, device, &mut titles).await?);
    }
    Ok(Json(page.with(data)))
}

async fn device_info(api: &ApiState, tenant: TenantId, device: Device, titles: &mut CustomerTitles) -> Result<DeviceInfo, ApiError> {
    let customer_title = titles.of(api, device.customer_id).await?;
    let active = match device.id {
        None => false,
        Some(id) => {
            let entity = EntityId::new(tenant, EntityKind::Device, id.id);
            let found = api
                .store
                .attributes(entity, AttributeScope::ServerScope, Some(&[Arc::from("active")]))
                .await?;
            found.first().is_some_and(|(_, reading)| reading.value == Value::Bool(true))
        }
    };
    Ok(DeviceInfo {
        device_profile_name: device.device_type.clone(),
        customer_title,
        customer_is_public: false,
        active,
        device,
    })
}
