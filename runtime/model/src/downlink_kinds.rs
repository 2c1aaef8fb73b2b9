//! What a session has subscribed to, as a small set.

use crate::DownlinkKind;

/// A set of kinds of downlinks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DownlinkKinds(u16);

impl DownlinkKinds {
    /// No kind.
    pub const NONE: DownlinkKinds = DownlinkKinds(0);
    /// Every kind.
    pub const ALL: DownlinkKinds = DownlinkKinds(u16::MAX);

    /// A bit for each kind, for other servers: never changes.
    pub fn bits(self) -> u16 {
        self.0
    }

    /// The set of some bits.
    pub fn from_bits(bits: u16) -> Self {
        DownlinkKinds(bits)
    }

    /// Whether a kind is one of them.
    pub fn contains(self, kind: DownlinkKind) -> bool {
        self.0 & bit(kind) != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

fn bit(kind: DownlinkKind) -> u16 {
    1 << (kind as u16)
}

impl FromIterator<DownlinkKind> for DownlinkKinds {
    fn from_iter<I: IntoIterator<Item = DownlinkKind>>(kinds: I) -> Self {
        DownlinkKinds(kinds.into_iter().fold(0, |all, kind| all | bit(kind)))
    }
}

impl From<DownlinkKind> for DownlinkKinds {
    fn from(kind: DownlinkKind) -> Self {
        DownlinkKinds(bit(kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_what_it_was_made_of() {
        let both = [DownlinkKind::Attributes, DownlinkKind::RpcRequest]
            .into_iter()
            .collect::<DownlinkKinds>();
        for (kinds, kind, contained) in [
            (DownlinkKinds::NONE, DownlinkKind::RpcRequest, false),
            (DownlinkKinds::ALL, DownlinkKind::RpcResponse, true),
            (DownlinkKind::RpcRequest.into(), DownlinkKind::RpcRequest, true),
            (DownlinkKind::RpcRequest.into(), DownlinkKind::Attributes, false),
            (both, DownlinkKind::Attributes, true),
            (both, DownlinkKind::AttributeResponse, false),
            (DownlinkKind::ChildRefused.into(), DownlinkKind::ChildRefused, true),
            (DownlinkKind::ChildRefused.into(), DownlinkKind::AttributeResponse, false),
            (DownlinkKinds::ALL, DownlinkKind::ChildRefused, true),
        ] {
            assert_eq!(kinds.contains(kind), contained, "{kinds:?} {kind:?}");
        }
    }
}
