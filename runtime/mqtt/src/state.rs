//! One connection, as pure decisions: which acknowledgement is due, what a downlink's quality is. No socket, no clock.
//!
//! Acknowledgements leave in the order of the publishes (MQTT 3.1.1, 4.6; MQTT 5, 4.6), each when its effects are durable.

use std::collections::VecDeque;

use bytes::Bytes;
use model::{DownlinkKind, DownlinkKinds};

use crate::packet::{AckCode, Goodbye, Granted, Outgoing, Subscribe, Version};

/// Unacknowledged publishes a device may have sent, told to devices that speak MQTT 5.
pub const RECEIVE_MAX: u16 = 256;
/// Subscriptions of a connection at most.
const SUBSCRIPTIONS_MAX: usize = 100;
/// Bytes of a topic filter at most.
const FILTER_BYTES_MAX: usize = 1024;
/// Unacknowledged downlinks at most; more go with quality 0.
const UNACKNOWLEDGED_MAX: usize = 100;
/// Bytes of a reason in words at most.
const REASON_BYTES_MAX: usize = 256;

/// A connection after CONNECT.
#[derive(Debug)]
pub struct ConnectionState {
    version: Version,
    /// Whether the device wants reasons in words.
    explains: bool,
    /// Whether a payload that is not understood is acknowledged where the version has no word for it.
    acknowledges_bad_payloads: bool,
    pending: VecDeque<Pending>,
    subscriptions: Vec<Subscription>,
    /// With the requests they stand for.
    unacknowledged: Vec<(u16, Option<u32>)>,
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
    Turn(AckCode, Option<Box<str>>),
}

#[derive(Debug)]
struct Subscription {
    filter: String,
    qos: u8,
    kinds: Vec<DownlinkKind>,
}

/// Why a publish was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No such topic.
    UnknownTopic,
    /// Not what belongs there; with the reason.
    BadPayload(String),
    /// It is more than the device may do.
    TooMany,
}

impl Refused {
    /// In metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Refused::UnknownTopic => "topic",
            Refused::BadPayload(_) => "payload",
            Refused::TooMany => "quota",
        }
    }
}

impl ConnectionState {
    /// A connection that has just been accepted.
    pub fn new(version: Version, receive_max: u16, explains: bool) -> Self {
        ConnectionState {
            version,
            explains,
            acknowledges_bad_payloads: false,
            pending: VecDeque::new(),
            subscriptions: Vec::new(),
            unacknowledged: Vec::new(),
            unacknowledged_max: usize::from(receive_max).clamp(1, UNACKNOWLEDGED_MAX),
            next_pkid: 1,
        }
    }

    /// From now on a publish of quality 1 that is not understood is acknowledged in every version, and the connection goes on.
    pub fn acknowledge_bad_payloads(&mut self) {
        self.acknowledges_bad_payloads = true;
    }

    /// Whether a publish may be looked at.
    ///
    /// # Errors
    /// The connection must end: the device has sent more than it was told it may (MQTT 5, 3.3.4).
    pub fn admit(&self, pkid: Option<u16>) -> Result<(), Goodbye> {
        if pkid.is_some() && self.version == Version::V5 && self.pending.len() >= usize::from(RECEIVE_MAX) {
            return Err(Goodbye::ReceiveMaximumExceeded);
        }
        Ok(())
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
        let turn = match why {
            Refused::UnknownTopic => Wait::Turn(AckCode::TopicNameInvalid, None),
            // The old versions have no way to say it but to end the connection; nor has quality 0.
            Refused::BadPayload(_) if pkid.is_none() || (self.version != Version::V5 && !self.acknowledges_bad_payloads) => {
                return Err(Goodbye::PayloadFormatInvalid);
            }
            Refused::TooMany if pkid.is_none() || self.version != Version::V5 => return Err(Goodbye::QuotaExceeded),
            Refused::TooMany => Wait::Turn(AckCode::QuotaExceeded, None),
            Refused::BadPayload(mut reason) => {
                reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
                Wait::Turn(AckCode::PayloadFormatInvalid, self.explains.then(|| reason.into()))
            }
        };
        if let Some(pkid) = pkid {
            self.pending.push_back(Pending { pkid, state: turn });
        }
        Ok(())
    }

    /// A publish is durable.
    pub fn settled(&mut self, sequence: u64) {
        // Publishes settle nearly in order: the search ends at the first entries.
        if let Some(pending) = self.pending.iter_mut().find(|pending| pending.state == Wait::For(sequence)) {
            pending.state = Wait::Turn(AckCode::Success, None);
        }
    }

    /// The next acknowledgement that is due.
    pub fn due(&mut self) -> Option<Outgoing> {
        let next = self.pending.pop_front_if(|pending| matches!(pending.state, Wait::Turn(..)))?;
        match next.state {
            Wait::Turn(code, reason) => Some(Outgoing::PubAck(next.pkid, code, reason)),
            Wait::For(_) => None,
        }
    }

    /// Nothing has happened for a while: gives back memory that holds nothing.
    pub fn rest(&mut self) {
        self.pending.shrink_to_fit();
        self.unacknowledged.shrink_to_fit();
    }

    /// Publishes not acknowledged yet.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The device subscribes; `kinds` says what a filter brings. Answers each filter.
    pub fn subscribe(&mut self, subscribe: Subscribe, mut kinds: impl FnMut(&str) -> Vec<DownlinkKind>) -> Vec<Granted> {
        let Subscribe { filters, identified, .. } = subscribe;
        let mut granted = Vec::with_capacity(filters.len());
        for (filter, qos) in filters {
            granted.push(match self.refuses(&filter, identified) {
                Some(refused) => refused,
                None => {
                    let kinds = kinds(&filter);
                    self.grant(filter, qos, kinds)
                }
            });
        }
        granted
    }

    /// Why a filter is refused, whatever it would bring; none: it is not. `identified`: the subscription has an identifier.
    pub fn refuses(&self, filter: &str, identified: bool) -> Option<Granted> {
        if identified {
            return Some(Granted::IdentifiersNotSupported);
        }
        if filter.starts_with("$share/") {
            return Some(Granted::SharedNotSupported);
        }
        if filter.len() > FILTER_BYTES_MAX {
            return Some(Granted::TopicFilterInvalid);
        }
        let known = self.subscriptions.iter().any(|subscription| subscription.filter == filter);
        (!known && self.subscriptions.len() >= SUBSCRIPTIONS_MAX).then_some(Granted::QuotaExceeded)
    }

    /// The device subscribes to a filter that is not [refused](Self::refuses), which brings these kinds.
    pub fn grant(&mut self, filter: String, qos: u8, kinds: Vec<DownlinkKind>) -> Granted {
        if kinds.is_empty() {
            return Granted::TopicFilterInvalid;
        }
        self.subscriptions.retain(|subscription| subscription.filter != filter);
        let qos = qos.min(1);
        self.subscriptions.push(Subscription { filter, qos, kinds });
        Granted::Quality(qos)
    }

    /// The device wants no more of some filters. Answers for each whether there was a subscription.
    pub fn unsubscribe(&mut self, filters: &[String]) -> Vec<bool> {
        let mut existed = Vec::with_capacity(filters.len());
        for filter in filters {
            let before = self.subscriptions.len();
            self.subscriptions.retain(|subscription| subscription.filter != *filter);
            existed.push(self.subscriptions.len() < before);
        }
        existed
    }

    /// What the device has subscribed to.
    pub fn kinds(&self) -> DownlinkKinds {
        let kinds = self.subscriptions.iter().flat_map(|subscription| &subscription.kinds);
        kinds.copied().collect()
    }

    /// A downlink as a packet; `request` is the number of a request to the device. None: the device did not subscribe to it, or nothing of
    /// the kind is said in its version. Answers to the device, requests to it, and what a gateway is told of a publish that was refused are
    /// sent without subscription too.
    pub fn downlink(&mut self, topic: String, payload: Bytes, kind: DownlinkKind, request: Option<u32>) -> Option<Outgoing> {
        // Where a publish that is refused ends the connection, there is nothing left to tell.
        if kind == DownlinkKind::ChildRefused && self.version != Version::V5 {
            return None;
        }
        let qos = match self.subscriptions.iter().find(|subscription| subscription.kinds.contains(&kind)) {
            Some(subscription) => subscription.qos,
            None if kind == DownlinkKind::Attributes => return None,
            None => 1,
        };
        let pkid = (qos == 1 && self.unacknowledged.len() < self.unacknowledged_max).then(|| self.take_pkid(request));
        Some(Outgoing::Publish(topic, payload, pkid))
    }

    /// The device has a downlink. Answers the number of the request that it was.
    pub fn acknowledged(&mut self, pkid: u16) -> Option<u32> {
        let at = self.unacknowledged.iter().position(|(waiting, _)| *waiting == pkid)?;
        self.unacknowledged.swap_remove(at).1
    }

    fn take_pkid(&mut self, request: Option<u32>) -> u16 {
        while self.unacknowledged.iter().any(|(waiting, _)| *waiting == self.next_pkid) || self.next_pkid == 0 {
            self.next_pkid = self.next_pkid.wrapping_add(1);
        }
        let pkid = self.next_pkid;
        self.next_pkid = self.next_pkid.wrapping_add(1);
        self.unacknowledged.push((pkid, request));
        pkid
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn acks(state: &mut ConnectionState) -> Vec<u16> {
        std::iter::from_fn(|| state.due())
            .map(|packet| if let Outgoing::PubAck(pkid, ..) = packet { pkid } else { 0 })
            .collect()
    }

    #[test]
    fn acknowledgements_leave_in_the_order_of_publishes() {
        let mut state = ConnectionState::new(Version::V5, 10, true);
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
            (Version::V31, Some(1), true),
            (Version::V311, Some(1), true),
            (Version::V311, None, true),
            (Version::V5, None, true),
            (Version::V5, Some(1), false),
        ] {
            assert_eq!(
                ConnectionState::new(version, 10, true)
                    .refused(pkid, Refused::BadPayload("why".into()))
                    .is_err(),
                ends,
                "{version:?} {pkid:?}"
            );
        }
        // Where the device's profile wants it, it goes on, in its order.
        let mut state = ConnectionState::new(Version::V311, 10, false);
        state.acknowledge_bad_payloads();
        state.published(Some(1), 0);
        assert_eq!(state.refused(Some(2), Refused::BadPayload("why".into())), Ok(()));
        assert_eq!(acks(&mut state), [0; 0]);
        state.settled(0);
        assert_eq!(acks(&mut state), [1, 2]);
        assert!(state.refused(None, Refused::BadPayload("why".into())).is_err(), "quality 0");
    }

    fn kinds(filter: &str) -> Vec<DownlinkKind> {
        if filter.starts_with('a') {
            vec![DownlinkKind::Attributes]
        } else {
            vec![]
        }
    }

    fn subscribe(filters: &[(&str, u8)]) -> Subscribe {
        Subscribe {
            pkid: 1,
            filters: filters.iter().map(|(filter, qos)| ((*filter).to_owned(), *qos)).collect(),
            identified: false,
        }
    }

    #[test]
    fn what_is_not_offered_is_refused_filter_by_filter() {
        let mut state = ConnectionState::new(Version::V5, 10, true);
        let long = "a".repeat(FILTER_BYTES_MAX + 1);
        assert_eq!(
            state.subscribe(subscribe(&[("$share/g/a", 1), (&long, 1), ("a", 0), ("b", 0)]), kinds),
            [
                Granted::SharedNotSupported,
                Granted::TopicFilterInvalid,
                Granted::Quality(0),
                Granted::TopicFilterInvalid
            ]
        );
        let identified = Subscribe {
            identified: true,
            ..subscribe(&[("a", 0)])
        };
        assert_eq!(state.subscribe(identified, kinds), [Granted::IdentifiersNotSupported]);
        for number in 1..SUBSCRIPTIONS_MAX {
            assert_eq!(
                state.subscribe(subscribe(&[(&format!("a/{number}"), 1)]), kinds),
                [Granted::Quality(1)]
            );
        }
        assert_eq!(state.subscribe(subscribe(&[("a/more", 1)]), kinds), [Granted::QuotaExceeded]);
        assert_eq!(
            state.subscribe(subscribe(&[("a", 1)]), kinds),
            [Granted::Quality(1)],
            "a subscription may be renewed"
        );
    }

    #[test]
    fn a_device_may_not_have_more_out_than_it_was_told() {
        for (version, ends) in [(Version::V31, false), (Version::V311, false), (Version::V5, true)] {
            let mut state = ConnectionState::new(version, 10, true);
            for sequence in 0..u64::from(RECEIVE_MAX) {
                assert_eq!(state.admit(Some(1)), Ok(()));
                state.published(Some(1), sequence);
            }
            assert_eq!(state.admit(Some(1)).is_err(), ends, "{version:?}");
            assert_eq!(state.admit(None), Ok(()), "quality 0 waits for nothing");
            state.settled(0);
            assert!(state.due().is_some());
            assert_eq!(state.admit(Some(1)), Ok(()));
        }
    }

    #[test]
    fn reasons_are_told_to_those_who_ask() {
        for (explains, expected) in [(true, Some("why".into())), (false, None)] {
            let mut state = ConnectionState::new(Version::V5, 10, explains);
            state.refused(Some(1), Refused::BadPayload("why".into())).unwrap();
            assert_eq!(state.due(), Some(Outgoing::PubAck(1, AckCode::PayloadFormatInvalid, expected)));
        }
    }

    #[test]
    fn gateways_of_the_newest_version_are_told_of_devices_that_are_not_heard() {
        let refused = |state: &mut ConnectionState| state.downlink("g".into(), Bytes::new(), DownlinkKind::ChildRefused, None);
        let told = |pkid| Some(Outgoing::Publish("g".into(), Bytes::new(), pkid));
        let kinds = |_: &str| vec![DownlinkKind::ChildRefused];
        for (version, unasked, asked) in [
            (Version::V31, None, None),
            (Version::V311, None, None),
            (Version::V5, told(Some(1)), told(None)),
        ] {
            let mut state = ConnectionState::new(version, 10, true);
            assert_eq!(refused(&mut state), unasked, "{version:?}");
            // Who subscribes chooses the quality.
            assert_eq!(state.subscribe(subscribe(&[("g", 0)]), kinds), [Granted::Quality(0)]);
            assert_eq!(refused(&mut state), asked, "{version:?}");
        }
    }

    #[test]
    fn downlinks_follow_subscriptions() {
        let mut state = ConnectionState::new(Version::V311, 1, false);
        assert_eq!(state.downlink("a".into(), Bytes::new(), DownlinkKind::Attributes, None), None);
        let granted = state.subscribe(subscribe(&[("a", 2), ("#", 1)]), kinds);
        assert_eq!(granted, [Granted::Quality(1), Granted::TopicFilterInvalid]);
        assert_eq!(
            state.downlink("a".into(), Bytes::new(), DownlinkKind::Attributes, None),
            Some(Outgoing::Publish("a".into(), Bytes::new(), Some(1)))
        );
        // The device takes one at a time: the next goes with quality 0.
        assert_eq!(
            state.downlink("r".into(), Bytes::new(), DownlinkKind::RpcRequest, Some(7)),
            Some(Outgoing::Publish("r".into(), Bytes::new(), None))
        );
        assert_eq!(state.acknowledged(1), None, "it was no request");
        assert_eq!(
            state.downlink("r".into(), Bytes::new(), DownlinkKind::RpcRequest, Some(7)),
            Some(Outgoing::Publish("r".into(), Bytes::new(), Some(2)))
        );
        assert_eq!((state.acknowledged(2), state.acknowledged(2)), (Some(7), None));
        assert!(state.kinds().contains(DownlinkKind::Attributes) && !state.kinds().contains(DownlinkKind::RpcRequest));
        assert_eq!(
            state.unsubscribe(&["a".to_owned(), "#".to_owned(), "a".to_owned()]),
            [true, false, false]
        );
        assert_eq!(state.downlink("a".into(), Bytes::new(), DownlinkKind::Attributes, None), None);
    }
}
