//! One connection, as pure decisions: which acknowledgement is due, what a downlink's quality is. No socket, no clock.
//!
//! Acknowledgements leave in the order of the publishes (MQTT 3.1.1, 4.6; MQTT 5, 4.6), each when its effects are durable.

use std::collections::VecDeque;

use bytes::Bytes;
use model::DownlinkKind;

use super::packet::{AckCode, Goodbye, Outgoing, Version};

/// Subscriptions of a connection at most.
const SUBSCRIPTIONS_MAX: usize = 100;
/// Bytes of a topic filter at most.
const FILTER_BYTES_MAX: usize = 1024;
/// Unacknowledged downlinks at most; more go with quality 0.
const UNACKNOWLEDGED_MAX: usize = 100;

/// A connection after CONNECT.
#[derive(Debug)]
pub struct ConnectionState {
    version: Version,
    pending: VecDeque<Pending>,
    subscriptions: Vec<Subscription>,
    unacknowledged: Vec<u16>,
    unacknowledged_max: usize,
    next_pkid: u16,
}

#[derive(Debug)]
struct Pending {
    pkid: u16,
    state: Wait,
}

#[derive(Debug, PartialEq)]
enum Wait {
    /// For the settlement with this number.
    For(u64),
    /// For those before it.
    Turn(AckCode),
}

#[derive(Debug)]
struct Subscription {
    filter: String,
    qos: u8,
    kinds: Vec<DownlinkKind>,
}

/// Why a publish was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No such topic.
    UnknownTopic,
    /// Not what belongs there.
    BadPayload,
}

impl ConnectionState {
    /// A connection that has just been accepted.
    pub fn new(version: Version, receive_max: u16) -> Self {
        ConnectionState {
            version,
            pending: VecDeque::new(),
            subscriptions: Vec::new(),
            unacknowledged: Vec::new(),
            unacknowledged_max: usize::from(receive_max).clamp(1, UNACKNOWLEDGED_MAX),
            next_pkid: 1,
        }
    }

    /// A publish was taken under a number.
    pub fn published(&mut self, pkid: Option<u16>, sequence: u64) {
        if let Some(pkid) = pkid {
            self.pending.push_back(Pending {
                pkid,
                state: Wait::For(sequence),
            });
        }
    }

    /// A publish was not understood.
    ///
    /// # Errors
    /// The connection must end.
    pub fn refused(&mut self, pkid: Option<u16>, why: Refused) -> Result<(), Goodbye> {
        let code = match why {
            Refused::UnknownTopic => AckCode::TopicNameInvalid,
            // 3.1.1 has no way to say it but to end the connection; nor has quality 0.
            Refused::BadPayload if pkid.is_none() || self.version == Version::V311 => return Err(Goodbye::PayloadFormatInvalid),
            Refused::BadPayload => AckCode::PayloadFormatInvalid,
        };
        if let Some(pkid) = pkid {
            self.pending.push_back(Pending {
                pkid,
                state: Wait::Turn(code),
            });
        }
        Ok(())
    }

    /// A publish is durable.
    pub fn settled(&mut self, sequence: u64) {
        // Publishes settle nearly in order: the search ends at the first entries.
        if let Some(pending) = self.pending.iter_mut().find(|pending| pending.state == Wait::For(sequence)) {
            pending.state = Wait::Turn(AckCode::Success);
        }
    }

    /// The next acknowledgement that is due.
    pub fn due(&mut self) -> Option<Outgoing> {
        let code = match self.pending.front()?.state {
            Wait::For(_) => return None,
            Wait::Turn(code) => code,
        };
        self.pending.pop_front().map(|pending| Outgoing::PubAck(pending.pkid, code))
    }

    /// Publishes not acknowledged yet.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The device subscribes; `kinds` says what a filter brings. Answers the quality granted for each filter.
    pub fn subscribe(&mut self, filters: Vec<(String, u8)>, kinds: impl Fn(&str) -> Vec<DownlinkKind>) -> Vec<Option<u8>> {
        let mut granted = Vec::with_capacity(filters.len());
        for (filter, qos) in filters {
            let known = self.subscriptions.iter().any(|subscription| subscription.filter == filter);
            if filter.len() > FILTER_BYTES_MAX || (!known && self.subscriptions.len() >= SUBSCRIPTIONS_MAX) {
                granted.push(None);
                continue;
            }
            let kinds = kinds(&filter);
            if kinds.is_empty() {
                granted.push(None);
                continue;
            }
            self.subscriptions.retain(|subscription| subscription.filter != filter);
            let qos = qos.min(1);
            self.subscriptions.push(Subscription { filter, qos, kinds });
            granted.push(Some(qos));
        }
        granted
    }

    /// The device wants no more of some filters.
    pub fn unsubscribe(&mut self, filters: &[String]) {
        self.subscriptions.retain(|subscription| !filters.contains(&subscription.filter));
    }

    /// A downlink as a packet. None: the device did not subscribe to it. Answers to the device, and requests to it, are sent without
    /// subscription too.
    pub fn downlink(&mut self, topic: String, payload: Bytes, kind: DownlinkKind) -> Option<Outgoing> {
        let qos = match self.subscriptions.iter().find(|subscription| subscription.kinds.contains(&kind)) {
            Some(subscription) => subscription.qos,
            None if kind == DownlinkKind::Attributes => return None,
            None => 1,
        };
        let pkid = (qos == 1 && self.unacknowledged.len() < self.unacknowledged_max).then(|| self.take_pkid());
        Some(Outgoing::Publish(topic, payload, pkid))
    }

    /// The device has a downlink.
    pub fn acknowledged(&mut self, pkid: u16) {
        self.unacknowledged.retain(|waiting| *waiting != pkid);
    }

    fn take_pkid(&mut self) -> u16 {
        while self.unacknowledged.contains(&self.next_pkid) || self.next_pkid == 0 {
            self.next_pkid = self.next_pkid.wrapping_add(1);
        }
        let pkid = self.next_pkid;
        self.next_pkid = self.next_pkid.wrapping_add(1);
        self.unacknowledged.push(pkid);
        pkid
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn acks(state: &mut ConnectionState) -> Vec<u16> {
        std::iter::from_fn(|| state.due())
            .map(|packet| if let Outgoing::PubAck(pkid, _) = packet { pkid } else { 0 })
            .collect()
    }

    #[test]
    fn acknowledgements_leave_in_the_order_of_publishes() {
        let mut state = ConnectionState::new(Version::V5, 10);
        for (pkid, sequence) in [(11, 0), (12, 1), (13, 2)] {
            state.published(Some(pkid), sequence);
        }
        state.settled(1);
        assert!(acks(&mut state).is_empty());
        state.settled(0);
        assert_eq!(acks(&mut state), [11, 12]);
        state.refused(Some(14), Refused::UnknownTopic).unwrap();
        assert!(acks(&mut state).is_empty());
        state.settled(2);
        assert_eq!(acks(&mut state), [13, 14]);
        assert_eq!(state.pending(), 0);
    }

    #[test]
    fn a_bad_payload_ends_what_cannot_be_told_of_it() {
        for (version, pkid, ends) in [
            (Version::V311, Some(1), true),
            (Version::V311, None, true),
            (Version::V5, None, true),
            (Version::V5, Some(1), false),
        ] {
            assert_eq!(
                ConnectionState::new(version, 10).refused(pkid, Refused::BadPayload).is_err(),
                ends,
                "{version:?} {pkid:?}"
            );
        }
    }

    #[test]
    fn downlinks_follow_subscriptions() {
        let mut state = ConnectionState::new(Version::V311, 1);
        assert_eq!(state.downlink("a".into(), Bytes::new(), DownlinkKind::Attributes), None);
        let kinds = |filter: &str| if filter == "a" { vec![DownlinkKind::Attributes] } else { vec![] };
        assert_eq!(state.subscribe(vec![("a".into(), 2), ("#".into(), 1)], kinds), [Some(1), None]);
        assert_eq!(
            state.downlink("a".into(), Bytes::new(), DownlinkKind::Attributes),
            Some(Outgoing::Publish("a".into(), Bytes::new(), Some(1)))
        );
        // The device takes one at a time: the next goes with quality 0.
        assert_eq!(
            state.downlink("r".into(), Bytes::new(), DownlinkKind::RpcRequest),
            Some(Outgoing::Publish("r".into(), Bytes::new(), None))
        );
        state.acknowledged(1);
        assert_eq!(
            state.downlink("r".into(), Bytes::new(), DownlinkKind::RpcRequest),
            Some(Outgoing::Publish("r".into(), Bytes::new(), Some(2)))
        );
        state.unsubscribe(&["a".to_owned()]);
        assert_eq!(state.downlink("a".into(), Bytes::new(), DownlinkKind::Attributes), None);
    }
}
