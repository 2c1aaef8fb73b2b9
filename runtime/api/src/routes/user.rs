//! Users. A new one has no password: an activation link is handed on by whoever created the user.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::routing::{get, post};
use axum::{Json, Router};
use model::entity::{Authority, Customer, User};
use model::{EntityKind, PageRequest, TenantId, UserId};
use storage::{EntityFilter, StorageError};
use uuid::Uuid;

use crate::ApiError;
use crate::auth::pair;
use crate::auth::token::Purpose;
use crate::extract::{Body, PathOf, Principal};
use crate::record::{self, check_name, given_customer, shown_customer};
use crate::seed;
use crate::state::ApiState;

/// Tenants looked through at once.
const TENANTS_AT_ONCE: u32 = 1_000;

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/user", post(save))
        .route("/api/user/{id}", get(read))
        .route("/api/user/{id}/activationLink", get(activation_link))
}

/// A user as answers show it.
pub(super) fn shown(mut user: User) -> User {
    user.customer_id = shown_customer(user.customer_id);
    user
}

async fn save(State(api): State<ApiState>, caller: Principal, Body(user): Body<User>) -> Result<Json<User>, ApiError> {
    check_name("User", "email", &user.email)?;
    api.clone()
        .finish("save user", async move {
            match record::given_id::<User>(user.id)? {
                None => create(&api, &caller, user).await,
                Some(id) => change(&api, &caller, id, user).await,
            }
        })
        .await
        .map(shown)
        .map(Json)
}

async fn create(api: &ApiState, caller: &Principal, mut user: User) -> Result<User, ApiError> {
    check_email(&user.email)?;
    user.customer_id = given_customer(user.customer_id);
    let tenant = match (caller.authority, user.authority) {
        (Authority::SysAdmin, Authority::SysAdmin) => TenantId::SYSTEM,
        (Authority::SysAdmin, Authority::TenantAdmin) => {
            let given = user
                .tenant_id
                .ok_or_else(|| ApiError::invalid("Tenant administrator should be assigned to tenant!"))?;
            let known: Option<model::entity::Tenant> = record::find(&*api.store, TenantId::SYSTEM, given.id).await?;
            known.ok_or_else(|| ApiError::invalid("User is referencing to non-existent tenant!"))?;
            TenantId(given.id)
        }
        (Authority::TenantAdmin, Authority::TenantAdmin | Authority::CustomerUser) => caller.user.tenant,
        _ => return Err(ApiError::Forbidden),
    };
    match (user.authority, user.customer_id) {
        (Authority::CustomerUser, None) => return Err(ApiError::invalid("Customer user should be assigned to customer!")),
        (Authority::CustomerUser, Some(customer)) => {
            let known: Option<Customer> = record::find(&*api.store, tenant, customer.id).await?;
            known.ok_or_else(|| ApiError::invalid("User is referencing to non-existent customer!"))?;
        }
        _ => user.customer_id = None,
    }
    let saved = seed::save_new_user(&*api.store, &*api.clock, tenant, &mut user, None).await;
    saved.map_err(email_taken)?;
    Ok(user)
}

/// Names and free data can change; what a user is and logs in with cannot, since tokens carry it.
async fn change(api: &ApiState, caller: &Principal, id: Uuid, mut user: User) -> Result<User, ApiError> {
    let stored = find(api, caller, id).await?;
    let same = user.authority == stored.authority
        && user.email.trim().to_lowercase() == stored.email
        && given_customer(user.customer_id).is_none_or(|customer| Some(customer) == stored.customer_id);
    if !same {
        return Err(ApiError::invalid("E-mail, authority and customer of a user cannot be changed yet"));
    }
    let tenant = stored.tenant_id.map_or(TenantId::SYSTEM, |tenant| TenantId(tenant.id));
    let base = user.version.or(stored.version).unwrap_or(0);
    user.email = stored.email;
    user.name = stored.name;
    user.tenant_id = stored.tenant_id;
    user.customer_id = stored.customer_id;
    user.created_time = stored.created_time;
    record::save(&*api.store, tenant, id, base, &mut user).await.map_err(email_taken)?;
    Ok(user)
}

async fn read(State(api): State<ApiState>, caller: Principal, PathOf(id): PathOf<Uuid>) -> Result<Json<User>, ApiError> {
    find(&api, &caller, id).await.map(shown).map(Json)
}

/// Where the user sets the first password: text, good for a day and for one password.
async fn activation_link(
    State(api): State<ApiState>,
    caller: Principal,
    PathOf(id): PathOf<Uuid>,
    headers: HeaderMap,
) -> Result<String, ApiError> {
    if caller.authority == Authority::CustomerUser {
        return Err(ApiError::Forbidden);
    }
    let user = find(&api, &caller, id).await?;
    let login = api.store.login(&user.email).await?.ok_or_else(|| ApiError::no_entity("User", id))?;
    if login.password_hash.is_some() {
        return Err(ApiError::invalid("User is already activated!"));
    }
    let subject = pair::subject(login.user, &user, Uuid::new_v4());
    let token = api
        .tokens
        .issue(&subject, Purpose::Activation, api.clock.now_ms())
        .map_err(ApiError::internal)?;
    Ok(format!("{}/api/noauth/activate?activateToken={token}", base_url(&headers)))
}

/// A user whom the caller may see: system administrators see all users, as they create them; customer users see themselves.
async fn find(api: &ApiState, caller: &Principal, id: Uuid) -> Result<User, ApiError> {
    let found = match caller.authority {
        Authority::SysAdmin => find_anywhere(api, id).await?,
        Authority::TenantAdmin => record::find(&*api.store, caller.user.tenant, id).await?,
        Authority::CustomerUser if id == caller.user.id => record::find(&*api.store, caller.user.tenant, id).await?,
        Authority::CustomerUser => None,
    };
    found.ok_or_else(|| ApiError::no_entity("User", id))
}

/// An id says nothing of its tenant: looks into each. One look-up by key each, done by system administrators only.
async fn find_anywhere(api: &ApiState, id: Uuid) -> Result<Option<User>, ApiError> {
    if let Some(user) = record::find(&*api.store, TenantId::SYSTEM, id).await? {
        return Ok(Some(user));
    }
    let mut page = PageRequest::first(TENANTS_AT_ONCE);
    loop {
        let tenants = api
            .store
            .entities(TenantId::SYSTEM, EntityKind::Tenant, &EntityFilter::default(), &page)
            .await?;
        for tenant in &tenants.data {
            let user = UserId::new(TenantId(tenant.id.id), id);
            if let Some(record) = api.store.entity(user.entity()).await? {
                return Ok(Some(record::read(record)?));
            }
        }
        if !tenants.has_next {
            return Ok(None);
        }
        page.page += 1;
    }
}

/// Where the client reached this server, by its own words.
fn base_url(headers: &HeaderMap) -> String {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let scheme = match text(header::HeaderName::from_static("x-forwarded-proto")) {
        Some("https") => "https",
        _ => "http",
    };
    format!("{scheme}://{}", text(header::HOST).unwrap_or("localhost"))
}

fn check_email(email: &str) -> Result<(), ApiError> {
    let email = email.trim();
    let parts = email.split_once('@');
    let fine = parts.is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'))
        && !email.chars().any(|c| c.is_whitespace() || c.is_control());
    if fine {
        Ok(())
    } else {
        Err(ApiError::Invalid(format!("Invalid email address format '{email}'!")))
    }
}

fn email_taken(error: StorageError) -> ApiError {
    match error {
        StorageError::NameTaken(email) => ApiError::Invalid(format!("User with email '{email}'  already present in database!")),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_two_parts() {
        for (email, fine) in [
            ("a@b", true),
            (" a@b.c ", true),
            ("a", false),
            ("@b", false),
            ("a@", false),
            ("a@b@c", false),
            ("a b@c", false),
        ] {
            assert_eq!(check_email(email).is_ok(), fine, "{email}");
        }
    }
}
