//! Node types, as the editor of rule chains lists them.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use model::entity::Authority;
use plugins::NodeDescriptor;
use serde::Deserialize;
use serde_json::{Value as JsonValue, json};
use uuid::Uuid;

use crate::ApiError;
use crate::extract::{Params, PathOf, Principal, csv};
use crate::state::ApiState;

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/components", get(list))
        .route("/api/components/{kind}", get(list_of))
        .route("/api/component/{class}", get(read))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    component_types: Option<String>,
    rule_chain_type: Option<String>,
}

async fn list(State(api): State<ApiState>, caller: Principal, Params(asked): Params<Asked>) -> Result<Json<Vec<JsonValue>>, ApiError> {
    let kinds = asked
        .component_types
        .as_deref()
        .ok_or_else(|| ApiError::invalid("Required request parameter 'componentTypes' is not present"))?;
    let kinds: Vec<&str> = csv(kinds).collect();
    found(&api, &caller, asked.rule_chain_type.as_deref(), |family| kinds.contains(&family)).await
}

async fn list_of(
    State(api): State<ApiState>,
    caller: Principal,
    PathOf(kind): PathOf<String>,
    Params(asked): Params<Asked>,
) -> Result<Json<Vec<JsonValue>>, ApiError> {
    found(&api, &caller, asked.rule_chain_type.as_deref(), |family| family == kind).await
}

async fn read(State(api): State<ApiState>, caller: Principal, PathOf(class): PathOf<String>) -> Result<Json<JsonValue>, ApiError> {
    check(&caller)?;
    match api.components.catalog(caller.user.tenant).await?.resolve(&class) {
        Some(node_type) => Ok(Json(described(node_type.descriptor(), &class))),
        None => Err(ApiError::NotFound(format!("Component with class [{class}] is not found"))),
    }
}

async fn found(
    api: &ApiState,
    caller: &Principal,
    chain_type: Option<&str>,
    wanted: impl Fn(&str) -> bool,
) -> Result<Json<Vec<JsonValue>>, ApiError> {
    check(caller)?;
    // No node type is made for chains of another type.
    let core = chain_type.is_none_or(|kind| kind == "CORE");
    let catalog = api.components.catalog(caller.user.tenant).await?;
    let types = catalog.node_types().iter().map(|node_type| node_type.descriptor());
    let listed = types.filter(|descriptor| core && wanted(&descriptor.family));
    Ok(Json(
        listed
            .filter_map(|descriptor| Some(described(descriptor, descriptor.class_ids.first()?)))
            .collect(),
    ))
}

/// Customer users build no chains.
fn check(caller: &Principal) -> Result<(), ApiError> {
    if caller.authority == Authority::CustomerUser {
        Err(ApiError::Forbidden)
    } else {
        Ok(())
    }
}

fn described(descriptor: &NodeDescriptor, class: &str) -> JsonValue {
    let relations: Vec<&str> = descriptor.relations.iter().map(|name| &**name).collect();
    json!({
        "id": {"id": class_uuid(class)},
        "createdTime": 0,
        "type": descriptor.family,
        "scope": "TENANT",
        "clusteringMode": "ENABLED",
        "name": descriptor.title,
        "clazz": class,
        "configurationDescriptor": {
            "nodeDefinition": {
                "details": descriptor.details,
                "description": descriptor.description,
                "inEnabled": descriptor.takes_messages,
                "outEnabled": !relations.is_empty() || descriptor.custom_relations,
                "relationTypes": relations,
                "customRelations": descriptor.custom_relations,
                "ruleChainNode": false,
                "defaultConfiguration": descriptor.default_configuration,
                "configurationSchema": descriptor.configuration_schema,
                "uiResources": null,
                "configDirective": null,
                "icon": descriptor.icon,
                "iconUrl": null,
                "docUrl": null,
            },
        },
        "configurationVersion": descriptor.version,
        "actions": null,
        "hasQueueName": false,
    })
}

/// An id that is the same at every start: FNV-1a of the class id.
fn class_uuid(class: &str) -> Uuid {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let hash = class
        .bytes()
        .fold(BASIS, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME));
    uuid::Builder::from_u128(hash)
        .with_variant(uuid::Variant::RFC4122)
        .with_version(uuid::Version::Custom)
        .into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_classes_stay_and_differ() {
        assert_eq!(class_uuid("org.a.B"), class_uuid("org.a.B"));
        assert_ne!(class_uuid("org.a.B"), class_uuid("org.a.C"));
        assert_eq!(class_uuid("org.a.B").get_version_num(), 8);
    }
}
