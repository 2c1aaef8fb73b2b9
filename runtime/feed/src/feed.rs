//! The feed of a server, shared by all: those who watch, the store, the sessions with other servers.
//!
//! For what nobody watches it costs the store one atomic number for each batch, or a look into the table for each mutation of the batch
//! when anything is watched at all; nothing is made or copied.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

use model::EntityId;
use parking_lot::RwLock;
use storage::{Mutation, Tap};

use crate::link::{LinkId, Shared as LinkShared};
use crate::table::Table;
use crate::update::subject;
use crate::{Interest, Link, News, Outbox, Update, WatchId};

/// Entities that sessions of one server watch at most. Beyond: a watch is refused.
pub const ENTITIES_MAX: usize = 100_000;

/// See the module. Clones share everything.
#[derive(Clone, Default)]
pub struct Feed(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Entities in the table.
    watched: AtomicUsize,
    /// Held for as long as telling takes, which waits for nobody.
    table: RwLock<Table>,
    numbers: AtomicU64,
}

/// Too much is watched at this server already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {ENTITIES_MAX} entities are watched")]
pub struct Full;

/// A watch. Ends when it is dropped.
#[must_use]
pub struct Watch {
    feed: Feed,
    entity: EntityId,
    id: WatchId,
}

impl Watch {
    /// Its number, by which its updates are known.
    pub fn id(&self) -> WatchId {
        self.id
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.feed.leave(self.entity, self.id);
    }
}

impl Feed {
    /// Has an outbox told of an entity from now on. What was stored before is for the caller to read, afterwards.
    ///
    /// # Errors
    /// [`Full`].
    pub fn watch(&self, entity: EntityId, interest: Arc<Interest>, outbox: &Outbox) -> Result<Watch, Full> {
        let id = self.number();
        let mut table = self.0.table.write();
        if table.here() >= ENTITIES_MAX && !table.is_watched_here(entity) {
            return Err(Full);
        }
        if table.watch(entity, id, interest, outbox.clone()) {
            table.links.values().for_each(|link| link.changed(entity, true));
        }
        self.count(&table);
        drop(table);
        Ok(Watch {
            feed: self.clone(),
            entity,
            id,
        })
    }

    fn leave(&self, entity: EntityId, id: WatchId) {
        let mut table = self.0.table.write();
        if table.leave(entity, id) {
            table.links.values().for_each(|link| link.changed(entity, false));
        }
        self.count(&table);
    }

    /// Something came from another server, where it was saved.
    pub fn came(&self, update: Update) {
        self.0.table.read().tell_here(&Arc::new(update));
    }

    /// An entity's record was changed or removed.
    pub fn record_changed(&self, entity: EntityId) {
        if self.0.watched.load(Ordering::Relaxed) > 0 {
            self.came(Update::new(entity, News::Record));
        }
    }

    /// What other servers have saved is not known here in full: all who watch here have missed something.
    pub fn missed(&self) {
        let table = self.0.table.read();
        for entity in table.watched_here() {
            table.tell_here(&Arc::new(Update::new(entity, News::Missed)));
        }
    }

    /// A way to another server, which has yet to [begin](Link::begin).
    pub fn link(&self) -> Link {
        let (id, shared) = (self.number(), Arc::<LinkShared>::default());
        self.0.table.write().links.insert(id, Arc::clone(&shared));
        Link::new(self.clone(), id, shared)
    }

    /// Entities that are watched, here or by another server.
    pub fn watched(&self) -> usize {
        self.0.watched.load(Ordering::Relaxed)
    }

    pub(crate) fn link_begins(&self, id: LinkId, link: &LinkShared) {
        let mut table = self.0.table.write();
        let theirs = link.begins(table.watched_here());
        theirs.into_iter().for_each(|entity| table.link_leaves(entity, id));
        self.count(&table);
    }

    pub(crate) fn link_ends(&self, id: LinkId, link: &LinkShared) {
        let mut table = self.0.table.write();
        let theirs = link.ends();
        theirs.into_iter().for_each(|entity| table.link_leaves(entity, id));
        self.count(&table);
    }

    pub(crate) fn link_watches(&self, id: LinkId, link: &LinkShared, entity: EntityId) {
        let mut table = self.0.table.write();
        table.link_watches(entity, id);
        self.count(&table);
        // Behind the fence of the count: what is durable from now on is told.
        link.watches(entity);
    }

    pub(crate) fn link_leaves(&self, id: LinkId, link: &LinkShared, entity: EntityId) {
        let mut table = self.0.table.write();
        table.link_leaves(entity, id);
        self.count(&table);
        link.leaves(entity);
    }

    pub(crate) fn unlink(&self, id: LinkId) {
        self.0.table.write().links.remove(&id);
    }

    /// Who watches first says so, then reads; who writes first writes, then looks who watches. One of the two sees the other.
    fn count(&self, table: &Table) {
        self.0.watched.store(table.len(), Ordering::Relaxed);
        fence(Ordering::SeqCst);
        metrics::gauge!("feed_entities_watched").set(table.len() as f64);
    }

    fn number(&self) -> u64 {
        self.0.numbers.fetch_add(1, Ordering::Relaxed)
    }
}

impl Tap for Feed {
    fn saved(&self, batch: &[Mutation]) {
        fence(Ordering::SeqCst);
        if self.0.watched.load(Ordering::Relaxed) == 0 {
            return;
        }
        let table = self.0.table.read();
        for mutation in batch {
            if subject(mutation).is_some_and(|entity| table.is_watched(entity))
                && let Some(update) = Update::of(mutation)
            {
                let update = Arc::new(update);
                table.tell_here(&update);
                table.tell_links(&update);
            }
        }
    }
}

#[cfg(test)]
mod tests;
