//! Attributes and time series of an entity: reading.

mod history;
mod looked_at;
mod summary;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use model::{AttributeScope, Reading, Value};
use serde::{Deserialize, Serialize};
use serde_json::Value as JsonValue;
use uuid::Uuid;

use super::telemetry::{given_keys, no_keys, parse_scope};
use crate::ApiError;
use crate::extract::{Member, Params, PathOf};
use crate::state::ApiState;
pub(crate) use history::{History, Span};
pub(crate) use looked_at::LookedAt;

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/plugins/telemetry/{a}/{b}/keys/timeseries", get(series_keys))
        .route("/api/plugins/telemetry/{a}/{b}/keys/attributes", get(attribute_keys))
        .route("/api/plugins/telemetry/{a}/{b}/keys/attributes/{c}", get(attribute_keys_of))
        .route("/api/plugins/telemetry/{a}/{b}/values/timeseries", get(series))
        .route("/api/plugins/telemetry/{a}/{b}/values/timeseries/history", get(series))
        .route("/api/plugins/telemetry/{a}/{b}/values/attributes", get(attributes))
        .route("/api/plugins/telemetry/{a}/{b}/values/attributes/{c}", get(attributes_of))
}

/// A reading as answers show it.
#[derive(Debug, PartialEq, Serialize)]
struct Shown {
    ts: i64,
    value: JsonValue,
}

/// Readings by key.
type Answer = Json<BTreeMap<Arc<str>, Vec<Shown>>>;

/// An attribute as answers show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Attribute {
    last_update_ts: i64,
    key: Arc<str>,
    value: JsonValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    keys: Option<String>,
    start_ts: Option<i64>,
    end_ts: Option<i64>,
    limit: Option<u32>,
    order_by: Option<String>,
    interval: Option<i64>,
    interval_type: Option<String>,
    agg: Option<String>,
    #[serde(default)]
    use_strict_data_types: bool,
}

async fn series_keys(
    State(api): State<ApiState>,
    member: Member,
    PathOf((kind, id)): PathOf<(String, Uuid)>,
) -> Result<Json<Vec<Arc<str>>>, ApiError> {
    let looked_at = LookedAt::by(&api, member.entity_named(&api, &kind, id).await?).await?;
    let keys = looked_at.keys(Some(api.store.series_keys(looked_at.entity).await?));
    Ok(Json(keys.unwrap_or_default()))
}

/// Without a time: the newest readings. With one: the readings of that time, or what they come to.
async fn series(
    State(api): State<ApiState>,
    member: Member,
    PathOf((kind, id)): PathOf<(String, Uuid)>,
    Params(asked): Params<Asked>,
) -> Result<Answer, ApiError> {
    let looked_at = LookedAt::by(&api, member.entity_named(&api, &kind, id).await?).await?;
    let keys = given_keys(asked.keys.as_deref())?;
    let read = looked_at.keys(keys.clone());
    let strict = asked.use_strict_data_types;
    let answer = match History::asked(&asked)? {
        None => {
            let mut latest: BTreeMap<Arc<str>, Vec<Shown>> = api
                .store
                .latest(looked_at.entity, read.as_deref())
                .await?
                .into_iter()
                .filter(|(_, reading)| looked_at.shows(reading.ts_ms))
                .map(|(key, reading)| (key, vec![shown(reading, strict)]))
                .collect();
            // A key that was asked for and has no reading is answered all the same, with null.
            for key in keys.into_iter().flatten() {
                latest.entry(key).or_insert_with(|| {
                    vec![Shown {
                        ts: api.clock.now_ms(),
                        value: JsonValue::Null,
                    }]
                });
            }
            latest
        }
        Some(history) => {
            let read = keys.and(read).ok_or_else(no_keys)?;
            let readings = match history.narrowed(&looked_at) {
                Some(history) => history.read(&*api.store, looked_at.entity, read).await?,
                None => Vec::new(),
            };
            let show = |readings: Vec<Reading>| readings.into_iter().map(|reading| shown(reading, strict)).collect();
            readings.into_iter().map(|(key, readings)| (key, show(readings))).collect()
        }
    };
    Ok(Json(answer))
}

async fn attribute_keys(
    State(api): State<ApiState>,
    member: Member,
    PathOf((kind, id)): PathOf<(String, Uuid)>,
) -> Result<Json<Vec<Arc<str>>>, ApiError> {
    let found = find(&api, member, &kind, id, &AttributeScope::ALL, None).await?;
    let mut keys: Vec<_> = found.into_iter().map(|attribute| attribute.key).collect();
    keys.sort_unstable();
    keys.dedup();
    Ok(Json(keys))
}

async fn attribute_keys_of(
    State(api): State<ApiState>,
    member: Member,
    PathOf((kind, id, scope)): PathOf<(String, Uuid, String)>,
) -> Result<Json<Vec<Arc<str>>>, ApiError> {
    let found = find(&api, member, &kind, id, &[parse_scope(&scope)?], None).await?;
    Ok(Json(found.into_iter().map(|attribute| attribute.key).collect()))
}

async fn attributes(
    State(api): State<ApiState>,
    member: Member,
    PathOf((kind, id)): PathOf<(String, Uuid)>,
    Params(asked): Params<Asked>,
) -> Result<Json<Vec<Attribute>>, ApiError> {
    find(&api, member, &kind, id, &AttributeScope::ALL, asked.keys.as_deref())
        .await
        .map(Json)
}

async fn attributes_of(
    State(api): State<ApiState>,
    member: Member,
    PathOf((kind, id, scope)): PathOf<(String, Uuid, String)>,
    Params(asked): Params<Asked>,
) -> Result<Json<Vec<Attribute>>, ApiError> {
    find(&api, member, &kind, id, &[parse_scope(&scope)?], asked.keys.as_deref())
        .await
        .map(Json)
}

async fn find(
    api: &ApiState,
    member: Member,
    kind: &str,
    id: Uuid,
    scopes: &[AttributeScope],
    keys: Option<&str>,
) -> Result<Vec<Attribute>, ApiError> {
    let entity = member.entity_named(api, kind, id).await?;
    let keys = given_keys(keys)?;
    let mut found = Vec::new();
    for scope in scopes {
        let stored = api.store.attributes(entity, *scope, keys.as_deref()).await?;
        found.extend(stored.into_iter().map(|(key, reading)| Attribute {
            last_update_ts: reading.ts_ms,
            key,
            value: reading.value.to_json(),
        }));
    }
    Ok(found)
}

fn shown(reading: Reading, strict: bool) -> Shown {
    Shown {
        ts: reading.ts_ms,
        value: shown_value(&reading.value, strict),
    }
}

/// As text, unless the client wants the types.
fn shown_value(value: &Value, strict: bool) -> JsonValue {
    if strict {
        value.to_json()
    } else {
        JsonValue::String(value.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_text_unless_strict() {
        let cases = [
            (Value::Long(25), json!("25"), json!(25)),
            (Value::Double(25.0), json!("25.0"), json!(25.0)),
            (Value::Bool(true), json!("true"), json!(true)),
            (Value::Json(r#"{"a":1}"#.into()), json!(r#"{"a":1}"#), json!({"a": 1})),
        ];
        for (value, text, strict) in cases {
            assert_eq!(shown_value(&value, false), text);
            assert_eq!(shown_value(&value, true), strict);
        }
    }
}
