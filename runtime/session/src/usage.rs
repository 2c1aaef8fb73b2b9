//! A tenant's rate holds for all servers together, near enough: each tells the others what it let in, and counts what they tell. How near,
//! and why, stands in [`cluster::usage`].

use std::sync::{Arc, Weak};
use std::time::Duration;

use cluster::{Tally, UsageTeller};
use tokio::time::Instant;

use crate::manager::{Inner, Sessions};

/// How often the others are told. News are older by the way between two servers.
pub const INTERVAL: Duration = Duration::from_millis(250);

impl Sessions {
    /// Tells others what tenants use here from now on, and counts what they use there, as long as there are sessions. Nothing is done if no
    /// tenant has a rate.
    pub fn share_usage(&self, teller: Arc<dyn UsageTeller>, others: Tally) {
        if let Some(here) = self.limiter().tell() {
            actor::spawn("usage of tenants", share(Arc::downgrade(&self.0), here, teller, others));
        }
    }
}

async fn share(sessions: Weak<Inner>, here: Tally, teller: Arc<dyn UsageTeller>, others: Tally) {
    let mut next = Instant::now() + INTERVAL;
    loop {
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(next) => {
                next = Instant::now() + INTERVAL;
                let used = here.take(usize::MAX);
                if !used.is_empty() {
                    teller.tell(&used);
                }
            }
            () = others.some() => {}
        }
        let Some(inner) = sessions.upgrade() else { return };
        let sessions = Sessions(inner);
        for usage in others.take(usize::MAX) {
            sessions.limiter().spend(usage, sessions.now_ms());
        }
    }
}
