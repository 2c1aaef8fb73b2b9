//! That something has changed, for everybody who waits for it. As `tokio::sync::watch` without a value, but for one thing: those who wait are
//! woken in the order in which they began to wait. (`watch` spreads them over several lists by chance, and a simulated world would not
//! repeat itself.)

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// Where it is said.
#[derive(Debug, Default)]
pub struct News(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    count: AtomicU64,
    more: Notify,
}

/// Where it is heard.
#[derive(Clone, Debug)]
pub struct Changes {
    /// None: nothing ever changes.
    shared: Option<Arc<Shared>>,
    seen: u64,
}

/// Nothing will change any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing changes any more")]
pub struct NoChanges;

impl News {
    /// Something has changed.
    pub fn tell(&self) {
        self.0.count.fetch_add(1, Ordering::Release);
        self.0.more.notify_waiters();
    }

    /// Hears of what changes from now on.
    pub fn changes(&self) -> Changes {
        Changes {
            seen: self.0.count.load(Ordering::Acquire),
            shared: Some(Arc::clone(&self.0)),
        }
    }
}

impl Changes {
    /// Of what never changes.
    pub const NONE: Changes = Changes { shared: None, seen: 0 };

    /// What has changed until now is known.
    pub fn mark_unchanged(&mut self) {
        if let Some(shared) = &self.shared {
            self.seen = shared.count.load(Ordering::Acquire);
        }
    }

    /// Whether something has changed since it was last heard of.
    pub fn has_changed(&self) -> bool {
        let count = self.shared.as_ref().map(|shared| shared.count.load(Ordering::Acquire));
        count.is_some_and(|count| count != self.seen)
    }

    /// Waits until something has. Cancelling loses nothing.
    ///
    /// # Errors
    /// At once, when nothing ever will.
    pub async fn changed(&mut self) -> Result<(), NoChanges> {
        let shared = self.shared.as_ref().ok_or(NoChanges)?;
        loop {
            let mut more = std::pin::pin!(shared.more.notified());
            more.as_mut().enable();
            let count = shared.count.load(Ordering::Acquire);
            if count != self.seen {
                self.seen = count;
                return Ok(());
            }
            more.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everybody_hears_of_it_once() {
        let news = News::default();
        let (mut one, mut other) = (news.changes(), news.changes());
        {
            let mut waits = std::pin::pin!(one.changed());
            assert!(futures::poll!(&mut waits).is_pending());
            news.tell();
            news.tell();
            waits.await.unwrap();
        }
        assert!(!one.has_changed() && other.has_changed());
        other.changed().await.unwrap();
        news.tell();
        other.mark_unchanged();
        assert!(one.has_changed() && !other.has_changed());
        let mut never = Changes::NONE;
        assert_eq!(never.changed().await, Err(NoChanges));
    }
}
