//! What becomes due for one client.

use crate::endpoint::Shared;
use crate::outbox::Due;
use crate::peer::Peer;
use crate::seen::Fate;

impl Peer {
    /// When something is to be done next; none: nothing is remembered but, perhaps, observations.
    pub(crate) fn next_due(&self) -> Option<u64> {
        let open = self.open.values().map(|asked| asked.due_ms);
        let others = [
            self.seen.next_expiry(),
            self.outbox.next_due(),
            self.assemblies.next_expiry(),
            self.bodies.next_expiry(),
        ];
        open.chain(others.into_iter().flatten()).min()
    }

    pub(crate) fn time(&mut self, now_ms: u64, shared: &mut Shared) {
        self.seen.expire(now_ms);
        self.assemblies.expire(now_ms, &mut shared.bodies);
        self.bodies.expire(now_ms, &mut shared.bodies);
        self.acknowledge_late(now_ms, shared);
        match self.outbox.time(now_ms, &shared.config.times) {
            Due::Nothing => {}
            Due::Again(datagram) => self.send(datagram, shared),
            // It is not there any more, for whatever else waits either (RFC 7641, 4.5).
            Due::GivenUp => self.unobserve_all(shared),
        }
    }

    /// Acknowledges requests whose responses take longer (RFC 7252, 5.2.2); forgets those that were never answered.
    fn acknowledge_late(&mut self, now_ms: u64, shared: &mut Shared) {
        let late: Vec<u64> = self
            .open
            .iter()
            .filter(|(_, asked)| asked.due_ms <= now_ms)
            .map(|(number, _)| *number)
            .collect();
        for number in late {
            let Some(asked) = self.open.get_mut(&number) else { continue };
            if now_ms >= asked.asked_ms + shared.config.times.answer_timeout_ms {
                let mark = asked.mark;
                self.open.remove(&number);
                shared.open.give(1);
                self.seen.became(mark, Fate::Silent);
                continue;
            }
            asked.due_ms = asked.asked_ms + shared.config.times.answer_timeout_ms;
            if asked.confirmable {
                asked.acknowledged = true;
                let (id, mark) = (asked.id, asked.mark);
                self.seen.became(mark, Fate::Acknowledged);
                self.acknowledge(id, shared);
            }
        }
    }
}
