//! What devices say.

use model::Uplink;

use super::{keys, names, pack, unpack};
use crate::CodecError;
use crate::wire::{self, said::What};

pub(super) fn encode(uplink: &Uplink) -> Result<What, CodecError> {
    Ok(match uplink {
        Uplink::Telemetry { ts_ms, values } => What::Telemetry(wire::Telemetry {
            ts_ms: *ts_ms,
            values: pack(values)?,
        }),
        Uplink::Attributes(values) => What::Attributes(pack(values)?),
        Uplink::AttributeRequest {
            id,
            client_keys,
            shared_keys,
        } => What::AttributeRequest(wire::AttributeRequest {
            id: *id,
            client_keys: client_keys.as_deref().map(keys),
            shared_keys: shared_keys.as_deref().map(keys),
        }),
        Uplink::RpcReply { id, payload } => What::RpcReply(wire::RpcReply {
            id: *id,
            payload: pack(payload)?,
        }),
        Uplink::RpcCall { id, method, params } => What::RpcCall(wire::RpcCall {
            id: *id,
            method: method.to_string(),
            params: pack(params)?,
        }),
        Uplink::Claim { secret, duration_ms } => What::Claim(wire::Claim {
            secret: secret.to_string(),
            duration_ms: *duration_ms,
        }),
        // The gateway's session has taken these apart.
        Uplink::Child { .. } => return Err(CodecError::Unknown("an uplink of a gateway")),
    })
}

pub(super) fn decode(what: What) -> Result<Uplink, CodecError> {
    Ok(match what {
        What::Telemetry(said) => Uplink::Telemetry {
            ts_ms: said.ts_ms,
            values: unpack(&said.values)?,
        },
        What::Attributes(values) => Uplink::Attributes(unpack(&values)?),
        What::AttributeRequest(said) => Uplink::AttributeRequest {
            id: said.id,
            client_keys: said.client_keys.map(names),
            shared_keys: said.shared_keys.map(names),
        },
        What::RpcReply(said) => Uplink::RpcReply {
            id: said.id,
            payload: unpack(&said.payload)?,
        },
        What::RpcCall(said) => Uplink::RpcCall {
            id: said.id,
            method: said.method.into(),
            params: unpack(&said.params)?,
        },
        What::Claim(said) => Uplink::Claim {
            secret: said.secret.into(),
            duration_ms: said.duration_ms,
        },
    })
}
