//! Whether connections are still good: looked at when changes of other servers may have been missed. What a connection was opened with is
//! known by the version of its device's credentials.

use std::sync::atomic::Ordering;
use std::time::Duration;

use model::{DeviceId, TenantId};
use storage::StorageError;

use crate::CloseReason;
use crate::manager::{Sessions, Versions};

/// Between two devices that are looked at.
const EVERY: Duration = Duration::from_millis(1);

impl Sessions {
    /// From now on is remembered which version of its device's credentials a connection was opened with: one more look into the store for
    /// each. A server that runs alone needs none, since it hears of every change.
    pub fn remember_credentials(&self) {
        self.0.remembers.store(true, Ordering::Relaxed);
    }

    /// Ends connections whose device is gone, or has other credentials than when they were opened: those of a tenant, or all. Looks at one
    /// each millisecond.
    ///
    /// # Errors
    /// When the store cannot be read; those before have been looked at.
    pub async fn revisit(&self, tenant: Option<TenantId>) -> Result<(), StorageError> {
        for (device, opened_with) in self.ask_manager(Versions(tenant)).await.unwrap_or_default() {
            let now = self.credentials_version(device).await?;
            if now.is_none() || opened_with.is_some_and(|version| now != Some(version)) {
                self.close_device(device, CloseReason::Administrative).await;
            }
            tokio::time::sleep(EVERY).await;
        }
        Ok(())
    }

    /// What a connection that opens now is opened with, if that is remembered.
    pub(crate) async fn opened_with(&self, device: DeviceId) -> Option<u64> {
        if !self.0.remembers.load(Ordering::Relaxed) {
            return None;
        }
        // What cannot be read now is not known later either: such a connection ends only with its device.
        self.credentials_version(device).await.ok().flatten()
    }

    async fn credentials_version(&self, device: DeviceId) -> Result<Option<u64>, StorageError> {
        let found = self.store().credentials_of(device).await?;
        Ok(found.map(|found| found.version.unwrap_or(1)))
    }
}
