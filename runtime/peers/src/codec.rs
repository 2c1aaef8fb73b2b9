//! Between the contract and what the server works with. Here: ids and documents; deliveries in [`delivery`], what devices say in
//! [`uplink`], what they are told in [`downlink`], what comes back in [`answer`]; in [`change`], what was changed in the store; in [`feed`],
//! what is told to those who watch; in [`usage`], what tenants used.

pub mod answer;
pub mod change;
pub mod delivery;
pub mod downlink;
pub mod feed;
pub mod uplink;
pub mod usage;

use std::sync::Arc;

use bytes::Bytes;
use cluster::SessionId;
use model::{DeviceId, Metadata, Payload, TenantId};
use uuid::Uuid;

use crate::CodecError;
use crate::wire::{Entry, Keys};

/// A document, so that numbers arrive as they were: a double written as text would have to be read with care.
pub(crate) fn pack(payload: &Payload) -> Result<Bytes, CodecError> {
    let packed = rmp_serde::to_vec(payload.json()).map_err(|error| CodecError::Document(error.to_string()))?;
    Ok(Bytes::from(packed))
}

pub(crate) fn unpack(bytes: &[u8]) -> Result<Payload, CodecError> {
    let json = rmp_serde::from_slice(bytes).map_err(|error| CodecError::Document(error.to_string()))?;
    Ok(Payload::new(json))
}

pub(crate) fn id_of(bytes: &[u8]) -> Result<Uuid, CodecError> {
    Uuid::from_slice(bytes).map_err(|_| CodecError::Id(bytes.len()))
}

pub(crate) fn bytes_of(id: Uuid) -> Bytes {
    Bytes::copy_from_slice(id.as_bytes())
}

pub(crate) fn device_of(tenant: &[u8], device: &[u8]) -> Result<DeviceId, CodecError> {
    Ok(DeviceId::new(TenantId(id_of(tenant)?), id_of(device)?))
}

pub(crate) fn session_of(bytes: &[u8]) -> Result<SessionId, CodecError> {
    Ok(SessionId(id_of(bytes)?))
}

fn entries(metadata: &Metadata) -> Vec<Entry> {
    let entry = |(key, value): (&Arc<str>, &Arc<str>)| Entry {
        key: key.to_string(),
        value: value.to_string(),
    };
    metadata.iter().map(entry).collect()
}

fn metadata(entries: Vec<Entry>) -> Metadata {
    entries.into_iter().map(|entry| (entry.key, entry.value)).collect()
}

fn keys(keys: &[Arc<str>]) -> Keys {
    Keys {
        keys: keys.iter().map(ToString::to_string).collect(),
    }
}

fn names(keys: Keys) -> Vec<Arc<str>> {
    keys.keys.into_iter().map(Arc::from).collect()
}
