//! Requests that somebody outside waits for, to devices or to rule chains themselves. A request enters a rule chain as a message; whichever
//! node performs or answers it names the request, and the answer finds the way back here.
//!
//! Knows neither devices nor chains.

use std::collections::HashMap;
use std::sync::Arc;

use cluster::{RpcError, RpcReply};
use dashmap::DashMap;
use model::{Payload, TenantId};
use uuid::Uuid;

/// Requests of one tenant waited for at most; more are refused.
const CALLS_MAX: usize = 1_000;

/// Who waits for which request, by tenant: one that asks much keeps no other from asking. Clones share everything.
#[derive(Clone, Debug, Default)]
pub struct Calls(Arc<DashMap<TenantId, HashMap<Uuid, RpcReply>>>);

impl Calls {
    /// Nobody waits.
    pub fn new() -> Self {
        Calls::default()
    }

    /// Somebody waits for the answer to a request. Refuses, with an answer, when too many wait or when the request is waited for
    /// already: an id stands for one request.
    pub fn wait(&self, tenant: TenantId, id: Uuid, reply: RpcReply) {
        let mut waiting = self.0.entry(tenant).or_default();
        if waiting.len() >= CALLS_MAX {
            // Who gave up says nothing.
            waiting.retain(|_, waiting| !waiting.is_closed());
        }
        let known = waiting.get(&id).is_some_and(|waiting| !waiting.is_closed());
        if known || waiting.len() >= CALLS_MAX {
            // The caller may have left.
            let _ = reply.send(Err(RpcError::TooMany));
            return;
        }
        waiting.insert(id, reply);
    }

    /// What became of a request. Whether somebody waited for it, and was told.
    pub fn answer(&self, tenant: TenantId, id: Uuid, answer: Result<Option<Payload>, RpcError>) -> bool {
        let reply = self.0.get_mut(&tenant).and_then(|mut waiting| waiting.remove(&id));
        self.0.remove_if(&tenant, |_, waiting| waiting.is_empty());
        reply.is_some_and(|reply| reply.send(answer).is_ok())
    }

    /// Requests waited for.
    pub fn waiting(&self) -> usize {
        self.0.iter().map(|waiting| waiting.len()).sum()
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
        assert!(!calls.answer(other, id, Ok(None)));
        assert!(!calls.answer(tenant, Uuid::now_v7(), Ok(None)));
        assert!(answer.try_recv().is_err(), "neither another tenant nor another request answers it");
        let (twice, mut refused) = oneshot::channel();
        calls.wait(tenant, id, twice);
        assert_eq!(refused.try_recv(), Ok(Err(RpcError::TooMany)));
        assert!(calls.answer(tenant, id, Err(RpcError::Timeout)));
        assert!(!calls.answer(tenant, id, Err(RpcError::Timeout)), "once");
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
        let (reply, mut other) = oneshot::channel();
        calls.wait(TenantId::generate(), Uuid::now_v7(), reply);
        assert!(other.try_recv().is_err(), "another tenant waits all the same");
        assert!(
            waiting.iter_mut().all(|answer| answer.try_recv().is_err()),
            "those who wait go on waiting"
        );
    }
}
