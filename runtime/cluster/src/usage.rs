//! What a tenant's devices say through one server counts on the others, too: a tenant's rate is one for the cluster, near enough.
//!
//! Each server counts what it lets in at once, by itself, and tells the others what that was, several times a second: tenants that said
//! something, and no others. What others tell is spent from the tenant's own buckets, even where nothing is left: what was too much is
//! paid back before anything more is let in. So with `n` servers, a rate of `C` in a window (`r` = `C` / its length) and news that are at
//! most `L` old, the servers let in together, in any time `W`,
//!
//! ```text
//! C + r·W + (n − 1)·(C + r·L)
//! ```
//!
//! at most; the first two parts are what one server alone would. The third does not grow with `W`: it is what the others may let in before
//! they hear of each other, once. Where servers cannot speak to each other, `L` is as long as that lasts: what was used meanwhile is not told
//! later.
//!
//! Counts travel; nobody waits for them, and a server that runs alone tells nobody.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::TenantId;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Tenants whose usage waits at most. Beyond, it is not counted: each server limits them by itself.
pub const TENANTS_MAX: usize = 10_000;

/// What was let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Messages without values.
    pub messages: u64,
    /// Messages with values.
    pub telemetry_messages: u64,
    /// Values.
    pub values: u64,
}

/// What was let in of a tenant's devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Whose.
    pub tenant: TenantId,
    /// How much.
    pub used: Used,
}

/// The way to the other servers.
pub trait UsageTeller: Send + Sync + 'static {
    /// Tells every other server that is alive, and never waits.
    fn tell(&self, usage: &[Usage]);
}

/// Usage that waits to be told, or to be counted: a sum for each tenant. Clones share everything.
#[derive(Clone, Default)]
pub struct Tally(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Held for a moment, never while waiting.
    waiting: Mutex<BTreeMap<TenantId, Used>>,
    more: Notify,
}

impl Used {
    /// One message with so many values.
    pub fn message(values: u32) -> Self {
        Used {
            messages: u64::from(values == 0),
            telemetry_messages: u64::from(values > 0),
            values: values.into(),
        }
    }

    fn add(&mut self, other: Used) {
        self.messages = self.messages.saturating_add(other.messages);
        self.telemetry_messages = self.telemetry_messages.saturating_add(other.telemetry_messages);
        self.values = self.values.saturating_add(other.values);
    }
}

impl Tally {
    /// Adds to what waits of a tenant.
    pub fn add(&self, usage: Usage) {
        let mut waiting = self.0.waiting.lock();
        if waiting.len() >= TENANTS_MAX && !waiting.contains_key(&usage.tenant) {
            return;
        }
        let first = waiting.is_empty();
        waiting.entry(usage.tenant).or_default().add(usage.used);
        drop(waiting);
        if first {
            self.0.more.notify_one();
        }
    }

    /// Takes what waits, of so many tenants.
    pub fn take(&self, tenants_max: usize) -> Vec<Usage> {
        let mut waiting = self.0.waiting.lock();
        let taken = std::iter::from_fn(|| waiting.pop_first()).take(tenants_max);
        taken.map(|(tenant, used)| Usage { tenant, used }).collect()
    }

    /// Forgets what waits.
    pub fn clear(&self) {
        self.0.waiting.lock().clear();
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.0.waiting.lock().is_empty()
    }

    /// Waits until something does. For one caller at a time; cancelling loses nothing.
    pub async fn some(&self) {
        while self.is_empty() {
            self.0.more.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn usage(tenant: u128, values: u32) -> Usage {
        Usage {
            tenant: TenantId(Uuid::from_u128(tenant)),
            used: Used::message(values),
        }
    }

    #[tokio::test]
    async fn what_waits_is_one_sum_for_each_tenant() {
        let tally = Tally::default();
        let mut some = std::pin::pin!(tally.some());
        assert!(futures::poll!(&mut some).is_pending());
        for (tenant, values) in [(1, 5), (2, 0), (1, 7), (1, 0), (3, 1)] {
            tally.add(usage(tenant, values));
        }
        some.await;
        let sum = Used {
            messages: 1,
            telemetry_messages: 2,
            values: 12,
        };
        let of = |tenant, used| Usage { used, ..usage(tenant, 0) };
        assert_eq!(tally.take(2), [of(1, sum), of(2, Used::message(0))]);
        assert_eq!(tally.take(2), [usage(3, 1)]);
        assert!(tally.is_empty() && tally.take(1).is_empty());
        tally.add(usage(1, 1));
        tally.clear();
        assert!(tally.is_empty());
    }

    #[test]
    fn there_is_a_limit() {
        let tally = Tally::default();
        for tenant in 0..TENANTS_MAX as u128 + 5 {
            tally.add(usage(tenant, 1));
            tally.add(usage(0, 1));
        }
        let all = tally.take(usize::MAX);
        assert_eq!(all.len(), TENANTS_MAX);
        assert_eq!(all[0].used.values, TENANTS_MAX as u64 + 6, "who is known goes on being counted");
    }
}
