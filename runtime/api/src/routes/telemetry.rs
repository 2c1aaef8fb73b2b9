//! Attributes and time series of an entity: writing and removing. Devices hear of changed shared attributes.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::{delete, post};
use cluster::Notice;
use model::{AttributeScope, DeviceId, Downlink, EntityId, MessageKind, Metadata, Payload, Value};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use storage::Mutation;
use uuid::Uuid;

use crate::ApiError;
use crate::extract::{Body, Member, Params, PathOf, csv};
use crate::state::ApiState;

/// Bytes of a key at most.
const KEY_BYTES_MAX: usize = 255;
/// The server-side attribute that says how long a device may say nothing.
const TIMEOUT_KEY: &str = "inactivityTimeout";
/// Keys in one request at most.
pub(super) const KEYS_MAX: usize = 1_000;

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/plugins/telemetry/{a}/{b}", post(save_of_device).delete(delete_of_device))
        .route(
            "/api/plugins/telemetry/{a}/{b}/{c}",
            post(save_attributes).delete(delete_attributes),
        )
        .route("/api/plugins/telemetry/{a}/{b}/attributes/{c}", post(save_attributes))
        .route("/api/plugins/telemetry/{a}/{b}/timeseries/delete", delete(delete_series))
}

type Attributes = Map<String, Json>;

async fn save_of_device(
    State(api): State<ApiState>,
    member: Member,
    PathOf((id, scope)): PathOf<(Uuid, String)>,
    Body(values): Body<Attributes>,
) -> Result<(), ApiError> {
    let entity = member.device_id(&api, id).await?.entity();
    save(api, entity, &scope, values).await
}

async fn save_attributes(
    State(api): State<ApiState>,
    member: Member,
    PathOf((kind, id, scope)): PathOf<(String, Uuid, String)>,
    Body(values): Body<Attributes>,
) -> Result<(), ApiError> {
    let entity = member.entity_named(&api, &kind, id).await?;
    save(api, entity, &scope, values).await
}

async fn save(api: ApiState, entity: EntityId, scope: &str, values: Attributes) -> Result<(), ApiError> {
    let scope = written_scope(scope)?;
    let values = attribute_values(values)?;
    let saved = Payload::new(values.iter().map(|(key, value)| (key.to_string(), value.to_json())).collect());
    let news = News {
        device: shared_device(entity, scope).map(|device| (device, Downlink::AttributesChanged(saved.clone()))),
        chain: Notice::of_attributes(MessageKind::AttributesUpdated, scope, saved),
    };
    let is_timeout = scope == AttributeScope::ServerScope && values.iter().any(|(key, _)| &**key == TIMEOUT_KEY);
    let mutation = Mutation::Attributes {
        entity,
        scope,
        ts_ms: api.clock.now_ms(),
        values,
    };
    write(api.clone(), entity, mutation, news).await?;
    if is_timeout {
        timeout_changed(&api, entity).await;
    }
    Ok(())
}

/// Who is told when attributes are written.
struct News {
    device: Option<(DeviceId, Downlink)>,
    /// To the entity's chain.
    chain: Notice,
}

/// What became of attributes, as a chain is told.
#[derive(Deserialize)]
struct Keys {
    keys: Option<String>,
}

async fn delete_of_device(
    State(api): State<ApiState>,
    member: Member,
    PathOf((id, scope)): PathOf<(Uuid, String)>,
    Params(asked): Params<Keys>,
) -> Result<(), ApiError> {
    let entity = member.device_id(&api, id).await?.entity();
    remove(api, entity, &scope, asked).await
}

async fn delete_attributes(
    State(api): State<ApiState>,
    member: Member,
    PathOf((kind, id, scope)): PathOf<(String, Uuid, String)>,
    Params(asked): Params<Keys>,
) -> Result<(), ApiError> {
    let entity = member.entity_named(&api, &kind, id).await?;
    remove(api, entity, &scope, asked).await
}

async fn remove(api: ApiState, entity: EntityId, scope: &str, asked: Keys) -> Result<(), ApiError> {
    let scope = parse_scope(scope)?;
    let keys = given_keys(asked.keys.as_deref())?.ok_or_else(no_keys)?;
    let device = shared_device(entity, scope).map(|device| (device, Downlink::AttributesRemoved(keys.clone())));
    let is_timeout = scope == AttributeScope::ServerScope && keys.iter().any(|key| &**key == TIMEOUT_KEY);
    let gone = Payload::new(json!({ "attributes": texts(&keys) }));
    let news = News {
        device,
        chain: Notice::of_attributes(MessageKind::AttributesDeleted, scope, gone),
    };
    write(api.clone(), entity, Mutation::DeleteAttributes { entity, scope, keys }, news).await?;
    if is_timeout {
        timeout_changed(&api, entity).await;
    }
    Ok(())
}

fn texts(keys: &[Arc<str>]) -> Vec<&str> {
    keys.iter().map(|key| &**key).collect()
}

/// The device's actor keeps how long it may say nothing.
async fn timeout_changed(api: &ApiState, entity: EntityId) {
    if let Ok(device) = DeviceId::try_from(entity) {
        api.app.device_changed(device).await;
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Deleting {
    keys: Option<String>,
    #[serde(default)]
    delete_all_data_for_keys: bool,
    start_ts: Option<i64>,
    end_ts: Option<i64>,
}

async fn delete_series(
    State(api): State<ApiState>,
    member: Member,
    PathOf((kind, id)): PathOf<(String, Uuid)>,
    Params(asked): Params<Deleting>,
) -> Result<(), ApiError> {
    let entity = member.entity_named(&api, &kind, id).await?;
    let keys = given_keys(asked.keys.as_deref())?.ok_or_else(no_keys)?;
    let (from_ms, to_ms) = match (asked.delete_all_data_for_keys, asked.start_ts, asked.end_ts) {
        (true, _, _) => (i64::MIN, i64::MAX),
        (false, Some(from), Some(to)) => (from, to),
        _ => {
            return Err(ApiError::invalid(
                "When deleteAllDataForKeys is false, start and end timestamp values shouldn't be empty",
            ));
        }
    };
    let mut data = json!({ "timeseries": texts(&keys) });
    if !asked.delete_all_data_for_keys {
        (data["startTs"], data["endTs"]) = (json!(from_ms), json!(to_ms));
    }
    let notice = Notice {
        kind: MessageKind::TimeseriesDeleted,
        metadata: Metadata::new(),
        payload: Payload::new(data),
    };
    let batch = keys
        .into_iter()
        .map(|key| Mutation::DeletePoints {
            entity,
            key,
            from_ms,
            to_ms,
        })
        .collect();
    api.clone()
        .finish("delete time series", async move {
            api.store.submit(batch).await?.await?;
            api.app.notice(entity, notice).await;
            Ok(())
        })
        .await
}

/// Writes, and tells device and chain when it is durable.
async fn write(api: ApiState, entity: EntityId, mutation: Mutation, news: News) -> Result<(), ApiError> {
    api.clone()
        .finish("write attributes", async move {
            api.store.submit(vec![mutation]).await?.await?;
            if let Some((device, news)) = news.device {
                api.app.push(device, news).await;
            }
            api.app.notice(entity, news.chain).await;
            Ok(())
        })
        .await
}

/// The device that has to hear of a change, if one has.
fn shared_device(entity: EntityId, scope: AttributeScope) -> Option<DeviceId> {
    if scope == AttributeScope::SharedScope {
        DeviceId::try_from(entity).ok()
    } else {
        None
    }
}

pub(crate) fn parse_scope(scope: &str) -> Result<AttributeScope, ApiError> {
    scope
        .parse()
        .map_err(|_| ApiError::Invalid(format!("Invalid attribute scope: {scope}")))
}

/// Client attributes are the device's own to write.
fn written_scope(scope: &str) -> Result<AttributeScope, ApiError> {
    match parse_scope(scope)? {
        AttributeScope::ClientScope => Err(ApiError::Invalid(format!("Invalid scope: {scope}"))),
        written => Ok(written),
    }
}

fn attribute_values(values: Attributes) -> Result<Vec<(Arc<str>, Value)>, ApiError> {
    check_count(values.len())?;
    let mut checked = Vec::with_capacity(values.len());
    for (key, json) in values {
        check_key(&key)?;
        // Null is no value, as everywhere.
        if let Some(value) = Value::from_json(&json) {
            checked.push((Arc::from(key), value));
        }
    }
    if checked.is_empty() {
        Err(ApiError::invalid("No attributes data found in request body!"))
    } else {
        Ok(checked)
    }
}

/// The keys of a comma-separated list; none: it names none.
pub(crate) fn given_keys(list: Option<&str>) -> Result<Option<Vec<Arc<str>>>, ApiError> {
    let keys: Vec<Arc<str>> = csv(list.unwrap_or_default()).map(Arc::from).collect();
    check_count(keys.len())?;
    keys.iter().try_for_each(|key| check_key(key))?;
    Ok(Some(keys).filter(|keys| !keys.is_empty()))
}

pub(crate) fn no_keys() -> ApiError {
    ApiError::invalid("Required request parameter 'keys' is not present")
}

fn check_count(count: usize) -> Result<(), ApiError> {
    if count <= KEYS_MAX {
        Ok(())
    } else {
        Err(ApiError::Invalid(format!("{count} keys are more than the {KEYS_MAX} allowed")))
    }
}

pub(super) fn check_key(key: &str) -> Result<(), ApiError> {
    if (1..=KEY_BYTES_MAX).contains(&key.len()) {
        Ok(())
    } else {
        Err(ApiError::Invalid(format!(
            "A key has {} bytes, not between 1 and {KEY_BYTES_MAX}",
            key.len()
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_values_and_leaves_out_nulls() {
        let Json::Object(values) = json!({"a": 1, "b": null, "c": {"d": 2}}) else {
            panic!("an object")
        };
        let values = attribute_values(values).expect("values");
        assert_eq!(
            values,
            [("a".into(), Value::Long(1)), ("c".into(), Value::Json(r#"{"d":2}"#.into()))]
        );
        for refused in [json!({}), json!({"a": null}), json!({"": 1}), json!({"x".repeat(256): 1})] {
            let Json::Object(values) = refused else { panic!("an object") };
            assert!(attribute_values(values).is_err());
        }
    }

    #[test]
    fn only_two_scopes_are_written() {
        for (scope, written) in [
            ("SERVER_SCOPE", true),
            ("SHARED_SCOPE", true),
            ("CLIENT_SCOPE", false),
            ("ANY", false),
        ] {
            assert_eq!(written_scope(scope).is_ok(), written, "{scope}");
        }
    }

    #[test]
    fn lists_of_keys_have_limits() {
        assert_eq!(given_keys(Some("a, b,,")), Ok(Some(vec!["a".into(), "b".into()])));
        assert_eq!(given_keys(None), Ok(None));
        assert!(given_keys(Some(&"k,".repeat(KEYS_MAX + 1))).is_err());
    }
}
