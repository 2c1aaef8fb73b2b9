//! Keys with a password are opened beside: it takes a processor for up to a second, and cannot be called off.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::connect::Trust;
use crate::error::EgressError;
use crate::places::Tenant;
use crate::tls::Tls;

/// Opens keys of many, some at one time.
pub(crate) struct Keys {
    places: Arc<Semaphore>,
}

impl Default for Keys {
    /// Half of the processors are left to everything else.
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Keys {
            places: Arc::new(Semaphore::new((processors / 2).max(1))),
        }
    }
}

impl Keys {
    /// Whom a conversation believes and what it shows, as [`Trust::with`] has it. Both places stay taken until the key is open, even when
    /// nobody waits any more.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn open(&self, trust: &Trust, tls: &Tls, tenant: &Tenant) -> Result<Trust, EgressError> {
        let of_tenant = tenant.key().await;
        let of_all = Arc::clone(&self.places).acquire_owned().await;
        let (trust, tls) = (trust.clone(), tls.clone());
        let opening = tokio::task::spawn_blocking(move || {
            let _places = (of_tenant, of_all);
            trust.with(Some(&tls))
        });
        let stopped = |_| Err(EgressError::Invalid("the client's key was not opened: the server stops".to_owned()));
        opening.await.unwrap_or_else(stopped)
    }
}
