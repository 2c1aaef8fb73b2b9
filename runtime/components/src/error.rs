//! What can go wrong, by what the caller can do about it.

use plugins::Refusal;
use storage::StorageError;

use crate::serving::Misfit;

/// Why something was not done with a component.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ComponentError {
    /// The upload is not taken: its author changes it.
    #[error("The component is refused: {0}")]
    Refused(#[from] Refusal),
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// There is no such component or version.
    #[error("{0}")]
    NotFound(String),
    /// It cannot be done as things are: something else comes first.
    #[error("{0}")]
    Conflict(String),
    /// Nodes do not open with the version: the one before goes on.
    #[error("The version was not activated, the one before goes on serving: {}", told(.0))]
    Misfits(Vec<Misfit>),
    /// The tenant has as much as it may have.
    #[error("{0}")]
    Quota(String),
    /// Too many components are being compiled.
    #[error("too many components are being admitted: try again in a moment")]
    Busy,
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Something is wrong on this machine: an operator must act.
    #[error("{0}")]
    Host(String),
}

impl ComponentError {
    pub(crate) fn no_component(name: &str) -> Self {
        ComponentError::NotFound(format!("Component [{name}] is not found"))
    }

    pub(crate) fn no_version(name: &str, version: impl std::fmt::Display) -> Self {
        ComponentError::NotFound(format!("Component [{name}] has no version [{version}]"))
    }
}

/// Misfits told at most.
const TOLD_MAX: usize = 20;

fn told(misfits: &[Misfit]) -> String {
    let mut words: Vec<String> = misfits.iter().take(TOLD_MAX).map(ToString::to_string).collect();
    if misfits.len() > TOLD_MAX {
        words.push(format!("and {} more", misfits.len() - TOLD_MAX));
    }
    words.join("; ")
}
