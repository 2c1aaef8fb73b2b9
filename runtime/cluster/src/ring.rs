//! Which peer owns a device, as the [`Router`](crate::Router) asks.

use model::DeviceId;
use serde::{Deserialize, Serialize};

use crate::Changes;
use crate::ownership::Standing;

/// A server of the cluster. Never used twice: a server that lost its folder is another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PeerId(pub u64);

/// Counts changes of the member list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

/// The owner of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Who.
    pub peer: PeerId,
    /// By which member list.
    pub epoch: Epoch,
    /// With which member list the device came to it, or an older one that is the oldest remembered.
    pub since: Epoch,
}

/// Names owners.
pub trait Ring: Send + Sync + 'static {
    /// Who owns a device now, if that is known and the owner may serve it.
    fn standing(&self, device: DeviceId) -> Standing;

    /// This server.
    fn local(&self) -> PeerId;

    /// Changes whenever a standing may have changed, or lanes to another peer were closed.
    fn changes(&self) -> Changes;
}

/// The ring of a server that runs alone: it owns everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct SinglePeer;

impl Ring for SinglePeer {
    fn standing(&self, _: DeviceId) -> Standing {
        Standing::Here(Owner {
            peer: PeerId(1),
            epoch: Epoch(1),
            since: Epoch(1),
        })
    }

    fn local(&self) -> PeerId {
        PeerId(1)
    }

    fn changes(&self) -> Changes {
        Changes::NONE
    }
}
