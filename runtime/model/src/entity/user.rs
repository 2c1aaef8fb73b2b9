//! Tenants, customers and users.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::IdRef;

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Authority {
    /// Runs the system; sees tenants, not their data.
    SysAdmin,
    /// Runs a tenant.
    TenantAdmin,
    /// Sees what is assigned to a customer.
    CustomerUser,
}

/// Where a tenant or a customer is reached. All of it is free text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Contact {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address2: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tenant {
    /// None while it is being created.
    #[serde(default)]
    pub id: Option<IdRef>,
    /// Milliseconds since 1970-01-01 UTC.
    #[serde(default)]
    pub created_time: i64,
    /// Unique in the system.
    pub title: String,
    /// The same as the title.
    #[serde(default)]
    pub name: Option<String>,
    /// Always `Global`.
    #[serde(default)]
    pub region: Option<String>,
    /// What it may have; none: as the default profile says.
    #[serde(default)]
    pub tenant_profile_id: Option<IdRef>,
    /// Where it is reached.
    #[serde(flatten)]
    pub contact: Contact,
    /// Free data.
    #[serde(default)]
    pub additional_info: Option<Json>,
    /// Counts saves.
    #[serde(default)]
    pub version: Option<u64>,
}

/// A customer of a tenant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Customer {
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
    pub title: String,
    /// The same as the title.
    #[serde(default)]
    pub name: Option<String>,
    /// Where it is reached.
    #[serde(flatten)]
    pub contact: Contact,
    /// Free data.
    #[serde(default)]
    pub additional_info: Option<Json>,
    /// Counts saves.
    #[serde(default)]
    pub version: Option<u64>,
}

/// A person who logs in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// None while it is being created.
    #[serde(default)]
    pub id: Option<IdRef>,
    /// Milliseconds since 1970-01-01 UTC.
    #[serde(default)]
    pub created_time: i64,
    /// Tenant; the system tenant for system administrators.
    #[serde(default)]
    pub tenant_id: Option<IdRef>,
    /// Customer; none for administrators.
    #[serde(default)]
    pub customer_id: Option<IdRef>,
    /// Unique in the system; what the user logs in with.
    pub email: String,
    /// The same as the e-mail.
    #[serde(default)]
    pub name: Option<String>,
    /// What the user may do.
    pub authority: Authority,
    /// Given name.
    #[serde(default)]
    pub first_name: Option<String>,
    /// Family name.
    #[serde(default)]
    pub last_name: Option<String>,
    /// Telephone.
    #[serde(default)]
    pub phone: Option<String>,
    /// Free data.
    #[serde(default)]
    pub additional_info: Option<Json>,
    /// Counts saves.
    #[serde(default)]
    pub version: Option<u64>,
}
