//! Live values over WebSocket, in the form of ThingsBoard's: who is logged in subscribes to time series and attributes of what is theirs,
//! gets what is stored, and then whatever is saved, as soon as it is durable.
//!
//! ```text
//! /api/ws                              first message: {"authCmd": {"cmdId": 0, "token": "…"}, "cmds": […]}
//! /api/ws/plugins/telemetry?token=…    {"tsSubCmds": […], "attrSubCmds": […], "historyCmds": […]}
//! ```
//!
//! 1. `command` – what clients ask, in both forms, pure,
//! 2. `reply` – what they are told, pure,
//! 3. `subscription` – what a subscription has told, and what an update adds to it,
//! 4. `session` – the session of one connection: commands and updates in, frames out,
//! 5. here: how many there may be, and who has to look again whether it is still allowed.
//!
//! A session is looked at again when its user's login, or a device that it watches, changes, on whatever server; besides with every ping.
//! One whose token has ended or was voided is closed; a subscription to what is not there any more, or not the user's any more, ends with a
//! reply that says so.
//!
//! What a client does not fetch waits in its session's outbox; when that is full the session is closed (1008). Nobody else waits for it.

mod command;
mod reply;
mod session;
mod subscription;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cluster::{Announcer, Change, What};
use feed::{Feed, OutboxLimits};
use model::{DeviceId, TenantId, UserId};
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

pub(crate) use session::{Caller, serve};

/// How sessions are limited, with what happens beyond.
#[derive(Clone, Debug)]
pub struct LiveConfig {
    /// How long a stranger may take to say who it is. Then it is closed (1008).
    pub auth_timeout: Duration,
    /// How often a client is pinged, and its token looked at again.
    pub ping: Duration,
    /// How long a client may say nothing, not even to a ping. Then it is closed (1008).
    pub silence: Duration,
    /// How long the network may take with one frame. Then the session is closed (1008).
    pub send_timeout: Duration,
    /// Bytes of a client's message. A larger one closes the session (1009).
    pub message_bytes_max: usize,
    /// Subscriptions of a session. More are refused, with a reply.
    pub subscriptions_max: usize,
    /// Subscriptions of all sessions. More are refused, with a reply.
    pub subscriptions_of_all_max: usize,
    /// Sessions of a user. More are closed at once (1008), or refused (429).
    pub sessions_of_user_max: usize,
    /// Sessions of a tenant's users; the same.
    pub sessions_of_tenant_max: usize,
    /// Sessions of everybody; the same.
    pub sessions_max: usize,
    /// Connections that have yet to say who they are. More are refused (503).
    pub strangers_max: usize,
    /// What may wait for a client. Beyond, its session is closed (1008).
    pub outbox: OutboxLimits,
}

impl Default for LiveConfig {
    fn default() -> Self {
        LiveConfig {
            auth_timeout: Duration::from_secs(10),
            ping: Duration::from_secs(30),
            silence: Duration::from_secs(90),
            send_timeout: Duration::from_secs(20),
            message_bytes_max: 64 << 10,
            subscriptions_max: 500,
            subscriptions_of_all_max: 200_000,
            sessions_of_user_max: 100,
            sessions_of_tenant_max: 2_000,
            sessions_max: 20_000,
            strangers_max: 1_000,
            outbox: OutboxLimits::default(),
        }
    }
}

impl LiveConfig {
    /// What the WebSocket itself takes: enough to say in words that a message is too large.
    pub(crate) fn frame_bytes_max(&self) -> usize {
        self.message_bytes_max.saturating_mul(4)
    }
}

/// All sessions of this server. Clones share everything.
#[derive(Clone)]
pub struct Live(Arc<Inner>);

struct Inner {
    feed: Feed,
    config: LiveConfig,
    sessions: Mutex<Registry>,
    strangers: Arc<Semaphore>,
    subscriptions: Arc<Semaphore>,
    stopping: watch::Sender<bool>,
}

#[derive(Default)]
struct Registry {
    next: u64,
    known: HashMap<u64, (UserId, Arc<Attention>)>,
    of_user: HashMap<UserId, usize>,
    of_tenant: HashMap<TenantId, usize>,
}

/// Why there is no room for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Crowded {
    /// The user has enough.
    #[error("too many sessions of this user")]
    User,
    /// The tenant's users have enough.
    #[error("too many sessions of this tenant")]
    Tenant,
    /// The server has enough.
    #[error("too many sessions")]
    All,
}

/// Tells a session to look again.
#[derive(Default)]
struct Attention {
    /// At what it watches, too.
    all: AtomicBool,
    call: Notify,
}

/// A place for a session; free again when it is dropped.
pub(crate) struct Entry {
    live: Live,
    number: u64,
    attention: Arc<Attention>,
}

impl Live {
    /// Nobody watches yet.
    pub fn new(feed: Feed, config: LiveConfig) -> Self {
        Live(Arc::new(Inner {
            feed,
            sessions: Mutex::default(),
            strangers: Arc::new(Semaphore::new(config.strangers_max)),
            subscriptions: Arc::new(Semaphore::new(config.subscriptions_of_all_max)),
            stopping: watch::Sender::new(false),
            config,
        }))
    }

    /// Limits.
    pub fn config(&self) -> &LiveConfig {
        &self.0.config
    }

    /// Something was changed, here or at another server: those whom it may concern look again.
    pub fn changed(&self, change: Change) {
        match change.what {
            What::Device(id) | What::DeviceDeleted(id) => self.0.feed.record_changed(DeviceId::new(change.tenant, id).entity()),
            What::User(id) => self.look_again(|user| user.id == id, false),
            What::Everything => self.look_again(|_| true, true),
            _ => {}
        }
    }

    /// Closes all sessions (1001).
    pub fn stop(&self) {
        self.0.stopping.send_replace(true);
    }

    fn look_again(&self, concerned: impl Fn(UserId) -> bool, all: bool) {
        let sessions = self.0.sessions.lock();
        for (_, attention) in sessions.known.values().filter(|(user, _)| concerned(*user)) {
            attention.all.fetch_or(all, Ordering::Relaxed);
            attention.call.notify_one();
        }
    }

    /// A place for a connection that has yet to say who it is.
    pub(crate) fn stranger(&self) -> Option<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.0.strangers).try_acquire_owned().ok();
        if place.is_none() {
            refused("strangers");
        }
        place
    }

    /// A place for a subscription.
    fn subscription(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.subscriptions).try_acquire_owned().ok()
    }

    /// A place for a user's session.
    pub(crate) fn enter(&self, user: UserId) -> Result<Entry, Crowded> {
        let (config, attention) = (&self.0.config, Arc::<Attention>::default());
        let mut sessions = self.0.sessions.lock();
        let count = |of: Option<&usize>| of.copied().unwrap_or(0);
        let crowded = if sessions.known.len() >= config.sessions_max {
            Some(Crowded::All)
        } else if count(sessions.of_tenant.get(&user.tenant)) >= config.sessions_of_tenant_max {
            Some(Crowded::Tenant)
        } else if count(sessions.of_user.get(&user)) >= config.sessions_of_user_max {
            Some(Crowded::User)
        } else {
            None
        };
        if let Some(crowded) = crowded {
            drop(sessions);
            refused("sessions");
            return Err(crowded);
        }
        let number = sessions.next;
        sessions.next += 1;
        sessions.known.insert(number, (user, Arc::clone(&attention)));
        *sessions.of_user.entry(user).or_default() += 1;
        *sessions.of_tenant.entry(user.tenant).or_default() += 1;
        metrics::gauge!("live_sessions").set(sessions.known.len() as f64);
        drop(sessions);
        Ok(Entry {
            live: self.clone(),
            number,
            attention,
        })
    }

    fn leave(&self, number: u64) {
        let mut sessions = self.0.sessions.lock();
        let Some((user, _)) = sessions.known.remove(&number) else { return };
        one_less(&mut sessions.of_user, user);
        one_less(&mut sessions.of_tenant, user.tenant);
        metrics::gauge!("live_sessions").set(sessions.known.len() as f64);
    }
}

fn one_less<K: Eq + std::hash::Hash>(counts: &mut HashMap<K, usize>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

/// Counts a refusal.
fn refused(reason: &'static str) {
    metrics::counter!("live_refusals_total", "reason" => reason).increment(1);
}

impl Entry {
    /// Waits until there is something to look at; whether at everything that is watched. For one caller at a time; cancelling loses nothing.
    async fn called(&self) -> bool {
        self.attention.call.notified().await;
        self.attention.all.swap(false, Ordering::Relaxed)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.live.leave(self.number);
    }
}

/// Tells of changes made here: the sessions of this server, and other servers, if there are any.
pub struct Announcing {
    live: Live,
    others: Option<Arc<dyn Announcer>>,
}

impl Announcing {
    /// To these.
    pub fn new(live: Live, others: Option<Arc<dyn Announcer>>) -> Self {
        Announcing { live, others }
    }
}

impl Announcer for Announcing {
    fn announce(&self, change: Change) {
        if let Some(others) = &self.others {
            others.announce(change);
        }
        self.live.changed(change);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use uuid::Uuid;

    use super::*;

    fn live(of_user: usize, of_tenant: usize, all: usize) -> Live {
        Live::new(
            Feed::default(),
            LiveConfig {
                sessions_of_user_max: of_user,
                sessions_of_tenant_max: of_tenant,
                sessions_max: all,
                strangers_max: 1,
                ..LiveConfig::default()
            },
        )
    }

    fn user(tenant: u128, id: u128) -> UserId {
        UserId::new(TenantId(Uuid::from_u128(tenant)), Uuid::from_u128(id))
    }

    #[test]
    fn there_is_so_much_room_and_no_more() {
        let live = live(1, 2, 3);
        let first = live.enter(user(1, 1)).expect("room");
        assert_eq!(live.enter(user(1, 1)).err(), Some(Crowded::User));
        let second = live.enter(user(1, 2)).expect("room");
        assert_eq!(live.enter(user(1, 3)).err(), Some(Crowded::Tenant));
        let third = live.enter(user(2, 1)).expect("room");
        assert_eq!(live.enter(user(3, 1)).err(), Some(Crowded::All));
        drop(first);
        let again = live.enter(user(1, 1)).expect("room again");
        drop((second, third, again));
        let sessions = live.0.sessions.lock();
        assert!(sessions.known.is_empty() && sessions.of_user.is_empty() && sessions.of_tenant.is_empty());
        drop(sessions);
        let stranger = live.stranger();
        assert!(stranger.is_some() && live.stranger().is_none());
    }

    #[test]
    fn only_those_concerned_look_again() {
        let live = live(9, 9, 9);
        let entries = [user(1, 1), user(1, 2)].map(|user| live.enter(user).expect("room"));
        let called = || entries.each_ref().map(|entry| entry.called().now_or_never());
        assert_eq!(called(), [None, None]);
        live.changed(Change::new(user(1, 2).tenant, What::User(user(1, 2).id)));
        assert_eq!(called(), [None, Some(false)]);
        live.changed(Change::new(user(1, 2).tenant, What::RuleChains));
        assert_eq!(called(), [None, None]);
        live.changed(Change::EVERYTHING);
        assert_eq!(called(), [Some(true), Some(true)]);
    }
}
