//! What tenants used through this peer, on its way to the other one, and what they used there.
//!
//! What waits is a sum for each tenant, as long as the connection has no room. While there is none, nothing is kept: news of minutes ago
//! would hold a tenant up for what it has long made up for.

use super::PeerSession;
use crate::CodecError;
use crate::codec::usage;
use crate::handshake::USAGE_SINCE;
use crate::wire::{self, item};

/// Tenants in one item.
const TENANTS_MAX: usize = 256;

impl PeerSession {
    /// Whether the other side understands usage.
    pub(super) fn tells_usage(&self) -> bool {
        self.version >= USAGE_SINCE
    }

    /// Gives a number to what waits.
    pub(super) fn tell_usage(&mut self) {
        let usage = self.usage.take(TENANTS_MAX);
        if !usage.is_empty() {
            self.resume.push(item::What::Used(usage::encode(&usage)));
        }
    }

    /// Tenants used something through the other side.
    pub(super) fn used(&self, used: wire::Usage) -> Result<(), CodecError> {
        for usage in usage::decode(used)? {
            self.around.usage.add(usage);
        }
        Ok(())
    }
}
