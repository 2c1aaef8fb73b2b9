//! What this server and another one tell each other: which entities are watched here, and what was saved here of those that are watched
//! there. It lives as long as the session between the two, which takes from it whatever can be sent.
//!
//! Both directions are bounded. Of what is watched only the difference to what the other side knows waits, so there is never more than
//! what [`Feed`] takes of watched entities. Of what was saved the oldest is forgotten when there is too much; then its entity is said to
//! have been [missed](crate::News::Missed), and the other side reads what is newest. The same is said of every entity when the other side
//! begins to watch it: it may have read before this side began to tell.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

use model::EntityId;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{Feed, Update};

/// Updates that wait at most, and their bytes. Beyond: the oldest is forgotten.
pub const UPDATES_MAX: usize = 1_024;
/// See [`UPDATES_MAX`].
pub const BYTES_MAX: usize = 4 << 20;
/// Bytes of an update at most. A larger one is not told, but that it was missed.
pub const UPDATE_BYTES_MAX: usize = 512 << 10;

/// A link, in the table of who watches.
pub(crate) type LinkId = u64;

/// Something for the other server.
#[derive(Clone, Debug, PartialEq)]
pub enum Say {
    /// Somebody here watches the entity: tell what is saved of it.
    Watch(EntityId),
    /// Nobody does any more.
    Unwatch(EntityId),
    /// Not everything of the entity was told: read what is newest.
    Missed(EntityId),
    /// This was saved.
    Saved(Arc<Update>),
}

/// The way between two servers, owned by their session. When it is dropped, what the other server watches is forgotten.
pub struct Link {
    feed: Feed,
    id: LinkId,
    shared: Arc<Shared>,
}

#[derive(Default)]
pub(crate) struct Shared {
    /// Held for a moment, never while waiting; inside the lock of the table, never the other way round.
    state: Mutex<State>,
    more: Notify,
}

/// Pure.
#[derive(Debug, Default)]
struct State {
    /// Whether there is anybody to tell.
    begun: bool,
    /// What the other side knows to be watched here.
    known: HashSet<EntityId>,
    /// What has changed since: whether it is watched.
    changed: BTreeMap<EntityId, bool>,
    /// What the other side watches.
    theirs: HashSet<EntityId>,
    saved: VecDeque<Arc<Update>>,
    bytes: usize,
    missed: BTreeSet<EntityId>,
}

impl Link {
    pub(crate) fn new(feed: Feed, id: LinkId, shared: Arc<Shared>) -> Self {
        Link { feed, id, shared }
    }

    /// Both sides begin anew, and the other one takes part in the feed: it knows nothing, and nothing is known of it.
    pub fn begin(&self) {
        self.feed.link_begins(self.id, &self.shared);
        self.shared.more.notify_one();
    }

    /// There is nobody to tell for now, and nothing is known of the other side.
    pub fn end(&self) {
        self.feed.link_ends(self.id, &self.shared);
    }

    /// The other side watches an entity.
    pub fn watches(&self, entity: EntityId) {
        self.feed.link_watches(self.id, &self.shared, entity);
    }

    /// The other side does not watch it any more.
    pub fn leaves(&self, entity: EntityId) {
        self.feed.link_leaves(self.id, &self.shared, entity);
    }

    /// The next thing for the other side.
    pub fn take(&self) -> Option<Say> {
        self.shared.state.lock().take()
    }

    /// Waits until there is something for the other side. For one caller at a time; cancelling loses nothing.
    pub async fn some(&self) {
        while self.shared.state.lock().is_empty() {
            self.shared.more.notified().await;
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.end();
        self.feed.unlink(self.id);
    }
}

impl Shared {
    /// Something was saved that the other side watches.
    pub(crate) fn tell(&self, update: &Arc<Update>) {
        self.state.lock().tell(update);
        self.more.notify_one();
    }

    /// An entity is watched here, or is not any more.
    pub(crate) fn changed(&self, entity: EntityId, watched: bool) {
        self.state.lock().changed(entity, watched);
        self.more.notify_one();
    }

    /// These are all that are watched here. Answers what the other side watched until now.
    pub(crate) fn begins(&self, here: impl Iterator<Item = EntityId>) -> HashSet<EntityId> {
        let mut state = self.state.lock();
        let before = std::mem::take(&mut *state);
        state.begun = true;
        here.for_each(|entity| state.changed(entity, true));
        before.theirs
    }

    /// Answers what the other side watched until now.
    pub(crate) fn ends(&self) -> HashSet<EntityId> {
        std::mem::take(&mut *self.state.lock()).theirs
    }

    /// The other side watches an entity: what it has read before may be old.
    pub(crate) fn watches(&self, entity: EntityId) {
        let mut state = self.state.lock();
        state.theirs.insert(entity);
        state.missed.insert(entity);
        drop(state);
        self.more.notify_one();
    }

    pub(crate) fn leaves(&self, entity: EntityId) {
        let mut state = self.state.lock();
        state.theirs.remove(&entity);
        state.missed.remove(&entity);
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.missed.is_empty() && self.saved.is_empty()
    }

    fn changed(&mut self, entity: EntityId, watched: bool) {
        if !self.begun || self.known.contains(&entity) == watched {
            self.changed.remove(&entity);
        } else {
            self.changed.insert(entity, watched);
        }
    }

    fn tell(&mut self, update: &Arc<Update>) {
        let bytes = update.bytes();
        if bytes > UPDATE_BYTES_MAX {
            self.miss(update.entity);
            return;
        }
        self.bytes += bytes;
        self.saved.push_back(Arc::clone(update));
        while self.saved.len() > UPDATES_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.saved.pop_front() else { break };
            self.bytes -= oldest.bytes();
            self.miss(oldest.entity);
        }
    }

    fn miss(&mut self, entity: EntityId) {
        metrics::counter!("feed_missed_total").increment(1);
        self.missed.insert(entity);
    }

    fn take(&mut self) -> Option<Say> {
        if let Some((entity, watched)) = self.changed.pop_first() {
            return Some(if watched {
                self.known.insert(entity);
                Say::Watch(entity)
            } else {
                self.known.remove(&entity);
                Say::Unwatch(entity)
            });
        }
        // Before what was saved since, so that a flood of that does not keep it for ever: what is read then is newer, and what comes
        // behind it leads to the same end.
        if let Some(entity) = self.missed.pop_first() {
            return Some(Say::Missed(entity));
        }
        let update = self.saved.pop_front()?;
        self.bytes -= update.bytes();
        Some(Say::Saved(update))
    }
}

#[cfg(test)]
mod tests {
    use model::{EntityKind, TenantId, Value};
    use uuid::Uuid;

    use super::*;
    use crate::News;

    fn entity(number: u128) -> EntityId {
        EntityId::new(TenantId::SYSTEM, EntityKind::Device, Uuid::from_u128(number))
    }

    fn update(number: u128, ts_ms: i64, text: &str) -> Arc<Update> {
        let values = vec![("k".into(), Value::Text(text.into()))];
        Arc::new(Update::new(entity(number), News::Points { ts_ms, values }))
    }

    fn all(state: &mut State) -> Vec<Say> {
        std::iter::from_fn(|| state.take()).collect()
    }

    fn begun() -> State {
        State {
            begun: true,
            ..State::default()
        }
    }

    #[test]
    fn only_what_the_other_side_does_not_know_is_said() {
        let mut state = State::default();
        state.changed(entity(1), true);
        assert!(state.is_empty(), "there is nobody to tell");
        let mut state = begun();
        state.changed(entity(1), true);
        state.changed(entity(2), true);
        state.changed(entity(2), false);
        assert_eq!(all(&mut state), [Say::Watch(entity(1))]);
        state.changed(entity(1), false);
        state.changed(entity(1), true);
        assert!(state.is_empty());
        state.changed(entity(1), false);
        assert_eq!(all(&mut state), [Say::Unwatch(entity(1))]);
        for number in 0..1_000 {
            state.changed(entity(number), true);
            state.changed(entity(number), false);
        }
        assert!(state.is_empty(), "who comes and goes leaves nothing behind");
    }

    #[test]
    fn too_much_is_forgotten_from_the_oldest_on_and_said_to_be() {
        let mut state = begun();
        let count = UPDATES_MAX as i64 + 2;
        for ts_ms in 0..count {
            state.tell(&update(if ts_ms < 3 { 1 } else { 2 }, ts_ms, "a"));
        }
        let said = all(&mut state);
        assert_eq!(said[0], Say::Missed(entity(1)));
        assert_eq!(said[1], Say::Saved(update(1, 2, "a")));
        assert_eq!(said.last(), Some(&Say::Saved(update(2, count - 1, "a"))));
        assert_eq!((said.len(), state.bytes), (UPDATES_MAX + 1, 0));
    }

    #[test]
    fn bytes_are_counted_too() {
        let mut state = begun();
        let large = "a".repeat(UPDATE_BYTES_MAX - 1_000);
        for number in 0..20 {
            state.tell(&update(number, 1, &large));
        }
        assert!(state.bytes <= BYTES_MAX && state.saved.len() < 20);
        assert_eq!(state.missed.len() + state.saved.len(), 20);
        let mut state = begun();
        state.tell(&update(1, 1, &"a".repeat(UPDATE_BYTES_MAX)));
        assert_eq!(all(&mut state), [Say::Missed(entity(1))]);
    }
}
