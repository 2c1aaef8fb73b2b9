//! What is wrong with a rule chain, and where.

/// A defect of a chain as its author wrote it. The text names the node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// Too many of something.
    #[error("{count} {what} are more than the {max} allowed")]
    TooMany {
        /// Nodes or connections.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// There is no such node type.
    #[error("node {index} ({name:?}): unknown node type {class_id:?}")]
    UnknownType {
        /// Position in the list of nodes.
        index: usize,
        /// Name of the node.
        name: String,
        /// The type asked for.
        class_id: String,
    },
    /// The node type refuses its configuration.
    #[error("node {index} ({name:?}): {reason}")]
    Configuration {
        /// Position in the list of nodes.
        index: usize,
        /// Name of the node.
        name: String,
        /// In the words of the node type.
        reason: String,
    },
    /// The first node is none of the nodes.
    #[error("the first node {index} is none of the {count} nodes")]
    FirstNode {
        /// The index given.
        index: usize,
        /// How many nodes there are.
        count: usize,
    },
    /// A connection leads from or to a node that is not there.
    #[error("connection {connection} ({relation:?}) names node {index}, but there are {count} nodes")]
    NoSuchNode {
        /// Position in the list of connections.
        connection: usize,
        /// Its relation.
        relation: String,
        /// The index given.
        index: usize,
        /// How many nodes there are.
        count: usize,
    },
    /// The node type never sends messages along the relation.
    #[error("connection {connection}: node {index} ({name:?}) has no relation {relation:?}, it has {known}")]
    UnknownRelation {
        /// Position in the list of connections.
        connection: usize,
        /// The relation.
        relation: String,
        /// Where it leaves.
        index: usize,
        /// Name of that node.
        name: String,
        /// The relations there are.
        known: String,
    },
    /// The node type makes messages, and takes none.
    #[error("connection {connection} ({relation:?}): node {index} ({name:?}) takes no messages")]
    TakesNoMessages {
        /// Position in the list of connections.
        connection: usize,
        /// Its relation.
        relation: String,
        /// Where it leads.
        index: usize,
        /// Name of that node.
        name: String,
    },
    /// Messages that enter these nodes never leave them.
    #[error("a cycle without exit: messages circle for ever through {0}")]
    Cycle(String),
}
