//! Requests of the device that its rule chain has not answered yet, as pure decisions. The answer goes to the session that asked.

use cluster::{SessionId, SessionLink};

/// Requests of a device that wait at most; the oldest gives way.
pub const QUESTIONS_MAX: usize = 100;
/// How long one waits.
pub const PATIENCE_MS: i64 = 60_000;

/// A request that waits.
#[derive(Debug)]
struct Question {
    session: SessionLink,
    id: u32,
    deadline_ms: i64,
}

/// The requests, the oldest first.
#[derive(Debug, Default)]
pub struct Questions(Vec<Question>);

impl Questions {
    /// The device asks. Answers the request that gives way, if there are too many, with its number. A number that is used again
    /// stands for the new request.
    pub fn asked(&mut self, session: &SessionLink, id: u32, now_ms: i64) -> Option<(SessionLink, u32)> {
        self.0.retain(|known| known.session.id != session.id || known.id != id);
        let full = self.0.len() >= QUESTIONS_MAX;
        let oldest = full.then(|| self.0.remove(0));
        self.0.push(Question {
            session: session.clone(),
            id,
            deadline_ms: now_ms.saturating_add(PATIENCE_MS),
        });
        oldest.map(|Question { session, id, .. }| (session, id))
    }

    /// Somebody answers. None: nobody waits (any more).
    pub fn answered(&mut self, session: SessionId, id: u32) -> Option<SessionLink> {
        let at = self.0.iter().position(|known| known.session.id == session && known.id == id)?;
        Some(self.0.remove(at).session)
    }

    /// Requests given up by now, with their numbers.
    pub fn expired(&mut self, now_ms: i64) -> Vec<(SessionLink, u32)> {
        // The patience is the same for all: the oldest end first.
        let late = self.0.iter().take_while(|known| known.deadline_ms <= now_ms).count();
        self.0.drain(..late).map(|known| (known.session, known.id)).collect()
    }

    /// When the next one is given up.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        self.0.first().map(|known| known.deadline_ms)
    }

    /// Whether none waits. Forgets those of sessions that are gone.
    pub fn is_empty(&mut self) -> bool {
        self.0.retain(|known| !known.session.downlinks.is_closed());
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::actor::{LaneReceiver, lane};
    use model::{Downlink, DownlinkKinds};

    fn session() -> (SessionLink, LaneReceiver<Downlink>) {
        let (downlinks, receiver) = lane(1);
        let (id, kinds) = (SessionId::generate(), DownlinkKinds::NONE);
        let link = SessionLink {
            id,
            downlinks,
            kinds,
            once: false,
            child: None,
        };
        (link, receiver)
    }

    #[test]
    fn an_answer_goes_to_the_session_that_asked_once() {
        let mut questions = Questions::default();
        let ((one, _one_lives), (other, other_lives)) = (session(), session());
        for asks in [&one, &other] {
            assert!(questions.asked(asks, 7, 0).is_none());
        }
        assert!(questions.answered(one.id, 8).is_none(), "never asked");
        assert_eq!(questions.answered(one.id, 7).map(|link| link.id), Some(one.id));
        assert!(questions.answered(one.id, 7).is_none(), "answered already");
        assert!(!questions.is_empty());
        drop(other_lives);
        assert!(questions.is_empty(), "nobody is left to be told");
    }

    #[test]
    fn they_are_given_up_in_turn() {
        let mut questions = Questions::default();
        let (asks, _lives) = session();
        for (id, now_ms) in [(1, 0), (2, 10), (3, 20)] {
            questions.asked(&asks, id, now_ms);
        }
        assert_eq!(questions.next_deadline_ms(), Some(PATIENCE_MS));
        let late = |questions: &mut Questions, now_ms| questions.expired(now_ms).into_iter().map(|(_, id)| id).collect::<Vec<_>>();
        assert_eq!(late(&mut questions, PATIENCE_MS - 1), [0; 0]);
        assert_eq!(late(&mut questions, PATIENCE_MS + 10), [1, 2]);
        assert_eq!(questions.next_deadline_ms(), Some(PATIENCE_MS + 20));
    }

    #[test]
    fn there_are_only_so_many_and_a_number_stands_for_the_last_request() {
        let mut questions = Questions::default();
        let (asks, _lives) = session();
        questions.asked(&asks, 0, 0);
        questions.asked(&asks, 0, 5);
        assert_eq!(questions.next_deadline_ms(), Some(PATIENCE_MS + 5));
        for id in 1..QUESTIONS_MAX as u32 {
            assert!(questions.asked(&asks, id, 5).is_none());
        }
        let gave_way = questions.asked(&asks, 1000, 5).map(|(_, id)| id);
        assert_eq!(gave_way, Some(0));
    }
}
