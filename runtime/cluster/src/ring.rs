//! Which peer owns a device. Pure: the same on every peer at the same epoch.

use model::DeviceId;

/// A server of the cluster. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub u64);

/// Counts changes of the member list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub u64);

/// The owner of a device at an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Who.
    pub peer: PeerId,
    /// Since which member list.
    pub epoch: Epoch,
}

/// Names owners.
pub trait Ring: Send + Sync + 'static {
    /// The owner of a device now.
    fn owner(&self, device: DeviceId) -> Owner;

    /// This server.
    fn local(&self) -> PeerId;
}

/// The ring of a server that runs alone: it owns everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct SinglePeer;

impl Ring for SinglePeer {
    fn owner(&self, _: DeviceId) -> Owner {
        Owner {
            peer: PeerId(1),
            epoch: Epoch(1),
        }
    }

    fn local(&self) -> PeerId {
        PeerId(1)
    }
}
