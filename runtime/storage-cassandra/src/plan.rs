//! What each [`Mutation`] writes. Pure, but for a look at which series are known.
//!
//! Each mutation has a time of its own, two microseconds after the one before it: what it removes first carries the first of them, what it
//! then writes the second, for of a removal and a write of the same time the removal counts.

use std::sync::Arc;

use bytes::Bytes;
use model::entity::{Alarm, Event, Relation, RelationGroup, Rpc};
use model::{AttributeScope, DeviceId, EntityId, NodeStateChange, TenantId, Value};
use storage::json::json;
use storage::{Mutation, StorageError, value_codec};

use crate::bind::{Bind, Write, entity, part, tiny};
use crate::buckets::Buckets;
use crate::known::{Known, OfEntity};
use crate::queries::Query;

/// Times a mutation needs.
pub(crate) const STAMPS: usize = 2;
/// Cassandra's limit: twenty years.
const TTL_S_MAX: u32 = 630_720_000;
/// Seconds since 1970-01-01 UTC of the last moment, early in 2038, at which Cassandra lets something expire.
const EXPIRES_S_MAX: i64 = (1 << 31) - 2;

/// Parts of what a node keeps: they never change.
pub(crate) const SCHEMA: i8 = 0;
pub(crate) const ENTRY: i8 = 1;
pub(crate) const TIMER: i8 = 2;

/// A part of a batch.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// Writes that depend on nothing.
    Write(Vec<Write>),
    /// Readings to be removed from the buckets there are.
    DeletePoints {
        entity: EntityId,
        key: Arc<str>,
        from_ms: i64,
        to_ms: i64,
        stamp_us: i64,
    },
    /// Relations to be removed from their other ends, too.
    DropRelations {
        entity: EntityId,
        group: RelationGroup,
        stamp_us: i64,
    },
}

/// A batch, planned.
#[derive(Default)]
pub(crate) struct Plan {
    /// In order.
    pub(crate) steps: Vec<Step>,
    learned: Vec<(Arc<OfEntity>, Arc<str>, i64)>,
}

impl Plan {
    /// Everything is durable: remembers which series have their row.
    pub(crate) fn done(self) {
        for (of, key, bucket) in self.learned {
            of.learn(key, bucket);
        }
    }

    fn write(&mut self, write: Write) {
        match self.steps.last_mut() {
            Some(Step::Write(writes)) => writes.push(write),
            _ => self.steps.push(Step::Write(vec![write])),
        }
    }
}

/// Plans a batch whose first time is `stamp_us`.
pub(crate) fn plan(batch: &[Mutation], stamp_us: i64, buckets: Buckets, known: &Known) -> Result<Plan, StorageError> {
    let mut plan = Plan::default();
    let stamps = (stamp_us..).step_by(STAMPS);
    for (mutation, stamp_us) in batch.iter().zip(stamps) {
        add(&mut plan, mutation, stamp_us, buckets, known)?;
    }
    Ok(plan)
}

fn add(plan: &mut Plan, mutation: &Mutation, first_us: i64, buckets: Buckets, known: &Known) -> Result<(), StorageError> {
    let then_us = first_us + 1;
    match mutation {
        Mutation::Points {
            entity,
            ts_ms,
            values,
            ttl_s,
        } => points(plan, *entity, (*ts_ms, buckets.of(*ts_ms)), values, (*ttl_s, then_us), known, plain),
        Mutation::Latest {
            entity,
            ts_ms,
            values,
            ttl_s,
        } => match buckets.latest() {
            Some(place) => {
                let dated = |value: &Value| value_codec::encode_dated(*ts_ms, value, None);
                points(plan, *entity, place, values, (*ttl_s, then_us), known, dated);
            }
            // A history is read by all.
            None => points(plan, *entity, (*ts_ms, buckets.of(*ts_ms)), values, (*ttl_s, then_us), known, plain),
        },
        Mutation::Untold(one) => add(plan, one, first_us, buckets, known)?,
        Mutation::OnlyTold(_) => {}
        Mutation::DeletePoints {
            entity,
            key,
            from_ms,
            to_ms,
        } => plan.steps.push(Step::DeletePoints {
            entity: *entity,
            key: Arc::clone(key),
            from_ms: *from_ms,
            to_ms: *to_ms,
            stamp_us: first_us,
        }),
        Mutation::Attributes {
            entity,
            scope,
            ts_ms,
            values,
        } => attributes(plan, *entity, *scope, *ts_ms, values, then_us),
        Mutation::DeleteAttributes { entity: of, scope, keys } => {
            for key in keys {
                let rest = [tiny(*scope as u8).into(), key.into()];
                plan.write(Write::remove(Query::DeleteAttribute, entity(*of), rest, first_us));
            }
        }
        Mutation::PutAlarm(alarm) => put_alarm(plan, alarm, buckets, then_us)?,
        Mutation::PutRpc(rpc) => put_rpc(plan, rpc, then_us)?,
        Mutation::DeleteRpc { device, id } => delete_rpc(plan, *device, *id, first_us),
        Mutation::Remind(device) => plan.write(Write::put(
            Query::PutReminder,
            vec![device.tenant.into()],
            [device.id.into()],
            then_us,
        )),
        Mutation::Forget(device) => plan.write(Write::remove(
            Query::DeleteReminder,
            vec![device.tenant.into()],
            [device.id.into()],
            first_us,
        )),
        Mutation::AppendEvent(event) => append_event(plan, event, buckets, then_us)?,
        Mutation::NodeState { node, change } => node_state(plan, node.entity(), change, first_us),
        Mutation::DropNodeState(node) => plan.write(Write::remove(Query::DropNodeState, entity(node.entity()), [], first_us)),
        Mutation::PutRelation { tenant, relation } => put_relation(plan, *tenant, relation, then_us)?,
        Mutation::DeleteRelation { tenant, relation } => {
            for write in delete_relation(*tenant, relation, first_us) {
                plan.write(write);
            }
        }
        Mutation::DropRelations { entity, group } => plan.steps.push(Step::DropRelations {
            entity: *entity,
            group: *group,
            stamp_us: first_us,
        }),
    }
    Ok(())
}

fn points(
    plan: &mut Plan,
    of: EntityId,
    (ts_ms, bucket): (i64, i64),
    values: &[(Arc<str>, Value)],
    (ttl_s, stamp_us): (u32, i64),
    known: &Known,
    encode: impl Fn(&Value) -> Vec<u8>,
) {
    let known = known.of(of);
    let expires_s = stamp_us / 1_000_000 + i64::from(ttl_s);
    // What would expire later than it can is kept.
    let kept_s = if expires_s > EXPIRES_S_MAX { 0 } else { ttl_s };
    let ttl_s = i32::try_from(kept_s.min(TTL_S_MAX)).unwrap_or_default();
    for (key, value) in values {
        if !known.has(key, bucket) {
            plan.write(Write::put(Query::PutSeries, entity(of), [key.into(), bucket.into()], stamp_us));
            plan.learned.push((Arc::clone(&known), Arc::clone(key), bucket));
        }
        let rest = [key.into(), ts_ms.into(), encode(value).into()];
        plan.write(Write::put_for(Query::PutPoint, part(of, bucket), rest, stamp_us, ttl_s));
    }
}

/// A reading whose time is that of its key. The database removes what has expired by itself.
fn plain(value: &Value) -> Vec<u8> {
    value_codec::encode_point(value, None)
}

fn attributes(plan: &mut Plan, of: EntityId, scope: AttributeScope, ts_ms: i64, values: &[(Arc<str>, Value)], stamp_us: i64) {
    for (key, value) in values {
        let rest = [
            tiny(scope as u8).into(),
            key.into(),
            value_codec::encode_attribute(ts_ms, value).into(),
        ];
        plan.write(Write::put(Query::PutAttribute, entity(of), rest, stamp_us));
    }
}

fn put_alarm(plan: &mut Plan, alarm: &Alarm, buckets: Buckets, stamp_us: i64) -> Result<(), StorageError> {
    let tenant = TenantId(alarm.tenant_id.id);
    let (id, bucket, body) = (Bind::Id(alarm.uuid()), Bind::Big(buckets.of(alarm.created_time)), text(alarm)?);
    plan.write(Write::put(
        Query::PutAlarm,
        vec![tenant.into(), id.clone()],
        [body.clone()],
        stamp_us,
    ));
    plan.write(Write::put(Query::PutAlarmBucket, vec![tenant.into()], [bucket.clone()], stamp_us));
    let rest = [alarm.created_time.into(), id.clone(), body];
    plan.write(Write::put(Query::PutAlarmByTime, vec![tenant.into(), bucket], rest, stamp_us));
    let (key, rest) = (entity(alarm.originator.of(tenant)), [alarm.alarm_type.as_str().into(), id]);
    plan.write(match alarm.cleared {
        false => Write::put(Query::PutActiveAlarm, key, rest, stamp_us),
        true => Write::remove(Query::DeleteActiveAlarm, key, rest, stamp_us),
    });
    Ok(())
}

fn put_rpc(plan: &mut Plan, rpc: &Rpc, stamp_us: i64) -> Result<(), StorageError> {
    let (tenant, device, id) = (Bind::Id(rpc.tenant_id.id), Bind::Id(rpc.device_id.id), Bind::Id(rpc.id.id));
    let of = vec![tenant.clone(), device.clone()];
    plan.write(Write::put(Query::PutRpc, of.clone(), [id.clone(), text(rpc)?], stamp_us));
    plan.write(Write::put(Query::PutRpcDevice, vec![tenant, id.clone()], [device], stamp_us));
    plan.write(match rpc.is_open() {
        true => Write::put(Query::PutOpenRpc, of, [id], stamp_us),
        false => Write::remove(Query::DeleteOpenRpc, of, [id], stamp_us),
    });
    Ok(())
}

fn delete_rpc(plan: &mut Plan, device: DeviceId, id: uuid::Uuid, stamp_us: i64) {
    let of = vec![device.tenant.into(), device.id.into()];
    plan.write(Write::remove(Query::DeleteRpc, of.clone(), [id.into()], stamp_us));
    plan.write(Write::remove(Query::DeleteOpenRpc, of, [id.into()], stamp_us));
    plan.write(Write::remove(
        Query::DeleteRpcDevice,
        vec![device.tenant.into(), id.into()],
        [],
        stamp_us,
    ));
}

fn append_event(plan: &mut Plan, event: &Event, buckets: Buckets, stamp_us: i64) -> Result<(), StorageError> {
    let (kind, bucket) = (Bind::Tiny(tiny(event.kind as u8)), Bind::Big(buckets.of(event.ts_ms)));
    let index = [kind.clone(), bucket.clone()];
    plan.write(Write::put(Query::PutEventBucket, entity(event.entity), index, stamp_us));
    let mut key = part(event.entity, kind);
    key.push(bucket);
    let rest = [event.ts_ms.into(), event.id.into(), text(event)?];
    plan.write(Write::put(Query::PutEvent, key, rest, stamp_us));
    Ok(())
}

fn node_state(plan: &mut Plan, node: EntityId, change: &NodeStateChange, first_us: i64) {
    let then_us = first_us + 1;
    let device = Bind::Id(change.device.unwrap_or_default());
    let put = |at: i8, name: &str, value: Bytes| {
        let rest = [at.into(), name.into(), Bind::Blob(value), device.clone()];
        Write::put(Query::PutNodeState, entity(node), rest, then_us)
    };
    let remove = |at: i8, name: &str| Write::remove(Query::DeleteNodeState, entity(node), [at.into(), name.into()], then_us);
    if let Some(schema) = &change.replaces {
        plan.write(Write::remove(Query::DropNodeState, entity(node), [], first_us));
        plan.write(put(SCHEMA, "", Bytes::copy_from_slice(schema.as_bytes())));
    }
    for (name, value) in &change.entries {
        plan.write(match value {
            Some(value) => put(ENTRY, name, value.clone()),
            None => remove(ENTRY, name),
        });
    }
    for (name, due_ms) in &change.timers {
        plan.write(match due_ms {
            Some(due_ms) => put(TIMER, name, Bytes::copy_from_slice(&due_ms.to_be_bytes())),
            None => remove(TIMER, name),
        });
    }
}

fn put_relation(plan: &mut Plan, tenant: TenantId, relation: &Relation, stamp_us: i64) -> Result<(), StorageError> {
    let info = text(&relation.additional_info)?;
    for (query, (key, rest)) in [
        (Query::PutRelation, start(tenant, relation)),
        (Query::PutRelationTo, end(tenant, relation)),
    ] {
        plan.write(Write::put(query, key, rest.into_iter().chain([info.clone()]), stamp_us));
    }
    Ok(())
}

/// Removes a relation at both ends.
pub(crate) fn delete_relation(tenant: TenantId, relation: &Relation, stamp_us: i64) -> [Write; 2] {
    let ((from, start), (to, end)) = (start(tenant, relation), end(tenant, relation));
    [
        Write::remove(Query::DeleteRelation, from, start, stamp_us),
        Write::remove(Query::DeleteRelationTo, to, end, stamp_us),
    ]
}

/// Partition and rest of the key of a relation where it starts.
pub(crate) fn start(tenant: TenantId, relation: &Relation) -> (Vec<Bind>, [Bind; 4]) {
    let other = relation.to;
    let rest = [
        tiny(relation.type_group.number()).into(),
        relation.relation_type.as_str().into(),
        tiny(other.entity_type.number()).into(),
        other.id.into(),
    ];
    (entity(relation.from.of(tenant)), rest)
}

fn end(tenant: TenantId, relation: &Relation) -> (Vec<Bind>, [Bind; 4]) {
    let turned = Relation {
        from: relation.to,
        to: relation.from,
        relation_type: relation.relation_type.clone(),
        type_group: relation.type_group,
        additional_info: None,
    };
    start(tenant, &turned)
}

fn text(value: &impl serde::Serialize) -> Result<Bind, StorageError> {
    let bytes = json(value)?;
    let text = String::from_utf8(bytes).map_err(|_| StorageError::Failed("JSON is no text".into()))?;
    Ok(Bind::Text(text.into()))
}

#[cfg(test)]
mod golden;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::{RuleNodeId, TenantId};

    use super::*;

    fn device() -> EntityId {
        DeviceId::generate(TenantId::generate()).entity()
    }

    fn planned(batch: &[Mutation], known: &Known) -> Plan {
        plan(batch, 1000, Buckets::new(Duration::from_secs(3600)), known).expect("planned")
    }

    fn writes(step: &Step) -> Vec<(Query, Option<&Bind>)> {
        match step {
            Step::Write(writes) => writes.iter().map(|write| (write.query, write.values.first())).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_series_has_its_row_once() {
        let (known, entity) = (Known::new(10), device());
        let points = |ts_ms| Mutation::Points {
            entity,
            ts_ms,
            values: vec![("a".into(), Value::Long(1))],
            ttl_s: 700_000_000,
        };
        let first = planned(&[points(0), points(1)], &known);
        assert_eq!(first.steps.len(), 1);
        let Step::Write(all) = &first.steps[0] else { panic!("writes") };
        let queries: Vec<_> = all.iter().map(|write| write.query).collect();
        assert_eq!(queries, [Query::PutSeries, Query::PutPoint, Query::PutSeries, Query::PutPoint]);
        assert_eq!(all[1].values[7..], [Bind::Big(1001), Bind::Int(630_720_000)]);
        assert_eq!(all[3].values[7], Bind::Big(1003), "later");
        first.done();
        let later = planned(&[points(2), points(3_600_000)], &known);
        let Step::Write(all) = &later.steps[0] else { panic!("writes") };
        let queries: Vec<_> = all.iter().map(|write| write.query).collect();
        assert_eq!(queries, [Query::PutPoint, Query::PutSeries, Query::PutPoint], "another bucket");
    }

    #[test]
    fn what_would_expire_too_late_is_kept() {
        for (written_s, ttl_s, expected) in [
            (1_800_000_000, 300_000_000, 300_000_000),
            (1_800_000_000, 400_000_000, 0),
            (0, u32::MAX, 0),
        ] {
            let point = Mutation::Points {
                entity: device(),
                ts_ms: 0,
                values: vec![("a".into(), Value::Long(1))],
                ttl_s,
            };
            let stamp_us = written_s * 1_000_000;
            let plan = plan(&[point], stamp_us, Buckets::new(Duration::from_secs(3600)), &Known::new(10)).expect("planned");
            let Step::Write(all) = &plan.steps[0] else { panic!("writes") };
            assert_eq!(all[1].values.last(), Some(&Bind::Int(expected)), "{written_s} {ttl_s}");
        }
    }

    #[test]
    fn an_older_cluster_keeps_a_history_of_latest_values() {
        let latest = Mutation::Latest {
            entity: device(),
            ts_ms: 7,
            values: vec![("a".into(), Value::Long(1))],
            ttl_s: 0,
        };
        let written = |cluster| {
            let buckets = Buckets::new(Duration::from_secs(3600)).since(cluster);
            let plan = plan(std::slice::from_ref(&latest), 1000, buckets, &Known::new(10)).expect("planned");
            let Step::Write(all) = &plan.steps[0] else { panic!("writes") };
            let row = all[1].values.iter().find_map(|bind| match bind {
                Bind::Blob(bytes) => Some(bytes.to_vec()),
                _ => None,
            });
            (all[1].query, row)
        };
        let value = Value::Long(1);
        assert_eq!(written(Some(4)), (Query::PutPoint, Some(value_codec::encode_point(&value, None))));
        assert_eq!(
            written(Some(5)),
            (Query::PutPoint, Some(value_codec::encode_dated(7, &value, None)))
        );
        assert_eq!(written(None), written(Some(5)));
    }

    #[test]
    fn what_has_to_be_read_first_stands_apart() {
        let (known, entity) = (Known::new(10), device());
        let forget = Mutation::Forget(DeviceId::try_from(entity).expect("a device"));
        let drop = Mutation::DropRelations {
            entity,
            group: RelationGroup::Common,
        };
        let plan = planned(&[forget.clone(), forget.clone(), drop, forget], &known);
        let [Step::Write(before), Step::DropRelations { stamp_us, .. }, Step::Write(after)] = &plan.steps[..] else {
            panic!("{:?}", plan.steps)
        };
        assert_eq!((before.len(), *stamp_us, after.len()), (2, 1004, 1));
        assert_eq!(writes(&plan.steps[2]), [(Query::DeleteReminder, Some(&Bind::Big(1006)))]);
    }

    #[test]
    fn a_new_schema_is_written_after_what_it_removes() {
        let node = RuleNodeId::generate(TenantId::generate());
        let change = NodeStateChange {
            replaces: Some("s".into()),
            device: Some(uuid::Uuid::from_u128(7)),
            entries: vec![("a".into(), None)],
            timers: vec![("t".into(), Some(5))],
        };
        let mutation = Mutation::NodeState {
            node,
            change: Arc::new(change),
        };
        let plan = planned(&[mutation], &Known::new(1));
        let Step::Write(all) = &plan.steps[0] else { panic!("writes") };
        assert_eq!((all[0].query, &all[0].values[0]), (Query::DropNodeState, &Bind::Big(1000)));
        assert_eq!((all[1].query, all[1].values.last()), (Query::PutNodeState, Some(&Bind::Big(1001))));
        assert_eq!((all[2].query, &all[2].values[0]), (Query::DeleteNodeState, &Bind::Big(1001)));
        assert_eq!(
            all[3].values[3..],
            [
                Bind::Tiny(TIMER),
                "t".into(),
                Bind::Blob(5_i64.to_be_bytes().to_vec().into()),
                Bind::Id(uuid::Uuid::from_u128(7)),
                Bind::Big(1001)
            ]
        );
    }

    #[test]
    fn relations_stand_at_both_ends() {
        let (from, to) = (device(), device());
        let relation = Relation {
            from: from.into(),
            to: to.into(),
            relation_type: "Has".into(),
            type_group: RelationGroup::Common,
            additional_info: None,
        };
        let [start, end] = delete_relation(from.tenant, &relation, 7);
        assert_eq!(start.key[2], Bind::Id(from.id));
        assert_eq!((&end.key[2], end.values.last()), (&Bind::Id(to.id), Some(&Bind::Id(from.id))));
    }
}
