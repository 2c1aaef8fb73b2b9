//! What waits for one session of this server, in order. It takes so much and no more: a session that does not fetch what waits is given up
//! by whoever owns it, and what waited is gone at once.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{News, Update};

/// One watch of one session.
pub type WatchId = u64;

/// How much may wait for a session.
#[derive(Clone, Copy, Debug)]
pub struct OutboxLimits {
    /// Updates.
    pub updates_max: usize,
    /// Bytes of them, about.
    pub bytes_max: usize,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        OutboxLimits {
            updates_max: 10_000,
            bytes_max: 2 << 20,
        }
    }
}

/// An update for a watch.
#[derive(Clone, Debug)]
pub struct Told {
    /// Which.
    pub watch: WatchId,
    /// What.
    pub update: Arc<Update>,
}

/// Shared by whoever tells and whoever fetches. Clones share everything.
#[derive(Clone, Debug)]
pub struct Outbox(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: OutboxLimits,
    /// Held for a moment, never while waiting.
    waiting: Mutex<Waiting>,
    more: Notify,
    full: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    told: VecDeque<Told>,
    bytes: usize,
    is_full: bool,
}

impl Outbox {
    /// An empty one.
    pub fn new(limits: OutboxLimits) -> Self {
        Outbox(Arc::new(Shared {
            limits,
            waiting: Mutex::default(),
            more: Notify::new(),
            full: Notify::new(),
        }))
    }

    /// Puts an update in, unless the outbox is or becomes full. Never waits.
    pub fn tell(&self, watch: WatchId, update: &Arc<Update>) {
        let mut waiting = self.0.waiting.lock();
        if waiting.is_full || waiting.has_said(watch, &update.news) {
            return;
        }
        let bytes = waiting.bytes + update.bytes();
        if waiting.told.len() >= self.0.limits.updates_max || bytes > self.0.limits.bytes_max {
            *waiting = Waiting {
                is_full: true,
                ..Waiting::default()
            };
            drop(waiting);
            metrics::counter!("feed_outboxes_full_total").increment(1);
            return self.0.full.notify_one();
        }
        waiting.bytes = bytes;
        waiting.told.push_back(Told {
            watch,
            update: Arc::clone(update),
        });
        drop(waiting);
        self.0.more.notify_one();
    }

    /// Fetches all that waits.
    pub fn fetch(&self) -> VecDeque<Told> {
        let mut waiting = self.0.waiting.lock();
        waiting.bytes = 0;
        std::mem::take(&mut waiting.told)
    }

    /// Waits until something was put in since the last time. For one caller at a time; cancelling loses nothing.
    pub async fn more(&self) {
        self.0.more.notified().await;
    }

    /// Waits until it is full, which it stays. For one caller at a time.
    pub async fn full(&self) {
        let full = self.0.full.notified();
        if !self.0.waiting.lock().is_full {
            full.await;
        }
    }
}

impl Waiting {
    /// What says “look yourself” need not be said twice, if nothing of the watch came since.
    fn has_said(&self, watch: WatchId, news: &News) -> bool {
        if !matches!(news, News::Missed | News::Record) {
            return false;
        }
        let last = self.told.iter().rev().find(|told| told.watch == watch);
        last.is_some_and(|told| told.update.news == *news)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use model::{EntityId, EntityKind, TenantId, Value};
    use uuid::Uuid;

    use super::*;

    fn update(value: &str) -> Arc<Update> {
        let entity = EntityId::new(TenantId::SYSTEM, EntityKind::Device, Uuid::nil());
        let values = vec![("k".into(), Value::Text(value.into()))];
        Arc::new(Update::new(entity, News::Points { ts_ms: 1, values }))
    }

    fn missed() -> Arc<Update> {
        Arc::new(Update {
            news: News::Missed,
            ..(*update("")).clone()
        })
    }

    #[test]
    fn what_is_told_is_fetched_once_and_in_order() {
        let outbox = Outbox::new(OutboxLimits::default());
        assert!(outbox.more().now_or_never().is_none());
        outbox.tell(1, &update("a"));
        outbox.tell(2, &update("b"));
        assert!(outbox.more().now_or_never().is_some());
        let fetched: Vec<_> = outbox.fetch().into_iter().map(|told| told.watch).collect();
        assert_eq!(fetched, [1, 2]);
        assert!(outbox.fetch().is_empty() && outbox.more().now_or_never().is_none());
        assert!(outbox.full().now_or_never().is_none());
    }

    #[test]
    fn to_look_is_said_once() {
        let outbox = Outbox::new(OutboxLimits::default());
        for watch in [1, 1, 2, 1] {
            outbox.tell(watch, &missed());
        }
        outbox.tell(1, &update("a"));
        outbox.tell(1, &missed());
        let fetched: Vec<_> = outbox.fetch().into_iter().map(|told| told.watch).collect();
        assert_eq!(fetched, [1, 2, 1, 1]);
    }

    #[test]
    fn one_that_is_full_holds_nothing_and_takes_nothing() {
        let limits = OutboxLimits {
            updates_max: 3,
            bytes_max: 10_000,
        };
        for (told, fills) in [(vec!["a"; 3], false), (vec!["a"; 4], true), (vec![&*"a".repeat(10_000)], true)] {
            let outbox = Outbox::new(limits);
            told.iter().for_each(|value| outbox.tell(1, &update(value)));
            assert_eq!(outbox.full().now_or_never().is_some(), fills, "{}", told.len());
            // It stays so.
            assert_eq!(outbox.full().now_or_never().is_some(), fills);
            if fills {
                outbox.tell(1, &missed());
            }
            assert_eq!(outbox.fetch().is_empty(), fills);
        }
    }
}
