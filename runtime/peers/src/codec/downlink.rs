//! What devices are told.

use model::Downlink;

use super::{keys, names, pack, unpack};
use crate::CodecError;
use crate::wire::{self, downlink::What};

/// For another peer.
///
/// # Errors
/// [`CodecError`] for a document that cannot be written, and for what a gateway's session tells its own connection alone: other servers have
/// no word for it.
pub fn encode(downlink: &Downlink) -> Result<wire::Downlink, CodecError> {
    let what = match downlink {
        Downlink::AttributeResponse { id, client, shared } => What::AttributeResponse(wire::AttributeResponse {
            id: *id,
            client: client.as_ref().map(pack).transpose()?,
            shared: shared.as_ref().map(pack).transpose()?,
        }),
        Downlink::AttributesChanged(values) => What::AttributesChanged(pack(values)?),
        Downlink::AttributesRemoved(removed) => What::AttributesRemoved(keys(removed)),
        Downlink::RpcRequest { id, method, params } => What::RpcRequest(wire::RpcRequest {
            id: *id,
            method: method.to_string(),
            params: pack(params)?,
        }),
        Downlink::RpcResponse { id, payload } => What::RpcResponse(wire::RpcReply {
            id: *id,
            payload: pack(payload)?,
        }),
        Downlink::Child { device, single, downlink } => What::Child(Box::new(wire::Child {
            device: device.to_string(),
            single: *single,
            downlink: Some(Box::new(encode(downlink)?)),
        })),
        Downlink::Refused(_) => return Err(CodecError::Unknown("a form between servers")),
        Downlink::Superseded => What::Superseded(true),
    };
    Ok(wire::Downlink { what: Some(what) })
}

/// The same back.
///
/// # Errors
/// [`CodecError`] when it makes no sense.
pub fn decode(downlink: wire::Downlink) -> Result<Downlink, CodecError> {
    Ok(match downlink.what.ok_or(CodecError::Unknown("a downlink"))? {
        What::AttributeResponse(told) => Downlink::AttributeResponse {
            id: told.id,
            client: told.client.as_deref().map(unpack).transpose()?,
            shared: told.shared.as_deref().map(unpack).transpose()?,
        },
        What::AttributesChanged(values) => Downlink::AttributesChanged(unpack(&values)?),
        What::AttributesRemoved(removed) => Downlink::AttributesRemoved(names(removed)),
        What::RpcRequest(told) => Downlink::RpcRequest {
            id: told.id,
            method: told.method.into(),
            params: unpack(&told.params)?,
        },
        What::RpcResponse(told) => Downlink::RpcResponse {
            id: told.id,
            payload: unpack(&told.payload)?,
        },
        What::Child(told) => Downlink::Child {
            device: told.device.into(),
            single: told.single,
            downlink: Box::new(decode(*told.downlink.ok_or(CodecError::Unknown("a child's downlink"))?)?),
        },
        What::Superseded(_) => Downlink::Superseded,
    })
}
