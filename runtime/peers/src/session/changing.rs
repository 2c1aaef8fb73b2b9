//! Changes on their way to the other peer, and those that it has announced.
//!
//! They are numbered items like all others: once sent, none is lost or taken twice while both sides live. Before, they wait in the
//! session's backlog. Whenever the two sides begin anew, and when the peer is gone, something may be lost that this side was not told:
//! then it reads everything again, and so do those who watch the live feed.

use cluster::Change;

use super::{BATCH_MAX, PeerSession};
use crate::CodecError;
use crate::codec::change;
use crate::handshake::CHANGES_SINCE;
use crate::wire::{self, item};

impl PeerSession {
    /// Whether the other side understands changes.
    pub(super) fn tells_changes(&self) -> bool {
        self.version >= CHANGES_SINCE
    }

    /// Gives numbers to changes that wait, as long as there is room.
    pub(super) fn announce(&mut self) {
        let room = self.around.config.window.saturating_sub(self.resume.kept()).min(BATCH_MAX);
        for changed in std::iter::from_fn(|| self.changes.take()).take(room) {
            self.resume.push(item::What::Changed(change::encode(changed)));
        }
    }

    /// The other side has changed something.
    pub(super) fn changed(&self, changed: wire::Change) -> Result<(), CodecError> {
        self.around.changes.push(change::decode(changed)?);
        metrics::counter!("peer_changes_total").increment(1);
        Ok(())
    }

    /// What the other side has changed is not known here in full.
    pub(super) fn missed(&self) {
        self.around.changes.push(Change::EVERYTHING);
        self.around.feed.missed();
    }
}
