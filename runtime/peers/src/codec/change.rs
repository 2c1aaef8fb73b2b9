//! What was changed in the store.

use cluster::{Change, What};
use model::TenantId;

use super::{bytes_of, id_of};
use crate::CodecError;
use crate::wire::{self, change};

/// A change.
pub fn encode(changed: Change) -> wire::Change {
    let what = match changed.what {
        What::Everything => change::What::Everything(true),
        What::RuleChains => change::What::RuleChains(true),
        What::Components => change::What::Components(true),
        What::Limits => change::What::Limits(true),
        What::DeviceProfiles => change::What::DeviceProfiles(true),
        What::Device(id) => change::What::Device(bytes_of(id)),
        What::DeviceDeleted(id) => change::What::DeviceDeleted(bytes_of(id)),
        What::Credentials(id) => change::What::Credentials(bytes_of(id)),
        What::Listener(id) => change::What::Listener(bytes_of(id)),
        What::Outside => change::What::Outside(true),
        What::User(id) => change::What::User(bytes_of(id)),
    };
    wire::Change {
        tenant: bytes_of(changed.tenant.0),
        what: Some(what),
    }
}

/// The same back. A kind of a newer version is everything of the tenant.
///
/// # Errors
/// [`CodecError`] when an id is none.
pub fn decode(changed: wire::Change) -> Result<Change, CodecError> {
    let what = match changed.what {
        None | Some(change::What::Everything(_)) => What::Everything,
        Some(change::What::RuleChains(_)) => What::RuleChains,
        Some(change::What::Components(_)) => What::Components,
        Some(change::What::Limits(_)) => What::Limits,
        Some(change::What::DeviceProfiles(_)) => What::DeviceProfiles,
        Some(change::What::Device(id)) => What::Device(id_of(&id)?),
        Some(change::What::DeviceDeleted(id)) => What::DeviceDeleted(id_of(&id)?),
        Some(change::What::Credentials(id)) => What::Credentials(id_of(&id)?),
        Some(change::What::Listener(id)) => What::Listener(id_of(&id)?),
        Some(change::What::Outside(_)) => What::Outside,
        Some(change::What::User(id)) => What::User(id_of(&id)?),
    };
    Ok(Change::new(TenantId(id_of(&changed.tenant)?), what))
}
