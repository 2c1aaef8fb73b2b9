//! What a node keeps: read when it starts and when devices come from other servers, and its timers.

use std::sync::Arc;
use std::time::Duration;

use actor::Lane;
use model::DeviceId;
use plugins::{SharedMemory, Timer};
use tokio::time::Instant;

use super::{NO_TIMER_MS, NodeActor, PAUSE_ELSEWHERE, PAUSE_UNREAD, Report};
use crate::step::Branch;

impl NodeActor {
    /// Whether it has read what it keeps, of all devices that are served here.
    pub(super) fn knows(&self) -> bool {
        self.remembers && self.read_in == self.around.whereabouts.arrivals()
    }

    /// Reads what the node keeps.
    pub(super) async fn remember(&mut self) -> Result<(), String> {
        let (node, schema, arrivals) = (self.node(), self.schema(), self.around.whereabouts.arrivals());
        match self.around.states.node_state(node).await {
            Ok(stored) => {
                if !self.remembers {
                    self.memory = SharedMemory::restore(&schema, None);
                }
                let serves = |device| self.around.whereabouts.serves(DeviceId::new(self.tenant, device));
                self.memory.look().moved(stored.unwrap_or_default(), serves);
                // What it made of it, an instance may have kept in its own memory.
                self.instance = None;
                for timer in self.passed.drain(..) {
                    self.due.remove(&timer);
                }
                self.remembers = true;
                self.read_in = arrivals;
                self.begin();
                Ok(())
            }
            Err(error) => {
                self.read_again_at = Instant::now() + PAUSE_UNREAD;
                tracing::warn!(node = %node, %error, "what a rule node keeps could not be read");
                Err(format!("what the rule node keeps could not be read: {error}"))
            }
        }
    }

    /// It starts again from what is stored.
    pub(super) fn forget(&mut self) {
        self.instance = None;
        self.remembers = false;
        self.due.clear();
        self.passed.clear();
    }

    /// Sets the timer that its type wants when a node begins to serve.
    pub(super) fn begin(&self) {
        if let Some(timer) = &self.graph.nodes[self.index].node_type.descriptor().start_timer {
            self.memory.look().begin(timer, self.around.clock.now_ms());
        }
    }

    /// Whether it makes messages by itself, and another server has it do so. It forgets what it keeps: the other one changes it.
    pub(super) fn yields(&mut self) -> bool {
        let node = &self.graph.nodes[self.index];
        let yields = node.node_type.descriptor().start_timer.is_some() && !self.around.whereabouts.runs(node.id);
        if yields {
            self.forget();
            self.read_again_at = Instant::now() + PAUSE_ELSEWHERE;
        }
        yields
    }

    /// When to look at the timers, or to read what is kept.
    pub(super) fn wakes_at(&self) -> Instant {
        if !self.knows() {
            return self.read_again_at;
        }
        let first = self.memory.look().timers_without(&self.due).into_iter().next();
        let delay_ms = first.map_or(NO_TIMER_MS, |(timer, _)| timer.due_ms.saturating_sub(self.around.clock.now_ms()));
        Instant::now() + Duration::from_millis(u64::try_from(delay_ms.min(NO_TIMER_MS)).unwrap_or(0))
    }

    /// Tells the chain of timers that are due, in their order.
    pub(super) async fn wake(&mut self, chain: &Lane<Report>) {
        if self.yields() || (!self.knows() && self.remember().await.is_err()) {
            return;
        }
        let now_ms = self.around.clock.now_ms();
        let timers = self.memory.look().timers_without(&self.due);
        for (set, timer) in timers.into_iter().take_while(|(timer, _)| timer.due_ms <= now_ms) {
            self.due.insert(Arc::clone(&timer));
            if !self.is_told_of(set) {
                self.passed.push(timer);
                continue;
            }
            let report = Report::Due {
                node: self.node(),
                index: self.index,
                timer,
            };
            if chain.send(report).await.is_err() {
                return;
            }
        }
    }

    /// Whether a timer is this server's: that of a device, where the device is served.
    fn is_told_of(&self, timer: Timer) -> bool {
        let whereabouts = &self.around.whereabouts;
        match timer.device {
            Some(device) => whereabouts.serves(DeviceId::new(self.tenant, device)),
            None => whereabouts.runs(self.node()),
        }
    }

    /// A timer that met no instance has fired, and failed. Otherwise a node that cannot start would be woken by it for ever.
    pub(super) fn spend(&self, branch: &Branch) {
        if let Some(timer) = &branch.timer {
            let mut memory = self.memory.look();
            memory.cancel_timer(timer);
            memory.settle();
        }
    }
}
