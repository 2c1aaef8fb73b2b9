//! Customers of a tenant.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use model::entity::{Customer, IdRef};
use model::{CustomerId, Page};
use storage::EntityFilter;
use uuid::Uuid;

use crate::ApiError;
use crate::extract::{Body, Member, Paging, PathOf, TenantAdmin};
use crate::record::{self, check_name};
use crate::state::ApiState;

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/customer", post(save))
        .route("/api/customer/{customer}", get(read))
        .route("/api/customers", get(list))
}

async fn save(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    Body(mut customer): Body<Customer>,
) -> Result<Json<Customer>, ApiError> {
    check_name("Customer", "title", &customer.title)?;
    let (id, base) = match record::given_id::<Customer>(customer.id)? {
        None => {
            customer.created_time = api.clock.now_ms();
            (CustomerId::generate(tenant), 0)
        }
        Some(id) => {
            let stored: Customer = record::get(&*api.store, tenant, id).await?;
            customer.created_time = stored.created_time;
            (CustomerId::new(tenant, id), customer.version.or(stored.version).unwrap_or(0))
        }
    };
    customer.id = Some(id.into());
    customer.tenant_id = Some(IdRef::tenant(tenant));
    customer.name = Some(customer.title.clone());
    let saved = record::save(&*api.store, tenant, id.id, base, &mut customer).await;
    saved.map_err(|error| ApiError::saving("Customer", error))?;
    Ok(Json(customer))
}

async fn read(State(api): State<ApiState>, member: Member, PathOf(id): PathOf<Uuid>) -> Result<Json<Customer>, ApiError> {
    let id = member.customer_id(&api, id).await?;
    record::get(&*api.store, member.tenant, id).await.map(Json)
}

async fn list(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    Paging(page): Paging,
) -> Result<Json<Page<Customer>>, ApiError> {
    record::page(&*api.store, tenant, &EntityFilter::default(), &page).await.map(Json)
}
