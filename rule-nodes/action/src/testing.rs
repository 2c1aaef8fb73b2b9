//! What the tests of this crate share.

use pacificsoft_sdk::{Effect, Outcome};

/// The effect that an outcome is.
pub(crate) fn effect(outcome: Result<Outcome, String>) -> Effect {
    match outcome {
        Ok(Outcome::Effect(effect)) => effect,
        other => panic!("{other:?} is not one effect"),
    }
}
