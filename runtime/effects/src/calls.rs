//! Requests to devices that somebody outside waits for. A request enters its device's rule chain as a message; whichever node performs
//! it names the request, and the answer finds the way back here.
//!
//! Knows neither devices nor chains.

use std::sync::Arc;

use cluster::{RpcError, RpcReply};
use dashmap::DashMap;
use model::{Payload, TenantId};
use uuid::Uuid;

/// Requests waited for at most, of all tenants; more are refused.
const CALLS_MAX: usize = 10_000;

/// Who waits for which request. Clones share everything.
#[derive(Clone, Debug, Default)]
pub struct Calls(Arc<DashMap<(TenantId, Uuid), RpcReply>>);

impl Calls {
    /// Nobody waits.
    pub fn new() -> Self {
        Calls::default()
    }

    /// Somebody waits for the answer to a request. Refuses, with an answer, when too many wait or when the request is waited for
    /// already: an id stands for one request.
    pub fn wait(&self, tenant: TenantId, id: Uuid, reply: RpcReply) {
        if self.0.len() >= CALLS_MAX {
            // Who gave up says nothing.
            self.0.retain(|_, waiting| !waiting.is_closed());
        }
        let known = self.0.get(&(tenant, id)).is_some_and(|waiting| !waiting.is_closed());
        if known || self.0.len() >= CALLS_MAX {
            // The caller may have left.
            let _ = reply.send(Err(RpcError::TooMany));
            return;
        }
        self.0.insert((tenant, id), reply);
    }

    /// What became of a request. Whoever does not wait for it is not told.
    pub fn answer(&self, tenant: TenantId, id: Uuid, answer: Result<Option<Payload>, RpcError>) {
        if let Some((_, reply)) = self.0.remove(&(tenant, id)) {
            let _ = reply.send(answer);
        }
    }

    /// Requests waited for.
    pub fn waiting(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[test]
    fn an_answer_goes_to_its_tenants_caller_once() {
        let (calls, tenant, other, id) = (Calls::new(), TenantId::generate(), TenantId::generate(), Uuid::now_v7());
        let (reply, mut answer) = oneshot::channel();
        calls.wait(tenant, id, reply);
        calls.answer(other, id, Ok(None));
        calls.answer(tenant, Uuid::now_v7(), Ok(None));
        assert!(answer.try_recv().is_err(), "neither another tenant nor another request answers it");
        let (twice, mut refused) = oneshot::channel();
        calls.wait(tenant, id, twice);
        assert_eq!(refused.try_recv(), Ok(Err(RpcError::TooMany)));
        calls.answer(tenant, id, Err(RpcError::Timeout));
        assert_eq!(answer.try_recv(), Ok(Err(RpcError::Timeout)));
        assert_eq!(calls.waiting(), 0);
    }

    #[test]
    fn those_who_gave_up_make_room() {
        let (calls, tenant) = (Calls::new(), TenantId::generate());
        for _ in 0..CALLS_MAX {
            calls.wait(tenant, Uuid::now_v7(), oneshot::channel().0);
        }
        let mut waiting = Vec::new();
        for _ in 0..CALLS_MAX {
            let (reply, answer) = oneshot::channel();
            calls.wait(tenant, Uuid::now_v7(), reply);
            waiting.push(answer);
        }
        let (reply, mut answer) = oneshot::channel();
        calls.wait(tenant, Uuid::now_v7(), reply);
        assert_eq!(answer.try_recv(), Ok(Err(RpcError::TooMany)));
        assert!(
            waiting.iter_mut().all(|answer| answer.try_recv().is_err()),
            "those who wait go on waiting"
        );
    }
}
