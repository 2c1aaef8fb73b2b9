//! Downlinks of the other peer for sessions of this one: in order for each session, and without one that is slow holding up the others.

use std::collections::{HashMap, VecDeque};

use actor::Lane;
use cluster::SessionId;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use model::Downlink;

/// See the module.
#[derive(Default)]
pub(super) struct Tellings {
    /// Of sessions that have no room: what comes after the one that waits.
    queues: HashMap<SessionId, VecDeque<Downlink>>,
    waiting: FuturesUnordered<BoxFuture<'static, (SessionId, Option<Lane<Downlink>>)>>,
}

impl Tellings {
    /// Hands a downlink to a session, or has it wait. Beyond so many it is lost, as its device would not take it.
    pub(super) fn tell(&mut self, session: SessionId, link: &Lane<Downlink>, downlink: Downlink, waiting_max: usize) {
        if let Some(queue) = self.queues.get_mut(&session) {
            if queue.len() < waiting_max {
                queue.push_back(downlink);
            } else {
                metrics::counter!("peer_downlinks_lost_total").increment(1);
            }
        } else if let Err(downlink) = link.try_send(downlink) {
            self.queues.insert(session, VecDeque::new());
            self.wait(session, link.clone(), downlink);
        }
    }

    /// Whether a session has no room.
    pub(super) fn are_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Waits until a session had room, and hands it the next. Answers the session when it is gone. Cancelling loses nothing.
    pub(super) async fn go_on(&mut self) -> Option<SessionId> {
        let (session, link) = self.waiting.next().await?;
        let next = self.queues.get_mut(&session).and_then(VecDeque::pop_front);
        match (link, next) {
            (Some(link), Some(downlink)) => self.wait(session, link, downlink),
            (link, _) => {
                self.queues.remove(&session);
                return link.is_none().then_some(session);
            }
        }
        None
    }

    fn wait(&mut self, session: SessionId, link: Lane<Downlink>, downlink: Downlink) {
        self.waiting.push(Box::pin(async move {
            let told = link.send(downlink).await.is_ok();
            (session, told.then_some(link))
        }));
    }
}
