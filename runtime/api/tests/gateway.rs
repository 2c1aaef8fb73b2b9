//! The gateway over an embedded store, asked as clients ask. Needs what `cargo xtask guests` builds.

#![allow(missing_docs)]

#[path = "gateway/admin_settings.rs"]
mod admin_settings;
#[path = "gateway/ai_models.rs"]
mod ai_models;
#[path = "gateway/alarms.rs"]
mod alarms;
#[path = "gateway/changes.rs"]
mod changes;
#[path = "gateway/devices.rs"]
mod devices;
#[path = "gateway/egress.rs"]
mod egress;
#[path = "gateway/entity_views.rs"]
mod entity_views;
#[path = "gateway/form.rs"]
mod form;
#[path = "gateway/isolation.rs"]
mod isolation;
#[path = "gateway/logins.rs"]
mod logins;
#[path = "gateway/people.rs"]
mod people;
#[path = "gateway/relations.rs"]
mod relations;
#[path = "gateway/rule_chains.rs"]
mod rule_chains;
#[path = "gateway/scripts.rs"]
mod scripts;
#[path = "gateway/support.rs"]
mod support;
#[path = "gateway/telemetry.rs"]
mod telemetry;
#[path = "gateway/tenant_profiles.rs"]
mod tenant_profiles;
