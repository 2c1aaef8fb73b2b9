//! Relations between entities: one, those of an entity, and what a query finds along them.
//!
//! Ends are entities of the caller's tenant, always: an id of another tenant is not there.

mod search;

use std::sync::Arc;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use model::entity::{Direction, IdRef, Relation, RelationGroup};
use model::{EntityId, EntityKind, TenantId};
use serde::{Deserialize, Serialize};
use storage::{Mutation, RelationQuery};
use uuid::Uuid;

use crate::ApiError;
use crate::extract::{Body, Member, Params, PathOf, TenantAdmin};
use crate::state::ApiState;
use search::{Search, search};

/// Relations in one answer at most; more are refused, not cut off silently.
const RELATIONS_MAX: usize = 10_000;
/// Characters of a type at most.
const TYPE_LEN_MAX: usize = 255;
/// Bytes of additional data at most.
const INFO_BYTES_MAX: usize = 64 << 10;

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/relation", post(save_quietly).get(read).delete(remove_quietly))
        .route("/api/v2/relation", post(save).delete(remove))
        .route("/api/relations", get(list_asked).post(find).delete(remove_all))
        .route("/api/relations/info", get(list_asked_with_names).post(find_with_names))
        .route("/api/relations/{end}/{kind}/{id}", get(list))
        .route("/api/relations/{end}/{kind}/{id}/{relation_type}", get(list_of_type))
        .route("/api/relations/info/{end}/{kind}/{id}", get(list_with_names))
}

/// A relation with the names of its ends.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    #[serde(flatten)]
    relation: Relation,
    from_name: Option<String>,
    to_name: Option<String>,
}

/// A relation named in a query.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    from_id: Uuid,
    from_type: String,
    relation_type: String,
    #[serde(default)]
    relation_type_group: RelationGroup,
    to_id: Uuid,
    to_type: String,
}

impl Asked {
    fn relation(self) -> Result<Relation, ApiError> {
        Ok(Relation {
            from: IdRef::new(kind(&self.from_type)?, self.from_id),
            to: IdRef::new(kind(&self.to_type)?, self.to_id),
            relation_type: self.relation_type,
            type_group: self.relation_type_group,
            additional_info: None,
        })
    }
}

async fn save(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    member: Member,
    Body(relation): Body<Relation>,
) -> Result<Json<Relation>, ApiError> {
    check(&relation)?;
    for end in [relation.from, relation.to] {
        member.entity(&api, end.entity_type, end.id).await?;
    }
    let stored = Arc::new(relation.clone());
    write(&api, Mutation::PutRelation { tenant, relation: stored }).await?;
    Ok(Json(relation))
}

async fn save_quietly(api: State<ApiState>, admin: TenantAdmin, member: Member, relation: Body<Relation>) -> Result<(), ApiError> {
    save(api, admin, member, relation).await.map(drop)
}

async fn remove(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    Params(asked): Params<Asked>,
) -> Result<Json<Relation>, ApiError> {
    let found = stored(&api, tenant, &asked.relation()?).await?;
    let relation = Arc::new(found.clone());
    write(&api, Mutation::DeleteRelation { tenant, relation }).await?;
    Ok(Json(found))
}

async fn remove_quietly(api: State<ApiState>, admin: TenantAdmin, asked: Params<Asked>) -> Result<(), ApiError> {
    remove(api, admin, asked).await.map(drop)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfEntity {
    entity_id: Uuid,
    entity_type: String,
}

/// Removes what people related an entity with.
async fn remove_all(State(api): State<ApiState>, _: TenantAdmin, member: Member, Params(asked): Params<OfEntity>) -> Result<(), ApiError> {
    let entity = member.entity_named(&api, &asked.entity_type, asked.entity_id).await?;
    let group = RelationGroup::Common;
    write(&api, Mutation::DropRelations { entity, group }).await
}

async fn read(State(api): State<ApiState>, member: Member, Params(asked): Params<Asked>) -> Result<Json<Relation>, ApiError> {
    let relation = asked.relation()?;
    for end in [relation.from, relation.to] {
        member.entity(&api, end.entity_type, end.id).await?;
    }
    stored(&api, member.tenant, &relation).await.map(Json)
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    #[serde(default)]
    relation_type_group: RelationGroup,
}

async fn list(
    State(api): State<ApiState>,
    member: Member,
    PathOf((end, kind, id)): PathOf<(String, String, Uuid)>,
    Params(group): Params<Group>,
) -> Result<Json<Vec<Relation>>, ApiError> {
    let entity = member.entity_named(&api, &kind, id).await?;
    of_entity(&api, &member, entity, direction(&end)?, group, None).await.map(Json)
}

async fn list_of_type(
    State(api): State<ApiState>,
    member: Member,
    PathOf((end, kind, id, relation_type)): PathOf<(String, String, Uuid, String)>,
    Params(group): Params<Group>,
) -> Result<Json<Vec<Relation>>, ApiError> {
    let entity = member.entity_named(&api, &kind, id).await?;
    of_entity(&api, &member, entity, direction(&end)?, group, Some(relation_type))
        .await
        .map(Json)
}

async fn list_with_names(
    State(api): State<ApiState>,
    member: Member,
    PathOf((end, kind, id)): PathOf<(String, String, Uuid)>,
    Params(group): Params<Group>,
) -> Result<Json<Vec<Named>>, ApiError> {
    let entity = member.entity_named(&api, &kind, id).await?;
    let found = of_entity(&api, &member, entity, direction(&end)?, group, None).await?;
    named(&api, member.tenant, found).await.map(Json)
}

/// The old form: the end is told by the parameters.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OldForm {
    from_id: Option<Uuid>,
    from_type: Option<String>,
    to_id: Option<Uuid>,
    to_type: Option<String>,
    relation_type: Option<String>,
    #[serde(default)]
    relation_type_group: RelationGroup,
}

async fn list_asked(State(api): State<ApiState>, member: Member, Params(asked): Params<OldForm>) -> Result<Json<Vec<Relation>>, ApiError> {
    old_form(&api, &member, asked).await.map(Json)
}

async fn list_asked_with_names(
    State(api): State<ApiState>,
    member: Member,
    Params(asked): Params<OldForm>,
) -> Result<Json<Vec<Named>>, ApiError> {
    let found = old_form(&api, &member, asked).await?;
    named(&api, member.tenant, found).await.map(Json)
}

async fn old_form(api: &ApiState, member: &Member, asked: OldForm) -> Result<Vec<Relation>, ApiError> {
    let (direction, kind, id) = match (asked.from_id, asked.from_type, asked.to_id, asked.to_type) {
        (Some(id), Some(kind), None, None) => (Direction::From, kind, id),
        (None, None, Some(id), Some(kind)) => (Direction::To, kind, id),
        _ => {
            return Err(ApiError::invalid(
                "Either fromId and fromType, or toId and toType should be specified!",
            ));
        }
    };
    let entity = member.entity_named(api, &kind, id).await?;
    let group = Group {
        relation_type_group: asked.relation_type_group,
    };
    of_entity(api, member, entity, direction, group, asked.relation_type).await
}

async fn find(State(api): State<ApiState>, member: Member, Body(asked): Body<Search>) -> Result<Json<Vec<Relation>>, ApiError> {
    search(&api, &member, asked).await.map(Json)
}

async fn find_with_names(State(api): State<ApiState>, member: Member, Body(asked): Body<Search>) -> Result<Json<Vec<Named>>, ApiError> {
    let found = search(&api, &member, asked).await?;
    named(&api, member.tenant, found).await.map(Json)
}

/// Relations at an entity that the member may see.
async fn of_entity(
    api: &ApiState,
    member: &Member,
    entity: EntityId,
    direction: Direction,
    group: Group,
    relation_type: Option<String>,
) -> Result<Vec<Relation>, ApiError> {
    let query = RelationQuery {
        direction,
        group: group.relation_type_group,
        relation_type,
        limit: RELATIONS_MAX + 1,
    };
    let found = api.store.relations(entity, &query).await?;
    if found.len() > RELATIONS_MAX {
        return Err(too_many());
    }
    visible(api, member, found).await
}

/// A customer's user sees relations between what is assigned to the customer.
async fn visible(api: &ApiState, member: &Member, found: Vec<Relation>) -> Result<Vec<Relation>, ApiError> {
    if member.customer.is_none() {
        return Ok(found);
    }
    let mut seen = Vec::with_capacity(found.len());
    for relation in found {
        let mut both = true;
        for end in [relation.from, relation.to] {
            match member.entity(api, end.entity_type, end.id).await {
                Ok(_) => {}
                Err(ApiError::NotFound(_)) => both = false,
                Err(error) => return Err(error),
            }
        }
        if both {
            seen.push(relation);
        }
    }
    Ok(seen)
}

async fn named(api: &ApiState, tenant: TenantId, relations: Vec<Relation>) -> Result<Vec<Named>, ApiError> {
    let mut all = Vec::with_capacity(relations.len());
    for relation in relations {
        all.push(Named {
            from_name: name(api, tenant, relation.from).await?,
            to_name: name(api, tenant, relation.to).await?,
            relation,
        });
    }
    Ok(all)
}

async fn name(api: &ApiState, tenant: TenantId, of: IdRef) -> Result<Option<String>, ApiError> {
    // A tenant's record is the system's.
    let owner = if of.entity_type == EntityKind::Tenant {
        TenantId::SYSTEM
    } else {
        tenant
    };
    Ok(api.store.entity(of.of(owner)).await?.map(|record| record.name))
}

async fn stored(api: &ApiState, tenant: TenantId, named: &Relation) -> Result<Relation, ApiError> {
    let found = api.store.relation(tenant, named).await?;
    found.ok_or_else(|| ApiError::NotFound("Requested item wasn't found!".to_owned()))
}

async fn write(api: &ApiState, mutation: Mutation) -> Result<(), ApiError> {
    api.store.submit(vec![mutation]).await?.await?;
    Ok(())
}

fn check(relation: &Relation) -> Result<(), ApiError> {
    let name = &relation.relation_type;
    if name.trim().is_empty() {
        return Err(ApiError::invalid("Relation type should be specified!"));
    }
    if name.chars().count() > TYPE_LEN_MAX || name.contains('\0') {
        return Err(ApiError::Invalid(format!(
            "Relation type length must be equal or less than {TYPE_LEN_MAX}, without 0x00"
        )));
    }
    let info = relation.additional_info.as_ref().map_or(0, |info| info.to_string().len());
    if info > INFO_BYTES_MAX {
        return Err(ApiError::Invalid(format!(
            "Relation additional info of {info} bytes is larger than {INFO_BYTES_MAX}"
        )));
    }
    Ok(())
}

fn too_many() -> ApiError {
    ApiError::Invalid(format!("The query finds more than {RELATIONS_MAX} relations"))
}

fn kind(name: &str) -> Result<EntityKind, ApiError> {
    name.parse::<EntityKind>().map_err(|error| ApiError::Invalid(error.to_string()))
}

fn direction(name: &str) -> Result<Direction, ApiError> {
    match name {
        "from" => Ok(Direction::From),
        "to" => Ok(Direction::To),
        _ => Err(ApiError::NotFound(format!("No endpoint /api/relations/{name}"))),
    }
}
