//! What can go wrong between peers.

/// Bytes of another peer that make no sense: a fault of one of the two, or another version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// A part that is always there is missing, or one that nobody knows is there.
    #[error("{0} is missing, or of a kind that is not known")]
    Unknown(&'static str),
    /// An id is not 16 bytes.
    #[error("an id of {0} bytes")]
    Id(usize),
    /// A document is not what it should be.
    #[error("a document that cannot be read: {0}")]
    Document(String),
}

/// Why peers cannot speak.
#[derive(Debug, thiserror::Error)]
pub enum PeersError {
    /// Certificates or keys are not what they should be.
    #[error("the cluster's certificates cannot be used: {0}")]
    Certificates(String),
    /// Another peer cannot be reached.
    #[error("{0} cannot be reached")]
    Unreachable(String, #[source] tonic::transport::Error),
    /// The address cannot be served.
    #[error("{0} cannot be served")]
    Address(std::net::SocketAddr, #[source] std::io::Error),
}
