//! News of entities on their way to devices' actors and to chains. Whoever has news waits for nobody: a device's actor may itself wait until
//! a chain lets its next message in, and that chain for the effect that has the news.
//!
//! News that find no room wait here, one task for each entity, and what has waited is told as one: of a value that changed ten times
//! meanwhile, the last.

use std::sync::{Arc, OnceLock};

use cluster::{Delivery, Notice, Router};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use model::{DeviceId, Downlink, EntityId, MessageKind, Payload};
use serde_json::Value as Json;

use crate::Keeper;

#[cfg(test)]
mod tests;

/// Entities for which news may wait.
const ENTITIES_MAX: usize = 10_000;
/// News of one entity that may wait, of those that do not become one.
const NEWS_MAX: usize = 64;

/// Something that is told about an entity.
#[derive(Debug)]
pub(crate) enum News {
    /// To its sessions, as it is a device.
    Device(Downlink),
    /// To its rule chain.
    Chain(Notice),
}

/// The news that wait. Clones share everything.
#[derive(Clone)]
pub(crate) struct NewsDesk {
    router: Router,
    /// Reaches the chains of what is no device.
    keeper: Arc<OnceLock<Arc<dyn Keeper>>>,
    waiting: Arc<DashMap<EntityId, Vec<News>>>,
}

impl NewsDesk {
    /// Reaches devices through a router, and other entities' chains through a keeper.
    pub(crate) fn new(router: Router, keeper: Arc<OnceLock<Arc<dyn Keeper>>>) -> Self {
        NewsDesk {
            router,
            keeper,
            waiting: Arc::default(),
        }
    }

    /// Tells something, after everything about the entity that is to be told already. Waits for neither the device's actor nor a chain.
    pub(crate) async fn tell(&self, entity: EntityId, news: News) {
        if let Some(mut waiting) = self.waiting.get_mut(&entity) {
            add(&mut waiting, news);
            return;
        }
        let lane = match DeviceId::try_from(entity) {
            Err(_) => None,
            Ok(device) => match self.router.lane(device).await {
                Ok(lane) => Some(lane),
                // A device that nobody reaches asks when it returns.
                Err(_) => return,
            },
        };
        let is_full = self.waiting.len() >= ENTITIES_MAX;
        match self.waiting.entry(entity) {
            Entry::Occupied(mut waiting) => add(waiting.get_mut(), news),
            Entry::Vacant(place) => {
                let left = match &lane {
                    None => Some(news),
                    Some(lane) => lane.try_send(delivery(news)).err().and_then(undelivered),
                };
                match left {
                    None => {}
                    Some(_) if is_full => dropped(),
                    Some(news) => {
                        place.insert(vec![news]);
                        actor::spawn("news of an entity", self.clone().carry(entity));
                    }
                }
            }
        }
    }

    /// Hands over what waits, as there is room.
    async fn carry(self, entity: EntityId) {
        while let Some(news) = self.next(entity) {
            match (DeviceId::try_from(entity), news) {
                (Ok(device), news) => {
                    if let Ok(lane) = self.router.lane(device).await {
                        // A lane that closes: the device's next actor knows what is durable.
                        let _ = lane.send(delivery(news)).await;
                    }
                }
                (Err(_), News::Chain(notice)) => {
                    if let Some(keeper) = self.keeper.get() {
                        keeper.tell_chain(entity, notice).await;
                    }
                }
                (Err(_), News::Device(_)) => {}
            }
        }
    }

    /// What has waited longest; none: nothing waits any more.
    fn next(&self, entity: EntityId) -> Option<News> {
        let Entry::Occupied(mut waiting) = self.waiting.entry(entity) else {
            return None;
        };
        if waiting.get().is_empty() {
            waiting.remove();
            return None;
        }
        Some(waiting.get_mut().remove(0))
    }
}

fn delivery(news: News) -> Delivery {
    match news {
        News::Device(news) => Delivery::Push(news),
        News::Chain(notice) => Delivery::Notice(notice),
    }
}

fn undelivered(delivery: Delivery) -> Option<News> {
    match delivery {
        Delivery::Push(news) => Some(News::Device(news)),
        Delivery::Notice(notice) => Some(News::Chain(notice)),
        _ => None,
    }
}

/// Adds news to those that wait: to the last ones, if they are of the same kind.
fn add(waiting: &mut Vec<News>, news: News) {
    let has_room = waiting.len() < NEWS_MAX;
    match (waiting.last_mut(), news) {
        (Some(News::Device(Downlink::AttributesChanged(before))), News::Device(Downlink::AttributesChanged(now))) => merge(before, &now),
        (Some(News::Device(Downlink::AttributesRemoved(before))), News::Device(Downlink::AttributesRemoved(now))) => {
            let new: Vec<_> = now.into_iter().filter(|key| !before.contains(key)).collect();
            before.extend(new);
        }
        (Some(News::Chain(before)), News::Chain(now))
            if now.kind == MessageKind::AttributesUpdated && before.kind == now.kind && before.metadata == now.metadata =>
        {
            merge(&mut before.payload, &now.payload);
        }
        (_, news) if has_room => waiting.push(news),
        _ => dropped(),
    }
}

/// The values of both, the later ones where there are two.
fn merge(before: &mut Payload, now: &Payload) {
    if let (Json::Object(mut all), Json::Object(newer)) = (before.json().clone(), now.json()) {
        all.extend(newer.clone());
        *before = Payload::new(Json::Object(all));
    }
}

fn dropped() {
    metrics::counter!("effects_news_dropped_total").increment(1);
}
