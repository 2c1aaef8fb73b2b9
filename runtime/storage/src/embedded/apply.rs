//! What each [`Mutation`] writes, and how removed readings go: with a removed entity its series become unseen at once, while their
//! readings are removed a little at a time, when the writer has nothing else to do.

use std::sync::Arc;

use model::entity::{Alarm, Event, Rpc};
use model::{DeviceId, EntityId, TenantId, Value};
use uuid::Uuid;

use super::change::Change;
use super::tables::Table;
use super::{keys, node_state, relations};
pub(super) use crate::json::{from_json, json};
use crate::{KeptIn, Mutation, StorageError, value_codec};

/// Rows removed with one batch at most, so that removing a year of readings does not fill the memory.
pub(super) const REMOVED_AT_ONCE_MAX: usize = 10_000;

/// How much work a batch is, in values.
pub(super) fn weight(batch: &[Mutation]) -> usize {
    fn weight(mutation: &Mutation) -> usize {
        match mutation {
            Mutation::Points { values, .. } | Mutation::Attributes { values, .. } => values.len().max(1),
            Mutation::DeleteAttributes { keys, .. } => keys.len().max(1),
            Mutation::NodeState { change, .. } => (change.entries.len() + change.timers.len()).max(1),
            Mutation::Untold(one) => weight(one),
            _ => 1,
        }
    }
    batch.iter().map(weight).sum()
}

/// Stages a batch. After an error a part of it may be staged, which a batch allows.
pub(super) fn batch(change: &mut Change, batch: &[Mutation]) -> Result<(), StorageError> {
    batch.iter().try_for_each(|mutation| stage(change, mutation))
}

fn stage(change: &mut Change, mutation: &Mutation) -> Result<(), StorageError> {
    match mutation {
        Mutation::Points {
            entity,
            ts_ms,
            values,
            ttl_s,
            kept,
        } => {
            let stage = match kept {
                KeptIn::Both => points,
                KeptIn::Latest => latest,
                KeptIn::History => history,
            };
            stage(change, *entity, *ts_ms, values, *ttl_s)
        }
        Mutation::Untold(one) => stage(change, one),
        Mutation::OnlyTold(_) => Ok(()),
        Mutation::DeletePoints {
            entity,
            key,
            from_ms,
            to_ms,
        } => delete_points(change, *entity, key, *from_ms, *to_ms),
        Mutation::Attributes {
            entity,
            scope,
            ts_ms,
            values,
        } => {
            for (key, value) in values {
                change.put(
                    Table::Attributes,
                    keys::attribute(*entity, *scope, key),
                    value_codec::encode_attribute(*ts_ms, value),
                );
            }
            Ok(())
        }
        Mutation::DeleteAttributes { entity, scope, keys } => {
            for key in keys {
                change.remove(Table::Attributes, keys::attribute(*entity, *scope, key));
            }
            Ok(())
        }
        Mutation::PutAlarm(alarm) => put_alarm(change, alarm),
        Mutation::PutRpc(rpc) => put_rpc(change, rpc),
        Mutation::DeleteRpc { device, id } => {
            delete_rpc(change, *device, *id);
            Ok(())
        }
        Mutation::Remind(device) => {
            change.put(Table::Reminders, keys::of_tenant(device.tenant, device.id), []);
            Ok(())
        }
        Mutation::Forget(device) => {
            change.remove(Table::Reminders, keys::of_tenant(device.tenant, device.id));
            Ok(())
        }
        Mutation::AppendEvent(event) => append_event(change, event),
        Mutation::NodeState { node, change: kept } => node_state::change(change, *node, kept),
        Mutation::DropNodeState(node) => node_state::remove(change, node.entity()),
        Mutation::PutRelation { tenant, relation } => relations::put(change, *tenant, relation),
        Mutation::DeleteRelation { tenant, relation } => {
            relations::remove(change, *tenant, relation);
            Ok(())
        }
        Mutation::DropRelations { entity, group } => relations::remove_all(change, *entity, Some(*group)),
    }
}

fn points(change: &mut Change, entity: EntityId, ts_ms: i64, values: &[(Arc<str>, Value)], ttl_s: u32) -> Result<(), StorageError> {
    put_readings(change, entity, in_history(ts_ms, ttl_s), |id| id, values, value_codec::encode_point)
}

/// Readings in the history alone: each in the other half of its series.
fn history(change: &mut Change, entity: EntityId, ts_ms: i64, values: &[(Arc<str>, Value)], ttl_s: u32) -> Result<(), StorageError> {
    put_readings(
        change,
        entity,
        in_history(ts_ms, ttl_s),
        keys::apart,
        values,
        value_codec::encode_point,
    )
}

/// A time that readings of a history may have, and how long they are kept.
fn in_history(ts_ms: i64, ttl_s: u32) -> (i64, u32) {
    (ts_ms.min(keys::LATEST_MS - 1), ttl_s)
}

/// Readings in no history: each has the place of its key.
fn latest(change: &mut Change, entity: EntityId, ts_ms: i64, values: &[(Arc<str>, Value)], ttl_s: u32) -> Result<(), StorageError> {
    let encode = |value: &Value, expiry_ms| value_codec::encode_dated(ts_ms, value, expiry_ms);
    put_readings(change, entity, (keys::LATEST_MS, ttl_s), |id| id, values, encode)
}

fn put_readings(
    change: &mut Change,
    entity: EntityId,
    (key_ms, ttl_s): (i64, u32),
    half: impl Fn(u64) -> u64,
    values: &[(Arc<str>, Value)],
    encode: impl Fn(&Value, Option<i64>) -> Vec<u8>,
) -> Result<(), StorageError> {
    let expiry = (ttl_s > 0).then(|| change.now_ms().saturating_add(i64::from(ttl_s) * 1000));
    let mut series = keys::entity(entity);
    let prefix = series.len();
    for (key, value) in values {
        series.truncate(prefix);
        series.extend_from_slice(key.as_bytes());
        let id = change.series(&series)?;
        change.put(Table::Points, keys::point(half(id), key_ms), encode(value, expiry));
    }
    Ok(())
}

fn delete_points(change: &mut Change, entity: EntityId, key: &str, from_ms: i64, to_ms: i64) -> Result<(), StorageError> {
    let Some(series) = change.known_series(entity, key)? else {
        return Ok(());
    };
    let place = keys::point(series, keys::LATEST_MS);
    if let Some(latest) = change.get(Table::Points, place)? {
        let reading = value_codec::decode_point(keys::LATEST_MS, &latest, i64::MIN)?;
        if reading.is_some_and(|reading| (from_ms..to_ms).contains(&reading.ts_ms)) {
            change.remove(Table::Points, place);
        }
    }
    for half in [series, keys::apart(series)] {
        let (from, to) = (keys::point(half, from_ms), keys::point(half, to_ms));
        let rows = change.range(Table::Points, &from, &to)?;
        remove_all(change, Table::Points, rows)?;
    }
    Ok(())
}

/// Removes rows, applying the removal piece by piece.
pub(super) fn remove_all(change: &mut Change, table: Table, rows: impl Iterator<Item = super::tables::Row>) -> Result<(), StorageError> {
    for (at, row) in rows.enumerate() {
        change.remove(table, row?.0);
        if (at + 1).is_multiple_of(REMOVED_AT_ONCE_MAX) {
            change.apply()?;
        }
    }
    Ok(())
}

fn put_alarm(change: &mut Change, alarm: &Alarm) -> Result<(), StorageError> {
    let tenant = TenantId(alarm.tenant_id.id);
    let active = keys::active_alarm(alarm.originator.of(tenant), &alarm.alarm_type);
    let id: Uuid = alarm.uuid();
    if !alarm.cleared {
        change.put(Table::ActiveAlarms, active, id.as_bytes());
    } else if change
        .get(Table::ActiveAlarms, &active)?
        .is_some_and(|stored| *stored == *id.as_bytes())
    {
        // A newer alarm of the type stays the active one.
        change.remove(Table::ActiveAlarms, active);
    }
    change.put(Table::Alarms, keys::of_tenant(tenant, id), json(&alarm.stored())?);
    Ok(())
}

fn put_rpc(change: &mut Change, rpc: &Rpc) -> Result<(), StorageError> {
    let tenant = TenantId(rpc.tenant_id.id);
    let key = keys::rpc(rpc.device_id.of(tenant), rpc.id.id);
    change.put(Table::Rpcs, &*key, json(rpc)?);
    change.put(Table::RpcDevices, keys::of_tenant(tenant, rpc.id.id), rpc.device_id.id.as_bytes());
    if rpc.is_open() {
        change.put(Table::OpenRpcs, key, []);
    } else {
        change.remove(Table::OpenRpcs, key);
    }
    Ok(())
}

/// Removes a request from all its tables.
pub(super) fn delete_rpc(change: &mut Change, device: DeviceId, id: Uuid) {
    let key = keys::rpc(device.entity(), id);
    change.remove(Table::Rpcs, &*key);
    change.remove(Table::OpenRpcs, key);
    change.remove(Table::RpcDevices, keys::of_tenant(device.tenant, id));
}

fn append_event(change: &mut Change, event: &Event) -> Result<(), StorageError> {
    change.put(
        Table::Events,
        keys::event(event.entity, event.kind, event.ts_ms, event.id),
        json(event)?,
    );
    Ok(())
}

/// Removes some readings of removed time series. Not synced: after a crash it is simply done again.
pub(super) fn sweep(change: &mut Change) -> Result<(), StorageError> {
    let Some(first) = change.prefix(Table::Garbage, &[])?.next() else {
        change.swept();
        return Ok(());
    };
    let series = first?.0;
    let mut removed = 0;
    for row in change.prefix(Table::Points, &series)?.take(REMOVED_AT_ONCE_MAX) {
        change.remove(Table::Points, row?.0);
        removed += 1;
    }
    if removed < REMOVED_AT_ONCE_MAX {
        change.remove(Table::Garbage, series);
    }
    change.apply()
}
