//! News for devices on their way to the devices' actors. Whoever has news waits for nobody: a device's actor may itself wait until a chain lets
//! its next message in, and that chain for the effect that has the news.
//!
//! News that find no room wait here, one task for each device, and what has waited is told as one: of a value that changed ten times
//! meanwhile, the last.

use std::sync::Arc;

use cluster::{Delivery, Router};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use model::{DeviceId, Downlink, Payload};
use serde_json::Value as Json;

#[cfg(test)]
mod tests;

/// Devices for which news may wait.
const DEVICES_MAX: usize = 10_000;
/// News of one device that may wait, of those that do not become one.
const NEWS_MAX: usize = 64;

/// The news that wait. Clones share everything.
#[derive(Clone)]
pub(crate) struct NewsDesk {
    router: Router,
    waiting: Arc<DashMap<DeviceId, Vec<Downlink>>>,
}

impl NewsDesk {
    /// Reaches devices through a router.
    pub(crate) fn new(router: Router) -> Self {
        NewsDesk {
            router,
            waiting: Arc::default(),
        }
    }

    /// Tells a device's sessions something, after everything that they are to be told already. Does not wait for the device's actor.
    pub(crate) async fn tell(&self, device: DeviceId, news: Downlink) {
        if let Some(mut waiting) = self.waiting.get_mut(&device) {
            add(&mut waiting, news);
            return;
        }
        // A device that nobody reaches asks when it returns.
        let Ok(lane) = self.router.lane(device).await else { return };
        let is_full = self.waiting.len() >= DEVICES_MAX;
        match self.waiting.entry(device) {
            Entry::Occupied(mut waiting) => add(waiting.get_mut(), news),
            Entry::Vacant(place) => match lane.try_send(Delivery::Push(news)) {
                Err(Delivery::Push(news)) if !is_full => {
                    place.insert(vec![news]);
                    actor::spawn("news of a device", self.clone().carry(device));
                }
                Err(_) => dropped(),
                Ok(()) => {}
            },
        }
    }

    /// Hands over what waits, as there is room.
    async fn carry(self, device: DeviceId) {
        while let Some(news) = self.next(device) {
            if let Ok(lane) = self.router.lane(device).await {
                // A lane that closes: the device's next actor knows what is durable.
                let _ = lane.send(Delivery::Push(news)).await;
            }
        }
    }

    /// What has waited longest; none: nothing waits any more.
    fn next(&self, device: DeviceId) -> Option<Downlink> {
        let Entry::Occupied(mut waiting) = self.waiting.entry(device) else {
            return None;
        };
        if waiting.get().is_empty() {
            waiting.remove();
            return None;
        }
        Some(waiting.get_mut().remove(0))
    }
}

/// Adds news to those that wait: to the last ones, if they are of the same kind.
fn add(waiting: &mut Vec<Downlink>, news: Downlink) {
    let has_room = waiting.len() < NEWS_MAX;
    match (waiting.last_mut(), news) {
        (Some(Downlink::AttributesChanged(before)), Downlink::AttributesChanged(now)) => {
            if let (Json::Object(mut all), Json::Object(newer)) = (before.json().clone(), now.json()) {
                all.extend(newer.clone());
                *before = Payload::new(Json::Object(all));
            }
        }
        (Some(Downlink::AttributesRemoved(before)), Downlink::AttributesRemoved(now)) => {
            let new: Vec<_> = now.into_iter().filter(|key| !before.contains(key)).collect();
            before.extend(new);
        }
        (_, news) if has_room => waiting.push(news),
        _ => dropped(),
    }
}

fn dropped() {
    metrics::counter!("effects_news_dropped_total").increment(1);
}
