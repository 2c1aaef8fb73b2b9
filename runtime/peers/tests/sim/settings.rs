//! What a server keeps in memory of what is stored, and reads again when another one has changed it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cluster::{Applier, Change, NotApplied, What};
use model::TenantId;
use parking_lot::Mutex;
use uuid::Uuid;

use crate::chance::fate;
use crate::store::Store;

/// How long reading may take.
const READ_MS_MAX: u64 = 20;

/// Clones share everything.
#[derive(Clone)]
pub struct Memory {
    seed: u64,
    store: Store,
    known: Arc<Mutex<BTreeMap<(u64, u64), u64>>>,
}

/// A setting of a tenant, as a change names it.
pub fn change_of(tenant: u64, setting: u64) -> Change {
    let tenant = TenantId(Uuid::from_u128(1_000 + u128::from(tenant)));
    Change::new(tenant, What::Device(Uuid::from_u128(setting.into())))
}

fn is_covered(change: Change, tenant: u64, setting: u64) -> bool {
    let own = change_of(tenant, setting);
    [own, Change::everything_of(own.tenant), Change::EVERYTHING].contains(&change)
}

impl Memory {
    /// All that is stored now.
    pub fn read(seed: u64, store: Store) -> Self {
        let known = Arc::new(Mutex::new(store.settings()));
        Memory { seed, store, known }
    }

    /// This server has changed something itself.
    pub fn has_changed(&self, tenant: u64, setting: u64, version: u64) {
        self.known.lock().insert((tenant, setting), version);
    }

    /// Whether it is as what is stored.
    pub fn is_true(&self) -> bool {
        *self.known.lock() == self.store.settings()
    }
}

#[async_trait]
impl Applier for Memory {
    async fn apply(&self, change: Change) -> Result<(), NotApplied> {
        let about = [3, change.tenant.0.as_u128() as u64, self.store.now_ms()];
        tokio::time::sleep(Duration::from_millis(fate(self.seed, &about, READ_MS_MAX))).await;
        let stored = self.store.settings();
        let read = stored
            .into_iter()
            .filter(|((tenant, setting), _)| is_covered(change, *tenant, *setting));
        self.known.lock().extend(read);
        Ok(())
    }
}
