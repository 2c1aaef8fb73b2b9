//! Which links there are: observations by the device's secret and the client's address. Owned by the socket's task.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use actor::{Lane, lane};
use coap::{Exchange, Observation};
use session::Sessions;

use super::link::{self, Ask, Reply};
use super::place::{Place, Who};

/// Questions that may wait for one link; more are answered 5.03.
const ASKS_MAX: usize = 64;

type Key = (SocketAddr, Who);

struct Linked {
    asks: Lane<Ask>,
    observations: HashSet<Observation>,
}

/// The links of one socket. As many as there are observations at most, which the endpoint limits.
#[derive(Default)]
pub(super) struct Links {
    links: HashMap<Key, Linked>,
    keys: HashMap<Observation, Key>,
}

impl Links {
    /// A client wants to observe. False: its link has too much to do.
    pub(super) fn observe(&mut self, exchange: Exchange, place: &Place, sessions: &Sessions, replies: &Lane<Reply>) -> bool {
        let key = (exchange.peer, place.who.clone());
        let observation = exchange.observation();
        // The token of a request may have stood for an observation of another device.
        if self.keys.get(&observation).is_some_and(|known| *known != key) {
            self.ended(observation);
        }
        let path = place.rest.clone();
        let link = self.links.entry(key.clone()).or_insert_with(|| {
            let (asks, asked) = lane(ASKS_MAX);
            actor::spawn(
                "coap observations",
                link::run(sessions.clone(), place.clone(), asked, replies.clone()),
            );
            Linked {
                asks,
                observations: HashSet::new(),
            }
        });
        let taken = link.asks.try_send(Ask::Observe(exchange, path)).is_ok();
        if taken {
            link.observations.insert(observation);
            self.keys.insert(observation, key);
        } else if link.asks.is_closed() {
            // It panicked, which its supervisor told; the next one starts anew.
            let gone = self.links.remove(&key).map(|gone| gone.observations).unwrap_or_default();
            self.keys.retain(|observation, _| !gone.contains(observation));
        }
        taken
    }

    /// An observation is over, or never began. The last one ends its link.
    pub(super) fn ended(&mut self, observation: Observation) {
        let Some(key) = self.keys.remove(&observation) else { return };
        let Some(link) = self.links.get_mut(&key) else { return };
        link.observations.remove(&observation);
        if link.observations.is_empty() {
            self.links.remove(&key);
        } else {
            // A link that has too much to do goes on telling an observation that is not there, which the endpoint ignores.
            let _ = link.asks.try_send(Ask::Ended(observation));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }
}
