//! Names to addresses. What a name resolves to is asked once for a request; the answer is checked, and what was checked is connected to.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::places::Tenant;

/// Look-ups of all tenants at one time: each holds a thread.
const LOOKUPS_MAX: usize = 64;

/// Knows addresses of names. Blocks.
pub trait Resolver: Send + Sync + 'static {
    /// The addresses of a name, best first.
    ///
    /// # Errors
    /// When there is none, or nobody answers.
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// Asks the operating system, as every program of the machine does.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
    }
}

/// A resolver for many at one time.
pub(crate) struct Lookups {
    resolver: Arc<dyn Resolver>,
    places: Arc<Semaphore>,
}

impl Lookups {
    pub(crate) fn new(resolver: Arc<dyn Resolver>) -> Self {
        Lookups {
            resolver,
            places: Arc::new(Semaphore::new(LOOKUPS_MAX)),
        }
    }

    /// The addresses of a name. Both places stay taken until the system has answered, even when nobody waits any more.
    ///
    /// # Errors
    /// As [`Resolver::resolve`].
    pub(crate) async fn resolve(&self, name: &str, tenant: &Tenant) -> io::Result<Vec<IpAddr>> {
        let of_tenant = tenant.lookup().await;
        let of_all = Arc::clone(&self.places).acquire_owned().await;
        let (resolver, name) = (Arc::clone(&self.resolver), name.to_owned());
        let answer = tokio::task::spawn_blocking(move || {
            let _places = (of_tenant, of_all);
            resolver.resolve(&name)
        });
        answer.await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}
