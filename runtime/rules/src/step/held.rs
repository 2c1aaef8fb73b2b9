//! Messages that wait behind one that is tried again: those of the same originator at the same node, so that they stay in order. Pure.

use std::collections::{HashMap, VecDeque};

use model::EntityId;

use super::Branch;

/// Messages that may wait behind one.
pub const HELD_MAX: usize = 256;

/// Who waits where.
#[derive(Debug, Default)]
pub(super) struct Held(HashMap<(usize, EntityId), VecDeque<Branch>>);

impl Held {
    /// A message is to be tried again. From now on others wait behind it; if there is one already, it only takes its own time.
    pub(super) fn hold(&mut self, branch: &mut Branch) {
        if !branch.holds && !self.0.contains_key(&key(branch)) {
            self.0.insert(key(branch), VecDeque::new());
            branch.holds = true;
        }
    }

    /// A message arrives at a node. Answers it when nobody is in front of it.
    ///
    /// # Errors
    /// The message, when too many wait already.
    pub(super) fn arrive(&mut self, branch: Branch) -> Result<Option<Branch>, Branch> {
        if self.0.is_empty() {
            return Ok(Some(branch));
        }
        match self.0.get_mut(&key(&branch)) {
            None => Ok(Some(branch)),
            Some(waiting) if waiting.len() >= HELD_MAX => Err(branch),
            Some(waiting) => {
                waiting.push_back(branch);
                Ok(None)
            }
        }
    }

    /// A message is through, well or not. Answers the next one, which others wait behind then.
    pub(super) fn release(&mut self, branch: &mut Branch) -> Option<Branch> {
        if !std::mem::take(&mut branch.holds) {
            return None;
        }
        let next = self.0.get_mut(&key(branch)).and_then(VecDeque::pop_front);
        match next {
            Some(mut next) => {
                next.holds = true;
                Some(next)
            }
            None => {
                self.0.remove(&key(branch));
                None
            }
        }
    }
}

fn key(branch: &Branch) -> (usize, EntityId) {
    (branch.node, branch.message.originator)
}
