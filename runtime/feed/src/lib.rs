//! The live feed: who watches an entity is told what is saved of it, as soon as it is durable.
//!
//! ```text
//! store: a batch is durable → Feed::saved → table: who watches? → Outbox of a session here
//!                                                               └ Link to a peer → its Feed::came → Outboxes there
//! ```
//!
//! It is fed by the store ([`storage::Tap`]) and not by those who save: whatever way a value takes – a node's effect, a request of a user, a
//! device's actor – it becomes durable there, in the order in which everybody else sees it, and nothing has to be remembered at each of
//! these places.
//!
//! *Invariant: a watcher is told what has become durable since it watches, or is told that it has [missed](News::Missed) something, and
//! then reads what is newest.* A watcher that begins first watches, then reads what is stored; what lies between the two it may see twice.
//!
//! Nobody waits for a watcher. What waits for one is bounded: a session's [`Outbox`] that is full is closed, a peer's [`Link`] that is full
//! forgets the oldest and says so.
//!
//! Reading order:
//!
//! 1. [`update`] – what can be told of an entity,
//! 2. [`interest`] – what a watcher wants to be told,
//! 3. `table` – who watches what, pure,
//! 4. [`outbox`] – what waits for a session of this server,
//! 5. [`link`] – what waits for another server, and what that one watches,
//! 6. [`feed`] – all of them, shared.
//!
//! This crate knows no user, no right, no network and no form in which a value is shown.

pub mod feed;
pub mod interest;
pub mod link;
pub mod outbox;
mod table;
pub mod update;

pub use feed::{Feed, Full, Watch};
pub use interest::{Interest, Wanted};
pub use link::{Link, Say};
pub use outbox::{Outbox, OutboxLimits, Told, WatchId};
pub use update::{News, Update};
