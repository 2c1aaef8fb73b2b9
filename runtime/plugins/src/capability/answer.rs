//! Interface `answer`: what a node hands over when it has more to say than the number of a relation.

use crate::bindings::answer::Host;
use crate::bindings::outcome::Outcome;
use crate::guest::{Answer, Guest};

impl crate::bindings::entity::Host for Guest {}
impl crate::bindings::outcome::Host for Guest {}

impl Host for Guest {
    fn decide(&mut self, outcome: Outcome) -> wasmtime::Result<()> {
        self.answer = Some(Answer::Outcome(outcome));
        Ok(())
    }

    fn fail(&mut self, reason: String) -> wasmtime::Result<()> {
        self.answer = Some(Answer::Failure(reason));
        Ok(())
    }
}
