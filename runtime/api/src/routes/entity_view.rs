//! Entity views: what of a device somebody is shown. Of attributes a view has copies, made when it is saved, and by rule nodes afterwards; time
//! series are read where they are.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use cluster::{Change, What};
use model::entity::{Customer, Direction, EntityView, IdRef, Relation, RelationGroup};
use model::{AttributeScope, DeviceId, EntityId, EntityKind, Page, TenantId};
use serde::{Deserialize, Serialize};
use storage::{EntityFilter, Mutation, RelationQuery};
use uuid::Uuid;

use super::customer_titles::CustomerTitles;
use super::telemetry::check_key;
use crate::ApiError;
use crate::extract::{Body, Member, Paging, Params, PathOf, TenantAdmin};
use crate::record::{self, check_name, given_customer, shown_customer};
use crate::state::ApiState;

/// Keys of a view at most, of each kind.
const KEYS_MAX: usize = 1_000;
/// Views of an entity at most: those that rule nodes copy to.
const VIEWS_MAX: usize = 100;
/// What an entity and its view are related by.
const RELATION: &str = "View";

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/entityView", post(save))
        .route("/api/entityView/{id}", get(read).delete(remove))
        .route("/api/entityView/info/{id}", get(read_info))
        .route("/api/tenant/entityView", get(by_name))
        .route("/api/tenant/entityViews", get(of_tenant))
        .route("/api/tenant/entityViewInfos", get(infos_of_tenant))
        .route("/api/customer/{customer}/entityViews", get(of_customer))
        .route("/api/customer/{customer}/entityViewInfos", get(infos_of_customer))
        .route("/api/customer/{customer}/entityView/{id}", post(assign))
        .route("/api/customer/entityView/{id}", delete(unassign))
}

/// A view, and the name of what it refers to.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EntityViewInfo {
    #[serde(flatten)]
    view: EntityView,
    customer_title: Option<String>,
    customer_is_public: bool,
}

/// A view as answers show it.
fn shown(mut view: EntityView) -> EntityView {
    view.customer_id = shown_customer(view.customer_id);
    view
}

/// Whether an entity has views.
pub(super) async fn has_views(api: &ApiState, entity: EntityId) -> Result<bool, ApiError> {
    Ok(!related(api, entity, 1).await?.is_empty())
}

/// What views an entity has, or has had.
async fn related(api: &ApiState, entity: EntityId, limit: usize) -> Result<Vec<Relation>, ApiError> {
    let query = RelationQuery {
        direction: Direction::From,
        group: RelationGroup::EntityView,
        relation_type: None,
        limit,
    };
    Ok(api.store.relations(entity, &query).await?)
}

fn relation(view: &EntityView, id: Uuid) -> Arc<Relation> {
    Arc::new(Relation {
        from: view.entity_id,
        to: IdRef::new(EntityKind::EntityView, id),
        relation_type: RELATION.to_owned(),
        type_group: RelationGroup::EntityView,
        additional_info: None,
    })
}

async fn save(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    member: Member,
    Body(view): Body<EntityView>,
) -> Result<Json<EntityView>, ApiError> {
    check(&view)?;
    member.entity(&api, view.entity_id.entity_type, view.entity_id.id).await?;
    api.clone()
        .finish("save entity view", async move { save_view(&api, tenant, view).await })
        .await
        .map(shown)
        .map(Json)
}

/// What of a view can be told to be wrong by itself.
fn check(view: &EntityView) -> Result<(), ApiError> {
    check_name("Entity view", "name", &view.name)?;
    check_name("Entity view", "type", &view.view_type)?;
    if view.entity_id.entity_type != EntityKind::Device {
        return Err(ApiError::invalid("Entity views are views of devices"));
    }
    if view.start_time_ms < 0 || view.end_time_ms < 0 || view.until_ms().is_some_and(|until_ms| until_ms < view.start_time_ms) {
        return Err(ApiError::invalid("Entity view start time should not be after its end time"));
    }
    let attributes = AttributeScope::ALL.map(|scope| view.attributes(scope));
    for keys in attributes.into_iter().chain([view.time_series()]) {
        if keys.len() > KEYS_MAX {
            return Err(ApiError::Invalid(format!("Entity view has more than {KEYS_MAX} keys of a kind")));
        }
        keys.iter().try_for_each(|key| check_key(key))?;
    }
    Ok(())
}

async fn save_view(api: &ApiState, tenant: TenantId, mut view: EntityView) -> Result<EntityView, ApiError> {
    // Of all of the tenant's: a view may come from one entity to another.
    let _turn = api.turns.take(("entity views", tenant)).await;
    let given = record::given_id::<EntityView>(view.id)?;
    let stored: Option<EntityView> = match given {
        None => None,
        Some(id) => Some(record::get(&*api.store, tenant, id).await?),
    };
    let (id, base) = match (&stored, given) {
        (Some(stored), Some(id)) => {
            view.created_time = stored.created_time;
            // Who it is assigned to is changed in another way.
            view.customer_id = stored.customer_id;
            (id, view.version.or(stored.version).unwrap_or(0))
        }
        _ => {
            view.created_time = api.clock.now_ms();
            view.customer_id = given_customer(view.customer_id);
            (Uuid::now_v7(), 0)
        }
    };
    if let Some(customer) = view.customer_id {
        record::get::<Customer>(&*api.store, tenant, customer.id).await?;
    }
    let entity = EntityId::new(tenant, view.entity_id.entity_type, view.entity_id.id);
    let related = related(api, entity, VIEWS_MAX).await?;
    if related.len() >= VIEWS_MAX && !related.iter().any(|one| one.to.id == id) {
        return Err(ApiError::Invalid(format!(
            "Can't create more than {VIEWS_MAX} entity views of an entity!"
        )));
    }
    view.id = Some(IdRef::new(EntityKind::EntityView, id));
    view.tenant_id = Some(IdRef::tenant(tenant));
    let is_moved = stored.as_ref().is_none_or(|stored| stored.entity_id != view.entity_id);
    let to_view = relation(&view, id);
    if is_moved {
        // First: a view that nobody finds would not be copied to, but a relation to no view is none.
        let relation = Arc::clone(&to_view);
        write(api, vec![Mutation::PutRelation { tenant, relation }]).await?;
    }
    let mut batch = Vec::new();
    if let Err(error) = record::save(&*api.store, tenant, id, base, &mut view).await {
        if is_moved {
            batch.push(Mutation::DeleteRelation { tenant, relation: to_view });
            write(api, batch).await?;
        }
        return Err(ApiError::saving("Entity view", error));
    }
    if let Some(before) = stored.filter(|_| is_moved) {
        let relation = relation(&before, id);
        batch.push(Mutation::DeleteRelation { tenant, relation });
        changed(api, tenant, &before);
    }
    changed(api, tenant, &view);
    copy_attributes(api, entity, EntityId::new(tenant, EntityKind::EntityView, id), &view, &mut batch).await?;
    write(api, batch).await?;
    Ok(view)
}

/// Whoever watches the entity by the view looks again what may be seen of it.
fn changed(api: &ApiState, tenant: TenantId, view: &EntityView) {
    if let Ok(device) = DeviceId::try_from(view.entity_id.of(tenant)) {
        api.app.announce(Change::of(device, What::Device));
    }
}

/// Makes a view's attributes what it shows of its entity's.
async fn copy_attributes(
    api: &ApiState,
    entity: EntityId,
    id: EntityId,
    view: &EntityView,
    batch: &mut Vec<Mutation>,
) -> Result<(), ApiError> {
    for scope in AttributeScope::ALL {
        let keys: Vec<Arc<str>> = view.attributes(scope).iter().map(|key| Arc::from(key.as_str())).collect();
        let mut values = Vec::new();
        if !keys.is_empty() {
            let found = api.store.attributes(entity, scope, Some(&keys)).await?;
            let of_its_time = found
                .into_iter()
                .filter(|(_, reading)| view.shown(reading.ts_ms, reading.ts_ms.saturating_add(1)).is_some());
            values.extend(of_its_time.map(|(key, reading)| (key, reading.value)));
        }
        let there = api.store.attributes(id, scope, None).await?.into_iter().map(|(key, _)| key);
        let gone: Vec<Arc<str>> = there.filter(|key| !values.iter().any(|(copied, _)| copied == key)).collect();
        if !gone.is_empty() {
            batch.push(Mutation::DeleteAttributes {
                entity: id,
                scope,
                keys: gone,
            });
        }
        if !values.is_empty() {
            batch.push(Mutation::Attributes {
                entity: id,
                scope,
                ts_ms: api.clock.now_ms(),
                values,
            });
        }
    }
    Ok(())
}

async fn write(api: &ApiState, batch: Vec<Mutation>) -> Result<(), ApiError> {
    if !batch.is_empty() {
        api.store.submit(batch).await?.await?;
    }
    Ok(())
}

/// A view that a member may see.
async fn seen(api: &ApiState, member: &Member, id: Uuid) -> Result<EntityView, ApiError> {
    member.entity(api, EntityKind::EntityView, id).await?;
    record::get(&*api.store, member.tenant, id).await.map(shown)
}

async fn read(State(api): State<ApiState>, member: Member, PathOf(id): PathOf<Uuid>) -> Result<Json<EntityView>, ApiError> {
    seen(&api, &member, id).await.map(Json)
}

async fn read_info(State(api): State<ApiState>, member: Member, PathOf(id): PathOf<Uuid>) -> Result<Json<EntityViewInfo>, ApiError> {
    let view = seen(&api, &member, id).await?;
    info(&api, view, &mut CustomerTitles::new(member.tenant)).await.map(Json)
}

async fn info(api: &ApiState, view: EntityView, titles: &mut CustomerTitles) -> Result<EntityViewInfo, ApiError> {
    Ok(EntityViewInfo {
        customer_title: titles.of(api, view.customer_id).await?,
        customer_is_public: false,
        view,
    })
}

async fn remove(State(api): State<ApiState>, TenantAdmin { tenant }: TenantAdmin, PathOf(id): PathOf<Uuid>) -> Result<(), ApiError> {
    let view = EntityId::new(tenant, EntityKind::EntityView, id);
    api.clone()
        .finish("delete entity view", async move {
            let before: EntityView = record::get(&*api.store, tenant, id).await?;
            api.store.delete_entity(view).await?;
            changed(&api, tenant, &before);
            Ok(())
        })
        .await
}

async fn assign(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    PathOf((customer, id)): PathOf<(Uuid, Uuid)>,
) -> Result<Json<EntityView>, ApiError> {
    record::get::<Customer>(&*api.store, tenant, customer).await?;
    let view = record::get(&*api.store, tenant, id).await?;
    give_to(&api, tenant, id, view, Some(IdRef::new(EntityKind::Customer, customer))).await
}

async fn unassign(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    PathOf(id): PathOf<Uuid>,
) -> Result<Json<EntityView>, ApiError> {
    let view: EntityView = record::get(&*api.store, tenant, id).await?;
    if view.customer_id.is_none() {
        return Err(ApiError::invalid("Entity View isn't assigned to any customer!"));
    }
    give_to(&api, tenant, id, view, None).await
}

async fn give_to(
    api: &ApiState,
    tenant: TenantId,
    id: Uuid,
    mut view: EntityView,
    customer: Option<IdRef>,
) -> Result<Json<EntityView>, ApiError> {
    view.customer_id = customer;
    let base = view.version.unwrap_or(1);
    let saved = record::save(&*api.store, tenant, id, base, &mut view).await;
    saved.map_err(|error| ApiError::saving("Entity view", error))?;
    changed(api, tenant, &view);
    Ok(Json(shown(view)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    entity_view_name: Option<String>,
    #[serde(rename = "type")]
    view_type: Option<String>,
}

impl Asked {
    fn filter(self, customer: Option<Uuid>) -> EntityFilter {
        EntityFilter {
            customer,
            subtype: self.view_type.filter(|name| !name.is_empty()),
        }
    }
}

/// One path, two questions: `entityViewName` asks for one view.
async fn of_tenant(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    Params(asked): Params<Asked>,
    paging: Result<Paging, ApiError>,
) -> Result<Response, ApiError> {
    match &asked.entity_view_name {
        Some(name) => named(&api, tenant, name).await.map(IntoResponse::into_response),
        None => {
            let found = page(&api, tenant, &asked.filter(None), paging?).await?;
            Ok(Json(found).into_response())
        }
    }
}

async fn by_name(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    Params(asked): Params<Asked>,
) -> Result<Json<EntityView>, ApiError> {
    let name = asked
        .entity_view_name
        .ok_or_else(|| ApiError::invalid("Required request parameter 'entityViewName' is not present"))?;
    named(&api, tenant, &name).await
}

async fn named(api: &ApiState, tenant: TenantId, name: &str) -> Result<Json<EntityView>, ApiError> {
    match api.store.entity_by_name(tenant, EntityKind::EntityView, name).await? {
        Some(found) => Ok(Json(shown(record::read(found)?))),
        None => Err(ApiError::NotFound(format!("Entity View with name [{name}] is not found"))),
    }
}

async fn infos_of_tenant(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    Params(asked): Params<Asked>,
    paging: Paging,
) -> Result<Json<Page<EntityViewInfo>>, ApiError> {
    infos(&api, tenant, &asked.filter(None), paging).await
}

async fn of_customer(
    State(api): State<ApiState>,
    member: Member,
    PathOf(customer): PathOf<Uuid>,
    Params(asked): Params<Asked>,
    paging: Paging,
) -> Result<Json<Page<EntityView>>, ApiError> {
    let customer = member.customer_id(&api, customer).await?;
    page(&api, member.tenant, &asked.filter(Some(customer)), paging).await.map(Json)
}

async fn infos_of_customer(
    State(api): State<ApiState>,
    member: Member,
    PathOf(customer): PathOf<Uuid>,
    Params(asked): Params<Asked>,
    paging: Paging,
) -> Result<Json<Page<EntityViewInfo>>, ApiError> {
    let customer = member.customer_id(&api, customer).await?;
    infos(&api, member.tenant, &asked.filter(Some(customer)), paging).await
}

async fn page(api: &ApiState, tenant: TenantId, filter: &EntityFilter, Paging(page): Paging) -> Result<Page<EntityView>, ApiError> {
    Ok(record::page(&*api.store, tenant, filter, &page).await?.map(shown))
}

async fn infos(api: &ApiState, tenant: TenantId, filter: &EntityFilter, paging: Paging) -> Result<Json<Page<EntityViewInfo>>, ApiError> {
    let mut found = page(api, tenant, filter, paging).await?;
    let mut titles = CustomerTitles::new(tenant);
    let mut data = Vec::with_capacity(found.data.len());
    for view in std::mem::take(&mut found.data) {
        data.push(info(api, view, &mut titles).await?);
    }
    Ok(Json(found.with(data)))
}
