//! What devices of tenants said through one server.

use cluster::{Usage, Used};
use model::TenantId;

use super::{bytes_of, id_of};
use crate::CodecError;
use crate::wire;

/// Usage of some tenants.
pub fn encode(usage: &[Usage]) -> wire::Usage {
    let tenant = |usage: &Usage| wire::TenantUsage {
        tenant: bytes_of(usage.tenant.0),
        messages: usage.used.messages,
        telemetry_messages: usage.used.telemetry_messages,
        values: usage.used.values,
    };
    wire::Usage {
        tenants: usage.iter().map(tenant).collect(),
    }
}

/// The same back.
///
/// # Errors
/// [`CodecError`] when an id is none.
pub fn decode(usage: wire::Usage) -> Result<Vec<Usage>, CodecError> {
    let tenant = |usage: wire::TenantUsage| {
        Ok(Usage {
            tenant: TenantId(id_of(&usage.tenant)?),
            used: Used {
                messages: usage.messages,
                telemetry_messages: usage.telemetry_messages,
                values: usage.values,
            },
        })
    };
    usage.tenants.into_iter().map(tenant).collect()
}
