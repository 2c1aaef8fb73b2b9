//! Reading something and then writing it must not interleave with another request that does the same: such requests take turns.
//!
//! Different things share a stripe by chance, which costs a wait and nothing else. Nobody takes two turns at one time.

use std::hash::{BuildHasher, Hash, RandomState};

use tokio::sync::{Mutex, MutexGuard};

/// Stripes.
const STRIPES: usize = 64;

/// Turns, by what is changed.
pub(crate) struct Turns {
    stripes: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl Default for Turns {
    fn default() -> Self {
        Turns {
            stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl Turns {
    /// Waits until nobody else changes this.
    pub(crate) async fn take(&self, what: impl Hash) -> MutexGuard<'_, ()> {
        let stripe = self.hasher.hash_one(what) as usize % STRIPES;
        self.stripes[stripe].lock().await
    }
}
