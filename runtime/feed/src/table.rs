//! Who watches what: sessions of this server, and other servers for theirs. Pure but for what it hands out to.

use std::collections::HashMap;
use std::sync::Arc;

use model::EntityId;

use crate::link::{LinkId, Shared as LinkShared};
use crate::{Interest, Outbox, Update, WatchId};

/// See the module.
#[derive(Default)]
pub(crate) struct Table {
    entities: HashMap<EntityId, Watchers>,
    /// Entities that sessions of this server watch.
    here: usize,
    pub(crate) links: HashMap<LinkId, Arc<LinkShared>>,
}

/// Who watches an entity.
#[derive(Default)]
pub(crate) struct Watchers {
    here: Vec<Watcher>,
    links: Vec<LinkId>,
}

struct Watcher {
    id: WatchId,
    interest: Arc<Interest>,
    outbox: Outbox,
}

impl Table {
    /// Entities that somebody watches, here or elsewhere.
    pub(crate) fn len(&self) -> usize {
        self.entities.len()
    }

    /// Entities that sessions of this server watch.
    pub(crate) fn here(&self) -> usize {
        self.here
    }

    /// Whether a session of this server watches it.
    pub(crate) fn is_watched_here(&self, entity: EntityId) -> bool {
        self.entities.get(&entity).is_some_and(|watchers| !watchers.here.is_empty())
    }

    /// All entities that sessions of this server watch.
    pub(crate) fn watched_here(&self) -> impl Iterator<Item = EntityId> + '_ {
        let here = self.entities.iter().filter(|(_, watchers)| !watchers.here.is_empty());
        here.map(|(entity, _)| *entity)
    }

    /// A session watches. True: it is the first one here that watches this entity.
    pub(crate) fn watch(&mut self, entity: EntityId, id: WatchId, interest: Arc<Interest>, outbox: Outbox) -> bool {
        let watchers = self.entities.entry(entity).or_default();
        watchers.here.push(Watcher { id, interest, outbox });
        let first = watchers.here.len() == 1;
        self.here += usize::from(first);
        first
    }

    /// A session watches no more. True: nobody here watches this entity any more.
    pub(crate) fn leave(&mut self, entity: EntityId, id: WatchId) -> bool {
        let Some(watchers) = self.entities.get_mut(&entity) else {
            return false;
        };
        let Some(at) = watchers.here.iter().position(|watcher| watcher.id == id) else {
            return false;
        };
        watchers.here.swap_remove(at);
        let last = watchers.here.is_empty();
        self.here -= usize::from(last);
        self.tidy(entity);
        last
    }

    /// A server watches.
    pub(crate) fn link_watches(&mut self, entity: EntityId, link: LinkId) {
        let watchers = self.entities.entry(entity).or_default();
        if !watchers.links.contains(&link) {
            watchers.links.push(link);
        }
    }

    /// A server watches no more.
    pub(crate) fn link_leaves(&mut self, entity: EntityId, link: LinkId) {
        if let Some(watchers) = self.entities.get_mut(&entity) {
            watchers.links.retain(|other| *other != link);
            self.tidy(entity);
        }
    }

    fn tidy(&mut self, entity: EntityId) {
        if self
            .entities
            .get(&entity)
            .is_some_and(|watchers| watchers.here.is_empty() && watchers.links.is_empty())
        {
            self.entities.remove(&entity);
        }
    }

    /// Whether anybody watches it.
    pub(crate) fn is_watched(&self, entity: EntityId) -> bool {
        self.entities.contains_key(&entity)
    }

    /// Tells those who watch here.
    pub(crate) fn tell_here(&self, update: &Arc<Update>) {
        let Some(watchers) = self.entities.get(&update.entity) else {
            return;
        };
        let concerned = watchers.here.iter().filter(|watcher| watcher.interest.concerns(&update.news));
        concerned.for_each(|watcher| watcher.outbox.tell(watcher.id, update));
    }

    /// Tells the servers that watch.
    pub(crate) fn tell_links(&self, update: &Arc<Update>) {
        let Some(watchers) = self.entities.get(&update.entity) else {
            return;
        };
        let links = watchers.links.iter().filter_map(|link| self.links.get(link));
        links.for_each(|link| link.tell(update));
    }
}
