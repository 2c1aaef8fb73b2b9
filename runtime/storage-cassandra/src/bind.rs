//! Values on their way into a statement, and the writes that carry them. Plain data, so that what a mutation writes can be tested
//! without a database.

use std::sync::Arc;

use bytes::Bytes;
use model::{EntityId, TenantId};
use scylla::cluster::metadata::ColumnType;
use scylla::errors::SerializationError;
use scylla::serialize::value::SerializeValue;
use scylla::serialize::writers::{CellWriter, WrittenCellProof};
use uuid::Uuid;

use crate::queries::Query;

/// One value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Bind {
    /// `tinyint`
    Tiny(i8),
    /// `int`
    Int(i32),
    /// `bigint`
    Big(i64),
    /// `uuid`
    Id(Uuid),
    /// `text`
    Text(Arc<str>),
    /// `blob`
    Blob(Bytes),
}

impl Bind {
    /// Bytes it takes in a statement, nearly.
    fn len(&self) -> usize {
        match self {
            Bind::Tiny(_) => 1,
            Bind::Int(_) => 4,
            Bind::Big(_) => 8,
            Bind::Id(_) => 16,
            Bind::Text(text) => text.len(),
            Bind::Blob(bytes) => bytes.len(),
        }
    }
}

impl SerializeValue for Bind {
    fn serialize<'b>(&self, of: &ColumnType<'_>, writer: CellWriter<'b>) -> Result<WrittenCellProof<'b>, SerializationError> {
        match self {
            Bind::Tiny(number) => number.serialize(of, writer),
            Bind::Int(number) => number.serialize(of, writer),
            Bind::Big(number) => number.serialize(of, writer),
            Bind::Id(id) => id.serialize(of, writer),
            Bind::Text(text) => (**text).serialize(of, writer),
            Bind::Blob(bytes) => (&**bytes).serialize(of, writer),
        }
    }
}

impl From<i8> for Bind {
    fn from(number: i8) -> Self {
        Bind::Tiny(number)
    }
}

impl From<i64> for Bind {
    fn from(number: i64) -> Self {
        Bind::Big(number)
    }
}

impl From<Uuid> for Bind {
    fn from(id: Uuid) -> Self {
        Bind::Id(id)
    }
}

impl From<TenantId> for Bind {
    fn from(tenant: TenantId) -> Self {
        Bind::Id(tenant.0)
    }
}

impl From<&Arc<str>> for Bind {
    fn from(text: &Arc<str>) -> Self {
        Bind::Text(Arc::clone(text))
    }
}

impl From<&str> for Bind {
    fn from(text: &str) -> Self {
        Bind::Text(text.into())
    }
}

impl From<Vec<u8>> for Bind {
    fn from(bytes: Vec<u8>) -> Self {
        Bind::Blob(bytes.into())
    }
}

/// Numbers of kinds and scopes are small: CQL has no unsigned byte.
pub(crate) fn tiny(number: u8) -> i8 {
    number.cast_signed()
}

/// The partition of what belongs to an entity.
pub(crate) fn entity(id: EntityId) -> Vec<Bind> {
    vec![id.tenant.into(), tiny(id.kind.number()).into(), id.id.into()]
}

/// The same, within a bucket or another part.
pub(crate) fn part(id: EntityId, part: impl Into<Bind>) -> Vec<Bind> {
    let mut key = entity(id);
    key.push(part.into());
    key
}

/// A write to one partition, with a time that orders it among all others.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Write {
    /// Statement.
    pub(crate) query: Query,
    /// Partition. Equal keys lie on the same replicas, whatever the table: such writes share a request.
    pub(crate) key: Vec<Bind>,
    /// Everything bound, in the order of the statement.
    pub(crate) values: Vec<Bind>,
}

impl Write {
    /// A statement that binds partition, rest, time.
    pub(crate) fn put(query: Query, key: Vec<Bind>, rest: impl IntoIterator<Item = Bind>, stamp_us: i64) -> Self {
        let mut values = key.clone();
        values.extend(rest);
        values.push(stamp_us.into());
        Write { query, key, values }
    }

    /// A statement that binds partition, rest, time and seconds to live; 0: for ever.
    pub(crate) fn put_for(query: Query, key: Vec<Bind>, rest: impl IntoIterator<Item = Bind>, stamp_us: i64, ttl_s: i32) -> Self {
        let mut write = Write::put(query, key, rest, stamp_us);
        write.values.push(Bind::Int(ttl_s));
        write
    }

    /// A statement that binds time, partition, rest.
    pub(crate) fn remove(query: Query, key: Vec<Bind>, rest: impl IntoIterator<Item = Bind>, stamp_us: i64) -> Self {
        let mut values = vec![stamp_us.into()];
        values.extend(key.iter().cloned());
        values.extend(rest);
        Write { query, key, values }
    }

    /// Bytes it takes, nearly.
    pub(crate) fn len(&self) -> usize {
        self.values.iter().map(Bind::len).sum()
    }
}
