//! What becomes known of a device: whether it is there.

/// Something that says whether a device is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PresenceEvent {
    /// It has connected.
    Connected,
    /// It has gone.
    Disconnected,
    /// It has said something.
    Active,
    /// It says nothing any more.
    Inactive,
}
