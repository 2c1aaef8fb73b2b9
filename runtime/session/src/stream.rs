//! Devices behind a stream adapter.
//!
//! The transport hands over bytes of peers and writes what comes out; the adapter, a component, understands them. In between, a
//! [`Shard`] owns an instance and the sessions of the devices it speaks for.
//!
//! 1. `timers` – pure: which timer is due,
//! 2. `device` – one device's session: a half that speaks, a half that listens,
//! 3. `places` – how many instances there may be,
//! 4. `shard` – an instance, its peers, and what happens to them,
//! 5. `acts` – carrying out what the adapter wants done.
//!
//! An instance serves one peer over TCP: a fault costs one connection. Over UDP it serves the peers of a shard. What it uses of the
//! processors is its tenant's: every call is made in a [turn](Share::turn).

mod acts;
mod device;
mod places;
mod shard;
mod timers;

use std::sync::Arc;

use plugins::{Carrier, StreamComponent, StreamContext};
use shares::{Caller, Share};

use crate::Sessions;
pub use places::{Place, PlaceLimits, Places};
pub use shard::{Happening, Output, Shard};

/// What one peer may have.
#[derive(Clone, Debug)]
pub struct PeerLimits {
    /// Devices it speaks for.
    pub devices_max: usize,
    /// Timers that run.
    pub timers_max: usize,
    /// Logins that may be refused; then the peer is ended.
    pub denials_max: u32,
}

impl PeerLimits {
    /// The usual limits.
    pub fn new(carrier: Carrier) -> Self {
        PeerLimits {
            devices_max: match carrier {
                Carrier::Tcp => 256,
                // There are many peers, and any of them may be made up.
                Carrier::Udp => 16,
            },
            timers_max: 16,
            denials_max: 8,
        }
    }
}

/// An adapter at work for a tenant: what a listener hands its peers to. Clones share everything.
#[derive(Clone)]
pub struct StreamService(pub(crate) Arc<Service>);

pub(crate) struct Service {
    pub(crate) component: StreamComponent,
    pub(crate) context: StreamContext,
    pub(crate) carrier: Carrier,
    pub(crate) limits: PeerLimits,
    pub(crate) sessions: Sessions,
    pub(crate) places: Places,
    /// Calls the adapter, in turns of its tenant.
    pub(crate) caller: Caller,
}

impl StreamService {
    /// An adapter for the devices of the context's tenant, and of no other; it uses that tenant's share of the processors.
    pub fn new(
        component: StreamComponent,
        context: StreamContext,
        carrier: Carrier,
        sessions: Sessions,
        places: Places,
        share: Arc<Share>,
    ) -> Self {
        StreamService(Arc::new(Service {
            context,
            component,
            carrier,
            limits: PeerLimits::new(carrier),
            sessions,
            places,
            caller: Caller::new(share),
        }))
    }

    /// How its peers speak.
    pub fn carrier(&self) -> Carrier {
        self.0.carrier
    }

    /// Name of the adapter.
    pub fn name(&self) -> &str {
        &self.0.context.name
    }

    /// A place for peers; its instance is made when the first one comes.
    pub fn shard(&self) -> Shard {
        Shard::new(Arc::clone(&self.0))
    }
}
