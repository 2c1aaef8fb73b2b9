//! The actor and presence: carries out what [`crate::presence`] decides, and sees that it is woken in time.

use std::sync::Arc;

use cluster::{Receipt, SettleError};
use model::{AttributeScope, MessageKind, Payload, PresenceEvent, Value};
use serde_json::Value as Json;
use storage::Mutation;

use super::DeviceActor;
use crate::presence::{Change, KEYS, Presence, Stored};

impl DeviceActor {
    /// Reads what was known of the device when it was last awake.
    pub(super) async fn remember_presence(&mut self) {
        self.has_reminder |= !self.requests.is_empty();
        let (Some(since_ms), None) = (self.around.presence_since_ms, &self.presence) else {
            return;
        };
        let keys = KEYS.map(Arc::from);
        let entity = self.device.entity();
        match self.around.store.attributes(entity, AttributeScope::ServerScope, Some(&keys)).await {
            Ok(stored) => {
                let values = stored.iter().map(|(key, reading)| (&**key, &reading.value));
                let presence = Presence::restore(values, since_ms);
                self.has_reminder |= presence.is_active();
                self.presence = Some(presence);
            }
            Err(error) => tracing::error!(device = %self.device, %error, "the device's presence could not be read: it is not kept"),
        }
    }

    /// A session is there that was not.
    pub(super) async fn connected(&mut self) {
        let now_ms = self.now_ms();
        let change = self.presence.as_mut().map(|presence| presence.connected(now_ms));
        self.tell_presence(change).await;
        self.said_something(now_ms).await;
    }

    /// A session is gone that was there.
    pub(super) async fn disconnected(&mut self) {
        let now_ms = self.now_ms();
        let change = self.presence.as_mut().map(|presence| presence.disconnected(now_ms));
        self.tell_presence(change).await;
    }

    /// The device says something. On the way of every message.
    pub(super) async fn said_something(&mut self, now_ms: i64) {
        let Some(presence) = &mut self.presence else { return };
        if let Some(change) = presence.said_something(now_ms) {
            Box::pin(self.tell_presence(Some(change))).await;
        } else if let Some(stored) = presence.to_store(false) {
            Box::pin(self.store_presence(stored)).await;
        }
    }

    /// Somebody says whether the device is there, and hears when it is durable.
    pub(super) async fn reported(&mut self, event: PresenceEvent, at_ms: i64, receipt: Receipt) {
        let Some(presence) = &mut self.presence else {
            return receipt.fail(SettleError::NotDurable);
        };
        let Some(Change { kind, payload, stored }) = presence.reported(event, at_ms) else {
            return receipt.done();
        };
        if presence.is_active() {
            self.remind().await;
        }
        let written = self.presence_attributes(stored);
        let durable = async { self.around.store.submit(vec![written]).await?.await };
        if let Err(error) = durable.await {
            tracing::warn!(device = %self.device, %error, "the device's presence was not stored");
            return receipt.fail(SettleError::NotDurable);
        }
        self.tell_chain_of_presence(kind, payload).await;
        receipt.done();
    }

    /// Time has passed: the device may be inactive.
    pub(super) async fn look_at_presence(&mut self, now_ms: i64) {
        let change = self.presence.as_mut().and_then(|presence| presence.time_passed(now_ms));
        self.tell_presence(change).await;
    }

    /// Somebody may have changed how long the device may say nothing.
    pub(super) async fn read_timeout(&mut self) {
        let keys = [Arc::from("inactivityTimeout")];
        let entity = self.device.entity();
        let Some(presence) = &mut self.presence else { return };
        if let Ok(found) = self.around.store.attributes(entity, AttributeScope::ServerScope, Some(&keys)).await {
            presence.allow(found.first().and_then(|(_, reading)| match reading.value {
                Value::Long(timeout_ms) => Some(timeout_ms),
                _ => None,
            }));
        }
    }

    /// The actor goes to sleep. What is left to do wakes it again: in this process by its wake-up, in the next one by its reminder.
    pub(super) async fn fall_asleep(&mut self) {
        let stored = self.presence.as_mut().and_then(|presence| presence.to_store(true));
        if let Some(stored) = stored {
            self.store_presence(stored).await;
        }
        let deadlines = [
            self.presence.as_ref().and_then(Presence::deadline_ms),
            self.requests.next_deadline_ms(),
        ];
        match deadlines.into_iter().flatten().min() {
            Some(at_ms) => self.around.wakeups.set(self.device, at_ms),
            None if self.has_reminder => {
                self.has_reminder = false;
                self.submit(Mutation::Forget(self.device)).await;
            }
            None => {}
        }
    }

    /// Sees that the device is thought of after a restart, as long as there is something left to do for it.
    pub(super) async fn remind(&mut self) {
        if !std::mem::replace(&mut self.has_reminder, true) {
            self.submit(Mutation::Remind(self.device)).await;
        }
    }

    async fn tell_presence(&mut self, change: Option<Change>) {
        let Some(Change { kind, payload, stored }) = change else { return };
        if self.presence.as_ref().is_some_and(Presence::is_active) {
            self.remind().await;
        }
        self.store_presence(stored).await;
        self.tell_chain_of_presence(kind, payload).await;
    }

    async fn tell_chain_of_presence(&mut self, kind: MessageKind, payload: Json) {
        let mut metadata = self.metadata(1);
        metadata.insert("scope", AttributeScope::ServerScope.as_str());
        let now_ms = self.now_ms();
        self.enter_chain(kind, metadata, Payload::new(payload), now_ms, Receipt::unclaimed())
            .await;
    }

    async fn store_presence(&self, stored: Stored) {
        self.submit(self.presence_attributes(stored)).await;
    }

    fn presence_attributes(&self, stored: Stored) -> Mutation {
        Mutation::Attributes {
            entity: self.device.entity(),
            scope: AttributeScope::ServerScope,
            ts_ms: self.now_ms(),
            values: stored.into_iter().map(|(key, value)| (Arc::from(key), value)).collect(),
        }
    }

    /// Writes without waiting: nobody was promised anything.
    async fn submit(&self, mutation: Mutation) {
        if let Err(error) = self.around.store.submit(vec![mutation]).await {
            tracing::warn!(device = %self.device, %error, "the device's presence was not stored");
        }
    }
}
