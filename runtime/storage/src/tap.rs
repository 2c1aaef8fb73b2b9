//! The port through which a store tells what has become durable.

use crate::Mutation;

/// Is told of each batch that has become durable, in that order, before the batch's [`Commit`](crate::Commit) resolves. Batches that
/// failed are not told of. Of a batch's [`Mutation::OnlyTold`] nothing is durable, and [`Mutation::Untold`] is nobody's news. Called where the store writes: it must be quick, and wait for nobody.
pub trait Tap: Send + Sync + 'static {
    /// This is durable.
    fn saved(&self, batch: &[Mutation]);
}
