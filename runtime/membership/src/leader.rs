//! The leader's part: hears signs of life, renews leases, carries out [`plan`](crate::plan) step by step.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cluster::{Epoch, PeerId};
use openraft::{BasicNode, ChangeMembers};
use peers::handshake::Speaks;
use peers::wire::{ElectRequest, LifeReply, SignOfLife};

use crate::plan::{self, Sign, Step, View};
use crate::reach::refused;
use crate::state::Command;
use crate::{Membership, MembershipError};

/// How long another server may take to become the leader.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a step may take. It is decided anew afterwards.
const STEP_TIMEOUT: Duration = Duration::from_secs(5);

/// What a leader knows that nobody agrees on. Forgotten when another one leads.
#[derive(Debug, Default)]
pub(crate) struct Leading {
    /// The term in which this server leads, and since when by its own time.
    since: Option<(u64, u64)>,
    signs: BTreeMap<PeerId, Sign>,
    /// When a quorum confirmed it last, at least.
    confirmed_ms: Option<u64>,
    /// Servers that are being given up: from the decision on they get no leases.
    given_up: BTreeSet<PeerId>,
    /// Servers that do not speak what the cluster writes, and were told so.
    misfits: BTreeSet<PeerId>,
    /// Another one is to lead: no leases are renewed meanwhile.
    hands_over: bool,
}

impl Leading {
    /// Notices whether this server leads, and in which term.
    fn notice(&mut self, term: Option<u64>, now_ms: u64) {
        if self.since.map(|(known, _)| known) != term {
            *self = Leading {
                since: term.map(|term| (term, now_ms)),
                ..Leading::default()
            };
        }
    }
}

impl Membership {
    /// The term in which this server leads.
    fn leads(&self) -> Option<u64> {
        let metrics = self.metrics();
        (metrics.current_leader == Some(self.local().0)).then_some(metrics.current_term)
    }

    /// A server gives a sign of life.
    pub(crate) fn hear(&self, sign: SignOfLife) -> LifeReply {
        let leader = self.leader();
        let (_, settled_here) = self.0.place.epochs();
        let mut reply = LifeReply {
            leader: leader.map_or(0, |leader| leader.0),
            leader_address: leader.and_then(|leader| self.address_of(leader)).unwrap_or_default(),
            settled: settled_here.0,
            ..LifeReply::default()
        };
        let term = self.leads();
        let now_ms = self.0.place.now_ms();
        let state = self.state();
        let mut leading = self.0.leading.lock();
        leading.notice(term, now_ms);
        if term.is_none() || *sign.cluster != *state.cluster.as_bytes() {
            return reply;
        }
        let peer = PeerId(sign.peer);
        if !state.members.peers.contains_key(&peer) {
            // Known for sure only by a leader that a quorum confirmed.
            reply.forgotten = leading.confirmed_ms.is_some();
            return reply;
        }
        reply.cluster_version = state.version();
        if !Speaks::told(&sign.version).includes(state.version()) {
            if leading.misfits.insert(peer) {
                tracing::warn!(peer = peer.0, version = %sign.version, cluster = state.version(), "a server does not speak what its cluster writes");
            }
            return reply;
        }
        leading.misfits.remove(&peer);
        let heard = Sign {
            at_ms: now_ms,
            epoch: Epoch(sign.epoch),
            released: Epoch(sign.released),
            address: sign.address,
            version: sign.version,
        };
        leading.signs.insert(peer, heard);
        plan::still_given_up(&state.members, &mut leading.given_up);
        let (confirmed_ms, timing) = (leading.confirmed_ms, self.0.config.timing);
        reply.lease_ms = plan::lease_ms(&state.members, peer, &leading.given_up, confirmed_ms, now_ms, timing);
        reply.settled = self.view(&state, &leading, now_ms, |view| view.settled()).0;
        reply
    }

    fn view<T>(&self, state: &crate::state::ClusterState, leading: &Leading, now_ms: u64, look: impl FnOnce(&View<'_>) -> T) -> T {
        let metrics = self.metrics();
        let membership = metrics.membership_config.membership();
        let voters: BTreeSet<PeerId> = membership.voter_ids().map(PeerId).collect();
        let learners: BTreeSet<PeerId> = membership.learner_ids().map(PeerId).collect();
        look(&View {
            members: &state.members,
            voters: &voters,
            learners: &learners,
            signs: &leading.signs,
            leader: self.local(),
            leads_since_ms: leading.since.map_or(now_ms, |(_, since_ms)| since_ms),
            now_ms,
            timing: self.0.config.timing,
        })
    }

    async fn carry_out(&self, step: Step) -> Result<(), MembershipError> {
        tracing::info!(?step, "the leader's next step");
        let failed = |error: &dyn std::fmt::Display| MembershipError::Raft(error.to_string());
        match step {
            Step::Teach(peer) => {
                let node = BasicNode::new(self.address_of(peer).unwrap_or_default());
                let taught = self.0.raft.add_learner(peer.0, node, false).await;
                taught.map(drop).map_err(|error| failed(&error))
            }
            Step::Move(peer) => {
                let sign = self.0.leading.lock().signs.get(&peer).cloned();
                let Some(Sign { address, version, .. }) = sign else { return Ok(()) };
                self.agree(Command::Moved { peer, address, version }).await.map(drop)
            }
            Step::Up(peer) => self.agree(Command::Up(peer)).await.map(drop),
            Step::Down(peer) => {
                tracing::warn!(peer = peer.0, "a server is silent: others take over");
                self.agree(Command::Down(peer)).await.map(drop)
            }
            Step::Forget(peer) => self.agree(Command::Forget(peer)).await.map(drop),
            Step::Vote(voters) => {
                let voters: BTreeSet<u64> = voters.into_iter().map(|peer| peer.0).collect();
                let changed = self.0.raft.change_membership(voters, true).await;
                changed.map(drop).map_err(|error| failed(&error))
            }
            Step::Untell(peer) => {
                let removed = ChangeMembers::RemoveNodes(BTreeSet::from([peer.0]));
                let changed = self.0.raft.change_membership(removed, true).await;
                changed.map(drop).map_err(|error| failed(&error))
            }
        }
    }
}

/// What a leader has to do.
enum Duty {
    Step(Step),
    /// The cluster is to speak a newer version.
    Raise(u32),
}

/// Does what a leader does, as long as this server is one; ends when it stops.
pub(crate) async fn do_duties(membership: Membership) {
    let mut stopping = membership.stopping();
    loop {
        if pause(&membership, &mut stopping).await {
            return;
        }
        let now_ms = membership.0.place.now_ms();
        let (term, state) = (membership.leads(), membership.state());
        let duty = {
            let mut leading = membership.0.leading.lock();
            leading.notice(term, now_ms);
            if term.is_none() || state.cluster.is_nil() {
                continue;
            }
            plan::still_given_up(&state.members, &mut leading.given_up);
            let look = |view: &View<'_>| {
                view.next()
                    .map(Duty::Step)
                    .or_else(|| view.newer_than(state.version()).map(Duty::Raise))
            };
            let duty = membership.view(&state, &leading, now_ms, look);
            if let Some(Duty::Step(Step::Down(peer))) = duty {
                leading.given_up.insert(peer);
            }
            duty
        };
        let done = match duty {
            None => continue,
            Some(Duty::Step(step)) => tokio::time::timeout(STEP_TIMEOUT, membership.carry_out(step)).await,
            Some(Duty::Raise(version)) => {
                tracing::info!(
                    from = state.version(),
                    to = version,
                    "all servers speak a newer version: so does the cluster"
                );
                let raised = membership.agree(Command::Raise(version));
                tokio::time::timeout(STEP_TIMEOUT, async { raised.await.map(drop) }).await
            }
        };
        match done {
            Ok(Ok(())) => {}
            // It is decided anew, by whoever leads then.
            Ok(Err(error)) => tracing::warn!(%error, "a step of the leader did not succeed"),
            Err(_) => tracing::warn!("a step of the leader takes too long"),
        }
    }
}

/// Has a quorum confirm the leader again and again: without it, no lease is renewed.
pub(crate) async fn confirm(membership: Membership) {
    let mut stopping = membership.stopping();
    loop {
        if pause(&membership, &mut stopping).await {
            return;
        }
        let asked_ms = membership.0.place.now_ms();
        let Some(term) = membership.leads() else { continue };
        if membership.0.leading.lock().hands_over {
            continue;
        }
        let patience = Duration::from_millis(membership.0.config.timing.quorum_ms);
        let confirmed = tokio::time::timeout(patience, membership.0.raft.ensure_linearizable()).await;
        let mut leading = membership.0.leading.lock();
        leading.notice(membership.leads(), membership.0.place.now_ms());
        if matches!(confirmed, Ok(Ok(_))) && leading.since.is_some_and(|(known, _)| known == term) {
            leading.confirmed_ms = Some(asked_ms);
        }
    }
}

/// Has another server lead. This library's leaders do not hand over: this one falls silent, and the other one asks for votes until it has
/// them. Leases outlast that.
pub(crate) async fn transfer(membership: &Membership, to: PeerId) -> Result<(), MembershipError> {
    if to == membership.local() {
        return Ok(());
    }
    let metrics = membership.metrics();
    let votes = metrics.membership_config.membership().voter_ids().any(|voter| voter == to.0);
    let Some(address) = membership.address_of(to).filter(|_| votes) else {
        return Err(MembershipError::Unknown);
    };
    let raft = &membership.0.raft;
    membership.0.leading.lock().hands_over = true;
    raft.runtime_config().heartbeat(false);
    let asking = async {
        loop {
            let asked = membership.0.reach.membership(&address)?.elect(ElectRequest {}).await;
            asked.map_err(|status| refused(&address, &status))?;
            tokio::time::sleep(membership.0.config.heartbeat()).await;
            if membership.leader().is_some_and(|leader| leader == to) {
                return Ok(());
            }
        }
    };
    let handed_over = tokio::time::timeout(TRANSFER_TIMEOUT, asking).await;
    raft.runtime_config().heartbeat(true);
    membership.0.leading.lock().hands_over = false;
    handed_over.unwrap_or(Err(MembershipError::NoLeader))
}

/// Waits for a heartbeat's time. Whether the server stops.
async fn pause(membership: &Membership, stopping: &mut tokio::sync::watch::Receiver<bool>) -> bool {
    let pause = tokio::time::timeout(membership.0.config.heartbeat(), stopping.wait_for(|stops| *stops));
    pause.await.is_ok()
}
