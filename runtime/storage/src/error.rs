//! What can go wrong, by what the caller can do about it.

/// A store's refusal or failure.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StorageError {
    /// Another entity of the kind has the name. The user chooses another one.
    #[error("the name {0:?} is taken")]
    NameTaken(String),
    /// Other credentials have the id. The user chooses another one.
    #[error("the credentials id is taken")]
    CredentialsTaken,
    /// Somebody saved in between. The user loads and tries again.
    #[error("version {given} is not the stored version {stored}")]
    VersionConflict {
        /// What the change was based on.
        given: u64,
        /// What is stored.
        stored: u64,
    },
    /// There is no such entity.
    #[error("no such entity")]
    NotFound,
    /// What is to be stored does not fit where it is to be stored; the text says why. Whoever configured it changes it.
    #[error("{0}")]
    Unfit(String),
    /// The store is shutting down or overloaded: nothing was written. The caller may try again.
    #[error("the store takes no more work: {0}")]
    Unavailable(&'static str),
    /// The store failed: an operator must act.
    #[error("the store failed: {0}")]
    Failed(String),
    /// What is stored cannot be read: an operator must act.
    #[error("stored data cannot be read: {0}")]
    Corrupt(String),
}
