//! Results that this node has saved and that the store may not tell yet.
//!
//! A node decides about the next message before what it saved for the last one is durable. A result that is an argument of the next message,
//! such as a counter, would be counted from an old value. So the node remembers its results until the store tells them; a value that is
//! none of them is somebody else's, and counts. Pure.

use std::collections::{BTreeMap, VecDeque};

/// Places whose results are remembered; more and all are forgotten.
const PLACES_MAX: usize = 1_000;
/// Results of one place that the store has not told.
const RESULTS_MAX: usize = 256;
/// After so long without news a result was not saved.
const LOST_AFTER_MS: i64 = 10_000;

/// A reading of the store: time in milliseconds, and value.
pub type Stored = Option<(i64, f64)>;

/// Results by place: an entity and a key.
#[derive(Default)]
pub struct OwnResults(BTreeMap<(String, String), Place>);

struct Place {
    /// What the store told before the first of them.
    before: Stored,
    results: VecDeque<f64>,
    saved_ms: i64,
}

impl OwnResults {
    /// What stands at a place: what the store tells, or what this node has saved there since.
    pub fn look(&mut self, place: &(String, String), stored: Stored, now_ms: i64) -> Option<f64> {
        let told = stored.map(|(_, value)| value);
        let Some(own) = self.0.get_mut(place) else { return told };
        let is_told = own.results.iter().position(|result| told == Some(*result));
        if let Some(index) = is_told.filter(|_| stored != own.before) {
            own.results.drain(..index);
            own.before = stored;
        } else if stored != own.before || now_ms.saturating_sub(own.saved_ms) > LOST_AFTER_MS {
            self.0.remove(place);
            return told;
        }
        self.0.get(place).and_then(|own| own.results.back().copied()).or(told)
    }

    /// A result is about to be saved, where the store has told this.
    pub fn save(&mut self, place: (String, String), stored: Stored, result: f64, now_ms: i64) {
        if self.0.len() >= PLACES_MAX && !self.0.contains_key(&place) {
            self.0.clear();
        }
        let own = self.0.entry(place).or_insert(Place {
            before: stored,
            results: VecDeque::new(),
            saved_ms: now_ms,
        });
        if own.results.len() >= RESULTS_MAX {
            own.results.pop_front();
        }
        own.results.push_back(result);
        own.saved_ms = now_ms;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (String, String) {
        ("device".to_owned(), "count".to_owned())
    }

    /// Counts messages while the store tells what it tells.
    fn count(own: &mut OwnResults, stored: Stored, now_ms: i64) -> f64 {
        let next = own.look(&place(), stored, now_ms).unwrap_or(0.0) + 1.0;
        own.save(place(), stored, next, now_ms);
        next
    }

    #[test]
    fn a_counter_counts_while_the_store_is_behind() {
        let mut own = OwnResults::default();
        let told = [
            None,
            None,
            None,
            Some((10, 1.0)),
            Some((10, 1.0)),
            Some((12, 5.0)),
            Some((13, 6.0)),
            Some((13, 6.0)),
        ];
        let counted: Vec<f64> = told.into_iter().map(|stored| count(&mut own, stored, 100)).collect();
        assert_eq!(counted, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    }

    #[test]
    fn what_somebody_else_writes_counts() {
        let mut own = OwnResults::default();
        assert_eq!(count(&mut own, Some((1, 10.0)), 100), 11.0);
        assert_eq!(count(&mut own, Some((2, 100.0)), 100), 101.0);
        assert_eq!(count(&mut own, Some((2, 100.0)), 100), 102.0);
        assert_eq!(count(&mut own, None, 100), 1.0, "it was deleted");
    }

    #[test]
    fn a_result_that_was_not_saved_is_forgotten() {
        let mut own = OwnResults::default();
        assert_eq!(count(&mut own, Some((1, 10.0)), 100), 11.0);
        assert_eq!(count(&mut own, Some((1, 10.0)), 100 + LOST_AFTER_MS), 12.0);
        assert_eq!(count(&mut own, Some((1, 10.0)), 101 + 2 * LOST_AFTER_MS), 11.0);
    }

    #[test]
    fn what_is_remembered_has_limits() {
        let mut own = OwnResults::default();
        for number in 0..=PLACES_MAX {
            own.save((number.to_string(), String::new()), None, 1.0, 0);
        }
        assert_eq!(own.0.len(), 1);
        for number in 0..2 * RESULTS_MAX {
            own.save(place(), None, number as f64, 0);
        }
        assert_eq!(own.0[&place()].results.len(), RESULTS_MAX);
    }
}
