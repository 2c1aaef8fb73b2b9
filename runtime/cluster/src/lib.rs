//! Who serves a device, and how a delivery gets there.
//!
//! Sessions hold connections, device actors own devices; between them stands the [`Router`]: the ring names the owner, a lane leads
//! there. Reading order:
//!
//! 1. [`delivery`] – what a session hands over, and [`delivery::SessionLink`], the way back,
//! 2. [`receipt`] – how the sender learns that everything it handed over is durable; [`hold`] – how a device waits for that,
//! 3. [`ring`] – which peer owns a device,
//! 4. [`router`] – from a device to the lane of its actor.
//!
//! A server that runs alone owns everything ([`SinglePeer`]). In a cluster there is more, all of it pure but for the last:
//!
//! 5. [`members`] – the peers, as all of them agree,
//! 6. [`hash_ring`] – from members to owners,
//! 7. [`lease`] – for how long a peer may own without hearing of the others,
//! 8. [`ownership`] – what a peer may do with a device now, while devices move,
//! 9. [`place`] – the same, shared by all who ask; [`news`] – and by those who wait.
//!
//! Beside all that, [`changes`]: what one server changes in the store reaches what the others have in memory; and [`usage`]: what a tenant
//! uses through one server counts on the others.
//!
//! This crate knows no protocol, no rule and no network; device actors reach it through the port [`router::Devices`], other peers through
//! [`router::Remotes`].

pub mod changes;
pub mod delivery;
pub mod hash_ring;
pub mod hold;
pub mod lease;
pub mod members;
pub mod news;
pub mod ownership;
pub mod place;
pub mod receipt;
pub mod ring;
pub mod router;
pub mod usage;

pub use changes::{Announcer, Applier, Applying, Backlog, Change, NotApplied, What};
pub use delivery::{
    Answer, Call, DEVICE_LANE_CAPACITY, Delivery, DeviceLane, Keep, Notice, RpcError, RpcReply, RpcRequest, SessionId, SessionLink, Untold,
};
pub use hash_ring::HashRing;
pub use hold::{Hold, Holds};
pub use lease::{Lease, LeaseTiming};
pub use members::{Members, PeerRecord, PeerState};
pub use news::{Changes, News, NoChanges};
pub use ownership::{Ownership, Pending, Standing};
pub use place::Place;
pub use receipt::{Receipt, SettleError, Settled};
pub use ring::{Epoch, Owner, PeerId, Ring, SinglePeer};
pub use router::{Devices, Remotes, RouteError, Router, Staying};
pub use usage::{Tally, Usage, UsageTeller, Used};
