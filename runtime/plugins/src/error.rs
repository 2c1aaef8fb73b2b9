//! What can go wrong with a guest, by whose fault it is.

/// A guest broke a limit or trapped. Its instance is lost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It did not return in time.
    #[error("the component used more than its {budget_ms} ms of processor time")]
    Time {
        /// Time it had.
        budget_ms: u32,
    },
    /// It wanted more memory than it may have.
    #[error("the component wanted more than its {limit_bytes} bytes of memory")]
    Memory {
        /// Memory it may have.
        limit_bytes: usize,
    },
    /// It called itself too deeply.
    #[error("the component used up its stack")]
    Stack,
    /// It handed over too much at once.
    #[error("the component handed over more than {limit_bytes} bytes at once")]
    Output {
        /// Bytes it may hand over.
        limit_bytes: usize,
    },
    /// It failed in another way: a panic, a division by zero, …
    #[error("the component trapped: {0}")]
    Trap(String),
    /// It asked for what is stored, and the store did not answer. Its call ends, as there is no answer that it could be given.
    #[error("the platform could not answer the component: {0}")]
    Unanswered(String),
}

impl Fault {
    /// Whether the component is to blame.
    pub fn is_its_own(&self) -> bool {
        !matches!(self, Fault::Unanswered(_))
    }
}

/// Ends a guest's call: the platform has no answer, with the reason.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unanswered(pub(crate) String);

impl Unanswered {
    /// As the error of a host function.
    pub(crate) fn end(reason: String) -> wasmtime::Error {
        wasmtime::Error::new(Unanswered(reason))
    }
}

/// Why a message was not decided about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProcessError {
    /// The node says no, or its answer makes no sense. The instance goes on.
    #[error("{0}")]
    Rejected(String),
    /// The instance is lost.
    #[error(transparent)]
    Broken(#[from] Fault),
}

/// Why a node was not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The node type refuses the configuration.
    #[error("the configuration is refused: {0}")]
    Configuration(String),
    /// The component failed while opening.
    #[error(transparent)]
    Broken(#[from] Fault),
    /// The host has no place for another instance.
    #[error("no instance could be made: {0}")]
    NoInstance(String),
}

/// Why a component was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// It is larger than a component may be.
    #[error("a component of {len} bytes is larger than the {max} allowed")]
    TooLarge {
        /// Bytes it has.
        len: usize,
        /// Bytes it may have.
        max: usize,
    },
    /// It is no valid component.
    #[error("not a valid component: {0}")]
    Invalid(String),
    /// It imports or exports what the contract does not know.
    #[error("the component does not fit the contract: {0}")]
    Contract(String),
    /// It says something impossible about itself.
    #[error("the component's description is refused: {0}")]
    Description(String),
    /// It failed while describing itself.
    #[error(transparent)]
    Broken(#[from] Fault),
    /// Something is wrong on this machine.
    #[error("the component host failed: {0}")]
    Host(String),
}

/// Why a payload was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No such topic or path.
    #[error("no such topic or path")]
    UnknownAddress,
    /// The payload is not what belongs there.
    #[error("{0}")]
    Malformed(String),
    /// The adapter failed, not the device.
    #[error("the protocol adapter failed: {0}")]
    Adapter(String),
}
