//! What one server changes must reach the others: each of them has things in memory that are stored, and goes on with them until it is told.
//!
//! Who changes something stores it, then *announces* it ([`Announcer`]), then brings its own memory in line. The others bring theirs in
//! line with the store by the same functions ([`Applier`]) and announce nothing. A change says what has to be read again, never what it
//! is now: whatever comes late, twice or in another order is harmless, and the store alone decides.
//!
//! What a server keeps in memory of what is stored, who keeps it, and which change has it read again:
//!
//! | what | kept by | change |
//! |---|---|---|
//! | rule chains, entrances | `tenant::App`, `ChainTable` | [`What::RuleChains`] |
//! | active versions of components, their catalog, suspensions, permitted secrets; by them adapters and what listeners run | `components::Components` | [`What::Components`] |
//! | what a tenant may have by its profile: places of instances, processor time | `components`, `shares` | [`What::Limits`] |
//! | name, type, customer and chain of a device that is awake; how long it may say nothing | `device::Registry` | [`What::Device`] |
//! | requests kept for a device, its presence | its actor, on the owner alone; changed through its lane | none |
//! | which device a connection is of, since it presented credentials | `session::Sessions` | [`What::Credentials`], [`What::DeviceDeleted`] |
//! | adapters and topics that profiles name | `session::Adapters` | [`What::DeviceProfiles`] |
//! | the chain that its profile names, in the actor of a device | `device::Registry` | [`What::DeviceProfiles`] |
//! | listeners that run, and their ports | the server's listeners | [`What::Listener`] |
//! | when devices that sleep are woken | `device::Wakeups`, on the owner alone; read again when devices move | none |
//! | shared attributes | nobody: what is news is pushed through the device's lane, wherever its owner is | none |
//! | secrets, servers outside that may be reached | nobody today: read for each request; what keeps connections by them hears of | [`What::Outside`] |
//! | logins, from when their tokens are good | sessions of the live feed; others read them for each request | [`What::User`] |
//! | whose a device is that is watched | sessions of the live feed | [`What::Device`], [`What::DeviceDeleted`] |
//! | rates of devices, keys and certificates of listeners | configuration, not stored; what tenants have used of theirs travels by itself ([`crate::usage`]) | none |
//!
//! Who asks for a change gets the answer when it is stored and announced, not when it is applied everywhere. Until then others go on with
//! what they had: for the time of one way between two servers, plus what is being applied of the same tenant – reading, mostly, and
//! seconds for a component that has to be compiled there first. A server whose connection is broken has it when it is connected again;
//! one that is cut off, when it is back.
//!
//! Whoever may have missed something has everything read again ([`What::Everything`]): a server after a session with a peer began
//! without going on where the last one stopped, and after a peer was given up, which may have taken announcements with it.
//!
//! [`backlog`] is what waits, bounded; [`applying`] takes it from there. Knows no network.

pub mod applying;
pub mod backlog;

use async_trait::async_trait;
use model::{DeviceId, TenantId};
use uuid::Uuid;

pub use applying::Applying;
pub use backlog::Backlog;

/// Something that is stored was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Change {
    /// Whose it is. The system's concerns everybody.
    pub tenant: TenantId,
    /// What has to be read again.
    pub what: What,
}

/// What has to be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// All that is in memory of the tenant; of the system: all there is.
    Everything,
    /// A rule chain was saved, deleted or made the root.
    RuleChains,
    /// Another version of a component is active, or it is suspended, or may use other secrets.
    Components,
    /// The tenant's profile has changed, or it has another one; of the system: that of any tenant.
    Limits,
    /// A device profile was saved or deleted.
    DeviceProfiles,
    /// A device's record was saved, or how long it may say nothing.
    Device(Uuid),
    /// A device is gone.
    DeviceDeleted(Uuid),
    /// A device has other credentials: whoever is connected with the old ones has to connect again.
    Credentials(Uuid),
    /// A listener was created, switched on or off, or deleted.
    Listener(Uuid),
    /// A secret, or the servers outside that may be reached.
    Outside,
    /// A user's login, or from when its tokens are good.
    User(Uuid),
}

impl Change {
    /// Of a tenant.
    pub fn new(tenant: TenantId, what: What) -> Self {
        Change { tenant, what }
    }

    /// Of a device.
    pub fn of(device: DeviceId, what: impl FnOnce(Uuid) -> What) -> Self {
        Change::new(device.tenant, what(device.id))
    }

    /// All that is in memory of a tenant.
    pub fn everything_of(tenant: TenantId) -> Self {
        Change::new(tenant, What::Everything)
    }

    /// All there is.
    pub const EVERYTHING: Change = Change {
        tenant: TenantId::SYSTEM,
        what: What::Everything,
    };
}

/// The way to the other servers.
pub trait Announcer: Send + Sync + 'static {
    /// Tells every other server that is alive, as soon as each can be told. Called when the change is stored; never waits.
    fn announce(&self, change: Change);
}

/// Brings what this server has in memory in line with what is stored.
#[async_trait]
pub trait Applier: Send + Sync + 'static {
    /// Reads again what a change of another server concerns. Announces nothing.
    ///
    /// # Errors
    /// [`NotApplied`]: it is tried again later.
    async fn apply(&self, change: Change) -> Result<(), NotApplied>;
}

/// What is stored could not be read, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a change of another server was not applied: {0}")]
pub struct NotApplied(pub String);
