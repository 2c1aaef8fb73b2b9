//! The life of an alarm, as pure decisions: at most one alarm of a type is active for an originator; raising it again updates it.

use model::entity::{Alarm, IdRef, Severity};
use model::{EntityId, EntityKind};
use plugins::Propagation;
use serde_json::Value as Json;
use uuid::Uuid;

/// What a node wants raised.
#[derive(Clone, Debug, PartialEq)]
pub struct Raise {
    /// What it is about.
    pub originator: EntityId,
    /// Type.
    pub alarm_type: String,
    /// How bad it is.
    pub severity: Severity,
    /// None keeps the details there are.
    pub details: Option<Json>,
    /// When it began; an active alarm keeps its beginning.
    pub start_ms: i64,
    /// Until when it lasted; none: until now. An active alarm does not become shorter.
    pub end_ms: Option<i64>,
    /// To whom it is to be shown beside its originator.
    pub propagation: Propagation,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Raised {
    /// There was none: a new one. Whose it is and who shows it is to be found.
    Created(Alarm),
    /// There was one: it lasts longer now, or got another severity.
    Updated {
        /// As it is now.
        alarm: Alarm,
        /// Whether the severity is another one.
        severity_changed: bool,
        /// Whether it propagates otherwise: who shows it is to be found again.
        propagation_changed: bool,
    },
}

/// Raises an alarm. `active` is the one that is not cleared, if there is one; `id` names a new one.
pub fn raise(active: Option<Alarm>, wanted: Raise, id: Uuid, now_ms: i64) -> Raised {
    match active {
        Some(mut alarm) => {
            let severity_changed = alarm.severity != wanted.severity;
            alarm.severity = wanted.severity;
            alarm.end_ts = alarm.end_ts.max(wanted.end_ms.unwrap_or(now_ms));
            let propagation_changed = propagate(&mut alarm, wanted.propagation);
            if wanted.details.is_some() {
                alarm.details = wanted.details;
            }
            Raised::Updated {
                alarm,
                severity_changed,
                propagation_changed,
            }
        }
        None => {
            let mut alarm = Alarm {
                id: IdRef::new(EntityKind::Alarm, id),
                created_time: now_ms,
                tenant_id: IdRef::tenant(wanted.originator.tenant),
                customer_id: None,
                name: wanted.alarm_type.clone(),
                alarm_type: wanted.alarm_type,
                originator: IdRef::from(wanted.originator),
                severity: wanted.severity,
                acknowledged: false,
                cleared: false,
                assignee_id: None,
                start_ts: wanted.start_ms,
                end_ts: wanted.end_ms.unwrap_or(now_ms).max(wanted.start_ms),
                ack_ts: 0,
                clear_ts: 0,
                assign_ts: 0,
                details: wanted.details,
                propagate: false,
                propagate_to_owner: false,
                propagate_to_tenant: false,
                propagate_relation_types: Vec::new(),
                shown_to: Vec::new(),
            };
            propagate(&mut alarm, wanted.propagation);
            Raised::Created(alarm)
        }
    }
}

/// Sets to whom an alarm is shown. Answers whether that is another thing than before.
fn propagate(alarm: &mut Alarm, wanted: Propagation) -> bool {
    let changed = (alarm.propagate, alarm.propagate_to_owner, alarm.propagate_to_tenant) != (wanted.related, wanted.owner, wanted.tenant)
        || alarm.propagate_relation_types != wanted.relation_types;
    alarm.propagate = wanted.related;
    alarm.propagate_to_owner = wanted.owner;
    alarm.propagate_to_tenant = wanted.tenant;
    alarm.propagate_relation_types = wanted.relation_types;
    changed
}

/// Clears the active alarm. None: there was none.
pub fn clear(active: Option<Alarm>, details: Option<Json>, now_ms: i64) -> Option<Alarm> {
    let mut alarm = active.filter(|alarm| !alarm.cleared)?;
    alarm.cleared = true;
    alarm.clear_ts = now_ms;
    alarm.end_ts = alarm.end_ts.max(now_ms);
    if details.is_some() {
        alarm.details = details;
    }
    Some(alarm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::TenantId;
    use serde_json::json;

    fn wanted(severity: Severity, details: Option<Json>) -> Raise {
        Raise {
            originator: EntityId::new(TenantId::generate(), EntityKind::Device, Uuid::now_v7()),
            alarm_type: "hot".to_owned(),
            severity,
            details,
            start_ms: 5,
            end_ms: None,
            propagation: Propagation::default(),
        }
    }

    #[test]
    fn lives_from_raised_to_cleared() {
        let first = wanted(Severity::Major, Some(json!({"t": 1})));
        let Raised::Created(alarm) = raise(None, first.clone(), Uuid::now_v7(), 10) else {
            panic!("a first alarm is new")
        };
        assert_eq!((alarm.status(), alarm.start_ts, alarm.end_ts), ("ACTIVE_UNACK", 5, 10));

        let again = Raise {
            severity: Severity::Critical,
            details: None,
            ..first
        };
        let Raised::Updated {
            alarm: updated,
            severity_changed,
            propagation_changed,
        } = raise(Some(alarm.clone()), again, Uuid::now_v7(), 20)
        else {
            panic!("a second one updates the first")
        };
        assert!(severity_changed && !propagation_changed);
        assert_eq!((updated.id, updated.start_ts, updated.end_ts), (alarm.id, 5, 20));
        assert_eq!(updated.details, Some(json!({"t": 1})), "details are kept when none are given");

        let cleared = clear(Some(updated), None, 30).expect("it was active");
        assert_eq!((cleared.status(), cleared.clear_ts), ("CLEARED_UNACK", 30));
        assert_eq!(clear(Some(cleared), None, 40), None, "what is cleared cannot be cleared again");
        assert_eq!(clear(None, None, 40), None);
    }
}
