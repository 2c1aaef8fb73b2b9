//! Which sessions a device has and what they take, as pure decisions.

use cluster::{SessionId, SessionLink};
use model::{Downlink, DownlinkKind, DownlinkKinds};

/// Sessions of one device at most; the oldest gives way.
pub const SESSIONS_MAX: usize = 8;

/// The sessions, the newest last.
#[derive(Debug, Default)]
pub struct Sessions(Vec<SessionLink>);

impl Sessions {
    /// A session is there, or takes something else than before. Whether it is new. A device has one connection, wherever in a cluster: the
    /// one that began last stays, whichever is heard of first, and the other is told.
    pub fn connected(&mut self, session: SessionLink) -> bool {
        self.forget_closed();
        if session.is_connection() {
            let others = self.0.iter().filter(|known| known.is_connection() && known.id != session.id);
            let (older, newer): (Vec<_>, Vec<_>) = others.partition(|known| known.id.0 < session.id.0);
            // One that takes no more is not heard of by its device either, and gone soon.
            for older in older {
                let _ = older.tell(Downlink::Superseded);
            }
            if !newer.is_empty() {
                let _ = session.tell(Downlink::Superseded);
            }
        }
        if let Some(known) = self.0.iter_mut().find(|known| known.id == session.id) {
            known.kinds = session.kinds;
            return false;
        }
        if self.0.len() >= SESSIONS_MAX {
            self.0.remove(0);
        }
        self.0.push(session);
        true
    }

    /// A session is gone. Whether it was there.
    pub fn disconnected(&mut self, session: SessionId) -> bool {
        let before = self.0.len();
        self.0.retain(|known| known.id != session);
        self.0.len() < before
    }

    /// Sessions there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none. Forgets those whose other side is gone.
    pub fn is_empty(&mut self) -> bool {
        self.forget_closed();
        self.0.is_empty()
    }

    /// Whether a session is there.
    pub fn has(&self, session: SessionId) -> bool {
        self.0.iter().any(|known| known.id == session && !known.downlinks.is_closed())
    }

    /// Whether a session takes a kind.
    pub fn take(&self, kind: DownlinkKind) -> bool {
        self.0.iter().any(|known| known.takes(kind))
    }

    /// Sends something to the newest session that takes it. None: there is none, or it has no room.
    pub fn send(&mut self, downlink: Downlink) -> Option<SessionId> {
        let kind = downlink.kind();
        let session = self.0.iter_mut().rev().find(|known| known.takes(kind))?;
        session.tell(downlink).ok()?;
        session.sent();
        Some(session.id)
    }

    /// Tells something to every session that takes it. One that has no room hears nothing: its device asks again.
    pub fn tell(&mut self, news: &Downlink) {
        self.forget_closed();
        let kind = news.kind();
        for session in self.0.iter_mut().filter(|known| known.takes(kind)) {
            if session.tell(news.clone()).is_ok() {
                session.sent();
            }
        }
    }

    fn forget_closed(&mut self) {
        self.0.retain(|known| !known.downlinks.is_closed());
    }
}

trait Taking {
    /// Whether it is a connection of the device itself, no exchange.
    fn is_connection(&self) -> bool;
    fn takes(&self, kind: DownlinkKind) -> bool;
    fn sent(&mut self);
}

impl Taking for SessionLink {
    fn is_connection(&self) -> bool {
        !self.once && self.child.is_none()
    }

    fn takes(&self, kind: DownlinkKind) -> bool {
        self.kinds.contains(kind) && !self.downlinks.is_closed()
    }

    fn sent(&mut self) {
        if self.once {
            self.kinds = DownlinkKinds::NONE;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::actor::{LaneReceiver, lane};

    fn session(kinds: DownlinkKinds) -> (SessionLink, LaneReceiver<Downlink>) {
        let (downlinks, receiver) = lane(3);
        let id = SessionId::generate();
        let link = SessionLink {
            id,
            downlinks,
            kinds,
            once: false,
            child: None,
        };
        (link, receiver)
    }

    fn request() -> Downlink {
        Downlink::RpcRequest {
            id: 0,
            method: "m".into(),
            params: model::Payload::new(serde_json::json!({})),
        }
    }

    fn news() -> Downlink {
        Downlink::AttributesRemoved(vec!["a".into()])
    }

    #[test]
    fn the_newest_that_takes_it_is_chosen_and_dead_ones_are_forgotten() {
        let mut sessions = Sessions::default();
        let (deaf, _deaf_downlinks) = session(DownlinkKinds::NONE);
        let (old, _old_downlinks) = session(DownlinkKinds::ALL);
        let (new, new_downlinks) = session(DownlinkKind::RpcRequest.into());
        let (old_id, new_id) = (old.id, new.id);
        for link in [old, new, deaf] {
            assert!(sessions.connected(link));
        }
        assert_eq!(sessions.send(request()), Some(new_id));
        assert_eq!(sessions.send(news()), Some(old_id));
        drop(new_downlinks);
        assert_eq!(sessions.send(request()), Some(old_id));
        assert_eq!(sessions.send(request()), None, "it has no room");
        assert!(sessions.has(old_id) && !sessions.has(new_id));
        assert!(sessions.disconnected(old_id) && !sessions.disconnected(old_id));
        assert!(!sessions.take(DownlinkKind::RpcRequest));
        assert!(!sessions.is_empty(), "the deaf one is still there");
    }

    #[test]
    fn the_connection_that_began_last_stays() {
        let mut sessions = Sessions::default();
        let (old, mut old_downlinks) = session(DownlinkKinds::NONE);
        let (new, mut new_downlinks) = session(DownlinkKinds::NONE);
        let (exchange, _downlinks) = session(DownlinkKinds::ALL);
        let exchange = SessionLink { once: true, ..exchange };
        for link in [&new, &exchange, &new, &old] {
            sessions.connected(link.clone());
        }
        assert_eq!(old_downlinks.try_recv(), Some(Downlink::Superseded), "it is heard of late");
        assert_eq!(new_downlinks.try_recv(), None);
        let (newest, _downlinks) = session(DownlinkKinds::NONE);
        sessions.connected(newest);
        assert_eq!(new_downlinks.try_recv(), Some(Downlink::Superseded));
    }

    #[test]
    fn an_exchange_takes_one() {
        let mut sessions = Sessions::default();
        let (link, mut downlinks) = session(DownlinkKinds::ALL);
        let id = link.id;
        sessions.connected(SessionLink { once: true, ..link });
        assert_eq!(sessions.send(request()), Some(id));
        assert_eq!(sessions.send(request()), None);
        sessions.tell(&news());
        assert_eq!((downlinks.try_recv(), downlinks.try_recv()), (Some(request()), None));
    }

    #[test]
    fn a_session_can_change_its_mind() {
        let mut sessions = Sessions::default();
        let (link, mut downlinks) = session(DownlinkKinds::NONE);
        assert!(sessions.connected(link.clone()));
        sessions.tell(&news());
        assert!(downlinks.try_recv().is_none());
        let subscribed = SessionLink {
            kinds: DownlinkKind::Attributes.into(),
            ..link
        };
        assert!(!sessions.connected(subscribed), "it is known");
        sessions.tell(&news());
        assert_eq!(downlinks.try_recv(), Some(news()));
        assert_eq!(sessions.count(), 1);
    }

    #[test]
    fn everybody_who_subscribed_hears_of_news() {
        let mut sessions = Sessions::default();
        let (one, mut first) = session(DownlinkKinds::ALL);
        let (other, mut second) = session(DownlinkKinds::ALL);
        sessions.connected(one);
        sessions.connected(other);
        for _ in 0..4 {
            sessions.tell(&news());
        }
        assert_eq!((first.len(), second.len()), (3, 3), "what does not fit is dropped");
        assert_eq!(first.try_recv(), Some(Downlink::Superseded));
        assert_eq!((first.try_recv(), second.try_recv()), (Some(news()), Some(news())));
    }

    #[test]
    fn the_oldest_gives_way() {
        let mut sessions = Sessions::default();
        let all: Vec<_> = (0..=SESSIONS_MAX).map(|_| session(DownlinkKinds::ALL)).collect();
        for (link, _) in &all {
            sessions.connected(link.clone());
        }
        assert!(!sessions.has(all[0].0.id) && sessions.has(all[1].0.id));
        assert_eq!(sessions.count(), SESSIONS_MAX);
    }
}
