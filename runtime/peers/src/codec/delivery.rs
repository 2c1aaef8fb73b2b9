//! Deliveries. What a delivery has at hand on its own server – the way to a session, a receipt, the way of an answer – stays there;
//! on the owner's server the [`Ends`] put others in their place, which lead back.

use std::sync::Arc;

use cluster::{Answer, Call, Delivery, Epoch, Keep, Notice, Receipt, RpcError, RpcReply, RpcRequest, SessionId, SessionLink};
use model::{DeviceId, DownlinkKinds, MessageKind, PresenceEvent};
use tokio::sync::oneshot;

use super::{bytes_of, device_of, downlink, entries, id_of, metadata, pack, session_of, unpack, uplink};
use crate::CodecError;
use crate::handshake::{ASKS_SINCE, FIRST};
use crate::wire::{self, deliver::What, presence::Event};

/// Makes what a delivery has at hand.
pub trait Ends {
    /// The way to a session of the other peer.
    fn link(&mut self, session: Link) -> SessionLink;
    /// A claim on what the device said.
    fn receipt(&mut self) -> Receipt;
    /// The way of a request's answer.
    fn reply(&mut self) -> RpcReply;
    /// The way of an answer that has nothing to say but whether it was done.
    fn told(&mut self) -> oneshot::Sender<Result<(), RpcError>>;
}

/// A session of the other peer.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Who.
    pub id: SessionId,
    /// See [`SessionLink::child`].
    pub child: Option<Arc<str>>,
    /// See [`SessionLink::kinds`].
    pub kinds: DownlinkKinds,
    /// See [`SessionLink::once`].
    pub once: bool,
}

/// For the owner of a device.
///
/// # Errors
/// [`CodecError`] for what never leaves a server.
pub fn encode(device: DeviceId, epoch: Epoch, delivery: &Delivery) -> Result<wire::Deliver, CodecError> {
    let what = match delivery {
        Delivery::Connected(session) => What::Connected(link(session)),
        Delivery::Disconnected(session) => What::Disconnected(bytes_of(session.0)),
        Delivery::Uplink {
            session,
            uplink,
            received_ms,
            ..
        } => What::Said(wire::Said {
            session: Some(link(session)),
            received_ms: *received_ms,
            what: Some(uplink::encode(uplink)?),
        }),
        Delivery::Heard(now_ms) => What::Heard(*now_ms),
        Delivery::Presence { event, at_ms, .. } => What::Presence(wire::Presence {
            event: presence(*event).into(),
            at_ms: *at_ms,
        }),
        Delivery::Delivered(session, number) => What::Got(wire::Got {
            session: bytes_of(session.0),
            number: *number,
        }),
        Delivery::Rpc(request) => What::Rpc(wire::Rpc {
            id: bytes_of(request.id),
            method: request.method.to_string(),
            params: pack(&request.params)?,
            expires_ms: request.expires_ms,
            oneway: request.oneway,
            keep: request.keep.as_ref().map(keep).transpose()?,
        }),
        Delivery::Call(call) => What::Call(wire::Call {
            id: bytes_of(call.id),
            metadata: entries(&call.metadata),
            payload: pack(&call.payload)?,
            kind: asked(&call.kind).to_owned(),
        }),
        Delivery::Notice(notice) => What::Notice(wire::Notice {
            kind: notice.kind.as_str().to_owned(),
            metadata: entries(&notice.metadata),
            payload: pack(&notice.payload)?,
        }),
        Delivery::Answer(answer) => What::Answer(wire::Answer {
            session: bytes_of(answer.session.0),
            id: answer.id,
            payload: pack(&answer.payload)?,
        }),
        Delivery::Remove(rpc, _) => {
            let text = serde_json::to_vec(&**rpc).map_err(|error| CodecError::Document(error.to_string()))?;
            What::Remove(text.into())
        }
        Delivery::Push(news) => What::Push(downlink::encode(news)?),
    };
    Ok(wire::Deliver {
        tenant: bytes_of(device.tenant.0),
        device: bytes_of(device.id),
        epoch: epoch.0,
        what: Some(what),
    })
}

/// For which device a delivery is, and by the ring of which epoch it came here.
///
/// # Errors
/// [`CodecError`] when that makes no sense.
pub fn address(deliver: &wire::Deliver) -> Result<(DeviceId, Epoch), CodecError> {
    Ok((device_of(&deliver.tenant, &deliver.device)?, Epoch(deliver.epoch)))
}

/// What is delivered.
///
/// # Errors
/// [`CodecError`] when it makes no sense.
pub fn decode(deliver: wire::Deliver, ends: &mut impl Ends) -> Result<Delivery, CodecError> {
    Ok(match deliver.what.ok_or(CodecError::Unknown("what is delivered"))? {
        What::Connected(session) => Delivery::Connected(ends.link(link_of(session)?)),
        What::Disconnected(session) => Delivery::Disconnected(session_of(&session)?),
        What::Said(said) => {
            let session = link_of(said.session.ok_or(CodecError::Unknown("the session"))?)?;
            let uplink = uplink::decode(said.what.ok_or(CodecError::Unknown("what the device says"))?)?;
            Delivery::Uplink {
                session: ends.link(session),
                uplink,
                received_ms: said.received_ms,
                receipt: ends.receipt(),
            }
        }
        What::Heard(now_ms) => Delivery::Heard(now_ms),
        What::Presence(told) => Delivery::Presence {
            event: presence_of(told.event())?,
            at_ms: told.at_ms,
            receipt: ends.receipt(),
        },
        What::Got(got) => Delivery::Delivered(session_of(&got.session)?, got.number),
        What::Rpc(request) => Delivery::Rpc(RpcRequest {
            id: id_of(&request.id)?,
            method: request.method.into(),
            params: unpack(&request.params)?,
            expires_ms: request.expires_ms,
            oneway: request.oneway,
            keep: request.keep.map(kept).transpose()?,
            reply: ends.reply(),
        }),
        What::Call(call) => Delivery::Call(Call {
            id: id_of(&call.id)?,
            kind: asked_of(&call.kind),
            metadata: metadata(call.metadata),
            payload: unpack(&call.payload)?,
            reply: ends.reply(),
        }),
        What::Notice(notice) => Delivery::Notice(Notice {
            kind: MessageKind::from(&*notice.kind),
            metadata: metadata(notice.metadata),
            payload: unpack(&notice.payload)?,
        }),
        What::Answer(answer) => Delivery::Answer(Answer {
            session: session_of(&answer.session)?,
            id: answer.id,
            payload: unpack(&answer.payload)?,
            told: ends.told(),
        }),
        What::Remove(rpc) => {
            let rpc = serde_json::from_slice(&rpc).map_err(|error| CodecError::Document(error.to_string()))?;
            Delivery::Remove(Box::new(rpc), ends.told())
        }
        What::Push(news) => Delivery::Push(downlink::decode(news)?),
    })
}

/// The type of a call's message. What all versions know is not written.
fn asked(kind: &MessageKind) -> &str {
    match kind {
        MessageKind::RpcToDevice => "",
        other => other.as_str(),
    }
}

fn asked_of(kind: &str) -> MessageKind {
    match kind {
        "" => MessageKind::RpcToDevice,
        other => MessageKind::from(other),
    }
}

/// Since which version a delivery is understood.
pub(crate) fn since(delivery: &Delivery) -> u32 {
    match delivery {
        Delivery::Call(call) if call.kind != MessageKind::RpcToDevice => ASKS_SINCE,
        _ => FIRST,
    }
}

fn presence(event: PresenceEvent) -> Event {
    match event {
        PresenceEvent::Connected => Event::Connected,
        PresenceEvent::Disconnected => Event::Disconnected,
        PresenceEvent::Active => Event::Active,
        PresenceEvent::Inactive => Event::Inactive,
    }
}

fn presence_of(event: Event) -> Result<PresenceEvent, CodecError> {
    Ok(match event {
        Event::Unknown => return Err(CodecError::Unknown("the device's presence")),
        Event::Connected => PresenceEvent::Connected,
        Event::Disconnected => PresenceEvent::Disconnected,
        Event::Active => PresenceEvent::Active,
        Event::Inactive => PresenceEvent::Inactive,
    })
}

fn link(session: &SessionLink) -> wire::Link {
    wire::Link {
        id: bytes_of(session.id.0),
        child: session.child.as_deref().map(str::to_owned),
        kinds: u32::from(session.kinds.bits()),
        once: session.once,
    }
}

fn link_of(link: wire::Link) -> Result<Link, CodecError> {
    Ok(Link {
        id: session_of(&link.id)?,
        child: link.child.map(Arc::from),
        // Kinds of a newer version are not known here, and not told.
        kinds: DownlinkKinds::from_bits((link.kinds & 0xffff) as u16),
        once: link.once,
    })
}

fn keep(keep: &Keep) -> Result<wire::Keep, CodecError> {
    Ok(wire::Keep {
        retries: keep.retries,
        additional_info: keep.additional_info.as_ref().map(pack).transpose()?,
    })
}

fn kept(keep: wire::Keep) -> Result<Keep, CodecError> {
    Ok(Keep {
        retries: keep.retries,
        additional_info: keep.additional_info.as_deref().map(unpack).transpose()?,
    })
}
