//! Which of several servers does what: the port, declared here and implemented above.

use std::future::{Future, pending};
use std::pin::Pin;

use model::{DeviceId, RuleNodeId};

/// Ends with a change.
pub type Changed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where devices are served and nodes run.
pub trait Whereabouts: Send + Sync + 'static {
    /// Whether this server runs a node of which one is to be at work, because it makes messages by itself.
    fn runs(&self, node: RuleNodeId) -> bool;

    /// Whether this server serves a device, now or in a moment.
    fn serves(&self, device: DeviceId) -> bool;

    /// Rises when devices may have come from other servers, which have let go of them: what is kept for those has to be read again.
    fn arrivals(&self) -> u64;

    /// Ends when something of this may have changed since it was called.
    fn changed(&self) -> Changed;
}

/// A server that runs alone.
pub struct Alone;

impl Whereabouts for Alone {
    fn runs(&self, _: RuleNodeId) -> bool {
        true
    }

    fn serves(&self, _: DeviceId) -> bool {
        true
    }

    fn arrivals(&self) -> u64 {
        0
    }

    fn changed(&self) -> Changed {
        Box::pin(pending())
    }
}
