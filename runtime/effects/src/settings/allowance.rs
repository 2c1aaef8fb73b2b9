//! How much of what the server has for all of them one tenant may use: it is billed, or held against the server's sender, as a whole.
//!
//! Each server of a cluster counts for itself: a device's messages come to one of them.

use std::collections::HashMap;
use std::sync::Arc;

use model::TenantId;
use model::rate::{Bucket, Rate};
use parking_lot::Mutex;

/// Receivers of mails of a tenant: in a minute, and in an hour.
const MAIL_RECEIVERS: [(u32, u32); 2] = [(100, 60), (1_000, 3_600)];
/// Text messages of a tenant, likewise.
const TEXTS: [(u32, u32); 2] = [(50, 60), (200, 3_600)];
/// Tenants that are remembered before those are forgotten that have spent nothing lately.
const REMEMBERED: usize = 1_000;

/// What tenants have used of all services. Clones share it.
#[derive(Clone, Debug)]
pub struct Allowances {
    pub(crate) mail: Arc<Allowance>,
    pub(crate) sms: Arc<Allowance>,
}

impl Default for Allowances {
    fn default() -> Self {
        Allowances {
            mail: Arc::new(Allowance::of("receivers of mails", &MAIL_RECEIVERS)),
            sms: Arc::new(Allowance::of("text messages", &TEXTS)),
        }
    }
}

/// What tenants have used of one service.
#[derive(Debug)]
pub(crate) struct Allowance {
    what: &'static str,
    /// One rate for each window: what is told is the one that is used up.
    rates: Vec<(Rate, u32, u32)>,
    spent: Mutex<HashMap<TenantId, Vec<Bucket>>>,
}

impl Allowance {
    fn of(what: &'static str, windows: &[(u32, u32)]) -> Self {
        Allowance {
            what,
            rates: windows
                .iter()
                .map(|(count, period_s)| (Rate::of(*count, *period_s), *count, *period_s))
                .collect(),
            spent: Mutex::default(),
        }
    }

    /// Takes so many. What a longer window refuses is gone from the shorter ones, which have it back soon.
    ///
    /// # Errors
    /// What is used up, in words.
    pub(crate) fn take(&self, tenant: TenantId, count: usize, now_ms: i64) -> Result<(), String> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let mut all = self.spent.lock();
        if all.len() >= REMEMBERED {
            let unused = |buckets: &[Bucket]| {
                self.rates
                    .iter()
                    .zip(buckets)
                    .all(|((rate, ..), bucket)| bucket.is_full(rate, now_ms))
            };
            all.retain(|_, buckets| !unused(buckets));
        }
        let buckets = all.entry(tenant).or_insert_with(|| vec![Bucket::default(); self.rates.len()]);
        for ((rate, most, period_s), bucket) in self.rates.iter().zip(buckets) {
            if !bucket.take(rate, count, now_ms) {
                return Err(format!(
                    "the tenant has used up what it may of the server's own: {most} {} in {period_s} seconds",
                    self.what
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tenant_uses_up_its_own_share_alone() {
        let allowance = Allowance::of("texts", &[(10, 60), (20, 3_600)]);
        let (one, other) = (TenantId::generate(), TenantId::generate());
        assert_eq!(allowance.take(one, 10, 0), Ok(()));
        let told = allowance.take(one, 1, 0).expect_err("too many");
        assert!(told.contains("10 texts in 60 seconds"), "{told}");
        assert_eq!(allowance.take(other, 10, 0), Ok(()));
        assert_eq!(allowance.take(one, 10, 60_000), Ok(()));
        let told = allowance.take(one, 10, 120_000).expect_err("too many");
        assert!(told.contains("20 texts in 3600 seconds"), "{told}");
    }

    #[test]
    fn those_who_use_nothing_are_forgotten() {
        let allowance = Allowance::of("texts", &[(10, 60)]);
        for _ in 0..REMEMBERED {
            assert_eq!(allowance.take(TenantId::generate(), 1, 0), Ok(()));
        }
        assert_eq!(allowance.take(TenantId::generate(), 1, 600_000), Ok(()));
        assert_eq!(allowance.spent.lock().len(), 1);
    }
}
