//! What each [`Mutation`] writes. Pure, but for a look at which series are known.
//!
//! Each mutation has a time of its own, two microseconds after the one before it: what it removes first carries the first of them, what it
//! then writes the second, for of a removal and a write of the same time the removal counts.

use std::sync::Arc;

use bytes::Bytes;
use model::entity::{Alarm, Event, Relation, RelationGroup, Rpc};
use model::{AttributeScope, DeviceId, EntityId, NodeStateChange, TenantId, Value};
use storage::json::json;
use storage::{KeptIn, Mutation, StorageError, value_codec};

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
            kept,
        } => {
            let bucket = match (kept, buckets.latest()) {
                (KeptIn::Latest, Some(place)) => {
                    let dated = |value: &Value| value_codec::encode_dated(*ts_ms, value, None);
                    points(plan, *entity, place, values, (*ttl_s, then_us), known, dated);
                    return Ok(());
                }
                (KeptIn::History, _) => buckets.history_of(*ts_ms),
                // In an older cluster latest values have a history, which is read by all.
                (KeptIn::Both | KeptIn::Latest, _) => buckets.of(*ts_ms),
            };
            points(plan, *entity, (*ts_ms, bucket), values, (*ttl_s, then_us), known, plain);
        }
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
    let (id, bucket, body) = (
        Bind::Id(alarm.uuid()),
        Bind::Big(buckets.of(alarm.created_time)),
        text(&alarm.stored())?,
    );
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
mod tests;
