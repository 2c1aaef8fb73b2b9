//! The way of a message through chains: which ones it came through, and how many nodes it has visited in all of them. Pure.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use uuid::Uuid;

/// Chains that a message may be inside of at one time.
pub const DEPTH_MAX: usize = 8;

/// A message's way so far. Clones share the count of visits: a message and its descendants have one budget, in whatever chain they are.
#[derive(Clone, Debug)]
pub struct Journey {
    through: Arc<[Uuid]>,
    visits: Arc<AtomicU32>,
}

impl Journey {
    /// Begins in a chain, after some visits.
    pub fn begin(chain: Uuid, visits: u32) -> Self {
        Journey {
            through: Arc::from([chain]),
            visits: Arc::new(AtomicU32::new(visits)),
        }
    }

    /// Goes on into another chain.
    ///
    /// # Errors
    /// Why it must not, in words: chains would call each other for ever.
    pub fn onward(&self, chain: Uuid) -> Result<Self, String> {
        if self.through.contains(&chain) {
            return Err(format!(
                "the message comes from the rule chain {chain}: rule chains that call each other in a circle would never end"
            ));
        }
        if self.through.len() >= DEPTH_MAX {
            return Err(format!(
                "the message is inside {DEPTH_MAX} rule chains that call each other, as many as it may be"
            ));
        }
        Ok(Journey {
            through: self.through.iter().copied().chain([chain]).collect(),
            visits: Arc::clone(&self.visits),
        })
    }

    /// One more node is visited; how many there are now.
    pub fn visit(&self) -> u32 {
        self.visits.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_ends_and_so_does_depth() {
        let chains: Vec<Uuid> = (0..=DEPTH_MAX as u128).map(Uuid::from_u128).collect();
        let mut journey = Journey::begin(chains[0], 3);
        assert!(
            journey.onward(chains[0]).is_err_and(|told| told.contains("circle")),
            "a chain that calls itself"
        );
        for chain in &chains[1..DEPTH_MAX] {
            journey = journey.onward(*chain).expect("not deep yet");
        }
        for seen in &chains[..DEPTH_MAX] {
            assert!(journey.onward(*seen).is_err_and(|told| told.contains("circle")));
        }
        assert!(
            journey
                .onward(chains[DEPTH_MAX])
                .is_err_and(|told| told.contains("inside 8 rule chains"))
        );
    }

    #[test]
    fn side_by_side_a_chain_may_be_called_again_and_visits_are_counted_once() {
        let [a, b, c] = [1, 2, 3].map(Uuid::from_u128);
        let journey = Journey::begin(a, 3);
        let (one, two) = (journey.onward(b).expect("a way"), journey.onward(b).expect("again"));
        assert!(one.onward(c).is_ok() && two.onward(c).is_ok());
        assert_eq!((one.visit(), two.visit(), journey.visit()), (4, 5, 6));
    }
}
