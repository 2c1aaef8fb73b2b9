//! Messages that wait for others of the same originator, so that they stay in order: behind one that is tried again at the same node, or for
//! their turn among those at nodes that decide by what they have saved. Pure.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::collections::hash_map::Entry;

use model::EntityId;

use super::Branch;

/// Messages that may wait behind one that is tried again.
pub const HELD_MAX: usize = 256;
/// Messages of an originator that may wait for their turn: as many as effects may.
const TURNS_MAX: usize = 10_000;

/// In which line a message waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Line {
    /// Behind one that is tried again at a node.
    Again(usize),
    /// Behind one whose effects are not done, at any node of the chain that takes messages in turn.
    Turn,
}

impl Line {
    fn max(self) -> usize {
        match self {
            Line::Again(_) => HELD_MAX,
            Line::Turn => TURNS_MAX,
        }
    }
}

/// Who waits where.
#[derive(Debug, Default)]
pub(super) struct Held(HashMap<(Line, EntityId), VecDeque<Branch>>);

/// A message that there is no room for, and why.
pub(super) type Crowded = (Branch, String);

impl Held {
    /// A message is to be tried again. From now on others wait behind it; if there is one already, it only takes its own time.
    pub(super) fn hold(&mut self, branch: &mut Branch) {
        if branch.holds.is_some() {
            return;
        }
        let line = Line::Again(branch.node);
        if let Entry::Vacant(place) = self.0.entry((line, branch.message.originator)) {
            place.insert(VecDeque::new());
            branch.holds = Some(line);
        }
    }

    /// A message arrives at a node. Answers it when nobody is in front of it. At a node that takes messages in turn others wait behind it
    /// from now on.
    ///
    /// # Errors
    /// [`Crowded`].
    pub(super) fn arrive(&mut self, mut branch: Branch, in_turn: bool) -> Result<Option<Branch>, Crowded> {
        if self.0.is_empty() && !in_turn {
            return Ok(Some(branch));
        }
        let line = if in_turn { Line::Turn } else { Line::Again(branch.node) };
        match self.0.entry((line, branch.message.originator)) {
            Entry::Vacant(place) => {
                if in_turn {
                    place.insert(VecDeque::new());
                    branch.holds = Some(line);
                }
                Ok(Some(branch))
            }
            Entry::Occupied(waiting) if waiting.get().len() >= line.max() => {
                let behind = match line {
                    Line::Again(_) => "behind one that is tried again",
                    Line::Turn => "for their turn",
                };
                Err((branch, format!("{} messages of the originator wait {behind}", line.max())))
            }
            Entry::Occupied(mut waiting) => {
                waiting.get_mut().push_back(branch);
                Ok(None)
            }
        }
    }

    /// A message is through, well or not. Answers the next one, which others wait behind then.
    pub(super) fn release(&mut self, branch: &mut Branch) -> Option<Branch> {
        let line = branch.holds.take()?;
        let key = (line, branch.message.originator);
        let next = self.0.get_mut(&key).and_then(VecDeque::pop_front);
        match next {
            Some(mut next) => {
                next.holds = Some(line);
                Some(next)
            }
            None => {
                self.0.remove(&key);
                None
            }
        }
    }
}
