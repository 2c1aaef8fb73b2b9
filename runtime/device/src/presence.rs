//! Whether a device is there, as pure decisions: what is told to its rule chain, and what is stored, and when.
//!
//! A device is active from the first thing it says until it has said nothing for the inactivity timeout. What it says is counted in
//! memory; the store hears of it when something changes, and else once a minute.

use model::{MessageKind, PresenceEvent, Value};
use serde_json::{Value as Json, json};

/// How long a device may say nothing, if its attribute `inactivityTimeout` does not say.
pub const TIMEOUT_MS: i64 = 600_000;
/// The time of the last activity is stored this often at most.
pub const STORED_EVERY_MS: i64 = 60_000;
/// How long a device has to come back after a restart of the server, if its timeout is not shorter.
const GRACE_MS: i64 = 60_000;

/// Keys of the server-side attributes that presence is kept in.
pub const KEYS: [&str; 6] = [ACTIVE, CONNECT, DISCONNECT, ACTIVITY, ALARM, TIMEOUT];
const ACTIVE: &str = "active";
const CONNECT: &str = "lastConnectTime";
const DISCONNECT: &str = "lastDisconnectTime";
const ACTIVITY: &str = "lastActivityTime";
const ALARM: &str = "inactivityAlarmTime";
const TIMEOUT: &str = "inactivityTimeout";

/// Attributes to be stored.
pub type Stored = Vec<(&'static str, Value)>;

/// What a change of presence causes.
#[derive(Debug, PartialEq)]
pub struct Change {
    /// The message's type.
    pub kind: MessageKind,
    /// Its data.
    pub payload: Json,
    /// What is stored.
    pub stored: Stored,
}

/// What is known of a device. Times are milliseconds since 1970-01-01 UTC; 0: never.
#[derive(Clone, Debug, PartialEq)]
pub struct Presence {
    active: bool,
    connect_ms: i64,
    disconnect_ms: i64,
    activity_ms: i64,
    alarm_ms: i64,
    timeout_ms: i64,
    /// What is stored of [`Presence::activity_ms`].
    stored_activity_ms: i64,
    /// Not inactive before, unless it says something first.
    grace_until_ms: i64,
}

impl Presence {
    /// As it was stored. `server_since_ms`: when the server started.
    pub fn restore<'a>(stored: impl IntoIterator<Item = (&'a str, &'a Value)>, server_since_ms: i64) -> Self {
        let mut presence = Presence {
            active: false,
            connect_ms: 0,
            disconnect_ms: 0,
            activity_ms: 0,
            alarm_ms: 0,
            timeout_ms: TIMEOUT_MS,
            stored_activity_ms: 0,
            grace_until_ms: 0,
        };
        for (key, value) in stored {
            match (key, value) {
                (ACTIVE, Value::Bool(active)) => presence.active = *active,
                (CONNECT, Value::Long(ms)) => presence.connect_ms = *ms,
                (DISCONNECT, Value::Long(ms)) => presence.disconnect_ms = *ms,
                (ACTIVITY, Value::Long(ms)) => presence.activity_ms = *ms,
                (ALARM, Value::Long(ms)) => presence.alarm_ms = *ms,
                (TIMEOUT, Value::Long(ms)) if *ms > 0 => presence.timeout_ms = *ms,
                _ => {}
            }
        }
        presence.stored_activity_ms = presence.activity_ms;
        presence.grace_until_ms = server_since_ms.saturating_add(presence.timeout_ms.min(GRACE_MS));
        presence
    }

    /// Somebody changed how long the device may say nothing.
    pub fn allow(&mut self, timeout_ms: Option<i64>) {
        self.timeout_ms = timeout_ms.filter(|ms| *ms > 0).unwrap_or(TIMEOUT_MS);
    }

    /// Whether the device is active.
    pub fn is_active(&self) -> bool {
        self.active
    }

    /// The device has a session.
    pub fn connected(&mut self, now_ms: i64) -> Change {
        self.connect_ms = now_ms;
        self.change(MessageKind::Connect, vec![(CONNECT, Value::Long(now_ms))])
    }

    /// A session of the device is gone.
    pub fn disconnected(&mut self, now_ms: i64) -> Change {
        self.disconnect_ms = now_ms;
        self.change(MessageKind::Disconnect, vec![(DISCONNECT, Value::Long(now_ms))])
    }

    /// The device says something. On the way of every message: nearly always there is nothing to do.
    pub fn said_something(&mut self, now_ms: i64) -> Option<Change> {
        (self.activity_ms, self.grace_until_ms) = (self.activity_ms.max(now_ms), 0);
        if self.active {
            return None;
        }
        self.active = true;
        self.stored_activity_ms = self.activity_ms;
        let stored = vec![(ACTIVE, Value::Bool(true)), (ACTIVITY, Value::Long(self.activity_ms))];
        Some(self.change(MessageKind::Activity, stored))
    }

    /// Somebody says whether the device is there. What is older than what is known changes nothing.
    pub fn reported(&mut self, event: PresenceEvent, at_ms: i64) -> Option<Change> {
        match event {
            PresenceEvent::Connected => (at_ms > self.connect_ms).then(|| self.connected(at_ms)),
            PresenceEvent::Disconnected => (at_ms > self.disconnect_ms).then(|| self.disconnected(at_ms)),
            PresenceEvent::Active if at_ms < self.alarm_ms => None,
            PresenceEvent::Active => self.said_something(at_ms),
            PresenceEvent::Inactive if !self.active || at_ms < self.activity_ms => None,
            PresenceEvent::Inactive => Some(self.fell_silent(at_ms)),
        }
    }

    /// What is to be stored of what the device said; at once when `last`, else when a minute has passed.
    pub fn to_store(&mut self, last: bool) -> Option<Stored> {
        let behind = self.activity_ms - self.stored_activity_ms;
        if behind == 0 || (!last && behind < STORED_EVERY_MS) {
            return None;
        }
        self.stored_activity_ms = self.activity_ms;
        Some(vec![(ACTIVITY, Value::Long(self.activity_ms))])
    }

    /// Time has passed.
    pub fn time_passed(&mut self, now_ms: i64) -> Option<Change> {
        if self.deadline_ms().is_none_or(|deadline| now_ms < deadline) {
            return None;
        }
        Some(self.fell_silent(now_ms))
    }

    fn fell_silent(&mut self, now_ms: i64) -> Change {
        (self.active, self.alarm_ms, self.stored_activity_ms) = (false, now_ms, self.activity_ms);
        let stored = vec![
            (ACTIVE, Value::Bool(false)),
            (ALARM, Value::Long(now_ms)),
            (ACTIVITY, Value::Long(self.activity_ms)),
        ];
        self.change(MessageKind::Inactivity, stored)
    }

    /// When the device is inactive unless it says something.
    pub fn deadline_ms(&self) -> Option<i64> {
        let silent_until = self.activity_ms.saturating_add(self.timeout_ms);
        self.active.then_some(silent_until.max(self.grace_until_ms))
    }

    fn change(&self, kind: MessageKind, stored: Stored) -> Change {
        let payload = json!({
            "active": self.active,
            "lastConnectTime": self.connect_ms,
            "lastActivityTime": self.activity_ms,
            "lastDisconnectTime": self.disconnect_ms,
            "lastInactivityAlarmTime": self.alarm_ms,
            "inactivityTimeout": self.timeout_ms,
        });
        Change { kind, payload, stored }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> Presence {
        Presence::restore([], 0)
    }

    fn kind(change: Option<Change>) -> Option<MessageKind> {
        change.map(|change| change.kind)
    }

    #[test]
    fn a_device_is_active_from_its_first_word_until_it_is_silent_for_too_long() {
        let mut presence = fresh();
        assert_eq!(presence.deadline_ms(), None);
        let change = presence.said_something(100).expect("it is active now");
        assert_eq!(change.kind, MessageKind::Activity);
        assert_eq!(
            change.stored,
            [("active", Value::Bool(true)), ("lastActivityTime", Value::Long(100))]
        );
        assert_eq!(kind(presence.said_something(200_000)), None);
        let silent = 200_000 + TIMEOUT_MS;
        assert_eq!(
            (presence.deadline_ms(), kind(presence.time_passed(silent - 1))),
            (Some(silent), None)
        );
        let change = presence.time_passed(silent).expect("it is inactive now");
        let stored = [
            ("active", Value::Bool(false)),
            ("inactivityAlarmTime", Value::Long(silent)),
            ("lastActivityTime", Value::Long(200_000)),
        ];
        assert_eq!((change.kind, &*change.stored), (MessageKind::Inactivity, &stored[..]));
        assert_eq!(
            (change.payload["active"].clone(), change.payload["lastInactivityAlarmTime"].clone()),
            (json!(false), json!(silent))
        );
        assert_eq!((presence.deadline_ms(), kind(presence.time_passed(silent + 1))), (None, None));
        assert_eq!(kind(presence.said_something(silent + 2)), Some(MessageKind::Activity));
    }

    #[test]
    fn words_are_stored_once_a_minute_and_at_the_end() {
        let mut presence = fresh();
        presence.said_something(0);
        presence.said_something(STORED_EVERY_MS - 1);
        assert_eq!(presence.to_store(false), None);
        presence.said_something(STORED_EVERY_MS);
        assert_eq!(
            presence.to_store(false),
            Some(vec![("lastActivityTime", Value::Long(STORED_EVERY_MS))])
        );
        assert_eq!(presence.to_store(true), None, "nothing is new");
        presence.said_something(STORED_EVERY_MS + 1);
        assert_eq!(
            presence.to_store(true),
            Some(vec![("lastActivityTime", Value::Long(STORED_EVERY_MS + 1))])
        );
    }

    #[test]
    fn connections_are_told_and_change_nothing_else() {
        let mut presence = fresh();
        let change = presence.connected(5);
        assert_eq!(
            (change.kind, change.stored),
            (MessageKind::Connect, vec![("lastConnectTime", Value::Long(5))])
        );
        let change = presence.disconnected(9);
        assert_eq!(
            (change.kind, change.stored),
            (MessageKind::Disconnect, vec![("lastDisconnectTime", Value::Long(9))])
        );
        assert_eq!((change.payload["lastConnectTime"].clone(), presence.is_active()), (json!(5), false));
    }

    #[test]
    fn what_others_report_counts_unless_it_is_older_than_what_is_known() {
        let mut presence = fresh();
        for (event, at_ms, expected, active) in [
            (PresenceEvent::Inactive, 50, None, false),
            (PresenceEvent::Connected, 100, Some(MessageKind::Connect), false),
            (PresenceEvent::Connected, 100, None, false),
            (PresenceEvent::Active, 110, Some(MessageKind::Activity), true),
            (PresenceEvent::Active, 120, None, true),
            (PresenceEvent::Inactive, 119, None, true),
            (PresenceEvent::Inactive, 130, Some(MessageKind::Inactivity), false),
            (PresenceEvent::Active, 125, None, false),
            (PresenceEvent::Active, 131, Some(MessageKind::Activity), true),
            (PresenceEvent::Disconnected, 140, Some(MessageKind::Disconnect), true),
        ] {
            let told = kind(presence.reported(event, at_ms));
            assert_eq!((told, presence.is_active()), (expected, active), "{event:?} at {at_ms}");
        }
        assert_eq!(presence.deadline_ms(), Some(131 + TIMEOUT_MS));
    }

    #[test]
    fn after_a_restart_a_device_has_time_to_come_back() {
        let restored = |active: bool, activity_ms: i64, timeout_ms: i64| {
            let values = [
                (ACTIVE, Value::Bool(active)),
                (ACTIVITY, Value::Long(activity_ms)),
                (TIMEOUT, Value::Long(timeout_ms)),
            ];
            Presence::restore(values.iter().map(|(key, value)| (*key, value)), 1_000_000)
        };
        for (active, activity_ms, timeout_ms, deadline) in [
            (false, 0, 5_000, None),
            (true, 0, 5_000, Some(1_005_000)),
            (true, 0, 500_000, Some(1_060_000)),
            (true, 999_000, 500_000, Some(1_499_000)),
            (true, 0, -5, Some(1_060_000)),
        ] {
            assert_eq!(
                restored(active, activity_ms, timeout_ms).deadline_ms(),
                deadline,
                "{active} {activity_ms} {timeout_ms}"
            );
        }
        let mut presence = restored(true, 0, 5_000);
        presence.allow(Some(100_000));
        assert_eq!(presence.deadline_ms(), Some(1_005_000), "the grace stays");
        presence.said_something(1_000_000);
        assert_eq!(presence.deadline_ms(), Some(1_100_000));
        presence.allow(None);
        assert_eq!(presence.deadline_ms(), Some(1_000_000 + TIMEOUT_MS));
    }
}
