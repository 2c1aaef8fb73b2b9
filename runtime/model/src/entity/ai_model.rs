//! AI models: which model of which provider rule nodes may ask.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::IdRef;

/// A model. What it is logged in to with is kept elsewhere, sealed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AiModel {
    /// None while it is being created.
    #[serde(default)]
    pub id: Option<IdRef>,
    /// Milliseconds since 1970-01-01 UTC.
    #[serde(default)]
    pub created_time: i64,
    /// Owner.
    #[serde(default)]
    pub tenant_id: Option<IdRef>,
    /// Unique in the tenant.
    pub name: String,
    /// Provider, model and how it is to answer. Stored, and shown, without what is secret.
    pub configuration: Json,
    /// Counts saves.
    #[serde(default)]
    pub version: Option<u64>,
}
