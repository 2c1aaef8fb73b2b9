//! The live feed between this server and the other peer: what is watched and what was saved, as [`feed::Link`] has it.
//!
//! They are numbered items like all others, and wait in the link before. They have at most half of what may be on its way, so that
//! deliveries of devices always have room beside them. Whenever both sides begin anew, each tells the other again what it watches.

use feed::{News, Update};

use super::{BATCH_MAX, PeerSession};
use crate::CodecError;
use crate::codec::feed as codec;
use crate::handshake::FEED_SINCE;
use crate::wire::item;

impl PeerSession {
    /// Both sides have begun anew, and speak a version.
    pub(super) fn feed_anew(&self, version: u32) {
        if version >= FEED_SINCE {
            self.link.begin();
        } else {
            self.link.end();
        }
    }

    /// Whether there is room for the feed.
    pub(super) fn feeds(&self) -> bool {
        self.version >= FEED_SINCE && self.resume.kept() < self.around.config.window / 2
    }

    /// Gives numbers to what waits, as long as there is room.
    pub(super) fn feed(&mut self) {
        let room = (self.around.config.window / 2).saturating_sub(self.resume.kept()).min(BATCH_MAX);
        for say in std::iter::from_fn(|| self.link.take()).take(room) {
            self.resume.push(codec::encode(say));
        }
    }

    /// Something of the feed came. What cannot be read is not taken; the rest goes on.
    pub(super) fn fed(&self, what: item::What) {
        if let Err(error) = self.take_fed(what) {
            tracing::error!(peer = self.peer.0, %error, "what a peer tells of the live feed cannot be read");
        }
    }

    fn take_fed(&self, what: item::What) -> Result<(), CodecError> {
        match what {
            item::What::Watch(entity) => self.link.watches(codec::entity_of(entity)?),
            item::What::Unwatch(entity) => self.link.leaves(codec::entity_of(entity)?),
            item::What::Missed(entity) => self.around.feed.came(Update::new(codec::entity_of(entity)?, News::Missed)),
            item::What::Saved(saved) => self.around.feed.came(codec::decode(saved)?),
            _ => return Err(CodecError::Unknown("something of the feed")),
        }
        Ok(())
    }
}
