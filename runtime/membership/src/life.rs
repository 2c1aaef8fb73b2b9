//! Every server's part: gives signs of life to the leader, whose answer renews its lease.

use std::time::Duration;

use cluster::{Epoch, PeerId};
use peers::wire::{LifeReply, SignOfLife};

use crate::Membership;

/// Heartbeats after which an answer is not waited for any more.
const PATIENCE: u32 = 3;

/// Gives signs of life until the server stops.
pub(crate) async fn give_signs(membership: Membership) {
    let mut stopping = membership.stopping();
    let mut life = Life {
        hint: membership.0.config.join.clone(),
        turn: 0,
        forgotten: false,
    };
    loop {
        let heartbeat = membership.0.config.heartbeat();
        let next = tokio::time::Instant::now() + heartbeat;
        life.give_sign(&membership).await;
        if tokio::time::timeout_at(next, stopping.wait_for(|stops| *stops)).await.is_ok() {
            return;
        }
    }
}

struct Life {
    /// Where the leader was last said to be.
    hint: Option<String>,
    /// Whose turn it is to be asked, as long as nobody knows who leads.
    turn: usize,
    forgotten: bool,
}

impl Life {
    async fn give_sign(&mut self, membership: &Membership) {
        let sign = sign_of(membership);
        let sent_ms = membership.0.place.now_ms();
        if membership.leader() == Some(membership.local()) {
            let reply = membership.hear(sign);
            self.take(membership, sent_ms, reply);
            return;
        }
        let Some(address) = self.whom(membership) else { return };
        let Ok(mut client) = membership.0.reach.membership(&address) else {
            return;
        };
        let patience: Duration = membership.0.config.heartbeat() * PATIENCE;
        match tokio::time::timeout(patience, client.live(sign)).await {
            Ok(Ok(reply)) => self.take(membership, sent_ms, reply.into_inner()),
            Ok(Err(status)) => {
                tracing::debug!(address, %status, "a sign of life was not answered");
                self.hint = None;
            }
            Err(_) => {
                tracing::debug!(address, "a sign of life was not answered in time");
                self.hint = None;
            }
        }
    }

    /// Whom to ask: the leader; or whoever was said to be it; or one after the other.
    fn whom(&mut self, membership: &Membership) -> Option<String> {
        let leader = membership.leader().and_then(|leader| membership.address_of(leader));
        if let Some(known) = leader.or_else(|| self.hint.clone()) {
            return Some(known);
        }
        self.turn += 1;
        let members = membership.0.place.members();
        let members = members.borrow();
        let others = members.peers.iter().filter(|(peer, _)| **peer != membership.local());
        let others: Vec<&str> = others.map(|(_, record)| &*record.address).collect();
        let asked = (!others.is_empty()).then(|| others[self.turn % others.len()].to_owned());
        asked.or_else(|| membership.0.config.join.clone())
    }

    fn take(&mut self, membership: &Membership, sent_ms: u64, reply: LifeReply) {
        self.hint = Some(reply.leader_address).filter(|address| !address.is_empty());
        if reply.forgotten {
            if !std::mem::replace(&mut self.forgotten, true) {
                tracing::error!("this server is no member of its cluster any more: it serves no devices");
            }
            membership.0.place.cast_out();
            return;
        }
        // 0: by a leader of before there was a version.
        if reply.cluster_version > 0 && !membership.0.config.speaks().includes(reply.cluster_version) {
            membership.told_misfit(reply.cluster_version);
            return;
        }
        if reply.lease_ms > 0 {
            membership.0.place.renewed(sent_ms, reply.lease_ms);
        }
        membership.0.place.settled(Epoch(reply.settled));
    }
}

fn sign_of(membership: &Membership) -> SignOfLife {
    let (epoch, _) = membership.0.place.epochs();
    let PeerId(peer) = membership.local();
    let server = &membership.0.config.server;
    SignOfLife {
        peer,
        cluster: membership.0.identity.cluster.as_bytes().to_vec().into(),
        epoch: epoch.0,
        released: membership.released().0,
        version: server.version.clone(),
        address: server.address.clone(),
    }
}
