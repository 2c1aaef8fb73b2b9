//! Uploading a component: its bytes as the body, or a form with a file, as browsers send it.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use components::Upload;
use serde::Deserialize;
use serde_json::{Value as JsonValue, json};

use super::plugin::{Asked, shown};
use crate::ApiError;
use crate::extract::Params;
use crate::state::ApiState;

/// Bytes of an upload at most, whatever an owner's quota says: beyond, not even the words about the quota are reached.
pub(super) const UPLOAD_BYTES_MAX: usize = 41 << 20;
/// How long an upload may take to arrive.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(120);
/// Bytes of a form's text fields at most.
const FIELD_BYTES_MAX: usize = 1_000;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Options {
    name: Option<String>,
    auto_rollback: Option<bool>,
    /// Whether the version serves at once.
    activate: Option<bool>,
}

/// Answers the component, and which version the upload is.
pub(super) async fn upload(
    State(api): State<ApiState>,
    Asked(owner): Asked,
    Params(mut options): Params<Options>,
    request: Request,
) -> Result<Json<JsonValue>, ApiError> {
    // One that waits here holds no megabytes yet.
    let turn = api.uploads.turn().await?;
    let received = tokio::time::timeout(UPLOAD_TIMEOUT, receive(&api, request, &mut options)).await;
    let bytes = received.map_err(|_| ApiError::Slow)??;
    let name = options
        .name
        .ok_or_else(|| ApiError::invalid("Required request parameter 'name' is not present"))?;
    if bytes.is_empty() {
        return Err(ApiError::invalid("Required request body is missing: send the component's bytes"));
    }
    let upload = Upload {
        name: name.clone(),
        bytes: Arc::from(&*bytes),
        auto_rollback: options.auto_rollback,
    };
    drop(bytes);
    api.clone()
        .finish("upload component", async move {
            let _turn = turn;
            let (version, is_new) = api.components.upload(&owner, upload).await?;
            if options.activate == Some(true) {
                api.components.activate(&owner, &name, version.digest).await?;
            }
            let mut json = shown(&api.components.inspect(owner.tenant, &name).await?);
            json["uploaded"] = json!({"version": version.digest, "new": is_new});
            Ok(Json(json))
        })
        .await
}

/// The component's bytes; options of a form go before those of the query.
async fn receive(api: &ApiState, request: Request, options: &mut Options) -> Result<Bytes, ApiError> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if !kind.is_some_and(|kind| kind.starts_with("multipart/form-data")) {
        return Bytes::from_request(request, api)
            .await
            .map_err(|rejection| refused(rejection.into_response().status()));
    }
    let form = Multipart::from_request(request, api).await;
    let mut form = form.map_err(|rejection| refused(rejection.into_response().status()))?;
    let mut file = None;
    while let Some(field) = form.next_field().await.map_err(|error| refused(error.status()))? {
        let name = field.name().unwrap_or_default().to_owned();
        let value = field.bytes().await.map_err(|error| refused(error.status()))?;
        if name == "file" {
            file = Some(value);
            continue;
        }
        let text = std::str::from_utf8(&value).ok().filter(|text| text.len() <= FIELD_BYTES_MAX);
        let text = text.ok_or_else(|| ApiError::Invalid("A field of the form is no short text".to_owned()))?;
        match &*name {
            "name" => options.name = Some(text.to_owned()),
            "autoRollback" => options.auto_rollback = Some(flag(&name, text)?),
            "activate" => options.activate = Some(flag(&name, text)?),
            _ => {}
        }
    }
    file.ok_or_else(|| ApiError::invalid("The form has no field 'file' with the component"))
}

fn flag(name: &str, text: &str) -> Result<bool, ApiError> {
    text.parse()
        .map_err(|_| ApiError::Invalid(format!("The field '{name}' should be true or false")))
}

fn refused(status: StatusCode) -> ApiError {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge,
        _ => ApiError::invalid("The request body could not be read"),
    }
}
