//! AI models of a tenant: which model of which provider its rule nodes may ask. What a provider is logged in to with is sealed, and no answer
//! shows it.

use std::time::Duration;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use cluster::{Change, What};
use effects::{AiModelSettings, AskLimits, Asked, Format, Question};
use model::entity::{AiModel, IdRef};
use model::{EntityId, EntityKind, Page, TenantId};
use serde::Deserialize;
use serde_json::{Value as JsonValue, json};
use storage::EntityFilter;
use uuid::Uuid;

use crate::ApiError;
use crate::extract::{Body, Paging, PathOf, TenantAdmin};
use crate::record::{self, check_name};
use crate::state::ApiState;

/// Seconds that a model which is tried may take.
const TIMEOUT_S_MAX: u64 = 60;
/// Bytes that it may answer.
const RESPONSE_BYTES_MAX: usize = 256 << 10;
/// Bytes of a refusal that are told.
const ERROR_BYTES_MAX: usize = 1_000;

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/ai/model", post(save).get(list))
        .route("/api/ai/model/chat", post(chat))
        .route("/api/ai/model/{id}", get(read).delete(remove))
}

/// A question to a model that is not saved yet.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chat {
    #[serde(default)]
    system_message: Option<String>,
    user_message: UserMessage,
    /// With what the provider is logged in to with.
    chat_model_config: JsonValue,
}

#[derive(Deserialize)]
struct UserMessage {
    contents: Vec<UserContent>,
}

/// A part of what somebody says.
#[derive(Deserialize)]
#[serde(tag = "contentType")]
enum UserContent {
    #[serde(rename = "TEXT")]
    Text { text: String },
}

/// Tries a model: what it says, or why it says nothing.
async fn chat(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    Body(chat): Body<Chat>,
) -> Result<Json<JsonValue>, ApiError> {
    let settings = AiModelSettings::read(&chat.chat_model_config).map_err(ApiError::Invalid)?;
    let words = chat.user_message.contents.into_iter().map(|UserContent::Text { text }| text);
    let question = Question {
        system: chat.system_message.filter(|text| !text.trim().is_empty()),
        user: words.collect::<Vec<_>>().join("\n"),
        format: Format::Text,
        schema: None,
    };
    if question.user.trim().is_empty() {
        return Err(ApiError::invalid("userMessage has no text"));
    }
    let timeout_s = chat.chat_model_config["timeoutSeconds"].as_u64().unwrap_or(TIMEOUT_S_MAX);
    let limits = AskLimits {
        timeout: Duration::from_secs(timeout_s.clamp(1, TIMEOUT_S_MAX)),
        response_bytes_max: RESPONSE_BYTES_MAX,
    };
    let why = match settings.ask(&api.egress, tenant, &question, limits).await {
        Ok(Asked::Said(words)) => return Ok(Json(json!({"status": "SUCCESS", "generatedContent": words}))),
        Ok(Asked::Refused(response)) => {
            let body = String::from_utf8_lossy(&response.body);
            let body = &body[..body.floor_char_boundary(ERROR_BYTES_MAX)];
            format!("the provider answered {}: {body}", response.status)
        }
        Err(error) => error.to_string(),
    };
    Ok(Json(json!({"status": "FAILURE", "errorDetails": why})))
}

async fn save(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    Body(model): Body<AiModel>,
) -> Result<Json<AiModel>, ApiError> {
    check_name("AI model", "name", &model.name)?;
    api.clone()
        .finish("save AI model", async move { save_model(&api, tenant, model).await.map(Json) })
        .await
}

async fn save_model(api: &ApiState, tenant: TenantId, mut model: AiModel) -> Result<AiModel, ApiError> {
    let _turn = api.turns.take(("AI models", tenant)).await;
    let given = record::given_id::<AiModel>(model.id)?;
    let is_new = given.is_none();
    let (id, base) = match given {
        None => {
            model.created_time = api.clock.now_ms();
            (Uuid::now_v7(), 0)
        }
        Some(id) => {
            let stored: AiModel = record::get(&*api.store, tenant, id).await?;
            model.created_time = stored.created_time;
            // Who sends what was shown has nothing secret to send.
            if let Some(kept) = AiModelSettings::kept(&api.secrets, tenant, id).await? {
                kept.lend_to(&mut model.configuration);
            }
            (id, model.version.or(stored.version).unwrap_or(1))
        }
    };
    let settings = AiModelSettings::read(&model.configuration).map_err(ApiError::Invalid)?;
    model.configuration = AiModelSettings::shown(&model.configuration);
    model.id = Some(IdRef::new(EntityKind::AiModel, id));
    model.tenant_id = Some(IdRef::tenant(tenant));
    let now_ms = api.clock.now_ms();
    // A new one's settings first, so that there is no model without them; of another its version decides first.
    if is_new {
        settings.keep(&api.secrets, tenant, id, now_ms).await?;
    }
    if let Err(error) = record::save(&*api.store, tenant, id, base, &mut model).await {
        if is_new {
            AiModelSettings::forget(&api.secrets, tenant, id).await?;
        }
        return Err(ApiError::saving("AI model", error));
    }
    if !is_new {
        settings.keep(&api.secrets, tenant, id, now_ms).await?;
    }
    api.app.announce(Change::new(tenant, What::Outside));
    Ok(model)
}

async fn read(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    PathOf(id): PathOf<Uuid>,
) -> Result<Json<AiModel>, ApiError> {
    record::get(&*api.store, tenant, id).await.map(Json)
}

async fn list(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    Paging(page): Paging,
) -> Result<Json<Page<AiModel>>, ApiError> {
    record::page(&*api.store, tenant, &EntityFilter::default(), &page).await.map(Json)
}

/// Answers whether there was one.
async fn remove(
    State(api): State<ApiState>,
    TenantAdmin { tenant }: TenantAdmin,
    PathOf(id): PathOf<Uuid>,
) -> Result<Json<bool>, ApiError> {
    api.clone()
        .finish("delete AI model", async move {
            let _turn = api.turns.take(("AI models", tenant)).await;
            let model = EntityId::new(tenant, EntityKind::AiModel, id);
            let was_there = api.store.delete_entity(model).await?;
            // Also of one that was deleted half-way.
            AiModelSettings::forget(&api.secrets, tenant, id).await?;
            api.app.announce(Change::new(tenant, What::Outside));
            Ok(Json(was_there))
        })
        .await
}
