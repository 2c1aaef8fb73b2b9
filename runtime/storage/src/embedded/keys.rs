//! The bytes that things are stored under: big-endian, so that byte order is the order of scans, and starting with the tenant, so that
//! a scan cannot leave it. Text stands last and needs no length. Every form here is on disk: changing one needs a new format number.
//!
//! Knows no database and no values.

use model::entity::{EventKind, IdRef, RelationGroup};
use model::{AttributeScope, DeviceId, Digest, EntityId, EntityKind, TenantId};
use uuid::Uuid;

use crate::StorageError;
pub(super) use crate::text::{check, storable};

/// Entities of a kind: the prefix of [`entity`] and [`name`].
pub(super) fn kind(tenant: TenantId, kind: EntityKind) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(96);
    bytes.extend_from_slice(tenant.0.as_bytes());
    bytes.push(kind.number());
    bytes
}

/// An entity, and the prefix of everything that belongs to it.
pub(super) fn entity(id: EntityId) -> Vec<u8> {
    let mut bytes = kind(id.tenant, id.kind);
    bytes.extend_from_slice(id.id.as_bytes());
    bytes
}

/// The entity of a name.
pub(super) fn name(tenant: TenantId, of: EntityKind, name: &str) -> Vec<u8> {
    with_text(kind(tenant, of), name)
}

/// The number of a time series.
pub(super) fn series(id: EntityId, key: &str) -> Vec<u8> {
    with_text(entity(id), key)
}

/// The time in the key of the one reading of a series that is in no history: after all others, where whoever looks for the newest one begins.
/// Spans end before it.
pub(super) const LATEST_MS: i64 = i64::MAX;

/// The other half of a numbered time series: readings that are in the history alone. Numbers are given from 1 on, and never come so far.
pub(super) fn apart(series: u64) -> u64 {
    series | 1 << 63
}

/// A reading of a numbered time series.
pub(super) fn point(series: u64, ts_ms: i64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&series.to_be_bytes());
    bytes[8..].copy_from_slice(&time(ts_ms));
    bytes
}

/// The time of a [`point`] key.
pub(super) fn point_time(key: &[u8]) -> Result<i64, StorageError> {
    let bytes: [u8; 8] = key
        .get(8..)
        .and_then(|tail| tail.try_into().ok())
        .ok_or_else(|| StorageError::Corrupt("the key of a reading is not 16 bytes".into()))?;
    Ok((u64::from_be_bytes(bytes) ^ SIGN).cast_signed())
}

/// Attributes of a scope.
pub(super) fn scope(id: EntityId, scope: AttributeScope) -> Vec<u8> {
    let mut bytes = entity(id);
    bytes.push(scope as u8);
    bytes
}

/// An attribute.
pub(super) fn attribute(id: EntityId, of: AttributeScope, key: &str) -> Vec<u8> {
    with_text(scope(id, of), key)
}

/// An alarm, or the device of credentials: a tenant and an id whose kind the table implies.
pub(super) fn of_tenant(tenant: TenantId, id: Uuid) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(tenant.0.as_bytes());
    bytes[16..].copy_from_slice(id.as_bytes());
    bytes
}

/// The device of a key made by [`of_tenant`].
pub(super) fn device_of_tenant(key: &[u8]) -> Result<DeviceId, StorageError> {
    let tenant = key.get(..16).and_then(|tenant| Uuid::from_slice(tenant).ok());
    let tenant = tenant.ok_or_else(|| StorageError::Corrupt("a key has no tenant".into()))?;
    Ok(DeviceId::new(TenantId(tenant), trailing_id(key)?))
}

/// The alarm of a type that is not cleared.
pub(super) fn active_alarm(originator: EntityId, alarm_type: &str) -> Vec<u8> {
    with_text(entity(originator), alarm_type)
}

/// A request to a device.
pub(super) fn rpc(device: EntityId, id: Uuid) -> Vec<u8> {
    let mut bytes = entity(device);
    bytes.extend_from_slice(id.as_bytes());
    bytes
}

/// An event.
pub(super) fn event(id: EntityId, kind: EventKind, ts_ms: i64, event: Uuid) -> Vec<u8> {
    let mut bytes = entity(id);
    bytes.push(kind as u8);
    bytes.extend_from_slice(&time(ts_ms));
    bytes.extend_from_slice(event.as_bytes());
    bytes
}

/// A component of an owner.
pub(super) fn component(tenant: TenantId, name: &str) -> Vec<u8> {
    with_text(tenant.0.as_bytes().to_vec(), name)
}

/// What belongs to a component: the prefix of its versions. The name ends with a zero, which names do not contain.
pub(super) fn component_parts(tenant: TenantId, name: &str) -> Vec<u8> {
    let mut bytes = component(tenant, name);
    bytes.push(0);
    bytes
}

/// A version of a component, and the prefix of its pieces.
pub(super) fn component_version(tenant: TenantId, name: &str, digest: Digest) -> Vec<u8> {
    let mut bytes = component_parts(tenant, name);
    bytes.extend_from_slice(&digest.0);
    bytes
}

/// A piece of a version's bytes.
pub(super) fn component_piece(tenant: TenantId, name: &str, digest: Digest, position: u32) -> Vec<u8> {
    let mut bytes = component_version(tenant, name, digest);
    bytes.extend_from_slice(&position.to_be_bytes());
    bytes
}

/// A part of what a rule node keeps; see [`super::node_state`] for the numbers of the parts.
pub(super) fn node_state(node: EntityId, part: u8, text: &str) -> Vec<u8> {
    let mut bytes = entity(node);
    bytes.push(part);
    with_text(bytes, text)
}

/// Relations of a group at one end.
pub(super) fn relations(end: EntityId, group: RelationGroup) -> Vec<u8> {
    let mut bytes = entity(end);
    bytes.push(group.number());
    bytes
}

/// Relations of a type at one end. The type ends with a zero, which types do not contain.
pub(super) fn relations_of_type(end: EntityId, group: RelationGroup, relation_type: &str) -> Vec<u8> {
    let mut bytes = with_text(relations(end, group), relation_type);
    bytes.push(0);
    bytes
}

/// A relation, seen from one end.
pub(super) fn relation(end: EntityId, group: RelationGroup, relation_type: &str, other: IdRef) -> Vec<u8> {
    let mut bytes = relations_of_type(end, group, relation_type);
    bytes.push(other.entity_type.number());
    bytes.extend_from_slice(other.id.as_bytes());
    bytes
}

/// Type and other end of a key of [`relation`].
pub(super) fn relation_parts(key: &[u8]) -> Result<(&str, IdRef), StorageError> {
    const HEAD: usize = 34;
    const TAIL: usize = 18;
    let corrupt = || StorageError::Corrupt("the key of a relation is not understood".into());
    let end = key.len().checked_sub(TAIL).filter(|end| *end > HEAD).ok_or_else(corrupt)?;
    let kind = EntityKind::from_number(key[end + 1]).ok_or_else(corrupt)?;
    Ok((text(&key[..end], HEAD)?, IdRef::new(kind, trailing_id(key)?)))
}

/// The text that stands after a prefix of `skip` bytes.
pub(super) fn text(key: &[u8], skip: usize) -> Result<&str, StorageError> {
    let tail = key.get(skip..).ok_or_else(|| StorageError::Corrupt("a key is too short".into()))?;
    std::str::from_utf8(tail).map_err(|_| StorageError::Corrupt("a key is no text".into()))
}

/// The id at the end of a key.
pub(super) fn trailing_id(key: &[u8]) -> Result<Uuid, StorageError> {
    let tail = key.len().checked_sub(16).and_then(|at| key.get(at..));
    tail.and_then(|tail| Uuid::from_slice(tail).ok())
        .ok_or_else(|| StorageError::Corrupt("a key has no id".into()))
}

/// Flipping the sign puts negative times first.
const SIGN: u64 = 1 << 63;

fn time(ts_ms: i64) -> [u8; 8] {
    (ts_ms.cast_unsigned() ^ SIGN).to_be_bytes()
}

fn with_text(mut bytes: Vec<u8>, text: &str) -> Vec<u8> {
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value_codec::tests::hex;

    const TENANT: TenantId = TenantId(Uuid::from_u128(0x0102030405060708090a0b0c0d0e0f10));
    const ID: Uuid = Uuid::from_u128(0xf1f2f3f4f5f6f7f8f9fafbfcfdfeff00);

    #[test]
    fn stored_keys_keep_their_bytes() {
        let device = EntityId::new(TENANT, EntityKind::Device, ID);
        let (t, i) = ("0102030405060708090a0b0c0d0e0f10", "f1f2f3f4f5f6f7f8f9fafbfcfdfeff00");
        let digest = Digest([0xab; 32]);
        let cases: [(Vec<u8>, String); 14] = [
            (kind(TENANT, EntityKind::Device), format!("{t}06")),
            (entity(device), format!("{t}06{i}")),
            (name(TENANT, EntityKind::Asset, "Öl"), format!("{t}05c3966c")),
            (series(device, "temp"), format!("{t}06{i}74656d70")),
            (attribute(device, AttributeScope::SharedScope, "on"), format!("{t}06{i}026f6e")),
            (active_alarm(device, "hot"), format!("{t}06{i}686f74")),
            (of_tenant(TENANT, ID).to_vec(), format!("{t}{i}")),
            (event(device, EventKind::Error, 1, ID), format!("{t}06{i}048000000000000001{i}")),
            (node_state(device, 1, "k"), format!("{t}06{i}016b")),
            (
                relation(device, RelationGroup::Common, "Up", IdRef::new(EntityKind::Asset, ID)),
                format!("{t}06{i}0155700005{i}"),
            ),
            (rpc(device, ID), format!("{t}06{i}{i}")),
            (point(258, 1_700_000_000_000).to_vec(), "00000000000001028000018bcfe56800".into()),
            (component(TENANT, "calc"), format!("{t}63616c63")),
            (
                component_piece(TENANT, "calc", digest, 258),
                format!("{t}63616c6300{}00000102", "ab".repeat(32)),
            ),
        ];
        for (key, expected) in cases {
            assert_eq!(hex(&key), expected);
        }
    }

    #[test]
    fn a_relation_comes_back_from_its_key() {
        let (device, other) = (EntityId::new(TENANT, EntityKind::Device, ID), IdRef::new(EntityKind::Asset, ID));
        let key = relation(device, RelationGroup::Common, "Öl", other);
        assert_eq!(relation_parts(&key).expect("its own key"), ("Öl", other));
        assert!(relation_parts(&key[..34 + 18]).is_err());
    }

    #[test]
    fn times_sort_as_numbers_and_come_back() {
        let times = [i64::MIN, -2, -1, 0, 1, 1_700_000_000_000, i64::MAX];
        let keys: Vec<_> = times.iter().map(|ts| point(7, *ts)).collect();
        assert!(keys.is_sorted());
        for (ts, key) in times.into_iter().zip(keys) {
            assert_eq!(point_time(&key).expect("16 bytes"), ts);
        }
        assert!(point_time(&[0; 15]).is_err());
    }
}
