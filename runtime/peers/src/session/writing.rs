//! Putting frames on the connection, as it has room.

use super::PeerSession;
use crate::wire::{Frame, Item, frame};

impl PeerSession {
    /// Puts on the connection what has room there now.
    pub(super) fn write(&mut self) {
        let Some(out) = self.out.clone() else { return };
        while let Ok(permit) = out.try_reserve() {
            match self.next_frame_out() {
                Some(frame) => permit.send(frame),
                None => return,
            }
        }
    }

    /// What is to be sent next: what was taken is told first, so that the other side can go on.
    fn next_frame_out(&mut self) -> Option<Frame> {
        let frame = if self.resume.owes() {
            frame::Frame::Taken(self.resume.tell())
        } else {
            let (number, what) = self.resume.send()?;
            frame::Frame::Item(Item {
                number,
                what: Some(what.clone()),
            })
        };
        Some(Frame { frame: Some(frame) })
    }
}
