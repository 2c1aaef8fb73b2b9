//! What comes back: settlements and answers.

use cluster::{RpcError, SettleError};
use model::Payload;

use super::{pack, unpack};
use crate::CodecError;
use crate::wire::{Failure, Reply, Settled, reply};

/// What became of what a device said.
pub fn settled(result: Result<(), SettleError>) -> Settled {
    match result {
        Ok(()) => Settled::Durable,
        Err(SettleError::NotDurable) => Settled::NotDurable,
        Err(SettleError::NoRoute) => Settled::NoRoute,
    }
}

/// The same back. What is not known is not durable.
pub fn settled_of(settled: i32) -> Result<(), SettleError> {
    match Settled::try_from(settled) {
        Ok(Settled::Durable) => Ok(()),
        Ok(Settled::NoRoute) => Err(SettleError::NoRoute),
        Ok(Settled::NotDurable | Settled::Unspecified) | Err(_) => Err(SettleError::NotDurable),
    }
}

/// The answer to a delivery.
///
/// # Errors
/// [`CodecError`] when it cannot be written.
pub fn encode(delivery: u64, answer: &Result<Option<Payload>, RpcError>) -> Result<Reply, CodecError> {
    let result = match answer {
        Ok(None) => reply::Result::Nothing(true),
        Ok(Some(payload)) => reply::Result::Payload(pack(payload)?),
        Err(error) => reply::Result::Failure(failure(*error).into()),
    };
    Ok(Reply {
        delivery,
        result: Some(result),
    })
}

/// The same back.
///
/// # Errors
/// [`CodecError`] when it makes no sense.
pub fn decode(reply: Reply) -> Result<Result<Option<Payload>, RpcError>, CodecError> {
    Ok(match reply.result.ok_or(CodecError::Unknown("an answer"))? {
        reply::Result::Nothing(_) => Ok(None),
        reply::Result::Payload(payload) => Ok(Some(unpack(&payload)?)),
        reply::Result::Failure(failure) => Err(error(failure)),
    })
}

fn failure(error: RpcError) -> Failure {
    match error {
        RpcError::NotConnected => Failure::NotConnected,
        RpcError::Timeout => Failure::Timeout,
        RpcError::TooMany => Failure::TooMany,
        RpcError::NoRoute => Failure::NoRoute,
        RpcError::NotKept => Failure::NotKept,
        RpcError::NotAsked => Failure::NotAsked,
        RpcError::Moved => Failure::Moved,
    }
}

/// A failure of a newer version, which is not known here, says least: it may work the next time.
fn error(failure: i32) -> RpcError {
    match Failure::try_from(failure) {
        Ok(Failure::NotConnected) => RpcError::NotConnected,
        Ok(Failure::Timeout) => RpcError::Timeout,
        Ok(Failure::TooMany) => RpcError::TooMany,
        Ok(Failure::NoRoute) => RpcError::NoRoute,
        Ok(Failure::NotKept) => RpcError::NotKept,
        Ok(Failure::NotAsked) => RpcError::NotAsked,
        Ok(Failure::Moved | Failure::Unspecified) | Err(_) => RpcError::Moved,
    }
}
