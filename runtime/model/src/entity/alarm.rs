//! Alarms and their life: raised, updated, acknowledged, cleared. The decisions are pure.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use uuid::Uuid;

use super::IdRef;

/// How bad it is; the first is the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Severity {
    /// Worst.
    Critical,
    /// Bad.
    Major,
    /// Less bad.
    Minor,
    /// To be watched.
    Warning,
    /// Unknown.
    Indeterminate,
}

impl Severity {
    /// The severity of a name.
    pub fn parse(name: &str) -> Option<Self> {
        serde_json::from_value(Json::from(name)).ok()
    }
}

/// An alarm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alarm {
    /// Who it is.
    pub id: IdRef,
    /// Milliseconds since 1970-01-01 UTC.
    pub created_time: i64,
    /// Owner.
    pub tenant_id: IdRef,
    /// The originator's customer.
    #[serde(default)]
    pub customer_id: Option<IdRef>,
    /// The same as the type.
    pub name: String,
    /// One alarm of a type is active for an originator.
    #[serde(rename = "type")]
    pub alarm_type: String,
    /// What it is about.
    pub originator: IdRef,
    /// How bad it is.
    pub severity: Severity,
    /// Whether somebody has seen it.
    pub acknowledged: bool,
    /// Whether it is over.
    pub cleared: bool,
    /// The person who cares for it.
    #[serde(default)]
    pub assignee_id: Option<IdRef>,
    /// First time it was raised.
    pub start_ts: i64,
    /// Last time it was raised.
    pub end_ts: i64,
    /// When it was acknowledged, or 0.
    pub ack_ts: i64,
    /// When it was cleared, or 0.
    pub clear_ts: i64,
    /// When it was assigned, or 0.
    #[serde(default)]
    pub assign_ts: i64,
    /// JSON of the chain's making.
    #[serde(default)]
    pub details: Option<Json>,
    /// Whether related entities show it.
    #[serde(default)]
    pub propagate: bool,
    /// Whether the owner shows it.
    #[serde(default)]
    pub propagate_to_owner: bool,
    /// Whether the tenant shows it.
    #[serde(default)]
    pub propagate_to_tenant: bool,
    /// Relation types along which it is shown; empty: along all.
    #[serde(default)]
    pub propagate_relation_types: Vec<String>,
    /// Who shows it beside its originator, found when it was last raised. Stores keep it, see [`Alarm::stored`]; no other form has it.
    #[serde(default, skip_serializing)]
    pub shown_to: Vec<IdRef>,
}

impl Alarm {
    /// `ACTIVE_UNACK`, `ACTIVE_ACK`, `CLEARED_UNACK` or `CLEARED_ACK`.
    pub fn status(&self) -> &'static str {
        match (self.cleared, self.acknowledged) {
            (false, false) => "ACTIVE_UNACK",
            (false, true) => "ACTIVE_ACK",
            (true, false) => "CLEARED_UNACK",
            (true, true) => "CLEARED_ACK",
        }
    }

    /// The form that stores keep: the REST form, and with it who shows the alarm, if anybody does.
    pub fn stored(&self) -> impl Serialize {
        Stored {
            alarm: self,
            shown_to: &self.shown_to,
        }
    }

    /// A key that sorts a tenant's alarms by creation.
    pub fn uuid(&self) -> Uuid {
        self.id.id
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stored<'a> {
    #[serde(flatten)]
    alarm: &'a Alarm,
    #[serde(skip_serializing_if = "<[IdRef]>::is_empty")]
    shown_to: &'a [IdRef],
}
