//! Changes that wait: for a peer to take them, or to be applied here. What is waiting already is not kept twice, and there is a limit for
//! a tenant and in all: beyond, the tenant's changes become one, that everything is read again.
//!
//! *Invariant: a change that was put in is taken out later, or one that covers it is.*

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use model::TenantId;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Change;

/// Changes of one tenant that wait at most; beyond, everything of the tenant is read again.
pub const TENANT_MAX: usize = 64;
/// Changes that wait at most; beyond, everything is read again.
pub const ALL_MAX: usize = 4_096;

/// Shared by whoever puts in and who takes out. Clones share everything.
#[derive(Clone, Default)]
pub struct Backlog(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Held for a moment, never while waiting.
    waiting: Mutex<Waiting>,
    more: Notify,
}

/// Pure.
#[derive(Debug, Default)]
struct Waiting {
    order: VecDeque<Change>,
    known: HashSet<Change>,
    of_tenant: HashMap<TenantId, usize>,
}

impl Backlog {
    /// Puts a change in, unless it waits already or is covered by one that does.
    pub fn push(&self, change: Change) {
        self.0.waiting.lock().push(change);
        self.0.more.notify_one();
    }

    /// Takes the oldest one.
    pub fn take(&self) -> Option<Change> {
        self.take_unless(|_| false)
    }

    /// Takes the oldest one of a tenant that is not busy.
    pub fn take_unless(&self, is_busy: impl Fn(TenantId) -> bool) -> Option<Change> {
        self.0.waiting.lock().take_unless(is_busy)
    }

    /// Waits until another one was put in. For one caller at a time; cancelling loses nothing.
    pub async fn more(&self) {
        self.0.more.notified().await;
    }

    /// Waits until there is one. For one caller at a time; cancelling loses nothing.
    pub async fn some(&self) {
        while self.is_empty() {
            self.more().await;
        }
    }

    /// Changes that wait.
    pub fn len(&self) -> usize {
        self.0.waiting.lock().order.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Waiting {
    fn push(&mut self, change: Change) {
        let covering = [Change::EVERYTHING, Change::everything_of(change.tenant), change];
        if covering.iter().any(|other| self.known.contains(other)) {
            return;
        }
        let own = self.of_tenant.get(&change.tenant).copied().unwrap_or(0);
        if change == Change::EVERYTHING || self.order.len() >= ALL_MAX {
            *self = Waiting::default();
            self.keep(Change::EVERYTHING);
        } else if change == Change::everything_of(change.tenant) || own >= TENANT_MAX {
            self.forget(change.tenant);
            // For the system's, this is everything of everybody: what others wait for is covered, and does no harm.
            self.keep(Change::everything_of(change.tenant));
        } else {
            self.keep(change);
        }
    }

    fn keep(&mut self, change: Change) {
        self.order.push_back(change);
        self.known.insert(change);
        *self.of_tenant.entry(change.tenant).or_default() += 1;
    }

    fn forget(&mut self, tenant: TenantId) {
        if self.of_tenant.remove(&tenant).is_some() {
            self.order.retain(|change| change.tenant != tenant);
            self.known.retain(|change| change.tenant != tenant);
        }
    }

    fn take_unless(&mut self, is_busy: impl Fn(TenantId) -> bool) -> Option<Change> {
        let at = self.order.iter().position(|change| !is_busy(change.tenant))?;
        let change = self.order.remove(at)?;
        self.known.remove(&change);
        if let Some(left) = self.of_tenant.get_mut(&change.tenant) {
            *left -= 1;
            if *left == 0 {
                self.of_tenant.remove(&change.tenant);
            }
        }
        Some(change)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::changes::What;

    fn device(tenant: u128, id: u128) -> Change {
        Change::new(TenantId(Uuid::from_u128(tenant)), What::Device(Uuid::from_u128(id)))
    }

    fn all(waiting: &mut Waiting) -> Vec<Change> {
        std::iter::from_fn(|| waiting.take_unless(|_| false)).collect()
    }

    fn covers(one: Change, other: Change) -> bool {
        one == other || one == Change::EVERYTHING || one == Change::everything_of(other.tenant)
    }

    #[test]
    fn what_waits_is_kept_once_and_in_order() {
        let mut waiting = Waiting::default();
        for change in [device(1, 1), device(2, 1), device(1, 1), device(1, 2)] {
            waiting.push(change);
        }
        let busy = device(1, 1).tenant;
        assert_eq!(waiting.take_unless(|tenant| tenant == busy), Some(device(2, 1)));
        assert_eq!(all(&mut waiting), [device(1, 1), device(1, 2)]);
        // It is taken: another one is another change.
        waiting.push(device(1, 1));
        assert_eq!(all(&mut waiting), [device(1, 1)]);
        assert!(waiting.known.is_empty() && waiting.of_tenant.is_empty());
    }

    #[test]
    fn beyond_the_limits_everything_is_read_again() {
        let mut waiting = Waiting::default();
        waiting.push(device(2, 1));
        for id in 0..TENANT_MAX as u128 + 10 {
            waiting.push(device(1, id));
        }
        let tenant = device(1, 1).tenant;
        assert_eq!(all(&mut waiting), [device(2, 1), Change::everything_of(tenant)]);
        for id in 0..=ALL_MAX as u128 {
            waiting.push(device(id + 1, 1));
        }
        waiting.push(device(1, 1));
        assert_eq!(all(&mut waiting), [Change::EVERYTHING]);
    }

    proptest! {
        /// Changes of a few tenants come and are taken in any order.
        #[test]
        fn nothing_that_was_put_in_is_forgotten(steps in proptest::collection::vec((0u128..4, 0u128..90, 0u8..40), 1..2_000)) {
            let mut waiting = Waiting::default();
            let mut owed: Vec<Change> = Vec::new();
            for (tenant, id, kind) in steps {
                let of = device(tenant, id);
                match kind {
                    0 => {
                        if let Some(taken) = waiting.take_unless(|_| false) {
                            owed.retain(|change| !covers(taken, *change));
                        }
                    }
                    1 => {
                        waiting.push(Change::everything_of(of.tenant));
                        owed.push(Change::everything_of(of.tenant));
                    }
                    _ => {
                        waiting.push(of);
                        owed.push(of);
                    }
                }
                prop_assert!(waiting.order.len() <= 4 * TENANT_MAX);
            }
            for taken in all(&mut waiting) {
                owed.retain(|change| !covers(taken, *change));
            }
            prop_assert_eq!(owed, Vec::<Change>::new());
        }
    }
}
