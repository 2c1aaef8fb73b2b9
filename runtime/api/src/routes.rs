//! The resources, one file each. Handlers are thin: they extract, call what does the work, and answer.

mod admin_settings;
mod ai_model;
mod alarm;
mod auth;
mod claim;
mod component;
mod credentials;
mod customer;
mod customer_titles;
mod device;
mod device_list;
mod device_profile;
mod egress;
mod entity_view;
mod listener;
mod live;
mod notification_settings;
mod plugin;
mod plugin_upload;
mod relation;
mod rpc;
mod rpc_kept;
mod rule_chain;
mod rule_chain_check;
mod rule_engine;
mod script;
mod secret;
mod telemetry;
mod telemetry_read;
mod tenant;
mod tenant_profile;
mod usage;
mod user;

use axum::Router;

use crate::state::ApiState;
pub(crate) use telemetry::{given_keys, no_keys, parse_scope};
pub(crate) use telemetry_read::{History, LookedAt, Span};

/// All of them.
pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .merge(auth::routes())
        .merge(admin_settings::routes())
        .merge(ai_model::routes())
        .merge(device::routes())
        .merge(device_list::routes())
        .merge(device_profile::routes())
        .merge(entity_view::routes())
        .merge(listener::routes())
        .merge(egress::routes())
        .merge(secret::routes())
        .merge(notification_settings::routes())
        .merge(credentials::routes())
        .merge(telemetry::routes())
        .merge(telemetry_read::routes())
        .merge(live::routes())
        .merge(alarm::routes())
        .merge(rpc::routes())
        .merge(rpc_kept::routes())
        .merge(rule_chain::routes())
        .merge(rule_engine::routes())
        .merge(script::routes())
        .merge(component::routes())
        .merge(plugin::routes())
        .merge(usage::routes())
        .merge(tenant::routes())
        .merge(tenant_profile::routes())
        .merge(customer::routes())
        .merge(claim::routes())
        .merge(user::routes())
        .merge(relation::routes())
}
