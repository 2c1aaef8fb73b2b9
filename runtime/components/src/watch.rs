//! Faults that nodes report: a breaker for each version at work for a tenant. A version that is stopped is stopped at once, for all its
//! nodes; what follows (an event, a roll-back) is done by the service.

use std::sync::Arc;

use actor::{Lane, LaneReceiver, lane};
use dashmap::DashMap;
use model::{Clock, TenantId};
use plugins::{Release, ReleaseId, Watch};

use crate::breaker::{Breaker, Policy, Verdict};

/// Stopped versions that wait for the service. Beyond, they stay stopped and are not told of.
const STOPPED_MAX: usize = 256;

/// A version was stopped.
#[derive(Clone, Debug)]
pub(crate) struct Stopped {
    pub(crate) tenant: TenantId,
    pub(crate) id: ReleaseId,
    pub(crate) reason: String,
}

/// The breakers.
pub(crate) struct Watcher {
    policy: Policy,
    clock: Arc<dyn Clock>,
    breakers: DashMap<(TenantId, ReleaseId), Breaker>,
    stopped: Lane<Stopped>,
}

impl Watcher {
    pub(crate) fn new(policy: Policy, clock: Arc<dyn Clock>) -> (Arc<Self>, LaneReceiver<Stopped>) {
        let (stopped, receiver) = lane(STOPPED_MAX);
        let watcher = Watcher {
            policy,
            clock,
            breakers: DashMap::new(),
            stopped,
        };
        (Arc::new(watcher), receiver)
    }

    /// Starts over: the version was activated, or is gone.
    pub(crate) fn forget(&self, tenant: TenantId, id: &ReleaseId) {
        self.breakers.remove(&(tenant, id.clone()));
    }
}

impl Watch for Watcher {
    fn faulted(&self, release: &Release, fault: &str) {
        let key = (release.tenant(), release.id().clone());
        let verdict = self
            .breakers
            .entry(key)
            .or_insert_with(|| Breaker::new(self.policy))
            .fault(self.clock.now_ms());
        if verdict != Verdict::Suspend {
            return;
        }
        let Policy { faults_max, window_ms } = self.policy;
        let reason = format!(
            "the component {:?} is suspended: it failed {faults_max} times within {} s, at last because {fault}",
            release.id().component,
            window_ms / 1000
        );
        release.suspend(&reason);
        metrics::counter!("components_suspended_total").increment(1);
        tracing::warn!(tenant = %release.tenant(), component = %release.id().component, version = %release.id().digest, fault, "component suspended");
        let stopped = Stopped {
            tenant: release.tenant(),
            id: release.id().clone(),
            reason,
        };
        if let Err(stopped) = self.stopped.try_send(stopped) {
            tracing::error!(component = %stopped.id.component, "too many versions are being suspended: no event is recorded for this one");
        }
    }
}
