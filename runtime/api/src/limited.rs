//! Work that takes a core for long: a little at one time, a few that wait, and the rest is sent away.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ApiError;

/// When a request that found no place should come again, seconds.
const RETRY_AFTER_S: u64 = 1;

/// Places for such work.
pub(crate) struct Limited {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

/// A turn at the work. Goes with the work, so that a client that leaves does not let another one in before the work is done.
pub(crate) struct Turn {
    _turn: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

impl Limited {
    /// `at_once` work, `places` work or wait.
    pub(crate) fn new(at_once: usize, places: usize) -> Self {
        Limited {
            turns: Arc::new(Semaphore::new(at_once)),
            places: Arc::new(Semaphore::new(places)),
        }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`ApiError::TooMany`] when too many wait already.
    pub(crate) async fn turn(&self) -> Result<Turn, ApiError> {
        let busy = |_| ApiError::TooMany {
            retry_after_s: RETRY_AFTER_S,
        };
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| ApiError::Unavailable)?;
        Ok(Turn {
            _turn: turn,
            _place: place,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_finds_no_place_is_sent_away() {
        let limited = Limited::new(2, 2);
        let first = limited.turn().await;
        let second = limited.turn().await;
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(limited.turn().await.err(), Some(ApiError::TooMany { retry_after_s: 1 }));
        drop(first);
        assert!(limited.turn().await.is_ok());
    }
}
